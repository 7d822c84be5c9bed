//! The method `share_threshold`: a practice's area is the set of statistical areas in which at
//! least a minimum share of the people are registered with the practice.
//!
//! Reads a `[[shares]]` table. Makes an area for each practice that has no area from an earlier
//! method, and an assignment with a share for each of its statistical areas. Omits shares below the
//! minimum, unknown practices, and practices that already have an area. If the shares are of
//! registered patients, a remark states the percentage of the patients in the remaining statistical
//! areas.

use anyhow::Result;

use super::super::config::ShareThresholdMethod;
use super::super::records::DatasetRecords;
use super::{LayerContext, add_practice_area, practices_with_areas};
use catchment_core::domain::{Layer, Period, SuppressionRule};

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &ShareThresholdMethod,
) -> Result<()> {
    let mut included = Vec::new();
    let (mut patients, mut patients_included) = (0_u64, 0.0);
    let known_practices = context.known_practices();
    let practices_with_area = practices_with_areas(records, context.layer);
    let shares = context.shares_of(&method.shares)?;
    let provenance = shares.provenance;
    for (code, parts) in &shares.by_area {
        let patient_count = shares.patients.get(code).copied().unwrap_or_default();
        patients += u64::from(patient_count);
        for &(practice, share) in parts {
            let is_new = known_practices.contains(&practice)
                && !practices_with_area.contains(practice.as_str());
            if share >= method.share_min && is_new {
                let rounded = (share * 1_000.0).round() / 1_000.0;
                included.push((code.clone(), practice.to_string(), rounded));
                patients_included += f64::from(patient_count) * share;
            }
        }
    }
    if patients > 0 {
        let remark = coverage_remark(context.layer, patients, patients_included);
        records.remarks.push(remark);
    }
    for (code, practice, share) in included {
        let area = (context.layer, practice.as_str());
        add_practice_area(records, area, provenance, Period::default());
        context.assign(records, code, practice, Some(share), context.period);
    }
    Ok(())
}

/// Returns a remark on the percentage of registered patients that the areas cover. The remark omits
/// a small number of patients, because it could identify people.
fn coverage_remark(layer: Layer, patients: u64, patients_included: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let percent = 100.0 * patients_included / patients as f64;
    let patients = match SuppressionRule::NHS_ENGLAND.apply(patients) {
        Some(patients) => format!("about {patients}"),
        None => "fewer than 8".into(),
    };
    format!("{layer}: the areas cover {percent:.1} % of {patients} registered patients")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::test_sources::{
        area, assignments, context, empty_sources, practice, shares,
    };
    use super::*;
    use crate::test_layers;
    use catchment_core::domain::Provenance;

    /// Adds areas of the practices `A00001` and `A00002`, with a threshold of 0.05. The practice
    /// `A00002` already has an area.
    fn add(rows: &[(&str, &str, f64)], patients: &[(&str, u32)]) -> DatasetRecords {
        let mut sources = empty_sources();
        sources.practices = vec![practice("A00001"), practice("A00002")];
        let shares = BTreeMap::from([("all".to_string(), shares(rows, patients))]);
        let context = LayerContext {
            shares: &shares,
            ..context(test_layers::layer("gp-practice"), &sources)
        };
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("gp-practice"), "A00002"));
        let method = ShareThresholdMethod {
            shares: "all".into(),
            share_min: 0.05,
        };
        add_areas(&mut records, &context, &method).expect("the shares exist");
        records
    }

    #[test]
    fn a_share_of_exactly_the_threshold_is_included() {
        let rows = [
            ("S0", "A00001", 0.05),
            ("S1", "A00001", 0.05_f64.next_down()),
            ("S2", "A00001", 1.0),
        ];
        let records = add(&rows, &[]);
        assert_eq!(
            assignments(&records),
            [("S0", "A00001", Some(0.05)), ("S2", "A00001", Some(1.0))]
        );
    }

    #[test]
    fn shares_are_rounded_to_three_decimals_after_the_comparison() {
        let rows = [("S0", "A00001", 0.123_456), ("S1", "A00001", 0.0499)];
        let records = add(&rows, &[]);
        assert_eq!(assignments(&records), [("S0", "A00001", Some(0.123))]);
    }

    #[test]
    fn unknown_practices_and_practices_with_an_area_are_left_out_of_the_percentage() {
        let rows = [
            ("S0", "A00001", 0.5),
            ("S0", "A00002", 0.3),
            ("S0", "A00009", 0.2),
            ("S1", "A00002", 1.0),
        ];
        let records = add(&rows, &[("S0", 300), ("S1", 102)]);
        assert_eq!(assignments(&records), [("S0", "A00001", Some(0.5))]);
        assert_eq!(records.areas().len(), 2);
        assert_eq!(
            records.remarks,
            ["gp-practice: the areas cover 37.3 % of about 400 registered patients"]
        );
    }

    #[test]
    fn areas_have_the_provenance_of_the_shares() {
        let records = add(&[("S0", "A00001", 1.0)], &[("S0", 10)]);
        let made = records
            .area(test_layers::layer("gp-practice"), "A00001")
            .expect("an area");
        assert_eq!(made.provenance, Provenance::Derived);
    }

    #[test]
    fn a_small_number_of_patients_is_not_stated() {
        let records = add(&[("S0", "A00001", 1.0)], &[("S0", 7)]);
        assert_eq!(
            records.remarks,
            ["gp-practice: the areas cover 100.0 % of fewer than 8 registered patients"]
        );
    }

    #[test]
    fn empty_and_modelled_shares_have_no_remark() {
        assert!(add(&[], &[]).remarks.is_empty());
        assert!(add(&[("S0", "A00001", 1.0)], &[]).remarks.is_empty());
        // A practice whose shares are below the threshold has no area.
        assert_eq!(add(&[("S0", "A00001", 0.01)], &[]).areas().len(), 1);
    }
}
