//! The location in a row of the input.

use std::borrow::Cow;

use catchment_core::domain::{
    InvalidPostcode, InvalidStatisticalAreaCode, InvalidUprn, Postcode, StatisticalAreaLocator,
    Uprn,
};
use catchment_core::index::Locator;
use catchment_core::request::InvalidRequest;

/// The location in a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowLocation {
    Postcode(Result<Postcode, InvalidPostcode>),
    /// The code of a statistical area.
    StatisticalArea(Result<StatisticalAreaLocator, InvalidStatisticalAreaCode>),
    /// A UPRN.
    Uprn(Result<Uprn, InvalidUprn>),
    /// The coordinates, or the code of the error in the coordinates.
    Position(Result<Locator, &'static str>),
    /// The row has no location, so only the registration is looked up.
    Absent,
}

impl RowLocation {
    pub(super) fn from_position(parsed: Result<Locator, InvalidRequest>) -> RowLocation {
        RowLocation::Position(parsed.map_err(|error| error.code()))
    }

    /// Returns the locator, if the row has a valid location.
    pub(super) fn locator(&self) -> Option<Locator> {
        match *self {
            RowLocation::Postcode(Ok(postcode)) => Some(Locator::Postcode(postcode)),
            RowLocation::StatisticalArea(Ok(area)) => Some(Locator::StatisticalArea(area)),
            RowLocation::Uprn(Ok(uprn)) => Some(Locator::Uprn(uprn)),
            RowLocation::Position(Ok(locator)) => Some(locator),
            _ => None,
        }
    }

    /// Returns the error of a row that has no valid location.
    pub(super) fn error(&self) -> Option<LocationError> {
        let error = |status, code| {
            Some(LocationError {
                status,
                code,
                why: Cow::Borrowed(code),
            })
        };
        match *self {
            RowLocation::Postcode(Err(InvalidPostcode::Missing))
            | RowLocation::StatisticalArea(Err(InvalidStatisticalAreaCode::Missing))
            | RowLocation::Uprn(Err(InvalidUprn::Missing))
            | RowLocation::Position(Err(MISSING)) => error(MISSING, MISSING),
            RowLocation::Postcode(Err(InvalidPostcode::Partial)) => {
                error("partial_postcode", "partial_postcode")
            }
            RowLocation::Postcode(Err(InvalidPostcode::Malformed { hint, .. })) => {
                let why = hint.map(|hint| format!("{MALFORMED} ({})", hint.as_str()));
                Some(LocationError {
                    status: MALFORMED,
                    code: MALFORMED,
                    why: why.map_or(Cow::Borrowed(MALFORMED), Cow::Owned),
                })
            }
            RowLocation::StatisticalArea(Err(InvalidStatisticalAreaCode::Malformed)) => {
                error(MALFORMED, MALFORMED)
            }
            RowLocation::Uprn(Err(InvalidUprn::Malformed)) => error(MALFORMED, MALFORMED),
            RowLocation::Uprn(Err(InvalidUprn::Shortened)) => Some(LocationError {
                status: MALFORMED,
                code: MALFORMED,
                why: Cow::Borrowed(SHORTENED),
            }),
            RowLocation::Position(Err(word)) => error(MALFORMED, word),
            _ => None,
        }
    }

    /// Returns whether the row contains text that is not a location.
    pub(super) fn is_malformed(&self) -> bool {
        match self {
            RowLocation::Postcode(Err(error)) => matches!(error, InvalidPostcode::Malformed { .. }),
            RowLocation::StatisticalArea(Err(error)) => {
                *error == InvalidStatisticalAreaCode::Malformed
            }
            RowLocation::Uprn(Err(error)) => *error != InvalidUprn::Missing,
            RowLocation::Position(Err(word)) => *word != MISSING,
            _ => false,
        }
    }

    /// Returns the probable correction of a malformed postcode.
    pub(super) fn suggestion(&self) -> Option<Postcode> {
        match self {
            RowLocation::Postcode(Err(InvalidPostcode::Malformed { suggestion, .. })) => {
                *suggestion
            }
            _ => None,
        }
    }
}

/// The reason why a row has no valid location.
pub(super) struct LocationError {
    /// The status of the row.
    pub(super) status: &'static str,
    /// The reason as a single code.
    pub(super) code: &'static str,
    /// The reason with its details.
    pub(super) why: Cow<'static, str>,
}

const MISSING: &str = "missing";
const MALFORMED: &str = "malformed";
const SHORTENED: &str = "malformed (a spreadsheet shortened the number)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_locations_have_that_status() {
        let postcode = |text: &str| RowLocation::Postcode(text.parse());
        for (location, status, code) in [
            (postcode("LA1O 5DL"), "malformed", "malformed"),
            (postcode("PR3%200SG"), "malformed", "malformed"),
            (postcode("LA1"), "partial_postcode", "partial_postcode"),
            (postcode(""), "missing", "missing"),
            (RowLocation::Position(Err("missing")), "missing", "missing"),
            (RowLocation::Uprn("".parse()), "missing", "missing"),
            (RowLocation::Uprn("x".parse()), "malformed", "malformed"),
            (RowLocation::Uprn("1E+9".parse()), "malformed", "malformed"),
            (
                RowLocation::Position(Err("not_degrees")),
                "malformed",
                "not_degrees",
            ),
        ] {
            let error = location.error().expect("an error");
            assert_eq!((error.status, error.code), (status, code));
            assert!(error.why.starts_with(code), "{}", error.why);
            assert_eq!(location.is_malformed(), status == "malformed", "{status}");
        }
        for location in [postcode("LA18 4DB"), RowLocation::Absent] {
            assert!(location.error().is_none() && !location.is_malformed());
        }
    }
}
