//! Rows of the look-up tables. They contain the cells that depend only on the postcode or only on
//! the practice.

use jiff::civil::Date;

use crate::answer_cells::{CellRuns, RegistrationCells, ResidenceCells};
use crate::columns::{CommunityFact, LocationFact, OutputColumn, columns_of};
use crate::layout::OutputLayout;
use crate::row_location::RowLocation;
use crate::tabular::cell_format::{CellFormat, write_cell};
use catchment_core::domain::{OdsCode, Postcode};
use catchment_core::index::Index;

/// The rows of a look-up table. Each row is computed when it is requested.
pub(super) struct LookupRows<'i> {
    index: &'i Index,
    layout: OutputLayout,
}

/// The cells of one row for one date, in [`CellFormat::LengthPrefixed`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LookupRow(CellRuns);

impl<'i> LookupRows<'i> {
    /// Creates the rows of the table of postcodes. The table omits columns that have the same value
    /// in every row of a postcode, depend on the input, are only for postcodes that are not in the
    /// directory, or change whenever any practice changes. The table has shares only if the dataset
    /// has homes of postcodes.
    pub(super) fn for_postcodes(index: &'i Index) -> LookupRows<'i> {
        let has_shares = index.manifest().has_homes();
        LookupRows::new(index, |column| match column {
            OutputColumn::Location(
                LocationFact::Postcode
                | LocationFact::Suggestion
                | LocationFact::AsOf
                | LocationFact::AreaHint
                | LocationFact::AreaHintShare
                | LocationFact::NearestPractice
                | LocationFact::NearestPracticeDistance,
            ) => false,
            OutputColumn::Community(_, CommunityFact::Share | CommunityFact::AlternativeShares) => {
                has_shares
            }
            OutputColumn::Status
            | OutputColumn::Residence(..)
            | OutputColumn::Location(_)
            | OutputColumn::Premises(..)
            | OutputColumn::Attribute(..)
            | OutputColumn::Community(..) => true,
            _ => false,
        })
    }

    /// Creates the rows of the table of practices.
    pub(super) fn for_practices(index: &'i Index) -> LookupRows<'i> {
        LookupRows::new(index, |column| {
            matches!(
                column,
                OutputColumn::Registration(..) | OutputColumn::Practice(_)
            )
        })
    }

    fn new(index: &'i Index, is_included: impl Fn(OutputColumn) -> bool) -> LookupRows<'i> {
        let columns = columns_of(index.manifest()).into_iter();
        let columns = columns.map(|column| column.column);
        let columns = columns.filter(|&column| is_included(column)).collect();
        LookupRows {
            index,
            layout: OutputLayout::new(columns, CellFormat::LengthPrefixed, index),
        }
    }

    /// Returns the columns of a row, in the order of its cells. The cells of these columns are
    /// followed by two cells with reasons.
    pub(super) fn columns(&self) -> &[OutputColumn] {
        &self.layout.columns
    }

    /// Computes the row of a postcode for a date.
    pub(super) fn postcode_row(&self, postcode: Postcode, day: Date) -> LookupRow {
        let location = RowLocation::Postcode(Ok(postcode));
        let (index, layout) = (self.index, &self.layout);
        LookupRow(ResidenceCells::new(index, layout, &location, day).runs)
    }

    /// Computes the row of a practice code for a date.
    pub(super) fn practice_row(&self, code: OdsCode, day: Date) -> LookupRow {
        let (index, layout) = (self.index, &self.layout);
        LookupRow(RegistrationCells::new(index, layout, Ok(code), day).runs)
    }
}

impl LookupRow {
    /// Appends the cells of the columns, then the reason why a result is missing, and the reason
    /// why the resilience groups are unknown.
    pub(super) fn append_to(&self, row: &mut Vec<u8>) {
        // The columns are adjacent in the layout, so they are a single run.
        row.extend_from_slice(self.0.run(0));
        for reason in [self.0.reason(), self.0.groups_reason()] {
            write_cell(row, Some(reason).filter(|bytes| !bytes.is_empty()));
        }
    }
}
