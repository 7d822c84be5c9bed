//! Positions of cells and ranges, such as `B2` and `A1:T400`.

use std::fmt;

use super::{SHEET_COLUMNS_MAX, SHEET_ROWS_MAX};

/// The position of a cell. Columns are counted from 0, and rows from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellPosition {
    pub(crate) column: u32,
    pub(crate) row: u32,
}

/// A range of cells, including both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellRange {
    pub(crate) first: CellPosition,
    pub(crate) last: CellPosition,
}

/// Returns the letters of a column, which is counted from 0: A, …, Z, AA, ….
pub(crate) fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).expect("below 26");
        letters.push(char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

impl CellPosition {
    /// Parses a position such as `B2` or `$B$2`. Returns `None` if the position is outside a sheet.
    pub(crate) fn parse(text: &str) -> Option<CellPosition> {
        let bytes = text.as_bytes();
        let mut index = usize::from(bytes.first() == Some(&b'$'));
        let (mut column, start) = (0_u32, index);
        while let Some(byte) = bytes.get(index).filter(|byte| byte.is_ascii_alphabetic()) {
            column = column * 26 + u32::from(byte.to_ascii_uppercase() - b'A') + 1;
            index += 1;
            if column > SHEET_COLUMNS_MAX {
                return None;
            }
        }
        if index == start {
            return None;
        }
        index += usize::from(bytes.get(index) == Some(&b'$'));
        let (mut row, start) = (0_u32, index);
        while let Some(byte) = bytes.get(index).filter(|byte| byte.is_ascii_digit()) {
            row = row * 10 + u32::from(byte - b'0');
            index += 1;
            if row > SHEET_ROWS_MAX {
                return None;
            }
        }
        let is_complete = index > start && index == bytes.len() && row > 0;
        is_complete.then(|| CellPosition {
            column: column - 1,
            row,
        })
    }
}

impl fmt::Display for CellPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", column_letters(self.column), self.row)
    }
}

impl CellRange {
    /// Parses a range such as `A1:T400`, or a single cell.
    pub(crate) fn parse(text: &str) -> Option<CellRange> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let (first, last) = (CellPosition::parse(first)?, CellPosition::parse(last)?);
        let is_ordered = first.row <= last.row && first.column <= last.column;
        is_ordered.then_some(CellRange { first, last })
    }

    /// Returns whether the range contains the cell.
    pub(crate) fn contains(self, cell: CellPosition) -> bool {
        (self.first.row..=self.last.row).contains(&cell.row)
            && (self.first.column..=self.last.column).contains(&cell.column)
    }

    /// Returns the range extended to the right, up to a column.
    pub(crate) fn extended_to(self, column: u32) -> CellRange {
        let last = CellPosition {
            column: self.last.column.max(column),
            ..self.last
        };
        CellRange { last, ..self }
    }
}

impl fmt::Display for CellRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            self.first.fmt(f)
        } else {
            write!(f, "{}:{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        let letters = [0, 25, 26, 51, 52, 701, 702, 16_383].map(column_letters);
        assert_eq!(letters, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA", "XFD"]);
    }

    #[test]
    fn positions_are_parsed_and_written() {
        for text in ["A1", "XFD1048576", "AB12"] {
            let parsed = CellPosition::parse(text).expect("a position");
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!(
            CellPosition::parse("$b$2").map(|p| p.to_string()),
            Some("B2".into())
        );
        for text in [
            "",
            "A",
            "1",
            "A0",
            "XFE1",
            "A1048577",
            "A1B",
            "A1 ",
            "AAAAAAAAAA1",
        ] {
            assert_eq!(CellPosition::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_are_extended_to_the_right() {
        let range = CellRange::parse("A1:C9").expect("a range");
        assert_eq!(range.extended_to(4).to_string(), "A1:E9");
        assert_eq!(range.extended_to(0).to_string(), "A1:C9");
        assert_eq!(
            CellRange::parse("B2").map(|range| range.to_string()),
            Some("B2".into())
        );
        assert_eq!(CellRange::parse("C9:A1"), None);
    }
}
