//! Differences in the statistical areas that are assigned to an area, and in the shares of their
//! people.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{ChangeKind, position};
use catchment_core::domain::{Layer, StatisticalAssignment};

/// A statistical area that was assigned to an area or removed from it, or whose share changed.
#[derive(Debug, Clone, PartialEq)]
pub struct CoverageChange {
    /// The area's layer.
    pub layer: Layer,
    /// The area.
    pub area: String,
    /// The statistical area.
    pub statistical_area: String,
    /// Whether the statistical area was added, was removed or has a different share.
    pub change: ChangeKind,
    /// The old share of the statistical area's people who belong to the area, from 0 to 1. The
    /// share is 1 if the whole statistical area was assigned, and `None` if it was not assigned.
    pub old_share: Option<f64>,
    /// The new share, in the form of `old_share`.
    pub new_share: Option<f64>,
}

/// Shares by layer, area and statistical area, in thousandths (the precision of the output).
type SharesByKey<'d> = BTreeMap<(Layer, &'d str, &'d str), u32>;

/// Returns the differences between assignments, each on a date, in order of layer, area and statistical
/// area.
pub(super) fn compare(
    (old, old_day): (&[StatisticalAssignment], Date),
    (new, new_day): (&[StatisticalAssignment], Date),
    layers: &[Layer],
) -> Vec<CoverageChange> {
    let (before, after) = (shares_on(old, old_day), shares_on(new, new_day));
    let added = after.keys().filter(|key| !before.contains_key(key));
    let mut keys: Vec<_> = before.keys().chain(added).copied().collect();
    keys.sort_by_key(|&(layer, area, code)| (position(layers, layer), area, code));
    let change = |key: (Layer, &str, &str)| {
        let (old_share, new_share) = (before.get(&key), after.get(&key));
        let change = match (old_share, new_share) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (old_share, new_share) if old_share != new_share => ChangeKind::Changed,
            _ => return None,
        };
        let share = |thousandths: Option<&u32>| {
            thousandths.map(|thousandth| f64::from(*thousandth) / 1000.0)
        };
        Some(CoverageChange {
            layer: key.0,
            area: key.1.to_string(),
            statistical_area: key.2.to_string(),
            change,
            old_share: share(old_share),
            new_share: share(new_share),
        })
    };
    keys.into_iter().filter_map(change).collect()
}

fn shares_on(assignments: &[StatisticalAssignment], day: Date) -> SharesByKey<'_> {
    let on_day = assignments
        .iter()
        .filter(|assignment| assignment.period.contains(day));
    on_day
        .map(|assignment| {
            let key = (
                assignment.layer,
                &*assignment.area,
                &*assignment.statistical_area,
            );
            (key, to_thousandths(assignment.share.unwrap_or(1.0)))
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is between 0 and 1"
)]
fn to_thousandths(share: f64) -> u32 {
    (share * 1000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::test_layers;
    use catchment_core::domain::Period;

    const DAY: Date = date(2025, 1, 1);

    fn assignment(
        code: &str,
        layer: Layer,
        area: &str,
        share: Option<f64>,
    ) -> StatisticalAssignment {
        StatisticalAssignment {
            statistical_area: code.into(),
            layer,
            area: area.into(),
            share,
            period: Period::default(),
        }
    }

    fn describe(old: &[StatisticalAssignment], new: &[StatisticalAssignment]) -> Vec<String> {
        let changes = compare(
            (old, DAY),
            (new, DAY),
            &[test_layers::layer("icc"), test_layers::layer("gp-practice")],
        );
        let describe_change = |coverage_change: &CoverageChange| {
            let (change, layer) = (coverage_change.change.as_str(), coverage_change.layer);
            let (area, code) = (&coverage_change.area, &coverage_change.statistical_area);
            let (old_share, new_share) = (coverage_change.old_share, coverage_change.new_share);
            format!("{change} {layer} {area} {code} {old_share:?} {new_share:?}")
        };
        changes.iter().map(describe_change).collect()
    }

    #[test]
    fn added_removed_and_changed_shares_are_reported() {
        let (practices, icc) = (test_layers::layer("gp-practice"), test_layers::layer("icc"));
        let old = [
            assignment("E2", practices, "A1", Some(0.2)),
            assignment("E1", practices, "A1", Some(0.1)),
            assignment("E1", practices, "A2", Some(0.5)),
            assignment("E1", icc, "k", None),
        ];
        let new = [
            assignment("E1", icc, "l", None),
            assignment("E1", practices, "A1", Some(0.1)),
            assignment("E2", practices, "A1", Some(0.35)),
            assignment("E3", practices, "A2", Some(0.07)),
        ];
        assert_eq!(
            describe(&old, &new),
            [
                "removed icc k E1 Some(1.0) None",
                "added icc l E1 None Some(1.0)",
                "changed gp-practice A1 E2 Some(0.2) Some(0.35)",
                "removed gp-practice A2 E1 Some(0.5) None",
                "added gp-practice A2 E3 None Some(0.07)",
            ]
        );
        assert!(describe(&old, &old).is_empty());
    }

    #[test]
    fn a_blank_share_equals_a_share_of_one() {
        let whole = [assignment("E1", test_layers::layer("icc"), "k", None)];
        let of_all = [assignment("E1", test_layers::layer("icc"), "k", Some(1.0))];
        assert!(describe(&whole, &of_all).is_empty());
        let mut later = whole.clone();
        later[0].period.from = Some(date(2025, 1, 2));
        assert_eq!(describe(&whole, &later).len(), 1);
    }
}
