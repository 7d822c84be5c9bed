//! A table of postcodes with positions, periods and statistical areas, in the format of
//! `data/source/postcodes.csv`:
//! `postcode,easting,northing,code_point_quality,status,introduced,terminated,lsoa11cd,sub_icb`, and
//! optionally `laua,lsoa21cd,ended_after,ended_by,lsoa11_by,lsoa21_by`. Months are `YYYYMM`;
//! positions are metres on the British National Grid.
//!
//! `status` is `live`, `terminated` or `not_confirmed`. A postcode is `not_confirmed` if it is in
//! the directory but in no list of live postcodes. If the month in which a postcode was terminated
//! is not known, the postcode was in the list of the month `ended_after` and not in the list of the
//! month `ended_by`. `lsoa11_by` and `lsoa21_by` are `polygon` if the code was found from the
//! position of the postcode. This is necessary if the postcode is not in the publisher's look-up,
//! or the code in the look-up belongs to an earlier use of the postcode.

use super::PostcodeRecord;
use crate::dataset::cells;
use crate::formats::{CsvTable, FormatColumns, TableError, TableFormat, present_name};

const COLUMN_NAMES: &[&str] = &[
    "postcode",
    "easting",
    "northing",
    "code_point_quality",
    "status",
    "introduced",
    "terminated",
    "lsoa11cd",
    "sub_icb",
];

const OPTIONAL_COLUMN_NAMES: &[&str] = &[
    "laua",
    "lsoa21cd",
    "ended_after",
    "ended_by",
    "lsoa11_by",
    "lsoa21_by",
];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "table of postcodes (columns of data/source/postcodes.csv)",
    columns: FormatColumns::Named {
        required: COLUMN_NAMES,
        optional: OPTIONAL_COLUMN_NAMES,
        canonical: present_name,
    },
};

/// Reads every row, in order of postcode.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<PostcodeRecord>, TableError> {
    let (required, optional) = (COLUMN_NAMES, OPTIONAL_COLUMN_NAMES);
    let table = CsvTable::open_with_optional(file, bytes, required, optional)?;
    let mut rows = table.read(|row| {
        let status = row.parse(4)?;
        Ok(PostcodeRecord {
            postcode: row.parse(0)?,
            position: cells::position(row, 1)?,
            positional_quality: cells::positional_quality(row, 3)?,
            is_large_user: false,
            status,
            introduced: row.parse_optional(5)?,
            termination: cells::termination(row, status, 6, 11)?,
            statistical_area: row.optional(7)?.map(str::to_string),
            codes: cells::codes(row, 9, 13)?,
            sub_icb: row.optional(8)?.map(str::to_string),
        })
    })?;
    rows.sort_by_key(|row| row.postcode);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use catchment_core::domain::{DirectoryStatus, PostcodeCodes, YearMonth};

    use super::*;

    const HEADER: &str = "postcode,easting,northing,code_point_quality,status,introduced,\
        terminated,lsoa11cd,sub_icb";
    const OPTIONAL: &str = ",laua,lsoa21cd,ended_after,ended_by,lsoa11_by,lsoa21_by";

    fn read_row(cells: &str) -> Result<PostcodeRecord, TableError> {
        let text = format!("{HEADER}{OPTIONAL}\nLA1 1AA,347000,461000,,{cells}\n");
        let mut rows = read("p.csv", text.as_bytes())?;
        Ok(rows.remove(0))
    }

    fn month(text: &str) -> YearMonth {
        text.parse().expect("a month")
    }

    #[test]
    fn tables_without_the_optional_columns_are_read() {
        let text = format!("{HEADER}\nLA1 1AA,347000,461000,10,live,198001,,E01025152,01K\n");
        let rows = read("p.csv", text.as_bytes()).expect("a table");
        assert_eq!(rows[0].status, DirectoryStatus::Live);
        assert_eq!(rows[0].codes, PostcodeCodes::default());
        assert!(rows[0].termination.is_none());
    }

    #[test]
    fn unconfirmed_and_undated_postcodes_are_read() {
        let row = read_row("not_confirmed,,,,01K,E07000121,E01025153,,,,polygon");
        let row = row.expect("a row");
        assert_eq!(row.status, DirectoryStatus::NotConfirmed);
        assert_eq!(row.codes.council, "E07000121".parse().ok());
        assert_eq!(row.codes.lsoa21, "E01025153".parse().ok());
        assert!(row.codes.is_lsoa21_by_polygon && !row.codes.is_statistical_area_by_polygon);
        let row = read_row("terminated,198001,,E01025152,01K,,,202205,202407,polygon,");
        let row = row.expect("a row");
        let editions = row.termination.and_then(|ended| ended.editions());
        assert_eq!(editions, Some((month("202205"), month("202407"))));
        assert!(row.codes.is_statistical_area_by_polygon);
    }

    #[test]
    fn contradictory_terminations_are_errors() {
        for (cells, expected) in [
            (
                "gone,,,,,,,,,,",
                "column `status`: `gone` is not valid: must be live, terminated or not_confirmed",
            ),
            (
                "not_confirmed,,202001,,,,,,,,",
                "column `terminated`: `202001` is not valid: must be blank for a postcode that is \
                 not_confirmed",
            ),
            (
                "terminated,,202001,,,,,202205,202407,,",
                "column `ended_after`: `202205` is not valid: must be blank if the month is known",
            ),
            (
                "live,,,,,,,202205,202407,,",
                "column `ended_after`: `202205` is not valid: must be blank unless the postcode is \
                 terminated",
            ),
            (
                "terminated,,,,,,,202205,202205,,",
                "column `ended_by`: `202205` is not valid: must be a later month than the month \
                 in the previous column",
            ),
            (
                "terminated,,,,,,,202205,,,",
                "column `ended_after`: `202205` is not valid: both months between which a postcode \
                 ended must be given, or both be blank",
            ),
            (
                "live,,,,,Lancaster,,,,,",
                "column `laua`: `Lancaster` is not valid: must be a GSS code, such as E06000063: a \
                 letter and eight digits",
            ),
            (
                "live,,,,,,,,,map,",
                "column `lsoa11_by`: `map` is not valid: must be polygon or blank",
            ),
        ] {
            let error = read_row(cells).expect_err("not valid").to_string();
            assert_eq!(error, format!("p.csv, line 2, {expected}"));
        }
    }
}
