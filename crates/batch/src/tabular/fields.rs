//! Splits CSV text into rows and fields, with quotation marks as in RFC 4180.
//!
//! A quotation mark opens a quoted field only at the start of the field, as in the `csv` crate, so
//! `5" pipe` is plain text. Text between the closing quotation mark and the next delimiter belongs
//! to the field.

use std::borrow::Cow;
use std::iter;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memrchr_iter};

use super::delimiter::Delimiter;

const QUOTE: u8 = b'"';

/// The result of searching for the end of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldEnd {
    /// The offset of a delimiter or line feed.
    At(usize),
    /// The text ends before the end of the field.
    EndOfText,
    /// The text ends inside a quoted field.
    Unterminated,
}

/// The result of searching for the end of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowEnd {
    /// The offset after the row's line feed.
    After(usize),
    /// The text ends before the end of the row.
    EndOfText,
    /// The text ends inside a quoted field.
    Unterminated,
}

/// Finds the end of the row that begins at `start`.
pub(crate) fn row_end(text: &[u8], start: usize, delimiter: Delimiter) -> RowEnd {
    let mut index = start;
    loop {
        match field_end(text, index, delimiter) {
            FieldEnd::At(end) if text[end] == b'\n' => return RowEnd::After(end + 1),
            FieldEnd::At(end) => index = end + delimiter.length(),
            FieldEnd::EndOfText => return RowEnd::EndOfText,
            FieldEnd::Unterminated => return RowEnd::Unterminated,
        }
    }
}

/// Returns the rows of text, without their line endings. The end of the text also ends a row.
pub(crate) fn rows(text: &[u8], delimiter: Delimiter) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    iter::from_fn(move || {
        if start >= text.len() {
            return None;
        }
        let end = match row_end(text, start, delimiter) {
            RowEnd::After(end) => end,
            RowEnd::EndOfText | RowEnd::Unterminated => text.len(),
        };
        let (row, _) = split_line_ending(&text[start..end]);
        start = end;
        Some(row)
    })
}

/// Returns the fields of every row of text, unquoted. This function is intended for displaying a
/// few rows.
pub fn parse_records(text: &[u8], delimiter: Delimiter) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut ends = Vec::new();
    for row in rows(text, delimiter) {
        field_ends(row, true, delimiter, &mut ends);
        let field_text = |index| unquote(&row[field_range(&ends, index, delimiter)]).into_owned();
        let texts = (0..ends.len()).map(field_text);
        records.push(
            texts
                .map(|record| String::from_utf8_lossy(&record).into_owned())
                .collect(),
        );
    }
    records
}

fn field_end(text: &[u8], start: usize, delimiter: Delimiter) -> FieldEnd {
    let mut offset = start;
    if text.get(offset) == Some(&QUOTE) {
        offset += 1;
        loop {
            match memchr(QUOTE, &text[offset..]) {
                None => return FieldEnd::Unterminated,
                // A pair of quotation marks represents a single quotation mark.
                Some(found) if text.get(offset + found + 1) == Some(&QUOTE) => offset += found + 2,
                Some(found) => {
                    offset += found + 1;
                    break;
                }
            }
        }
    }
    loop {
        let Some(found) = memchr2(delimiter.first(), b'\n', &text[offset..]) else {
            return FieldEnd::EndOfText;
        };
        offset += found;
        if text[offset] == b'\n' || text[offset..].starts_with(delimiter.as_bytes()) {
            return FieldEnd::At(offset);
        }
        offset += 1;
    }
}

/// Finds the end of each field of a row. `row` must not include the line ending.
pub(crate) fn field_ends(
    row: &[u8],
    has_quotes: bool,
    delimiter: Delimiter,
    ends: &mut Vec<usize>,
) {
    ends.clear();
    if has_quotes || delimiter.length() > 1 {
        let mut index = 0;
        // The search also stops at line feeds, but a line feed inside a row is always quoted. If a
        // line feed were not quoted, only this row would be split incorrectly.
        while let FieldEnd::At(end) = field_end(row, index, delimiter) {
            ends.push(end);
            index = end + delimiter.length();
        }
    } else {
        ends.extend(memchr_iter(delimiter.first(), row));
    }
    ends.push(row.len());
}

/// The range of fields to read. Also records whether the search for these fields is shorter from
/// the start or from the end of the row.
pub(crate) struct FieldSelection {
    first: usize,
    last: usize,
    width: usize,
    scans_from_end: bool,
}

impl FieldSelection {
    /// Selects the fields at the indices `columns` in rows that have `width` fields.
    pub(crate) fn new(columns: &[usize], width: usize) -> FieldSelection {
        let first = columns.iter().copied().min().unwrap_or_default();
        let last = columns.iter().copied().max().unwrap_or_default();
        FieldSelection {
            first,
            last,
            width,
            scans_from_end: width - first < last + 1,
        }
    }

    /// Finds the ends of the selected fields of a row that contains no quotation marks, and returns
    /// the number of fields in the row. Returns `None` if the delimiter is longer than one byte.
    ///
    /// It is faster to count all delimiters and find the offsets of a few than to find the offsets
    /// of all delimiters.
    pub(crate) fn find_ends(
        &self,
        row: &[u8],
        delimiter: Delimiter,
        ends: &mut Vec<usize>,
    ) -> Option<usize> {
        if delimiter.length() > 1 {
            return None;
        }
        let fields = memchr_iter(delimiter.first(), row).count() + 1;
        if fields != self.width {
            return Some(fields);
        }
        ends.resize(self.width, 0);
        ends[self.width - 1] = row.len();
        if self.scans_from_end {
            let from = self.first.saturating_sub(1);
            let before = ends[from..self.width - 1].iter_mut().rev();
            for (end, index) in before.zip(memrchr_iter(delimiter.first(), row)) {
                *end = index;
            }
        } else {
            let up_to = ends[..self.width - 1].iter_mut().take(self.last + 1);
            for (end, index) in up_to.zip(memchr_iter(delimiter.first(), row)) {
                *end = index;
            }
        }
        Some(fields)
    }
}

