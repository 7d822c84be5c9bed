//! The share of each statistical area's people who are registered with each practice: from
//! published registrations or, if there are none, from a gravity model.
//!
//! In the model, the share of a statistical area's people who are registered with a practice is
//! proportional to
//!
//! ```text
//! list size × exp(−2.5 · d^0.6)
//! ```
//!
//! where `d` is the distance in kilometres from the centroid of the area's live postcodes to the
//! nearest of the practice's premises. Practices beyond a barrier, such as water or hills that
//! people do not cross, are left out.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use jiff::civil::Date;

use super::config::{Barrier, Model, SharesConfig};
use super::sources::{Sources, StatisticalArea, is_among};
use crate::domain::{BritishGrid, OdsCode, PracticeStatus, Provenance};
use crate::import::practice_list::ListedPractice;
use crate::import::registrations;

const DECAY: f64 = 2.5;
const DECAY_EXPONENT: f64 = 0.6;

/// The practices of each statistical area with their shares of its people, in order of code.
pub(super) struct Shares {
    /// Unrounded shares of the area's people whose registration is known.
    pub(super) by_area: BTreeMap<String, Vec<(OdsCode, f64)>>,
    /// The registered patients of each area; empty if the shares are modelled.
    pub(super) patients: BTreeMap<String, u32>,
    /// Whether the shares are derived from registrations or modelled.
    pub(super) provenance: Provenance,
}

impl Shares {
    /// Computes the shares that the configuration describes. A model includes the practices that
    /// are active on `day`.
    pub(super) fn new(config: &SharesConfig, sources: &mut Sources, day: Date) -> Result<Shares> {
        match (&config.registrations, &config.model) {
            (None, Some(model)) => modelled(config, model, sources, day),
            (Some(file), None) => registered(config, file, sources, day),
            _ => bail!(
                "shares `{}`: give either `registrations` or a `model`",
                config.name
            ),
        }
    }
}

/// A practice that takes patients, as the model needs it.
struct ModelPractice {
    code: OdsCode,
    list_size: u32,
    icc: Option<String>,
    /// The positions of its premises; not empty.
    premises: Vec<BritishGrid>,
}

/// A statistical area, as the model needs it.
struct ModelArea<'a> {
    district: &'a str,
    centre: BritishGrid,
}

/// Computes the shares from published registrations. A practice that has closed counts as its
/// successor on `day`.
fn registered(
    config: &SharesConfig,
    file: &Path,
    sources: &mut Sources,
    day: Date,
) -> Result<Shares> {
    let (registrations, report) = registrations::read(&mut sources.publication(file)?)?;
    sources.reports.push(report);
    let is_asked_for = |code: &str| {
        let area = sources.statistical.get(code);
        area.is_some_and(|area| is_among(area.sub_icb.as_ref(), &config.sub_icb))
    };
    let mut counts: BTreeMap<String, BTreeMap<OdsCode, u32>> = BTreeMap::new();
    for row in registrations {
        if is_asked_for(&row.statistical_area) {
            let practice = sources.holder_of_patients(row.practice, day);
            *counts
                .entry(row.statistical_area)
                .or_default()
                .entry(practice)
                .or_default() += row.patients;
        }
    }
    let mut shares = Shares {
        by_area: BTreeMap::new(),
        patients: BTreeMap::new(),
        provenance: Provenance::Derived,
    };
    for (code, counts) in counts {
        let total: u32 = counts.values().sum();
        let parts = counts
            .into_iter()
            .map(|(it, count)| (it, f64::from(count) / f64::from(total)));
        shares.by_area.insert(code.clone(), parts.collect());
        shares.patients.insert(code, total);
    }
    Ok(shares)
}

fn modelled(config: &SharesConfig, model: &Model, sources: &Sources, day: Date) -> Result<Shares> {
    let practices = model_practices(config, sources, day);
    let centres = sources.centres()?;
    let is_modelled = |area: &StatisticalArea| is_among(area.sub_icb.as_ref(), &config.sub_icb);
    let areas = sources
        .statistical
        .iter()
        .filter(|(_, area)| is_modelled(area));
    let by_area = areas.map(|(code, area)| {
        let area = ModelArea {
            district: area.district(),
            centre: centres[code.as_str()],
        };
        (code.clone(), shares_of(&area, &practices, model))
    });
    Ok(Shares {
        by_area: by_area.collect(),
        patients: BTreeMap::new(),
        provenance: Provenance::Modelled,
    })
}

