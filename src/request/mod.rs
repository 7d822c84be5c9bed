//! The parameters of look-ups, whose names, rules and errors are the same for the API, the pages
//! and the command line.

use jiff::civil::Date;

use crate::domain::{
    BritishGrid, GridReference, InvalidBritishGrid, InvalidDate, InvalidGridReference,
    InvalidLayer, InvalidLonLat, InvalidPostcode, InvalidPrefix, Layer, LonLat, Postcode,
    PostcodePrefix, date_from_iso, today_in_london,
};
use crate::index::{LocateQuery, Locator, PostcodeFilter};

/// A valid request for a look-up.
#[derive(Debug, Clone)]
pub struct LocateRequest {
    /// The query for the index.
    pub query: LocateQuery,
    /// The requested layers; `None` means all layers of the dataset.
    pub layers: Option<Vec<Layer>>,
}

/// The reason why parameters are not a valid request. The messages do not repeat values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// There is neither a location nor a practice.
    #[error(
        "give a location (postcode, or lon and lat, or easting and northing), a practice, or both"
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
    #[error("give only one location: postcode, or lon and lat, or easting and northing")]
    MultipleLocations,
    /// A coordinate is given without the other coordinate.
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
    /// The longitude or the latitude is not valid.
    #[error(transparent)]
    LonLat(#[from] InvalidLonLat),
    /// The latitude and the longitude are swapped.
    #[error("lon and lat look swapped; exchange their values if the location is in Great Britain")]
    Swapped,
    /// The easting or the northing is not valid.
    #[error(transparent)]
    Grid(#[from] InvalidBritishGrid),
    /// The grid reference is not valid.
    #[error(transparent)]
    GridReference(#[from] InvalidGridReference),
    /// The easting and the northing are in degrees instead of metres.
    #[error("easting and northing must be in metres; use lon and lat for degrees")]
    NotMetres,
    /// The date is not valid.
    #[error("as_of is {0}")]
    Date(#[from] InvalidDate),
    /// The name of a layer is not valid.
    #[error("layers must be comma-separated names of layers: {0}")]
    Layer(#[from] InvalidLayer),
    /// The practice code is not valid, and there is no location.
    #[error("{0}")]
    Practice(crate::domain::InvalidOdsCode),
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
    /// A limit is given without a location. Requests without a location return all results.
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

/// The parameters of a request, from a query string, a form, JSON or the command line. Each
/// parameter occurs at most once.
#[derive(Default)]
pub struct RequestParams {
    values: Vec<(&'static str, String)>,
}

/// The names of all parameters of a look-up.
pub const LOCATE_PARAMS: &[&str] = &[
    "postcode", "lon", "lat", "easting", "northing", "practice", "as_of", "layers", "dataset",
];

/// The fields of the look-up form. The form has one field for a location in any notation (`place`),
/// and three fields for a date.
pub const FORM_FIELDS: &[&str] = &[
    "place", "postcode", "lon", "lat", "easting", "northing", "practice", "as_of", "day", "month",
    "year", "layers", "dataset",
];

impl RequestParams {
    /// Collects the parameters from pairs of a name and a value.
    ///
    /// # Errors
    /// If a parameter is not among `allowed`, or is given more than once.
    pub fn new(
        pairs: impl IntoIterator<Item = (String, String)>,
        allowed: &[&'static str],
    ) -> Result<RequestParams, InvalidRequest> {
        let mut params = RequestParams::default();
        for (name, value) in pairs {
            let Some(&field) = allowed.iter().find(|field| **field == name) else {
                let allowed = if allowed.is_empty() {
                    "none".into()
                } else {
                    allowed.join(", ")
                };
                return Err(InvalidRequest::UnknownParameter { allowed });
            };
            if params.get(field).is_some() {
                return Err(InvalidRequest::RepeatedParameter { field });
            }
            params.values.push((field, value));
        }
        Ok(params)
    }

    /// Returns the value of a parameter, if it is given.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the date of `as_of`. Without `as_of`, returns the date of the form's three fields
    /// or, if these fields are empty, today's date in London.
    ///
    /// # Errors
    /// If the date is not valid.
    pub fn as_of(&self) -> Result<Date, InvalidRequest> {
        match self.get("as_of") {
            Some(text) => Ok(date_from_iso(text)?),
            None => Ok(self.date_from_parts()?.unwrap_or_else(today_in_london)),
        }
    }

    /// Returns the date of the form's three fields, if any of these fields is filled in.
    fn date_from_parts(&self) -> Result<Option<Date>, InvalidRequest> {
        let parts = ["year", "month", "day"].map(|name| self.get(name));
        if parts == [None; 3] {
            return Ok(None);
        }
        let [year, month, day] = parts.map(|part| part.unwrap_or_default().trim());
        Ok(Some(date_from_iso(&format!(
            "{year}-{month:0>2}-{day:0>2}"
        ))?))
    }

    fn coordinate_pair(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(f64, f64)>, InvalidRequest> {
        let number = |field, text: &str| {
            text.trim()
                .parse::<f64>()
                .map_err(|_| InvalidRequest::NotANumber { field })
        };
        match (self.get(first), self.get(second)) {
            (None, None) => Ok(None),
            (Some(a), Some(b)) => Ok(Some((number(first, a)?, number(second, b)?))),
            (None, Some(_)) => Err(InvalidRequest::IncompleteCoordinate { missing: first }),
            (Some(_), None) => Err(InvalidRequest::IncompleteCoordinate { missing: second }),
        }
    }

    /// Returns the requested number of results, or `default` if there is no limit.
    ///
    /// # Errors
    /// If the limit is not a whole number from 1 to `max`.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, InvalidRequest> {
        let Some(text) = self.get("limit") else {
            return Ok(default);
        };
        let limit = text.trim().parse().ok();
        limit
            .filter(|limit| (1..=max).contains(limit))
            .ok_or(InvalidRequest::Limit { max })
    }

    /// Returns the location that the parameters specify, if any.
    ///
    /// # Errors
    /// If a coordinate is missing, if a value is not valid, or if there is more than one location.
    pub fn locator(&self) -> Result<Option<Locator>, InvalidRequest> {
        let lonlat = self.coordinate_pair("lon", "lat")?;
        let grid = self.coordinate_pair("easting", "northing")?;
        if let Some(text) = self.get("place") {
            let is_only_location =
                lonlat.is_none() && grid.is_none() && self.get("postcode").is_none();
            return if is_only_location {
                parse_location(text).map(Some)
            } else {
                Err(InvalidRequest::MultipleLocations)
            };
        }
        match (self.get("postcode"), lonlat, grid) {
            (None, None, None) => Ok(None),
            (Some(text), None, None) => Ok(Some(Locator::Postcode(text.parse()?))),
            (None, Some((lon, lat)), None) => Ok(Some(Locator::LonLat(checked_lonlat(lon, lat)?))),
            (None, None, Some((easting, northing))) => {
                Ok(Some(Locator::Grid(checked_grid(easting, northing)?)))
            }
            _ => Err(InvalidRequest::MultipleLocations),
        }
    }
}

/// A search of the postcode directory.
#[derive(Debug, Clone)]
pub enum PostcodeSearch {
    /// The beginning of a postcode.
    Prefix(PostcodePrefix),
    /// A point near which to find postcodes.
    Point(Locator),
}

impl PostcodeSearch {
    /// Parses the parameters of a search.
    ///
    /// # Errors
    /// If there is no search term, if there is more than one search term, or if the search term is
    /// not valid.
    pub fn from_params(params: &RequestParams) -> Result<PostcodeSearch, InvalidRequest> {
        match (params.get("prefix"), params.locator()?) {
            (None, None) => Err(InvalidRequest::MissingSearch),
            (Some(text), None) => Ok(PostcodeSearch::Prefix(text.parse()?)),
            (None, Some(locator)) => Ok(PostcodeSearch::Point(locator)),
            (Some(_), Some(_)) => Err(InvalidRequest::MultipleSearches),
        }
    }
}

/// The parameters of a page of an area's postcodes.
#[derive(Debug, Clone, Copy)]
pub struct PostcodePageParams {
    /// The last postcode of the previous page; the page starts after it.
    pub after: Option<Postcode>,
    /// The filter for the listed postcodes.
    pub filter: PostcodeFilter,
}

impl PostcodePageParams {
    /// Parses the parameters.
    ///
    /// # Errors
    /// If `after` is not a postcode, or if `status` is neither `live` nor `all`.
    pub fn from_params(params: &RequestParams) -> Result<PostcodePageParams, InvalidRequest> {
        let after = params.get("after").map(str::parse).transpose();
        Ok(PostcodePageParams {
            after: after.map_err(|_: InvalidPostcode| InvalidRequest::InvalidAfter)?,
            filter: match params.get("status") {
                None | Some("live") => PostcodeFilter::Live,
                Some("all") => PostcodeFilter::All,
                Some(_) => return Err(InvalidRequest::InvalidStatus),
            },
        })
    }
}

/// Parses a location in any notation: a postcode; a latitude and a longitude, in either order; an
/// easting and a northing; or a grid reference.
///
/// # Errors
/// If the text matches none of these notations. The error describes the notation that the text
/// resembles most.
pub fn parse_location(text: &str) -> Result<Locator, InvalidRequest> {
    let text = text.trim();
    if let Some((first, second)) = parse_two_numbers(text) {
        return location_from_numbers(first, second);
    }
    if GridReference::looks_like(text) {
        return Ok(Locator::Grid(text.parse::<GridReference>()?.centre()));
    }
    Ok(Locator::Postcode(text.parse()?))
}

/// Parses two numbers separated by commas, semicolons or white space, each with or without a degree
/// sign.
fn parse_two_numbers(text: &str) -> Option<(f64, f64)> {
    let is_separator = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let mut words = text.split(is_separator).filter(|word| !word.is_empty());
    let mut number = || {
        let word = words.next()?.trim_end_matches('°').replace('−', "-");
        // Rejects words such as `inf`, which Rust parses as numbers.
        let is_number = word.ends_with(|c: char| c.is_ascii_digit());
        word.parse::<f64>().ok().filter(|_| is_number)
    };
    let numbers = (number()?, number()?);
    words.next().is_none().then_some(numbers)
}

/// Interprets two numbers as degrees if both are in range, and otherwise as an easting and a
/// northing.
///
/// Degrees are read as a latitude and a longitude, in the order in which people write them, unless
/// the point is in Great Britain only in the other order.
fn location_from_numbers(first: f64, second: f64) -> Result<Locator, InvalidRequest> {
    const DEGREES_MAX: f64 = 180.0;
    if first.abs() > DEGREES_MAX || second.abs() > DEGREES_MAX {
        return Ok(Locator::Grid(checked_grid(first, second)?));
    }
    let longitude_first = LonLat::new(first, second).ok();
    match LonLat::new(second, first) {
        Ok(lonlat) if !lonlat.looks_swapped() => Ok(Locator::LonLat(lonlat)),
        swapped => Ok(Locator::LonLat(longitude_first.map_or(swapped, Ok)?)),
    }
}

fn checked_lonlat(lon: f64, lat: f64) -> Result<LonLat, InvalidRequest> {
    let lonlat = LonLat::new(lon, lat)?;
    if lonlat.looks_swapped() {
        return Err(InvalidRequest::Swapped);
    }
    Ok(lonlat)
}

fn checked_grid(easting: f64, northing: f64) -> Result<BritishGrid, InvalidRequest> {
    let grid = BritishGrid::from_metres(easting, northing)?;
    if grid.looks_like_degrees() {
        return Err(InvalidRequest::NotMetres);
    }
    Ok(grid)
}

impl LocateRequest {
    /// Parses the parameters of a look-up.
    ///
    /// # Errors
    /// If a parameter is not valid. The first error is returned.
    pub fn from_params(params: &RequestParams) -> Result<LocateRequest, InvalidRequest> {
        let locator = params.locator()?;
        let practice = params.get("practice").map(str::parse);
        match (locator, practice) {
            (None, None) => return Err(InvalidRequest::MissingLocation),
            // With a location, the residence can be looked up even if the practice code is invalid.
            (None, Some(Err(error))) => return Err(InvalidRequest::Practice(error)),
            _ => {}
        }
        let layers = params
            .get("layers")
            .map(|text| text.split(',').map(str::parse).collect());
        let query = LocateQuery {
            locator,
            practice,
            as_of: params.as_of()?,
        };
        Ok(LocateRequest {
            query,
            layers: layers.transpose()?,
        })
    }
}

impl InvalidRequest {
    /// Returns the stable error code.
    pub fn code(&self) -> &'static str {
        use crate::domain::InvalidOdsCode;
        match self {
            InvalidRequest::MissingLocation
            | InvalidRequest::IncompleteCoordinate { .. }
            | InvalidRequest::Postcode(InvalidPostcode::Missing)
            | InvalidRequest::MissingSearch
            | InvalidRequest::LimitWithoutLocation
            | InvalidRequest::Prefix(InvalidPrefix::Missing)
            | InvalidRequest::Practice(InvalidOdsCode::Missing) => "missing",
            InvalidRequest::Postcode(InvalidPostcode::Partial) => "partial_postcode",
            InvalidRequest::Postcode(InvalidPostcode::Malformed { .. })
            | InvalidRequest::NotANumber { .. }
            | InvalidRequest::LonLat(InvalidLonLat::NotFinite | InvalidLonLat::OutOfRange)
            | InvalidRequest::Grid(_)
            | InvalidRequest::GridReference(_)
            | InvalidRequest::Prefix(InvalidPrefix::Malformed)
            | InvalidRequest::Limit { .. }
            | InvalidRequest::InvalidAfter
            | InvalidRequest::InvalidStatus
            | InvalidRequest::Practice(InvalidOdsCode::Malformed) => "malformed",
            InvalidRequest::LonLat(InvalidLonLat::NotDegrees) => "not_degrees",
            InvalidRequest::Swapped => "coordinates_swapped",
            InvalidRequest::NotMetres => "not_metres",
            InvalidRequest::UnknownParameter { .. } => "unknown_parameter",
            InvalidRequest::RepeatedParameter { .. } => "repeated_parameter",
            InvalidRequest::MultipleLocations | InvalidRequest::MultipleSearches => {
                "ambiguous_location"
            }
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
                | InvalidRequest::LonLat(InvalidLonLat::NotDegrees)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: Result<(), &str>) {
        let owned = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let request = RequestParams::new(owned, LOCATE_PARAMS)
            .and_then(|params| LocateRequest::from_params(&params));
        assert_eq!(
            request.as_ref().map(|_| ()).map_err(InvalidRequest::code),
            expected,
            "{pairs:?}"
        );
    }

    #[test]
    fn a_location_or_a_practice_makes_a_request() {
        check(&[("postcode", "la18 4db")], Ok(()));
        check(&[("lon", "-3.27"), ("lat", "54.21")], Ok(()));
        check(&[("easting", "317303"), ("northing", "480077")], Ok(()));
        check(&[("practice", "P81002")], Ok(()));
        check(
            &[
                ("postcode", "LA18 4DB"),
                ("practice", "not a code!"),
                ("layers", "icc,pcn"),
            ],
            Ok(()),
        );
    }

    #[test]
    fn parse_location_accepts_every_notation() {
        let degrees = |text: &str| match parse_location(text) {
            Ok(Locator::LonLat(position)) => (position.lon(), position.lat()),
            _ => panic!("{text} was not parsed as degrees"),
        };
        for text in [
            "54.32, -2.74",
            "54.32 -2.74",
            "54.32,-2.74",
            " 54.32°; −2.74° ",
            "-2.74, 54.32",
        ] {
            assert_eq!(degrees(text), (-2.74, 54.32), "{text}");
        }
        // The point is not in Great Britain in either order, so the latitude comes first.
        assert_eq!(degrees("48.86 2.35"), (2.35, 48.86));
        let metres = |text: &str| match parse_location(text) {
            Ok(Locator::Grid(position)) => (position.easting_m(), position.northing_m()),
            _ => panic!("{text} was not parsed as an easting and a northing"),
        };
        for text in ["317303 480077", "317303, 480077", "317303.0,480077.0"] {
            assert_eq!(metres(text), (317_303.0, 480_077.0), "{text}");
        }
        assert_eq!(metres("SD 173 800"), (317_350.0, 480_050.0));
        assert!(matches!(
            parse_location("la184db"),
            Ok(Locator::Postcode(_))
        ));
    }

    #[test]
    fn invalid_locations_report_the_notation_they_resemble() {
        for (text, code) in [
            ("", "missing"),
            ("LA1", "partial_postcode"),
            ("SE11", "partial_postcode"),
            ("LA1O 5DL", "malformed"),
            ("SD 173 80", "malformed"),
            ("95, 95", "malformed"),
            ("317303", "malformed"),
            ("317303 9e9", "malformed"),
            ("NaN inf", "malformed"),
            ("54.32, -2.74, 3", "malformed"),
        ] {
            let error = parse_location(text).map(|_| ()).expect_err(text);
            assert_eq!(error.code(), code, "{text}");
        }
    }

    #[test]
    fn form_dates_have_three_fields() {
        let day = |parts: [&str; 3]| {
            let names = ["day", "month", "year"];
            let filled_in = names
                .into_iter()
                .zip(parts)
                .filter(|value| !value.1.is_empty());
            let filled_in = filled_in.map(|(name, value)| (name.to_string(), value.to_string()));
            let params =
                RequestParams::new(filled_in, FORM_FIELDS).expect("all are fields of the form");
            params.as_of().map(|day| day.to_string())
        };
        assert_eq!(day(["5", "4", "2023"]), Ok("2023-04-05".into()));
        assert_eq!(day(["05", " 4", "2023"]), Ok("2023-04-05".into()));
        assert_eq!(day(["", "", ""]), Ok(today_in_london().to_string()));
        for parts in [
            ["29", "2", "2023"],
            ["5", "", "2023"],
            ["5", "4", ""],
            ["5", "4", "23"],
            ["x", "4", "2023"],
        ] {
            let error = day(parts).expect_err("an invalid date");
            assert_eq!(error.code(), "invalid_date", "{parts:?}");
        }
    }

    #[test]
    fn every_error_has_its_code() {
        check(&[], Err("missing"));
        check(&[("postcode", " ")], Err("missing"));
        check(&[("practice", "")], Err("missing"));
        check(&[("practice", "?")], Err("malformed"));
        check(&[("lon", "-3.27")], Err("missing"));
        check(&[("postcode", "LA1")], Err("partial_postcode"));
        check(&[("postcode", "LA1O 5DL")], Err("malformed"));
        check(
            &[("postcode", "LA1 1AA"), ("lon", "1"), ("lat", "54")],
            Err("ambiguous_location"),
        );
        check(
            &[("lon", "54.05"), ("lat", "-2.8")],
            Err("coordinates_swapped"),
        );
        check(&[("lon", "317303"), ("lat", "480077")], Err("not_degrees"));
        check(
            &[("easting", "-3.2"), ("northing", "54.1")],
            Err("not_metres"),
        );
        for number in ["NaN", "inf", "1e400", "", "x", "181"] {
            check(&[("lon", number), ("lat", "54")], Err("malformed"));
        }
        check(&[("easting", "9e9"), ("northing", "1")], Err("malformed"));
        check(
            &[("postcode", "LA1 1AA"), ("as_of", "2023-02-29")],
            Err("invalid_date"),
        );
        check(
            &[("postcode", "LA1 1AA"), ("layers", "iccs")],
            Err("unknown_layer"),
        );
        check(
            &[("postcode", "LA1 1AA"), ("postcode", "LA1 1AA")],
            Err("repeated_parameter"),
        );
        check(&[("pc", "LA1 1AA")], Err("unknown_parameter"));
    }
}
