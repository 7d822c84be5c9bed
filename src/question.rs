//! The parameters of look-ups: their names, rules and errors are the same for the API, the pages
//! and the command line.

use jiff::civil::Date;

use crate::domain::{
    BritishGrid, GridReference, InvalidBritishGrid, InvalidDate, InvalidGridReference,
    InvalidLayer, InvalidLonLat, InvalidPostcode, InvalidPrefix, Layer, LonLat, Postcode,
    PostcodePrefix, date_from_iso, today_in_london,
};
use crate::index::{Place, Query, Which};

/// A valid look-up.
#[derive(Debug, Clone)]
pub struct Question {
    /// The query for the index.
    pub query: Query,
    /// The requested layers; `None` means all layers of the dataset.
    pub layers: Option<Vec<Layer>>,
}

/// Why parameters are not a valid request. The messages do not repeat values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuestion {
    /// Neither a location nor a practice.
    #[error(
        "give a location (postcode, or lon and lat, or easting and northing), a practice, or both"
    )]
    Missing,
    /// A parameter that is not allowed.
    #[error("unknown parameter; allowed: {allowed}")]
    UnknownField {
        /// The allowed parameters.
        allowed: String,
    },
    /// A parameter that is given more than once.
    #[error("{field} must not be given more than once")]
    RepeatedField {
        /// The name of the parameter.
        field: &'static str,
    },
    /// More than one location.
    #[error("give only one location: postcode, or lon and lat, or easting and northing")]
    TwoPlaces,
    /// One coordinate without the other.
    #[error("{missing} is required with the other coordinate")]
    HalfAPair {
        /// The parameter that is missing.
        missing: &'static str,
    },
    /// A coordinate that is not a number.
    #[error("{field} must be a number")]
    NotANumber {
        /// The name of the parameter.
        field: &'static str,
    },
    /// Not a postcode.
    #[error(transparent)]
    Postcode(#[from] InvalidPostcode),
    /// Not a longitude and a latitude.
    #[error(transparent)]
    LonLat(#[from] InvalidLonLat),
    /// The latitude and the longitude are swapped.
    #[error("lon and lat look swapped: the other way round, the location is in Great Britain")]
    Swapped,
    /// Not an easting and a northing.
    #[error(transparent)]
    Grid(#[from] InvalidBritishGrid),
    /// Not a grid reference.
    #[error(transparent)]
    GridReference(#[from] InvalidGridReference),
    /// Degrees instead of metres.
    #[error("easting and northing must be in metres; use lon and lat for degrees")]
    NotMetres,
    /// Not a date.
    #[error("as_of is {0}")]
    Date(#[from] InvalidDate),
    /// Not a layer.
    #[error("layers must be comma-separated names of layers: {0}")]
    Layer(#[from] InvalidLayer),
    /// An invalid practice code in a request without a location.
    #[error("{0}")]
    Practice(crate::domain::InvalidOdsCode),
    /// No search term.
    #[error("give prefix, or lon and lat, or easting and northing")]
    NoSearch,
    /// More than one search term.
    #[error("give only one search: prefix, or lon and lat, or easting and northing")]
    TwoSearches,
    /// Not the beginning of a postcode.
    #[error("prefix {0}")]
    Prefix(#[from] InvalidPrefix),
    /// Not a valid number of results.
    #[error("limit must be a whole number from 1 to {most}")]
    Limit {
        /// The maximum.
        most: usize,
    },
    /// A limit without a location; such a request returns everything.
    #[error(
        "limit can only be used with a location: postcode, or lon and lat, or easting and northing"
    )]
    LimitWithoutPlace,
    /// `after` is not a postcode.
    #[error("after must be the last postcode of the previous page")]
    After,
    /// `status` has another value.
    #[error("status must be live or all")]
    Status,
}

/// The parameters of a request, from a query string, a form, JSON or the command line. Each occurs
/// at most once.
#[derive(Default)]
pub struct Fields {
    values: Vec<(&'static str, String)>,
}

/// All parameters of a look-up.
pub const LOCATE_FIELDS: &[&str] = &[
    "postcode", "lon", "lat", "easting", "northing", "practice", "as_of", "layers", "dataset",
];

/// The fields of the look-up form. It has one field for a location in any notation (`place`), and
/// three fields for a date.
pub const FORM_FIELDS: &[&str] = &[
    "place", "postcode", "lon", "lat", "easting", "northing", "practice", "as_of", "day", "month",
    "year", "layers", "dataset",
];

impl Fields {
    /// Collects parameters.
    ///
    /// # Errors
    /// When one is not among `allowed`, or is given more than once.
    pub fn new(
        pairs: impl IntoIterator<Item = (String, String)>,
        allowed: &[&'static str],
    ) -> Result<Fields, InvalidQuestion> {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            let Some(&field) = allowed.iter().find(|field| **field == name) else {
                let allowed = if allowed.is_empty() {
                    "none".into()
                } else {
                    allowed.join(", ")
                };
                return Err(InvalidQuestion::UnknownField { allowed });
            };
            if fields.get(field).is_some() {
                return Err(InvalidQuestion::RepeatedField { field });
            }
            fields.values.push((field, value));
        }
        Ok(fields)
    }

    /// Returns the value of a parameter.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the date of `as_of`, or else of the form's three fields, or else today in London.
    ///
    /// # Errors
    /// When it is not a date.
    pub fn as_of(&self) -> Result<Date, InvalidQuestion> {
        match self.get("as_of") {
            Some(text) => Ok(date_from_iso(text)?),
            None => Ok(self.day()?.unwrap_or_else(today_in_london)),
        }
    }

    /// Returns the date of the form's three fields, if any of them is filled in.
    fn day(&self) -> Result<Option<Date>, InvalidQuestion> {
        let parts = ["year", "month", "day"].map(|name| self.get(name));
        if parts == [None; 3] {
            return Ok(None);
        }
        let [year, month, day] = parts.map(|it| it.unwrap_or_default().trim());
        Ok(Some(date_from_iso(&format!(
            "{year}-{month:0>2}-{day:0>2}"
        ))?))
    }

    fn pair(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(f64, f64)>, InvalidQuestion> {
        let number = |field, text: &str| {
            text.trim()
                .parse::<f64>()
                .map_err(|_| InvalidQuestion::NotANumber { field })
        };
        match (self.get(first), self.get(second)) {
            (None, None) => Ok(None),
            (Some(a), Some(b)) => Ok(Some((number(first, a)?, number(second, b)?))),
            (None, Some(_)) => Err(InvalidQuestion::HalfAPair { missing: first }),
            (Some(_), None) => Err(InvalidQuestion::HalfAPair { missing: second }),
        }
    }

    /// Returns the requested number of results, or `default` if there is no limit.
    ///
    /// # Errors
    /// When it is not a whole number from 1 to `max`.
    pub fn limit(&self, usual: usize, most: usize) -> Result<usize, InvalidQuestion> {
        let Some(text) = self.get("limit") else {
            return Ok(usual);
        };
        let limit = text.trim().parse().ok();
        limit
            .filter(|limit| (1..=most).contains(limit))
            .ok_or(InvalidQuestion::Limit { most })
    }

    /// Returns the location that the parameters name, if any.
    ///
    /// # Errors
    /// When a coordinate is missing, a value is not valid, or there is more than one location.
    pub fn place(&self) -> Result<Option<Place>, InvalidQuestion> {
        let lonlat = self.pair("lon", "lat")?;
        let grid = self.pair("easting", "northing")?;
        if let Some(text) = self.get("place") {
            let is_alone = lonlat.is_none() && grid.is_none() && self.get("postcode").is_none();
            return match is_alone {
                true => place_in_words(text).map(Some),
                false => Err(InvalidQuestion::TwoPlaces),
            };
        }
        match (self.get("postcode"), lonlat, grid) {
            (None, None, None) => Ok(None),
            (Some(text), None, None) => Ok(Some(Place::Postcode(text.parse()?))),
            (None, Some((lon, lat)), None) => Ok(Some(Place::LonLat(lonlat_of(lon, lat)?))),
            (None, None, Some((easting, northing))) => {
                Ok(Some(Place::Grid(grid_of(easting, northing)?)))
            }
            _ => Err(InvalidQuestion::TwoPlaces),
        }
    }
}

/// A search of the postcode directory.
#[derive(Debug, Clone)]
pub enum Search {
    /// The beginning of a postcode.
    Prefix(PostcodePrefix),
    /// A point, for the postcodes nearest to it.
    Point(Place),
}

impl Search {
    /// Parses the parameters of a search.
    ///
    /// # Errors
    /// When there is no search term, more than one, or one that is not valid.
    pub fn from_fields(fields: &Fields) -> Result<Search, InvalidQuestion> {
        match (fields.get("prefix"), fields.place()?) {
            (None, None) => Err(InvalidQuestion::NoSearch),
            (Some(text), None) => Ok(Search::Prefix(text.parse()?)),
            (None, Some(place)) => Ok(Search::Point(place)),
            (Some(_), Some(_)) => Err(InvalidQuestion::TwoSearches),
        }
    }
}

/// The parameters of a page of an area's postcodes.
#[derive(Debug, Clone, Copy)]
pub struct PageWanted {
    /// The last postcode of the previous page; the page starts after it.
    pub after: Option<Postcode>,
    /// Which postcodes are listed.
    pub which: Which,
}

impl PageWanted {
    /// Parses the parameters.
    ///
    /// # Errors
    /// When `after` is not a postcode, or `status` is neither `live` nor `all`.
    pub fn from_fields(fields: &Fields) -> Result<PageWanted, InvalidQuestion> {
        let after = fields.get("after").map(str::parse).transpose();
        Ok(PageWanted {
            after: after.map_err(|_: InvalidPostcode| InvalidQuestion::After)?,
            which: match fields.get("status") {
                None | Some("live") => Which::Live,
                Some("all") => Which::All,
                Some(_) => return Err(InvalidQuestion::Status),
            },
        })
    }
}

/// Parses a location in any notation: a postcode; a latitude and a longitude, in either order; an
/// easting and a northing; or a grid reference.
///
/// # Errors
/// When it is none of these. The error is that of the notation that it resembles most.
pub fn place_in_words(text: &str) -> Result<Place, InvalidQuestion> {
    let text = text.trim();
    if let Some((first, second)) = two_numbers(text) {
        return place_of_numbers(first, second);
    }
    if GridReference::looks_like(text) {
        return Ok(Place::Grid(text.parse::<GridReference>()?.middle()));
    }
    Ok(Place::Postcode(text.parse()?))
}

/// Parses two numbers separated by commas, semicolons or white space, each with or without a degree
/// sign.
fn two_numbers(text: &str) -> Option<(f64, f64)> {
    let is_between = |it: char| it == ',' || it == ';' || it.is_whitespace();
    let mut words = text.split(is_between).filter(|word| !word.is_empty());
    let mut number = || {
        let word = words.next()?.trim_end_matches('°').replace('−', "-");
        // Rejects words such as `inf`, which Rust parses as numbers.
        let is_number = word.ends_with(|it: char| it.is_ascii_digit());
        word.parse::<f64>().ok().filter(|_| is_number)
    };
    let numbers = (number()?, number()?);
    words.next().is_none().then_some(numbers)
}

/// Interprets two numbers as degrees if both are in range, or else as an easting and a northing.
///
/// Degrees are read as latitude, longitude, which is how people write them, unless only the other
/// order is in Great Britain.
fn place_of_numbers(first: f64, second: f64) -> Result<Place, InvalidQuestion> {
    const DEGREES_MAX: f64 = 180.0;
    if first.abs() > DEGREES_MAX || second.abs() > DEGREES_MAX {
        return Ok(Place::Grid(grid_of(first, second)?));
    }
    let longitude_first = LonLat::new(first, second).ok();
    match LonLat::new(second, first) {
        Ok(lonlat) if !lonlat.looks_swapped() => Ok(Place::LonLat(lonlat)),
        swapped => Ok(Place::LonLat(longitude_first.map_or(swapped, Ok)?)),
    }
}

fn lonlat_of(lon: f64, lat: f64) -> Result<LonLat, InvalidQuestion> {
    let lonlat = LonLat::new(lon, lat)?;
    if lonlat.looks_swapped() {
        return Err(InvalidQuestion::Swapped);
    }
    Ok(lonlat)
}

fn grid_of(easting: f64, northing: f64) -> Result<BritishGrid, InvalidQuestion> {
    let grid = BritishGrid::from_metres(easting, northing)?;
    if grid.looks_like_degrees() {
        return Err(InvalidQuestion::NotMetres);
    }
    Ok(grid)
}

impl Question {
    /// Parses the parameters of a look-up.
    ///
    /// # Errors
    /// When they are not valid. The first error is returned.
    pub fn from_fields(fields: &Fields) -> Result<Question, InvalidQuestion> {
        let place = fields.place()?;
        let practice = fields.get("practice").map(str::parse);
        match (place, practice) {
            (None, None) => return Err(InvalidQuestion::Missing),
            // With a location, the residence can be looked up even if the practice code is invalid.
            (None, Some(Err(fault))) => return Err(InvalidQuestion::Practice(fault)),
            _ => {}
        }
        let layers = fields
            .get("layers")
            .map(|text| text.split(',').map(str::parse).collect());
        let query = Query {
            place,
            practice,
            as_of: fields.as_of()?,
        };
        Ok(Question {
            query,
            layers: layers.transpose()?,
        })
    }
}

impl InvalidQuestion {
    /// Returns the stable error code.
    pub fn code(&self) -> &'static str {
        use crate::domain::InvalidOdsCode;
        match self {
            InvalidQuestion::Missing
            | InvalidQuestion::HalfAPair { .. }
            | InvalidQuestion::Postcode(InvalidPostcode::Missing)
            | InvalidQuestion::NoSearch
            | InvalidQuestion::LimitWithoutPlace
            | InvalidQuestion::Prefix(InvalidPrefix::Missing)
            | InvalidQuestion::Practice(InvalidOdsCode::Missing) => "missing",
            InvalidQuestion::Postcode(InvalidPostcode::Partial) => "partial_postcode",
            InvalidQuestion::Postcode(InvalidPostcode::Malformed { .. })
            | InvalidQuestion::NotANumber { .. }
            | InvalidQuestion::LonLat(InvalidLonLat::NotFinite | InvalidLonLat::OffTheEarth)
            | InvalidQuestion::Grid(_)
            | InvalidQuestion::GridReference(_)
            | InvalidQuestion::Prefix(InvalidPrefix::Malformed)
            | InvalidQuestion::Limit { .. }
            | InvalidQuestion::After
            | InvalidQuestion::Status
            | InvalidQuestion::Practice(InvalidOdsCode::Malformed) => "malformed",
            InvalidQuestion::LonLat(InvalidLonLat::NotDegrees) => "not_degrees",
            InvalidQuestion::Swapped => "coordinates_swapped",
            InvalidQuestion::NotMetres => "not_metres",
            InvalidQuestion::UnknownField { .. } => "unknown_parameter",
            InvalidQuestion::RepeatedField { .. } => "repeated_parameter",
            InvalidQuestion::TwoPlaces | InvalidQuestion::TwoSearches => "ambiguous_location",
            InvalidQuestion::Date(_) => "invalid_date",
            InvalidQuestion::Layer(_) => "unknown_layer",
        }
    }

    /// Returns whether the parameters are well-formed, but cannot be processed (422 instead of
    /// 400).
    pub fn is_well_formed(&self) -> bool {
        matches!(
            self,
            InvalidQuestion::Swapped
                | InvalidQuestion::NotMetres
                | InvalidQuestion::LonLat(InvalidLonLat::NotDegrees)
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
        let made =
            Fields::new(owned, LOCATE_FIELDS).and_then(|fields| Question::from_fields(&fields));
        assert_eq!(
            made.as_ref().map(|_| ()).map_err(InvalidQuestion::code),
            expected,
            "{pairs:?}"
        );
    }

    #[test]
    fn one_place_and_a_practice_make_a_question() {
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
    fn a_place_is_understood_however_it_is_written() {
        let degrees = |text: &str| match place_in_words(text) {
            Ok(Place::LonLat(it)) => (it.lon(), it.lat()),
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
        // In neither order in Great Britain: the latitude comes first.
        assert_eq!(degrees("48.86 2.35"), (2.35, 48.86));
        let metres = |text: &str| match place_in_words(text) {
            Ok(Place::Grid(it)) => (it.easting_m(), it.northing_m()),
            _ => panic!("{text} was not parsed as an easting and a northing"),
        };
        for text in ["317303 480077", "317303, 480077", "317303.0,480077.0"] {
            assert_eq!(metres(text), (317_303.0, 480_077.0), "{text}");
        }
        assert_eq!(metres("SD 173 800"), (317_350.0, 480_050.0));
        assert!(matches!(place_in_words("la184db"), Ok(Place::Postcode(_))));
    }

    #[test]
    fn a_place_that_is_none_has_the_fault_of_what_it_looks_like() {
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
            let fault = place_in_words(text).map(|_| ()).expect_err(text);
            assert_eq!(fault.code(), code, "{text}");
        }
    }

    #[test]
    fn a_form_s_day_has_three_fields() {
        let day = |parts: [&str; 3]| {
            let names = ["day", "month", "year"];
            let given = names.into_iter().zip(parts).filter(|it| !it.1.is_empty());
            let given = given.map(|(name, value)| (name.to_string(), value.to_string()));
            let fields = Fields::new(given, FORM_FIELDS).expect("all are fields of the form");
            fields.as_of().map(|day| day.to_string())
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
            let fault = day(parts).expect_err("an invalid date");
            assert_eq!(fault.code(), "invalid_date", "{parts:?}");
        }
    }

    #[test]
    fn every_fault_has_its_code() {
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
