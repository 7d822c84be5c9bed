//! Facts about areas: other names, in the format of `data/source/icc_names.csv`
//! (`id,name,kind,source,as_of`), and the numbers of residents of statistical areas.

use jiff::civil::Date;
use serde::Deserialize;

use crate::dataset::manifest::deserialize_date;
use crate::formats::{CsvTable, TableError};
use catchment_core::domain::{ResidentCount, date_from_iso};

/// Another name of an area. The layer of the area is not in the file.
#[derive(Debug, Clone)]
pub struct OtherNameRecord {
    pub(crate) area: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) as_of: Option<Date>,
}

/// The columns of a file with numbers of residents, and a description of the numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidentColumns {
    /// The id of the statistical areas, such as `lsoa11`.
    pub scheme: String,
    /// The column with the code of the statistical area.
    pub code: String,
    /// The column with the number of people.
    pub people: String,
    /// The date of the count or estimate.
    #[serde(deserialize_with = "deserialize_date")]
    pub as_of: Date,
}

/// Reads every row of a file of names, in the order of the file.
pub(crate) fn read_names(file: &str, bytes: &[u8]) -> Result<Vec<OtherNameRecord>, TableError> {
    let columns = ["id", "name", "kind", "source", "as_of"];
    CsvTable::open(file, bytes, &columns)?.read(|row| {
        Ok(OtherNameRecord {
            area: row.required(0)?.to_string(),
            name: row.required(1)?.to_string(),
            kind: row.required(2)?.to_string(),
            source: row.text(3)?.to_string(),
            as_of: row.parse_optional_with(4, date_from_iso)?,
        })
    })
}

/// Reads every row of a file of residents, in the order of the file.
pub(crate) fn read_residents(
    file: &str,
    bytes: &[u8],
    columns: &ResidentColumns,
) -> Result<Vec<ResidentCount>, TableError> {
    CsvTable::open(file, bytes, &[&columns.code, &columns.people])?.read(|row| {
        Ok(ResidentCount {
            scheme: columns.scheme.clone(),
            statistical_area: row.required(0)?.to_string(),
            as_of: columns.as_of,
            people: row.parse(1)?,
        })
    })
}
