//! The share of each statistical area's people who are registered with each practice. The shares
//! are computed from published registrations, read from a table that another program modelled or,
//! if there is neither, estimated with a gravity model.
//!
//! In the gravity model, the share of a statistical area's people who are registered with a practice is
//! proportional to
//!
//! ```text
//! list size × exp(−2.5 · d^0.6)
//! ```
//!
//! where `d` is the distance in kilometres from the centroid of the area's live postcodes to the
//! nearest of the practice's premises. Practices beyond a barrier, such as water or hills that
//! people do not cross, are omitted.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use jiff::civil::Date;

use super::config::{GravityModel, RegistrationBarrier, SharesConfig};
use super::source_report::{RowTally, SourceReport};
use super::sources::{
    SourceData, StatisticalArea, UNLISTED_PRACTICE, display_path, matches_filter,
};
use crate::import::practice_list::PracticeRecord;
use crate::import::registrations::RegistrationCount;
use crate::import::{registration_shares, registrations};
use catchment_core::domain::{
    BritishGrid, OdsCode, PatientCount, PracticeStatus, Provenance, date_from_iso,
};

const DECAY: f64 = 2.5;
const DECAY_EXPONENT: f64 = 0.6;

/// For each statistical area, the practices with which its people are registered, and the share of
/// each practice. The areas are in order of code.
pub(super) struct RegistrationShares {
    /// For each statistical area, the unrounded share of each practice. A share is a proportion of
    /// the people whose registration is known.
    pub(super) by_area: BTreeMap<String, Vec<(OdsCode, f64)>>,
    /// The number of registered patients in each statistical area. Empty if the shares are
    /// modelled.
    pub(super) patients: BTreeMap<String, u32>,
    /// Whether the shares are derived from registrations or modelled.
    pub(super) provenance: Provenance,
}

impl RegistrationShares {
    /// Computes the shares that the configuration describes. A model includes the practices that
    /// are active on `day`.
    pub(super) fn new(
        config: &SharesConfig,
        sources: &mut SourceData,
        day: Date,
    ) -> Result<RegistrationShares> {
        match (&config.registrations, &config.table, &config.model) {
            (Some(file), None, None) => shares_from_registrations(config, file, sources, day),
            (None, Some(file), None) => shares_from_table(config, file, sources),
            (None, None, Some(model)) => shares_from_model(config, model, sources, day),
            _ => bail!(
                "shares `{}`: give one of `registrations`, `table` and `model`",
                config.name
            ),
        }
    }
}

/// The properties of an active practice that the model uses.
struct ModelPractice {
    code: OdsCode,
    list_size: u32,
    community: Option<String>,
    /// The positions of the practice's premises. Never empty.
    premises: Vec<BritishGrid>,
}

/// The properties of a statistical area that the model uses.
struct ModelArea<'a> {
    district: &'a str,
    centre: BritishGrid,
}

