//! Half an answer as cells of a table: what depends on a postcode alone, or on a practice alone.

use jiff::civil::Date;

use super::cells::{Encoding, put_cell};
use super::columns::{COLUMNS, Column, PlaceFact};
use super::layout::Layout;
use super::memo::Numbers;
use super::parts::{Lives, PlaceAsked, Registered, Texts};
use crate::domain::{OdsCode, Postcode};
use crate::index::Index;

/// Makes halves of answers.
pub(crate) struct Halves<'i> {
    index: &'i Index,
    layout: Layout,
    compared: Numbers,
}

/// The cells of a half on a day, in [`Encoding::Columns`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Half(Texts);

impl<'i> Halves<'i> {
    /// What a postcode alone says, without what every row of it would repeat or only its asker knows.
    pub(crate) fn of_postcodes(index: &'i Index) -> Halves<'i> {
        Halves::new(index, |column| match column {
            Column::Place(PlaceFact::Postcode | PlaceFact::Suggestion | PlaceFact::AsOf) => false,
            Column::Status | Column::Residence(..) | Column::Place(_) | Column::Community(_) => {
                true
            }
            _ => false,
        })
    }

    /// What the code of a practice alone says.
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

    /// The columns of a half, in the order of its cells; two reasons follow them.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.layout.columns
    }

    /// The half of a postcode on a day.
    pub(crate) fn of_postcode(&self, postcode: Postcode, day: Date) -> Half {
        let asked = PlaceAsked::Postcode(Ok(postcode));
        let (index, layout) = (self.index, &self.layout);
        Half(Lives::new(index, layout, &self.compared, &asked, day).texts)
    }

    /// The half of a practice's code on a day.
    pub(crate) fn of_practice(&self, code: OdsCode, day: Date) -> Half {
        let (index, layout) = (self.index, &self.layout);
        Half(Registered::new(index, layout, &self.compared, Ok(code), day).texts)
    }
}

impl Half {
    /// Adds its cells: those of the columns, why something is not known, and why groups are not.
    pub(crate) fn put(&self, row: &mut Vec<u8>) {
        // Its columns stand next to each other and are one run.
        row.extend_from_slice(self.0.run(0));
        for reason in [self.0.reason(), self.0.groups_reason()] {
            put_cell(row, Some(reason).filter(|it| !it.is_empty()));
        }
    }
}