/// Returns the practices that take patients on `day`, with their premises.
fn model_practices(config: &SharesConfig, sources: &Sources, day: Date) -> Vec<ModelPractice> {
    let mut premises: BTreeMap<OdsCode, Vec<BritishGrid>> = BTreeMap::new();
    for site in &sources.premises {
        premises
            .entry(site.practice)
            .or_default()
            .push(site.position);
    }
    let takes_patients = |listed: &&ListedPractice| {
        is_among(listed.practice.sub_icb.as_ref(), &config.sub_icb)
            && listed.practice.status_on(day) == PracticeStatus::Active
    };
    sources
        .practices
        .iter()
        .filter(takes_patients)
        .filter_map(|ListedPractice { practice, icc, .. }| {
            Some(ModelPractice {
                code: practice.code,
                list_size: practice.list_size?,
                icc: icc.clone(),
                premises: premises.get(&practice.code).cloned()?,
            })
        })
        .collect()
}

fn shares_of(
    area: &ModelArea<'_>,
    practices: &[ModelPractice],
    model: &Model,
) -> Vec<(OdsCode, f64)> {
    let is_kept_apart = |practice: &&ModelPractice| {
        model
            .barriers
            .iter()
            .any(|barrier| keeps_apart(barrier, area, practice))
    };
    let pulls: Vec<(OdsCode, f64)> = practices
        .iter()
        .filter(|practice| !is_kept_apart(practice))
        .map(|practice| (practice.code, pull(area.centre, practice)))
        .collect();
    let total: f64 = pulls.iter().map(|(_, pull)| pull).sum();
    let mut shares: Vec<(OdsCode, f64)> = pulls
        .into_iter()
        .map(|(code, pull)| (code, pull / total))
        .collect();
    shares.sort_by_key(|&(code, _)| code);
    shares
}

fn pull(centre: BritishGrid, practice: &ModelPractice) -> f64 {
    let nearest_km = practice
        .premises
        .iter()
        .map(|&position| centre.distance_m(position) / 1_000.0)
        .fold(f64::INFINITY, f64::min);
    f64::from(practice.list_size) * (-DECAY * nearest_km.powf(DECAY_EXPONENT)).exp()
}

fn keeps_apart(barrier: &Barrier, area: &ModelArea<'_>, practice: &ModelPractice) -> bool {
    let easting = area.centre.easting_m();
    barrier.districts.iter().any(|name| name == area.district)
        && barrier.west_of.is_none_or(|limit| easting < limit)
        && barrier.from_easting.is_none_or(|limit| easting >= limit)
        && practice
            .icc
            .as_ref()
            .is_some_and(|icc| barrier.no_practices_of.contains(icc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(easting: f64, northing: f64) -> BritishGrid {
        BritishGrid::from_metres(easting, northing).expect("on the grid")
    }

    fn practice(code: &str, list_size: u32, icc: &str, premises: &[BritishGrid]) -> ModelPractice {
        ModelPractice {
            code: code.parse().expect("an ODS code"),
            list_size,
            icc: Some(icc.into()),
            premises: premises.to_vec(),
        }
    }

    #[test]
    fn shares_follow_the_formula() {
        let practices = [
            practice("A00001", 10_000, "k", &[at(351_000.0, 460_000.0)]),
            practice(
                "A00002",
                10_000,
                "k",
                &[at(350_000.0, 462_000.0), at(390_000.0, 460_000.0)],
            ),
            practice("A00003", 100, "k", &[at(350_000.0, 461_000.0)]),
        ];
        let area = ModelArea {
            district: "Lancaster",
            centre: at(350_000.0, 460_000.0),
        };
        let pulls = [
            1e4 * (-2.5_f64).exp(),
            1e4 * (-2.5 * 2.0_f64.powf(0.6)).exp(),
            1e2 * (-2.5_f64).exp(),
        ];
        let total: f64 = pulls.iter().sum();
        let shares = shares_of(&area, &practices, &Model::default());
        assert_eq!(shares.len(), 3);
        for ((_, share), pull) in shares.iter().zip(pulls) {
            assert!((share - pull / total).abs() < 1e-12, "{share}");
        }
    }

    #[test]
    fn a_barrier_keeps_its_districts_from_its_practices() {
        let barrier = Barrier {
            districts: vec!["South Lakeland".into()],
            west_of: Some(335_000.0),
            from_easting: None,
            no_practices_of: vec!["far".into()],
        };
        let model = Model {
            barriers: vec![barrier],
        };
        let practices = [
            practice("A00001", 1_000, "far", &[at(334_000.0, 470_000.0)]),
            practice("A00002", 1_000, "near", &[at(334_000.0, 490_000.0)]),
        ];
        let codes = |district, easting| {
            let area = ModelArea {
                district,
                centre: at(easting, 471_000.0),
            };
            shares_of(&area, &practices, &model)
                .into_iter()
                .map(|(code, _)| code.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(codes("South Lakeland", 334_000.0), ["A00002"]);
        assert!(codes("South Lakeland", 335_000.0).contains(&"A00001".to_string()));
        assert!(codes("Lancaster", 334_000.0).contains(&"A00001".to_string()));
    }
}