/// Computes the shares from published registrations. If a practice has closed, its patients are
/// counted as patients of the practice that is its successor on `day`.
fn shares_from_registrations(
    config: &SharesConfig,
    file: &Path,
    sources: &mut SourceData,
    day: Date,
) -> Result<RegistrationShares> {
    let (registrations, report) = registrations::read(&mut sources.open_source_files(file)?)?;
    let extracted = report.vintage.as_deref().map(date_from_iso).transpose()?;
    let purpose = format!("shares `{}`", config.name);
    let mut report = SourceReport::from_import(display_path(file), &purpose, &report);
    let people: u64 = registrations
        .iter()
        .map(|row| u64::from(row.patients))
        .sum();
    *report.people_read.get_or_insert(0) += people;
    let (mut without_boundary, mut unlisted) = (RowTally::default(), RowTally::default());
    let (mut elsewhere, mut not_selected) = (RowTally::default(), RowTally::default());
    let has_practices = !sources.listed_practices.is_empty();
    let mut counts: BTreeMap<String, BTreeMap<OdsCode, u32>> = BTreeMap::new();
    for row in registrations {
        let practice = sources.successor_on(row.practice, day);
        let Some(area) = sources.statistical_areas.get(&row.statistical_area) else {
            // A national file contains many rows for practices and areas outside the dataset.
            let tally = if is_selected_practice(sources, config, practice) {
                add_patients(sources, &row, extracted);
                &mut without_boundary
            } else {
                &mut elsewhere
            };
            tally.add_people(row.patients, || row.statistical_area.clone());
            continue;
        };
        if !matches_filter(area.sub_icb.as_ref(), &config.sub_icb) {
            not_selected.add_people(row.patients, || row.statistical_area.clone());
            continue;
        }
        if has_practices && !sources.listed_practices.contains(&practice) {
            unlisted.add_people(row.patients, || practice.to_string());
        }
        add_patients(sources, &row, extracted);
        *counts
            .entry(row.statistical_area)
            .or_default()
            .entry(practice)
            .or_default() += row.patients;
    }
    report.not_needed(
        "practices and statistical areas that the dataset does not have",
        elsewhere,
    );
    report.not_needed(
        "the shares are not of the area's sub-ICB location",
        not_selected,
    );
    let reason = "the statistical area has no boundary in the dataset";
    report.lost(reason, without_boundary);
    report.not_needed(UNLISTED_PRACTICE, unlisted);
    sources.reports.push(report);
    let mut shares = RegistrationShares {
        by_area: BTreeMap::new(),
        patients: BTreeMap::new(),
        provenance: Provenance::Derived,
    };
    for (code, counts) in counts {
        let total: u32 = counts.values().sum();
        let parts = counts
            .into_iter()
            .map(|(code, count)| (code, f64::from(count) / f64::from(total)));
        shares.by_area.insert(code.clone(), parts.collect());
        shares.patients.insert(code, total);
    }
    Ok(shares)
}

/// Adds a published number of patients to the numbers of the dataset. Several shares may be
/// computed from one file, but its numbers are added only once.
fn add_patients(sources: &mut SourceData, row: &RegistrationCount, as_of: Option<Date>) {
    // The importer checks the code, and finds the date in the first row of the file.
    let (Ok(statistical_area), Some(as_of)) = (row.statistical_area.parse(), as_of) else {
        return;
    };
    let new = PatientCount {
        practice: row.practice,
        statistical_area,
        as_of,
        patients: row.patients,
    };
    let key = (statistical_area, row.practice);
    let known = sources.patient_counts.entry(key);
    let count = known.or_insert_with(|| new.clone());
    if count.as_of < as_of {
        *count = new;
    }
}

/// Returns whether a practice is in the dataset and in the sub-ICB locations of the shares.
fn is_selected_practice(sources: &SourceData, config: &SharesConfig, code: OdsCode) -> bool {
    sources
        .find_practice(code)
        .is_some_and(|record| matches_filter(record.practice.sub_icb.as_ref(), &config.sub_icb))
}

/// Reads modelled shares. Omits the shares of statistical areas that are not in the dataset or not
/// selected. A remark states the number of selected statistical areas without shares, and the
/// number of rows with unknown statistical areas.
fn shares_from_table(
    config: &SharesConfig,
    file: &Path,
    sources: &mut SourceData,
) -> Result<RegistrationShares> {
    let mut by_area = registration_shares::read(&display_path(file), &sources.read_bytes(file)?)?;
    let is_selected =
        |area: &StatisticalArea| matches_filter(area.sub_icb.as_ref(), &config.sub_icb);
    let (mut unknown_rows, mut not_selected) = (RowTally::default(), RowTally::default());
    let mut row_count = 0;
    for (code, parts) in &by_area {
        row_count += parts.len();
        let tally = match sources.statistical_areas.get(code) {
            None => &mut unknown_rows,
            Some(area) if !is_selected(area) => &mut not_selected,
            Some(_) => continue,
        };
        parts.iter().for_each(|_| tally.add(|| code.clone()));
    }
    let unknown = unknown_rows.rows();
    let mut report = SourceReport::new(
        display_path(file),
        &format!("shares `{}`", config.name),
        row_count,
    );
    report.not_needed(
        "the shares are not of the area's sub-ICB location",
        not_selected,
    );
    report.lost(
        "the statistical area has no boundary in the dataset",
        unknown_rows,
    );
    sources.reports.push(report);
    by_area.retain(|code, _| sources.statistical_areas.get(code).is_some_and(is_selected));
    let selected = sources.statistical_areas.iter();
    let missing = selected
        .filter(|(code, area)| is_selected(area) && !by_area.contains_key(*code))
        .count() as u64;
    for (count, what) in [
        (
            unknown,
            "rows refer to statistical areas that are not in the dataset",
        ),
        (missing, "statistical areas have no shares"),
    ] {
        if count > 0 {
            let remark = format!("shares `{}`: {count} {what}", config.name);
            sources.remarks.push(remark);
        }
    }
    Ok(RegistrationShares {
        by_area,
        patients: BTreeMap::new(),
        provenance: Provenance::Modelled,
    })
}

