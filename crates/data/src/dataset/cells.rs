//! Parsers of cells that occur in several tables.

use crate::formats::{CsvTableRow, TableError};
use catchment_core::domain::{
    BritishGrid, DirectoryStatus, PositionalQuality, PostcodeCodes, Termination, YearMonth,
};

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

/// Parses the termination of a postcode with this status. The termination is either a month or, in
/// two adjacent columns, the months of the two editions between which the postcode was terminated.
pub(crate) fn termination(
    row: &CsvTableRow<'_>,
    status: DirectoryStatus,
    month: usize,
    ended_after: usize,
) -> Result<Option<Termination>, TableError> {
    let ended_by = ended_after + 1;
    let terminated: Option<YearMonth> = row.parse_optional(month)?;
    let after: Option<YearMonth> = row.parse_optional(ended_after)?;
    let by: Option<YearMonth> = row.parse_optional(ended_by)?;
    let blank_for = |column, reason: &str| Err(row.cell_error(column, reason));
    match (terminated, after, by) {
        (None, None, None) => Ok(None),
        (Some(_), ..) if status == DirectoryStatus::NotConfirmed => {
            blank_for(month, "must be blank for a postcode that is not_confirmed")
        }
        (Some(terminated), None, None) => Ok(Some(Termination::in_month(terminated))),
        (Some(_), ..) => blank_for(ended_after, "must be blank if the month is known"),
        (None, ..) if status != DirectoryStatus::Terminated => blank_for(
            ended_after,
            "must be blank unless the postcode is terminated",
        ),
        (None, Some(after), Some(by)) => match Termination::between(after, by) {
            Some(termination) => Ok(Some(termination)),
            None => blank_for(
                ended_by,
                "must be a later month than the month in the previous column",
            ),
        },
        (None, ..) => blank_for(
            ended_after,
            "both months between which a postcode ended must be given, or both be blank",
        ),
    }
}

/// Parses the codes of a postcode. The council and the LSOA of 2021 are in two adjacent columns.
/// Two other adjacent columns state whether the statistical area and the LSOA of 2021 were found by
/// polygon.
pub(crate) fn codes(
    row: &CsvTableRow<'_>,
    council: usize,
    statistical_area_by: usize,
) -> Result<PostcodeCodes, TableError> {
    let is_by_polygon = |column| {
        row.parse_with(column, |word| match word {
            POLYGON => Ok(true),
            "" => Ok(false),
            _ => Err("must be polygon or blank"),
        })
    };
    Ok(PostcodeCodes {
        council: row.parse_optional(council)?,
        lsoa21: row.parse_optional(council + 1)?,
        is_statistical_area_by_polygon: is_by_polygon(statistical_area_by)?,
        is_lsoa21_by_polygon: is_by_polygon(statistical_area_by + 1)?,
    })
}

/// The value for a code that was found by polygon.
pub(crate) const POLYGON: &str = "polygon";
