//! A list of postcodes with positions, periods and statistical areas, as `data/source` has it:
//! `postcode,easting,northing,code_point_quality,status,introduced,terminated,lsoa11cd,sub_icb`.
//! Months are `YYYYMM`, positions metres on the British National Grid.

use crate::dataset::TableError;
use crate::dataset::table::Table;
use crate::domain::{BritishGrid, Postcode, YearMonth};

/// A row of the list.
#[derive(Debug, Clone)]
pub(crate) struct ListedPostcode {
    pub(crate) postcode: Postcode,
    pub(crate) position: Option<BritishGrid>,
    pub(crate) positional_quality: Option<u8>,
    pub(crate) live: bool,
    pub(crate) introduced: Option<YearMonth>,
    pub(crate) terminated: Option<YearMonth>,
    pub(crate) statistical_area: Option<String>,
    pub(crate) sub_icb: Option<String>,
}

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
            positional_quality: row.parse_optional(3)?,
            live: row.with(4, |word| match word {
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