fn shares_from_model(
    config: &SharesConfig,
    model: &GravityModel,
    sources: &SourceData,
    day: Date,
) -> Result<RegistrationShares> {
    let practices = model_practices(config, sources, day);
    let centres = sources.postcode_centroids()?;
    let is_modelled =
        |area: &StatisticalArea| matches_filter(area.sub_icb.as_ref(), &config.sub_icb);
    let areas = sources
        .statistical_areas
        .iter()
        .filter(|(_, area)| is_modelled(area));
    let by_area = areas.map(|(code, area)| {
        let area = ModelArea {
            district: area.district(),
            centre: centres[code.as_str()],
        };
        (code.clone(), model_shares(&area, &practices, model))
    });
    Ok(RegistrationShares {
        by_area: by_area.collect(),
        patients: BTreeMap::new(),
        provenance: Provenance::Modelled,
    })
}

/// Returns the practices that are active on `day`, with their premises.
fn model_practices(config: &SharesConfig, sources: &SourceData, day: Date) -> Vec<ModelPractice> {
    let mut premises: BTreeMap<OdsCode, Vec<BritishGrid>> = BTreeMap::new();
    for site in &sources.premises {
        premises
            .entry(site.practice)
            .or_default()
            .push(site.position);
    }
    let is_active = |record: &&PracticeRecord| {
        matches_filter(record.practice.sub_icb.as_ref(), &config.sub_icb)
            && record.practice.status_on(day) == PracticeStatus::Active
    };
    sources
        .practices
        .iter()
        .filter(is_active)
        .filter_map(
            |PracticeRecord {
                 practice,
                 community,
                 ..
             }| {
                Some(ModelPractice {
                    code: practice.code,
                    list_size: practice.list_size?,
                    community: community.clone(),
                    premises: premises.get(&practice.code).cloned()?,
                })
            },
        )
        .collect()
}

fn model_shares(
    area: &ModelArea<'_>,
    practices: &[ModelPractice],
    model: &GravityModel,
) -> Vec<(OdsCode, f64)> {
    let is_behind_barrier = |practice: &&ModelPractice| {
        model
            .barriers
            .iter()
            .any(|barrier| is_blocked(barrier, area, practice))
    };
    let weights: Vec<(OdsCode, f64)> = practices
        .iter()
        .filter(|practice| !is_behind_barrier(practice))
        .map(|practice| (practice.code, gravity_weight(area.centre, practice)))
        .collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut shares: Vec<(OdsCode, f64)> = weights
        .into_iter()
        .map(|(code, weight)| (code, weight / total))
        .collect();
    shares.sort_by_key(|&(code, _)| code);
    shares
}

fn gravity_weight(centre: BritishGrid, practice: &ModelPractice) -> f64 {
    let nearest_km = practice
        .premises
        .iter()
        .map(|&position| centre.distance_m(position) / 1_000.0)
        .fold(f64::INFINITY, f64::min);
    f64::from(practice.list_size) * (-DECAY * nearest_km.powf(DECAY_EXPONENT)).exp()
}

fn is_blocked(
    barrier: &RegistrationBarrier,
    area: &ModelArea<'_>,
    practice: &ModelPractice,
) -> bool {
    let easting = area.centre.easting_m();
    barrier.districts.iter().any(|name| name == area.district)
        && barrier.west_of.is_none_or(|limit| easting < limit)
        && barrier.from_easting.is_none_or(|limit| easting >= limit)
        && practice
            .community
            .as_ref()
            .is_some_and(|community| barrier.excluded_communities.contains(community))
}

#[cfg(test)]
mod tests {
    use super::super::test_sources::{practice as listed_practice, sources_with_areas};
    use super::*;

    fn grid_position(easting: f64, northing: f64) -> BritishGrid {
        BritishGrid::from_metres(easting, northing).expect("on the grid")
    }

