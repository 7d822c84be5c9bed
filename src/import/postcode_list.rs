//! A list of postcodes with positions, periods and statistical areas, as `data/source` has it:
//! `postcode,easting,northing,code_point_quality,status,introduced,terminated,lsoa11cd,sub_icb`.
//! Months are `YYYYMM`, positions metres on the British National Grid.

use super::ListedPostcode;
use crate::dataset::TableError;
use crate::dataset::table::Table;
use crate::domain::{BritishGrid, PositionalQuality};

const COLUMNS: &[&str] = &[
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

/// Every row, in order of postcode.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Vec<ListedPostcode>, TableError> {
    let mut rows = Table::open(file, bytes, COLUMNS)?.read(|row| {
        let position = match (row.parse_optional::<f64>(1)?, row.parse_optional::<f64>(2)?) {
            (Some(easting), Some(northing)) => Some(
                BritishGrid::from_metres(easting, northing).map_err(|error| row.wrong(1, error))?,
            ),
            (None, None) => None,
            _ => return Err(row.wrong(1, "easting and northing come together")),
        };
        Ok(ListedPostcode {
            postcode: row.parse(0)?,
            position,
            positional_quality: row.with_optional(3, |text| {
                let value = text.parse().ok();
                value
                    .and_then(PositionalQuality::new)
                    .ok_or("a quality from 10 to 90")
            })?,
            is_large_user: false,
            is_live: row.with(4, |word| match word {
                "live" => Ok(true),
                "terminated" => Ok(false),
                _ => Err("live or terminated"),
            })?,
            introduced: row.parse_optional(5)?,
            terminated: row.parse_optional(6)?,
            statistical_area: row.optional(7)?.map(str::to_string),
            sub_icb: row.optional(8)?.map(str::to_string),
        })
    })?;
    rows.sort_by_key(|row| row.postcode);
    Ok(rows)
}
