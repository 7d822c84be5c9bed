//! Finds rows that became part of a field because of a stray quotation mark. The field contains
//! everything up to the next quotation mark, including line feeds and delimiters.

use memchr::memchr;

use super::column_mapping::{ColumnMapping, LocationColumns};
use crate::tabular::delimiter::Delimiter;
use crate::tabular::fields::{field_ends, field_range};
use catchment_core::domain::{OdsCode, Postcode, StatisticalAreaCode, Uprn};

/// Returns the number of rows that a field of this row has probably swallowed. A line is probably a
/// row if it has the same number of fields as a row, and contains a location or a practice code in
/// the expected field. One of these lines is the row itself.
pub(super) fn count_swallowed_rows(
    row: &[u8],
    delimiter: Delimiter,
    field_count: usize,
    mapping: &ColumnMapping,
) -> usize {
    if memchr(b'\n', row).is_none() {
        return 0;
    }
    let mut ends = Vec::new();
    let lines = row.split(|&byte| byte == b'\n');
    let rows = lines.filter(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        field_ends(line, false, delimiter, &mut ends);
        ends.len() == field_count
            && has_expected_content(mapping, |index| {
                let field = &line[field_range(&ends, index, delimiter)];
                let text = String::from_utf8_lossy(field);
                text.trim_matches(|c: char| c == '"' || c.is_whitespace())
                    .to_string()
            })
    });
    rows.count().saturating_sub(1)
}

fn has_expected_content(mapping: &ColumnMapping, field: impl Fn(usize) -> String) -> bool {
    let is_number = |index| field(index).parse::<f64>().is_ok();
    match (mapping.location, mapping.practice) {
        (LocationColumns::Postcode(index), _) => field(index).parse::<Postcode>().is_ok(),
        // Text that is not a GSS code, such as a word of an address, is too common to identify a
        // row.
        (LocationColumns::StatisticalArea(index, _), _) => {
            StatisticalAreaCode::is_gss(&field(index))
        }
        (LocationColumns::Uprn(index), _) => field(index).parse::<Uprn>().is_ok(),
        (LocationColumns::LonLat(first, second) | LocationColumns::Grid(first, second), _) => {
            is_number(first) && is_number(second)
        }
        (LocationColumns::None, Some(index)) => field(index).parse::<OdsCode>().is_ok(),
        (LocationColumns::None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: &str, field_count: usize, expected: usize) {
        let mapping = ColumnMapping {
            location: LocationColumns::Postcode(field_count.min(2) - 1),
            practice: None,
            as_of: None,
            key: None,
        };
        let found = count_swallowed_rows(row.as_bytes(), Delimiter::COMMA, field_count, &mapping);
        assert_eq!(found, expected, "{row}");
    }

    #[test]
    fn lines_of_a_field_that_look_like_rows_are_counted() {
        check(
            "\"The Cottage,LA18 4DB,A82033\r\nB,LA10 5DL,A82608\nC\",LA18 4DB,A82033",
            3,
            2,
        );
        check("A,LA18 4DB,\"A82033\nB,LA10 5DL,A82608\nC\"", 3, 1);
        check("\"LA18 4DB\nLA10 5DL\"", 1, 1);
    }

    #[test]
    fn addresses_on_several_lines_are_not_rows() {
        check("\"Flat 1\n2 High Street, Millom\",LA18 4DB,A82033", 3, 0);
        check(
            "\"1 High Street, Millom, Cumbria\nLA18 4DB\",LA18 4DB,A82033",
            3,
            0,
        );
        check("A,LA18 4DB,A82033", 3, 0);
    }
}