    fn practice(
        code: &str,
        list_size: u32,
        community: &str,
        premises: &[BritishGrid],
    ) -> ModelPractice {
        ModelPractice {
            code: code.parse().expect("an ODS code"),
            list_size,
            community: Some(community.into()),
            premises: premises.to_vec(),
        }
    }

    #[test]
    fn shares_follow_the_formula() {
        let practices = [
            practice(
                "A00001",
                10_000,
                "k",
                &[grid_position(351_000.0, 460_000.0)],
            ),
            practice(
                "A00002",
                10_000,
                "k",
                &[
                    grid_position(350_000.0, 462_000.0),
                    grid_position(390_000.0, 460_000.0),
                ],
            ),
            practice("A00003", 100, "k", &[grid_position(350_000.0, 461_000.0)]),
        ];
        let area = ModelArea {
            district: "Lancaster",
            centre: grid_position(350_000.0, 460_000.0),
        };
        let weights = [
            1e4 * (-2.5_f64).exp(),
            1e4 * (-2.5 * 2.0_f64.powf(0.6)).exp(),
            1e2 * (-2.5_f64).exp(),
        ];
        let total: f64 = weights.iter().sum();
        let shares = model_shares(&area, &practices, &GravityModel::default());
        assert_eq!(shares.len(), 3);
        for ((_, share), weight) in shares.iter().zip(weights) {
            assert!((share - weight / total).abs() < 1e-12, "{share}");
        }
    }

    #[test]
    fn a_barrier_excludes_practices_of_its_communities() {
        let barrier = RegistrationBarrier {
            districts: vec!["South Lakeland".into()],
            west_of: Some(335_000.0),
            from_easting: None,
            excluded_communities: vec!["far".into()],
        };
        let model = GravityModel {
            barriers: vec![barrier],
        };
        let practices = [
            practice(
                "A00001",
                1_000,
                "far",
                &[grid_position(334_000.0, 470_000.0)],
            ),
            practice(
                "A00002",
                1_000,
                "near",
                &[grid_position(334_000.0, 490_000.0)],
            ),
        ];
        let codes = |district, easting| {
            let area = ModelArea {
                district,
                centre: grid_position(easting, 471_000.0),
            };
            model_shares(&area, &practices, &model)
                .into_iter()
                .map(|(code, _)| code.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(codes("South Lakeland", 334_000.0), ["A00002"]);
        assert!(codes("South Lakeland", 335_000.0).contains(&"A00001".to_string()));
        assert!(codes("Lancaster", 334_000.0).contains(&"A00001".to_string()));
    }

    #[test]
    fn registrations_of_the_areas_and_practices_of_the_dataset_are_kept_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let header = "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS\n";
        let rows = [
            ("A00001", "E01000001", 30),
            ("A00002", "E01000001", 5),
            // This statistical area is outside the dataset, and only the first practice is inside.
            ("A00001", "E01999999", 2),
            ("A00002", "E01999999", 9),
        ]
        .map(|(practice, area, patients)| {
            format!("GP_PRAC,2026-04-01,{practice},A,{area},ALL,{patients}\n")
        });
        std::fs::write(
            folder.path().join("r.csv"),
            header.to_string() + &rows.concat(),
        )
        .expect("written");
        let mut sources = sources_with_areas(&[("E01000001", "Toy 001A", "01K")]);
        sources.set_base(folder.path());
        let mut inside = listed_practice("A00001");
        inside.practice.sub_icb = Some("01K".into());
        sources.practices.push(inside);
        let config = SharesConfig {
            name: "s".into(),
            sub_icb: vec!["01K".into()],
            registrations: Some("r.csv".into()),
            table: None,
            model: None,
        };
        let day = jiff::civil::date(2026, 5, 1);
        for _ in 0..2 {
            RegistrationShares::new(&config, &mut sources, day).expect("shares");
        }
        let counts = sources.patient_counts.values();
        let counts: Vec<String> = counts
            .map(|count| {
                let PatientCount {
                    practice,
                    as_of,
                    patients,
                    ..
                } = count;
                format!("{practice} {} {as_of} {patients}", count.statistical_area)
            })
            .collect();
        let expected = [
            "A00001 E01000001 2026-04-01 30",
            "A00002 E01000001 2026-04-01 5",
            "A00001 E01999999 2026-04-01 2",
        ];
        assert_eq!(counts, expected);
    }
}
