//! Small number suppression of flows.
//!
//! The matrix, the long list and the table of areas are one publication, so a count is hidden in
//! all of them or in none of them.
//!
//! 1. If the rule is `below:8`, counts and totals from 1 to 7 are hidden. A count of 0 is shown, as
//!    in the publications of NHS England and ONS.
//! 2. A hidden count can sometimes be computed from other counts, for example if it is the only
//!    hidden count in its row. Such a count is protected by hiding further counts: first the
//!    smallest counts that are sufficient, then counts of 0, and finally totals.
//! 3. The result is checked. For a reader who knows the rule and which counts are hidden because
//!    they are small, every hidden count must have at least two possible values. If the check
//!    fails, every count is hidden.
//!
//! If the rule rounds counts, they are protected as if the other counts were published exactly.
//! Rounding provides further protection.

use std::collections::HashSet;

use super::network::FlowNetwork;
use super::table::{FlowPlace, FlowPlaceKind, FlowTable};
use catchment_core::domain::SuppressionRule;

/// A [`FlowTable`] with the counts that a rule publishes.
pub struct PublishedFlows<'t> {
    table: &'t FlowTable,
    rule: SuppressionRule,
    registered_totals: Vec<u64>,
    resident_totals: Vec<u64>,
    /// The positions of the hidden counts. Totals have the position after the last place.
    hidden: HashSet<(usize, usize)>,
}

/// The patients of an area. A number is `None` if it is hidden.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaFlows<'t> {
    /// The area.
    pub area: &'t FlowPlace,
    /// The number of patients who are registered with practices of the area.
    pub registered: Option<u64>,
    /// The number of patients who live in the area.
    pub resident: Option<u64>,
    /// The number of patients who are registered and live in the area.
    pub both: Option<u64>,
    /// The published number of registered patients, divided by the published number of residents.
    /// `None` if either is hidden or there are no residents.
    pub ratio: Option<f64>,
}

impl<'t> PublishedFlows<'t> {
    /// Decides which counts of a table are published.
    pub fn new(table: &'t FlowTable, rule: SuppressionRule) -> PublishedFlows<'t> {
        let (rows, columns) = (table.registered.places.len(), table.resident.places.len());
        let (mut registered_totals, mut resident_totals) = (vec![0; rows], vec![0; columns]);
        for ((row, column), count) in table.counts() {
            registered_totals[row] += count;
            resident_totals[column] += count;
        }
        PublishedFlows {
            table,
            rule,
            registered_totals,
            resident_totals,
            hidden: hidden_counts(table, rule),
        }
    }

    /// Returns the rule.
    pub fn rule(&self) -> SuppressionRule {
        self.rule
    }

    /// Returns the table, whose counts are not suppressed.
    pub fn table(&self) -> &'t FlowTable {
        self.table
    }

    /// Returns the number of hidden counts and totals.
    pub fn hidden_count(&self) -> usize {
        self.hidden.len()
    }

    /// Returns the number of patients with this registration and residence.
    pub fn count(&self, registered: usize, resident: usize) -> Option<u64> {
        let count = self.table.count(registered, resident);
        self.publish((registered, resident), count)
    }

    /// Returns the number of patients who are registered in a place.
    pub fn registered_total(&self, registered: usize) -> Option<u64> {
        let position = (registered, self.resident_totals.len());
        self.publish(position, self.registered_totals[registered])
    }

    /// Returns the number of patients who live in a place.
    pub fn resident_total(&self, resident: usize) -> Option<u64> {
        let position = (self.registered_totals.len(), resident);
        self.publish(position, self.resident_totals[resident])
    }

    /// Returns the number of patients.
    pub fn total(&self) -> Option<u64> {
        let position = (self.registered_totals.len(), self.resident_totals.len());
        self.publish(position, self.table.total())
    }

    fn publish(&self, position: (usize, usize), count: u64) -> Option<u64> {
        if self.hidden.contains(&position) {
            return None;
        }
        self.rule.apply(count)
    }

