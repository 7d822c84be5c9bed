//! The errors of request parameters, with their codes.

use crate::domain::{
    InvalidBritishGrid, InvalidDate, InvalidGridReference, InvalidLonLat, InvalidOdsCode,
    InvalidPostcode, InvalidPrefix, InvalidStatisticalAreaCode, InvalidUprn, Layer, UnknownLayer,
};

/// The reason why parameters are not a valid request. The messages do not repeat values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// There is neither a location nor a practice.
    #[error(
        "give a location (postcode, or lon and lat, or easting and northing, or the code of a statistical area, or uprn), a practice, or both"
    )]
    MissingLocation,
    /// A parameter is not allowed.
    #[error("unknown parameter; allowed: {allowed}")]
    UnknownParameter {
        /// The allowed parameters.
        allowed: String,
    },
    /// A parameter is given more than once.
    #[error("{field} must not be given more than once")]
    RepeatedParameter {
        /// The name of the parameter.
        field: &'static str,
    },
    /// There is more than one location.
    #[error(
        "give only one location: postcode, or lon and lat, or easting and northing, or the code of one statistical area, or uprn"
    )]
    MultipleLocations,
    /// Only one of the two coordinates is given.
    #[error("{missing} is missing; give both coordinates")]
    IncompleteCoordinate {
        /// The parameter that is missing.
        missing: &'static str,
    },
    /// A coordinate is not a number.
    #[error("{field} must be a number")]
    NotANumber {
        /// The name of the parameter.
        field: &'static str,
    },
    /// The postcode is not valid.
    #[error(transparent)]
    Postcode(#[from] InvalidPostcode),
    /// The code of a statistical area is not valid.
    #[error(transparent)]
    StatisticalArea(#[from] InvalidStatisticalAreaCode),
    /// The UPRN is not valid.
    #[error(transparent)]
    Uprn(#[from] InvalidUprn),
    /// A layer is not a layer of statistical areas of the dataset.
    #[error(
        "unknown parameter: {layer} is not a layer of statistical areas of this dataset{}",
        listed_layers(known)
    )]
    NotStatistical {
        /// The layer.
        layer: Layer,
        /// The layers of statistical areas of the dataset.
        known: Vec<Layer>,
    },
    /// The longitude or the latitude is not valid.
    #[error(transparent)]
    LonLat(#[from] InvalidLonLat),
    /// The latitude and the longitude are swapped.
    #[error("lon and lat look swapped; exchange their values if the location is in Great Britain")]
    Swapped,
    /// The coordinates are 0, 0, or the false origin of the British National Grid.
    #[error(
        "the coordinates are 0, 0 or the origin of the British National Grid, which programs write if the location is not known"
    )]
    ZeroCoordinates,
    /// The easting or the northing is not valid.
    #[error(transparent)]
    Grid(#[from] InvalidBritishGrid),
    /// The grid reference is not valid.
    #[error(transparent)]
    GridReference(#[from] InvalidGridReference),
    /// The easting and the northing seem to be in degrees instead of metres.
    #[error("easting and northing must be in metres; use lon and lat for degrees")]
    NotMetres,
    /// The date is not valid.
    #[error("as_of is {0}")]
    Date(#[from] InvalidDate),
    /// The dataset does not contain a requested layer.
    #[error("layers must be comma-separated names of layers: {0}")]
    Layer(#[from] UnknownLayer),
    /// The practice code is not valid, and there is no location.
    #[error("{0}")]
    Practice(InvalidOdsCode),
    /// There is no search term.
    #[error("give prefix, or lon and lat, or easting and northing")]
    MissingSearch,
    /// There is more than one search term.
    #[error("give only one search: prefix, or lon and lat, or easting and northing")]
    MultipleSearches,
    /// The prefix is not the beginning of a postcode.
    #[error("prefix {0}")]
    Prefix(#[from] InvalidPrefix),
    /// The number of results is not valid.
    #[error("limit must be a whole number from 1 to {max}")]
    Limit {
        /// The maximum number of results.
        max: usize,
    },
    /// A limit is given without a location. A request without a location returns all results.
    #[error(
        "limit can only be used with a location: postcode, or lon and lat, or easting and northing"
    )]
    LimitWithoutLocation,
    /// `after` is not a postcode.
    #[error("after must be the last postcode of the previous page")]
    InvalidAfter,
    /// `status` is neither `live` nor `all`.
    #[error("status must be live or all")]
    InvalidStatus,
}

impl InvalidRequest {
    /// Returns the stable error code, which identifies the cause.
    pub fn code(&self) -> &'static str {
        match self {
            InvalidRequest::MissingLocation => "missing_location",
            InvalidRequest::IncompleteCoordinate { .. } => "incomplete_coordinates",
            InvalidRequest::MissingSearch => "missing_search",
            InvalidRequest::LimitWithoutLocation => "limit_without_location",
            InvalidRequest::Prefix(InvalidPrefix::Missing) => "missing_prefix",
            InvalidRequest::Practice(InvalidOdsCode::Missing) => "missing_practice",
            // The codes of postcodes are also statuses of rows in batches.
            InvalidRequest::Postcode(InvalidPostcode::Missing) => "missing",
            InvalidRequest::Postcode(InvalidPostcode::Partial) => "partial_postcode",
            InvalidRequest::Postcode(InvalidPostcode::Malformed { .. }) => "malformed",
            InvalidRequest::NotANumber { .. }
            | InvalidRequest::LonLat(InvalidLonLat::NotFinite) => "not_a_number",
            InvalidRequest::LonLat(InvalidLonLat::OutOfRange) | InvalidRequest::Grid(_) => {
                "coordinates_out_of_range"
            }
            InvalidRequest::GridReference(_) => "invalid_grid_reference",
            InvalidRequest::Prefix(InvalidPrefix::Malformed) => "invalid_prefix",
            InvalidRequest::Limit { .. } => "invalid_limit",
            InvalidRequest::InvalidAfter => "invalid_after",
            InvalidRequest::InvalidStatus => "invalid_status",
            InvalidRequest::Practice(InvalidOdsCode::Malformed) => "invalid_practice_code",
            InvalidRequest::StatisticalArea(InvalidStatisticalAreaCode::Missing) => {
                "missing_statistical_area"
            }
            InvalidRequest::StatisticalArea(InvalidStatisticalAreaCode::Malformed) => {
                "invalid_statistical_area"
            }
            InvalidRequest::Uprn(InvalidUprn::Missing) => "missing_uprn",
            InvalidRequest::Uprn(_) => "invalid_uprn",
            InvalidRequest::LonLat(InvalidLonLat::NotDegrees) => "not_degrees",
            InvalidRequest::Swapped => "coordinates_swapped",
            InvalidRequest::NotMetres => "not_metres",
            InvalidRequest::ZeroCoordinates => "coordinates_zero",
            InvalidRequest::UnknownParameter { .. } | InvalidRequest::NotStatistical { .. } => {
                "unknown_parameter"
            }
            InvalidRequest::RepeatedParameter { .. } => "repeated_parameter",
            InvalidRequest::MultipleLocations => "ambiguous_location",
            InvalidRequest::MultipleSearches => "ambiguous_search",
            InvalidRequest::Date(_) => "invalid_date",
            InvalidRequest::Layer(_) => "unknown_layer",
        }
    }

    /// Returns whether the parameters are well-formed, but cannot be processed (status 422 instead
    /// of 400).
    pub fn is_well_formed(&self) -> bool {
        matches!(
            self,
            InvalidRequest::Swapped
                | InvalidRequest::NotMetres
                | InvalidRequest::ZeroCoordinates
                | InvalidRequest::LonLat(InvalidLonLat::NotDegrees)
        )
    }
}

/// Lists the layers of statistical areas after a sentence: `; use lsoa11 or lsoa21`.
fn listed_layers(known: &[Layer]) -> String {
    let ids: Vec<&str> = known.iter().map(|layer| layer.as_str()).collect();
    match ids.split_last() {
        None => ", which has none".into(),
        Some((last, [])) => format!("; use {last}"),
        Some((last, others)) => format!("; use {} or {last}", others.join(", ")),
    }
}
