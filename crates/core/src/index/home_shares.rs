//! The homes of postcodes that are divided between the areas of a layer.

use jiff::civil::Date;

use crate::domain::{Period, Postcode};

/// The homes of the postcodes that are divided between the areas of one layer.
#[derive(Debug, Default)]
pub(super) struct HomeShares {
    /// The postcodes, in order, each with the position of its first row in `rows`.
    postcodes: Vec<(Postcode, u32)>,
    /// The rows, in order of postcode.
    rows: Vec<HomeRow>,
}

/// The homes of a postcode in an area.
#[derive(Debug, Clone, Copy)]
pub(super) struct HomeRow {
    /// The area's ordinal; `None` for homes in no area of the layer.
    pub(super) ordinal: Option<u32>,
    pub(super) homes: u32,
    pub(super) period: Period,
}

impl HomeShares {
    /// Adds a row. Rows are added in order of postcode.
    pub(super) fn add(&mut self, postcode: Postcode, row: HomeRow) {
        if self
            .postcodes
            .last()
            .is_none_or(|(last, _)| *last != postcode)
        {
            let start = u32::try_from(self.rows.len()).expect("fewer rows than 2^32");
            self.postcodes.push((postcode, start));
        }
        self.rows.push(row);
    }

    /// Returns the rows of a postcode on a day.
    pub(super) fn rows_on(
        &self,
        postcode: Postcode,
        day: Date,
    ) -> impl Iterator<Item = &HomeRow> + Clone {
        let found = self
            .postcodes
            .binary_search_by_key(&postcode, |(known, _)| *known);
        let rows = found.ok().map(|position| {
            let start = self.postcodes[position].1 as usize;
            let next = self.postcodes.get(position + 1);
            let end = next.map_or(self.rows.len(), |(_, start)| *start as usize);
            &self.rows[start..end]
        });
        let rows = rows.unwrap_or_default().iter();
        rows.filter(move |row| row.period.contains(day))
    }
}
