//! Parsers of cells that several tables have in common.

use crate::formats::{CsvTableRow, TableError};
use catchment_core::domain::{BritishGrid, PositionalQuality};

/// Parses the position in two adjacent columns, easting and northing in metres. Returns `None` if
/// both cells are blank.
pub(crate) fn position(
    row: &CsvTableRow<'_>,
    easting: usize,
) -> Result<Option<BritishGrid>, TableError> {
    match (row.optional(easting)?, row.optional(easting + 1)?) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => required_position(row, easting).map(Some),
        _ => Err(row.cell_error(
            easting,
            "easting and northing must both be given or both be blank",
        )),
    }
}

/// Parses the position in two adjacent columns, easting and northing in metres.
pub(crate) fn required_position(
    row: &CsvTableRow<'_>,
    easting: usize,
) -> Result<BritishGrid, TableError> {
    let (east, north): (f64, f64) = (row.parse(easting)?, row.parse(easting + 1)?);
    BritishGrid::from_metres(east, north).map_err(|error| row.cell_error(easting, error))
}

/// Parses the positional quality. Returns `None` if the cell is blank.
pub(crate) fn positional_quality(
    row: &CsvTableRow<'_>,
    column: usize,
) -> Result<Option<PositionalQuality>, TableError> {
    row.parse_optional_with(column, |text| {
        let value = text.parse().ok();
        value
            .and_then(PositionalQuality::new)
            .ok_or("must be 1 to 9 (ONS) or 10 to 90 (Code-Point Open)")
    })
}

/// Parses the status of a postcode, `live` or `terminated`, and returns whether it is live.
pub(crate) fn is_live(row: &CsvTableRow<'_>, column: usize) -> Result<bool, TableError> {
    row.parse_with(column, |word| match word {
        LIVE => Ok(true),
        TERMINATED => Ok(false),
        _ => Err("must be live or terminated"),
    })
}

/// The status of a live postcode.
pub(crate) const LIVE: &str = "live";
/// The status of a terminated postcode.
pub(crate) const TERMINATED: &str = "terminated";
