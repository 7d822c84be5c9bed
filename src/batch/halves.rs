//! Rows of the look-up tables: the cells that depend only on the postcode, or only on the practice.

use jiff::civil::Date;

use super::cells::{Encoding, put_cell};
use super::columns::{COLUMNS, Column, PlaceFact};
use super::layout::Layout;
use super::memo::Numbers;
use super::parts::{Lives, PlaceAsked, Registered, Texts};
use crate::domain::{OdsCode, Postcode};
use crate::index::Index;

/// Computes the rows of one look-up table.
pub(crate) struct Halves<'i> {
    index: &'i Index,
    layout: Layout,
    compared: Numbers,
}

/// The cells of one row for one date, in [`CellFormat::LengthPrefixed`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Half(Texts);

impl<'i> Halves<'i> {
    /// The table of postcodes. It has no columns that are the same in every row of a postcode, or
    /// that depend on the input.
    pub(crate) fn of_postcodes(index: &'i Index) -> Halves<'i> {
        Halves::new(index, |column| match column {
            Column::Place(PlaceFact::Postcode | PlaceFact::Suggestion | PlaceFact::AsOf) => false,
            Column::Status | Column::Residence(..) | Column::Place(_) | Column::Community(_) => {
                true
            }
            _ => false,
        })
    }

    /// The table of practices.
    pub(crate) fn of_practices(index: &'i Index) -> Halves<'i> {
        Halves::new(index, |column| {
            matches!(column, Column::Registration(..) | Column::Practice(_))
        })
    }

    fn new(index: &'i Index, belongs: impl Fn(Column) -> bool) -> Halves<'i> {
        let columns = COLUMNS.iter().map(|&(column, ..)| column);
        let columns = columns.filter(|&column| belongs(column)).collect();
        Halves {
            index,
            layout: Layout::new(columns, Encoding::Columns, index),
            compared: Numbers::default(),
        }
    }

    /// Returns the columns of a row, in the order of its cells; two reasons follow them.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.layout.columns
    }

    /// Computes the row of a postcode for a date.
    pub(crate) fn of_postcode(&self, postcode: Postcode, day: Date) -> Half {
        let asked = PlaceAsked::Postcode(Ok(postcode));
        let (index, layout) = (self.index, &self.layout);
        Half(Lives::new(index, layout, &self.compared, &asked, day).texts)
    }

    /// Computes the row of a practice code for a date.
    pub(crate) fn of_practice(&self, code: OdsCode, day: Date) -> Half {
        let (index, layout) = (self.index, &self.layout);
        Half(Registered::new(index, layout, &self.compared, Ok(code), day).texts)
    }
}

impl Half {
    /// Appends the cells of the columns, then the reason why something is not known, and the same
    /// for resilience groups.
    pub(crate) fn put(&self, row: &mut Vec<u8>) {
        // The columns are adjacent in the layout, so they are a single run.
        row.extend_from_slice(self.0.run(0));
        for reason in [self.0.reason(), self.0.groups_reason()] {
            put_cell(row, Some(reason).filter(|it| !it.is_empty()));
        }
    }
}
