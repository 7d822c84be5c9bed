//! The assignments of statistical areas to the areas of a layer.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::domain::Period;

/// The assignment of a statistical area to an area.
#[derive(Debug, Clone, Copy)]
pub(super) struct AreaAssignment {
    /// The area's ordinal.
    pub(super) ordinal: u32,
    /// The share of the statistical area's population that belongs to the area; `None` means the
    /// whole population.
    pub(super) share: Option<f64>,
    pub(super) period: Period,
}

/// The share and the period of assignments. A dataset of the country has a million assignments, most
/// of them with the same share and period, so these are stored once.
type Terms = (Option<f64>, Period);

/// The bits of the share, and the first day of the period and the day after the last one.
type TermsKey = (Option<u64>, Option<Date>, Option<Date>);

/// The assignments of all statistical areas to the areas of a layer.
#[derive(Debug, Default)]
pub(super) struct Assignments {
    /// The ordinal of the area and the index of the terms, in order of the row of the statistical
    /// area.
    entries: Vec<(u32, u32)>,
    terms: Vec<Terms>,
    /// The position of the first entry of each row, and the number of entries.
    starts: Vec<u32>,
}

impl Assignments {
    /// Returns the assignments of a statistical area, whatever their period.
    pub(super) fn of_row(&self, row: u32) -> impl ExactSizeIterator<Item = AreaAssignment> {
        let row = row as usize;
        let entries = match self.starts.get(row..row + 2) {
            Some(&[start, end]) => &self.entries[start as usize..end as usize],
            _ => &[],
        };
        entries.iter().map(|entry| self.assignment(*entry))
    }

    /// Returns the assignments of all statistical areas, whatever their period.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = AreaAssignment> {
        self.entries.iter().map(|entry| self.assignment(*entry))
    }

    fn assignment(&self, (ordinal, terms): (u32, u32)) -> AreaAssignment {
        let (share, period) = self.terms[terms as usize];
        AreaAssignment {
            ordinal,
            share,
            period,
        }
    }
}

/// Collects the assignments of a layer.
#[derive(Debug, Default)]
pub(super) struct AssignmentsBuilder {
    /// The row of the statistical area, the ordinal of the area and the index of the terms.
    entries: Vec<(u32, u32, u32)>,
    terms: Vec<Terms>,
    indices: HashMap<TermsKey, u32>,
}

impl AssignmentsBuilder {
    pub(super) fn with_capacity(capacity: usize) -> AssignmentsBuilder {
        AssignmentsBuilder {
            entries: Vec::with_capacity(capacity),
            ..AssignmentsBuilder::default()
        }
    }

    /// Adds the assignment of the statistical area with this row.
    pub(super) fn push(&mut self, row: u32, assignment: AreaAssignment) {
        let AreaAssignment {
            ordinal,
            share,
            period,
        } = assignment;
        let key = (share.map(f64::to_bits), period.from, period.to);
        let index = *self.indices.entry(key).or_insert_with(|| {
            self.terms.push((share, period));
            u32::try_from(self.terms.len() - 1).expect("fewer than 2^32 assignments")
        });
        self.entries.push((row, ordinal, index));
    }

    /// Returns the ordinals of the areas, with an ordinal for each assignment.
    pub(super) fn ordinals(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|&(_, ordinal, _)| ordinal)
    }

    /// Returns the assignments of `count` statistical areas. Those of a row stay in the order in
    /// which they were added.
    pub(super) fn build(mut self, count: u32) -> Assignments {
        self.entries.sort_by_key(|&(row, ..)| row);
        let start_of = |row| self.entries.partition_point(|&(other, ..)| other < row);
        let starts = (0..=count).map(start_of);
        let starts = starts.map(|start| u32::try_from(start).expect("fewer than 2^32 assignments"));
        let starts = starts.collect();
        let entries = self.entries.iter();
        Assignments {
            entries: entries
                .map(|&(_, ordinal, terms)| (ordinal, terms))
                .collect(),
            terms: self.terms,
            starts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn assignments_are_in_order_of_row_and_then_as_they_were_added() {
        let ended = Period {
            from: None,
            to: Some(date(2023, 4, 1)),
        };
        let mut builder = AssignmentsBuilder::default();
        let added = [
            (2, 7, None, Period::default()),
            (0, 5, Some(0.25), ended),
            (2, 3, Some(0.25), Period::default()),
            (0, 4, Some(0.75), ended),
            (0, 6, Some(0.25), ended),
        ];
        for (row, ordinal, share, period) in added {
            let assignment = AreaAssignment {
                ordinal,
                share,
                period,
            };
            builder.push(row, assignment);
        }
        let assignments = builder.build(3);
        let of_row = |row| -> Vec<_> {
            let found = assignments.of_row(row);
            found
                .map(|found| (found.ordinal, found.share, found.period))
                .collect()
        };
        let first = [
            (5, Some(0.25), ended),
            (4, Some(0.75), ended),
            (6, Some(0.25), ended),
        ];
        assert_eq!(of_row(0), first);
        assert_eq!(of_row(1), []);
        let third = [
            (7, None, Period::default()),
            (3, Some(0.25), Period::default()),
        ];
        assert_eq!(of_row(2), third);
        assert_eq!(of_row(3), []);
        assert_eq!(assignments.all().len(), 5);
        assert_eq!(assignments.terms.len(), 4);
        assert_eq!(Assignments::default().of_row(0).len(), 0);
    }
}