/// Returns the byte range of the field at `index`.
pub(crate) fn field_range(ends: &[usize], index: usize, delimiter: Delimiter) -> Range<usize> {
    let start = match index {
        0 => 0,
        _ => ends[index - 1] + delimiter.length(),
    };
    start..ends[index]
}

/// Returns the content of a field, without its quotation marks. There may be spaces before the
/// quotation marks.
pub(crate) fn unquote(field: &[u8]) -> Cow<'_, [u8]> {
    let field = match field {
        [b' ', ..] if field.trim_ascii().first() == Some(&QUOTE) => field.trim_ascii(),
        _ => field,
    };
    let Some(inner) = field.strip_prefix(&[QUOTE]) else {
        return Cow::Borrowed(field);
    };
    if let Some(inner) = inner.strip_suffix(&[QUOTE])
        && memchr(QUOTE, inner).is_none()
    {
        return Cow::Borrowed(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(index) = memchr(QUOTE, rest) {
        text.extend_from_slice(&rest[..index]);
        rest = &rest[index + 1..];
        let Some(after) = rest.strip_prefix(&[QUOTE]) else {
            break;
        };
        text.push(QUOTE);
        rest = after;
    }
    text.extend_from_slice(rest);
    Cow::Owned(text)
}

/// Splits a row into its content and its line ending.
pub(crate) fn split_line_ending(row: &[u8]) -> (&[u8], &[u8]) {
    let length = match row {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    row.split_at(row.len() - length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(row: &str, delimiter: &str, expected: &[&str]) {
        let delimiter = delimiter.parse().expect("a delimiter");
        let mut ends = Vec::new();
        field_ends(row.as_bytes(), row.contains('"'), delimiter, &mut ends);
        let fields: Vec<String> = (0..ends.len())
            .map(|index| {
                unquote(&row.as_bytes()[field_range(&ends, index, delimiter)]).into_owned()
            })
            .map(|bytes| String::from_utf8(bytes).expect("text"))
            .collect();
        assert_eq!(fields, expected, "{row}");
    }

    #[test]
    fn rows_are_split_into_fields() {
        check("", ",", &[""]);
        check(",", ",", &["", ""]);
        check("a,b,,c", ",", &["a", "b", "", "c"]);
        check("\"a,b\",c", ",", &["a,b", "c"]);
        check("\"say \"\"no\"\"\",\"\"", ",", &["say \"no\"", ""]);
        check("\"a\nb\";c", ";", &["a\nb", "c"]);
        check("5\" pipe,6", ",", &["5\" pipe", "6"]);
        check("\"a\"b,c", ",", &["ab", "c"]);
        check("a¬b,c¬", "¬", &["a", "b,c", ""]);
        check("a, \"b\", \"\"", ",", &["a", "b", ""]);
    }

    #[test]
    fn selected_fields_are_found_from_either_end() {
        let row = b"a,,bcd,e,,f";
        let mut all = Vec::new();
        field_ends(row, false, Delimiter::COMMA, &mut all);
        for (place, practice) in [(0, 0), (0, 5), (5, 4), (2, 3), (3, 2), (5, 5), (1, 1)] {
            let mut ends = Vec::new();
            let selection = FieldSelection::new(&[place, practice], 6);
            assert_eq!(
                selection.find_ends(row, Delimiter::COMMA, &mut ends),
                Some(6)
            );
            for index in [place, practice] {
                let found = |ends| field_range(ends, index, Delimiter::COMMA);
                assert_eq!(
                    found(&ends),
                    found(&all),
                    "{index} of {place} and {practice}"
                );
            }
            assert_eq!(
                selection.find_ends(b"a,b", Delimiter::COMMA, &mut ends),
                Some(2)
            );
        }
    }

    proptest! {
        #[test]
        fn rows_and_fields_match_the_csv_crate(text in "[ab\",\n]{0,40}") {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let theirs: Vec<Vec<Vec<u8>>> = reader
                .byte_records()
                .map(|record| record.expect("bytes").iter().map(<[u8]>::to_vec).collect())
                .collect();
            let mut ours = Vec::new();
            let mut index = 0;
            while index < text.len() {
                let end = match row_end(text.as_bytes(), index, Delimiter::COMMA) {
                    RowEnd::After(end) => end,
                    RowEnd::EndOfText => text.len(),
                    RowEnd::Unterminated => return Ok(()),
                };
                let (row, _) = split_line_ending(&text.as_bytes()[index..end]);
                index = end;
                // The csv crate skips empty lines.
                if row.is_empty() {
                    continue;
                }
                let mut ends = Vec::new();
                field_ends(row, true, Delimiter::COMMA, &mut ends);
                ours.push(
                    (0..ends.len())
                        .map(|index| unquote(&row[field_range(&ends, index, Delimiter::COMMA)]).into_owned())
                        .collect::<Vec<_>>(),
                );
            }
            prop_assert_eq!(ours, theirs);
        }
    }
}
