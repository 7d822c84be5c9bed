//! A table of postcodes with positions, periods and statistical areas, in the format of
//! `data/source/postcodes.csv`:
//! `postcode,easting,northing,code_point_quality,status,introduced,terminated,lsoa11cd,sub_icb`.
//! Months are `YYYYMM`; positions are metres on the British National Grid.

use super::PostcodeRecord;
use crate::dataset::cells;
use crate::formats::{CsvTable, TableError};

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

/// Reads every row, in order of postcode.
pub fn read(file: &str, bytes: &[u8]) -> Result<Vec<PostcodeRecord>, TableError> {
    let mut rows = CsvTable::open(file, bytes, COLUMN_NAMES)?.read(|row| {
        Ok(PostcodeRecord {
            postcode: row.parse(0)?,
            position: cells::position(row, 1)?,
            positional_quality: cells::positional_quality(row, 3)?,
            is_large_user: false,
            is_live: cells::is_live(row, 4)?,
            introduced: row.parse_optional(5)?,
            terminated: row.parse_optional(6)?,
            statistical_area: row.optional(7)?.map(str::to_string),
            sub_icb: row.optional(8)?.map(str::to_string),
        })
    })?;
    rows.sort_by_key(|row| row.postcode);
    Ok(rows)
}