    /// Returns the positions of the counts that are hidden or above 0, in order of row and column.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let (rows, columns) = (self.registered_totals.len(), self.resident_totals.len());
        let hidden = self.hidden.iter().copied();
        let hidden = hidden.filter(|(row, column)| *row < rows && *column < columns);
        let counts = self.table.counts().map(|(position, _)| position);
        let mut pairs: Vec<(usize, usize)> = counts.chain(hidden).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// Returns the patients of each area. Empty if the layer in which patients are registered
    /// differs from the layer in which they live.
    pub fn areas(&self) -> Vec<AreaFlows<'t>> {
        if !self.table.has_one_layer() {
            return Vec::new();
        }
        let places = self.table.registered.places.iter().enumerate();
        let areas = places.filter(|(_, place)| place.kind == FlowPlaceKind::Area);
        areas
            .map(|(position, area)| {
                // Both axes contain the same areas, at the start.
                let registered = self.registered_total(position);
                let resident = self.resident_total(position);
                AreaFlows {
                    area,
                    registered,
                    resident,
                    both: self.count(position, position),
                    ratio: ratio(registered, resident),
                }
            })
            .collect()
    }

    /// Returns a description of the rule. `mark` represents a hidden number.
    pub fn explanation(&self, mark: &str) -> String {
        if self.rule.is_none() {
            return "Exact counts.".into();
        }
        let rounding = match self.rule.rounded_to() {
            None => String::new(),
            Some(multiple) => format!(" Other counts are rounded to the nearest {multiple}."),
        };
        format!(
            "{mark} is a count from 1 to {}, or another count that is hidden so that no one can work out a count from 1 to {}.{rounding}",
            self.rule.largest_hidden(),
            self.rule.largest_hidden(),
        )
    }
}

/// Returns the ratio of two published numbers, to three decimal places.
fn ratio(registered: Option<u64>, resident: Option<u64>) -> Option<f64> {
    let (registered, resident) = (registered?, resident?);
    let quotient = registered as f64 / resident as f64;
    (resident > 0).then(|| (quotient * 1e3).round() / 1e3)
}

fn hidden_counts(table: &FlowTable, rule: SuppressionRule) -> HashSet<(usize, usize)> {
    if rule.is_none() {
        return HashSet::new();
    }
    let (rows, columns) = (table.registered.places.len(), table.resident.places.len());
    let mut network = FlowNetwork::new(rows, columns, table.counts());
    network.hide_small(rule.largest_hidden());
    network.hide_complements();
    if !network.is_protected() {
        network.hide_all();
    }
    network.hidden().collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table_of;
    use super::*;

    fn published<'t>(table: &'t FlowTable, rule: &str) -> PublishedFlows<'t> {
        PublishedFlows::new(table, rule.parse().expect("a rule"))
    }

    #[test]
    fn the_three_tables_hide_the_same_counts() {
        // The areas a, b and c have the numbers 3, 4 and 5.
        let table = table_of(&[
            (3, 3, 5_000),
            (3, 4, 3),
            (3, 5, 40),
            (4, 3, 60),
            (4, 4, 7_000),
            (4, 5, 30),
            (5, 3, 90),
            (5, 4, 20),
            (5, 5, 800),
            (0, 3, 12),
        ]);
        let flows = published(&table, "below:8");
        assert_eq!(flows.count(0, 1), None);
        assert!(flows.hidden_count() >= 4);
        assert_eq!(flows.total(), Some(13_055));
        for (row, column) in flows.pairs() {
            let hidden = flows.hidden.contains(&(row, column));
            assert_eq!(flows.count(row, column).is_none(), hidden);
        }
        for (position, area) in flows.areas().iter().enumerate() {
            assert_eq!(area.both, flows.count(position, position));
            assert_eq!(area.registered, flows.registered_total(position));
            assert_eq!(area.resident, flows.resident_total(position));
        }
        assert_eq!(flows.areas()[0].ratio, Some(0.977));
    }

    #[test]
    fn a_rule_that_hides_nothing_publishes_every_count() {
        let table = table_of(&[(3, 3, 1), (3, 4, 2), (1, 0, 3)]);
        let flows = published(&table, "none");
        assert_eq!(flows.hidden_count(), 0);
        assert_eq!(flows.total(), Some(6));
        assert_eq!(flows.pairs().len(), 3);
        assert_eq!(flows.areas()[1].ratio, Some(0.0));
        assert_eq!(flows.explanation("*"), "Exact counts.");
    }

    #[test]
    fn shown_counts_are_rounded_and_the_ratio_is_that_of_the_rounded_counts() {
        let table = table_of(&[(3, 3, 103), (3, 4, 52), (4, 3, 51), (4, 4, 108)]);
        let flows = published(&table, "below:5-round:5");
        assert_eq!(flows.count(0, 0), Some(105));
        assert_eq!(flows.registered_total(0), Some(155));
        assert_eq!(flows.resident_total(0), Some(155));
        assert_eq!(flows.areas()[0].ratio, Some(1.0));
        assert_eq!(
            flows.explanation("*"),
            "* is a count from 1 to 4, or another count that is hidden so that no one can work out a count from 1 to 4. Other counts are rounded to the nearest 5."
        );
    }

    #[test]
    fn an_empty_table_is_published() {
        let table = table_of(&[]);
        let flows = published(&table, "below:8");
        assert_eq!(flows.total(), Some(0));
        assert!(flows.pairs().is_empty() && flows.areas().is_empty());
    }
}
