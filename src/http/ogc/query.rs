//! The query parameters of a collection's items.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::problem::Problem;
use super::super::query_params::ParamValue;
use super::collection::Feature;
use super::crs::OgcCrs;
use catchment_core::domain::{Period, date_from_iso, date_in_london};
use catchment_core::request::RequestParams;

/// The default and the maximum number of features on a page.
pub(super) const LIMIT: (usize, usize) = (100, 1_000);

/// The properties by which features can be filtered, with their descriptions.
pub(super) const PROPERTIES: [(&str, &str); 6] = [
    (
        "id",
        "the id of the area, which is the same for all its versions",
    ),
    ("name", "the name of the area"),
    (
        "kind",
        "the type of group, if it differs from the name of the layer, such as action group",
    ),
    ("system", "the partnership that the id belongs to"),
    ("provenance", "official, derived, modelled or indicative"),
    (
        "extent",
        "for practice catchments: inner, where the practice takes new patients, or outer, where patients who move can stay registered",
    ),
];

/// The parsed parameters: the filters, the page and the CRS of the response.
pub(super) struct ItemsQuery {
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) crs: OgcCrs,
    bbox: Option<BboxFilter>,
    datetime: Option<DateInterval>,
    /// The properties by which features are filtered, with the required values.
    properties: Vec<(&'static str, String)>,
    /// The parameters as sent by the client, for links to other pages.
    pub(super) given: Vec<(&'static str, String)>,
}

struct BboxFilter {
    crs: OgcCrs,
    low: [f64; 2],
    high: [f64; 2],
}

/// A range of dates, including both ends. `None` represents an open end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DateInterval {
    first: Option<Date>,
    last: Option<Date>,
}

impl ParamValue for ItemsQuery {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<ItemsQuery, Problem> {
        let crs = |name| params.get(name).map(parse_crs).transpose();
        let (bbox_crs, out_crs) = (crs("bbox-crs")?, crs("crs")?);
        let given = |name: &'static str| Some((name, params.get(name)?.to_string()));
        let properties = PROPERTIES.iter().filter_map(|&(name, _)| given(name));
        Ok(ItemsQuery {
            limit: parse_limit(params.get("limit"))?,
            offset: parse_offset(params.get("offset"))?,
            crs: out_crs.unwrap_or(OgcCrs::Crs84),
            bbox: params
                .get("bbox")
                .map(|text| parse_bbox(text, bbox_crs.unwrap_or(OgcCrs::Crs84)))
                .transpose()?,
            datetime: params.get("datetime").map(parse_interval).transpose()?,
            properties: properties.collect(),
            given: names.iter().filter_map(|name| given(name)).collect(),
        })
    }
}

impl ItemsQuery {
    /// Returns whether the features are filtered by a bounding box.
    pub(super) fn has_bbox(&self) -> bool {
        self.bbox.is_some()
    }

    /// Returns whether the date filter ends before a layer's first data. If it does, no features
    /// are returned, although an area whose start is unknown could be valid.
    pub(super) fn is_before(&self, first_data: Date) -> bool {
        let last = self.datetime.and_then(|interval| interval.last);
        last.is_some_and(|last| last < first_data)
    }

    /// Returns whether a feature passes all filters.
    pub(super) fn matches(&self, feature: &Feature<'_>) -> bool {
        let area = feature.area;
        let has_value = |(name, expected): &(&str, String)| match *name {
            "id" => area.id == *expected,
            "name" => area.title() == expected,
            "kind" => area.kind.as_deref() == Some(expected),
            "extent" => feature.extent() == Some(expected),
            "system" => area.system.as_deref() == Some(expected),
            _ => area.provenance.as_str() == expected,
        };
        self.properties.iter().all(has_value)
            && self
                .datetime
                .is_none_or(|interval| interval.overlaps(feature.period))
            && self.bbox.as_ref().is_none_or(|filter| {
                feature.boundary.is_some_and(|boundary| {
                    filter.crs.intersects_box(boundary, filter.low, filter.high)
                })
            })
    }
}

/// The CRS of the response, if the request specifies one.
pub(super) struct RequestedCrs(pub(super) Option<OgcCrs>);

impl ParamValue for RequestedCrs {
    fn from_params(
        params: &RequestParams,
        names: &[&'static str],
    ) -> Result<RequestedCrs, Problem> {
        let crs = params.get(names[0]).map(parse_crs).transpose()?;
        Ok(RequestedCrs(crs))
    }
}

fn parse_crs(uri: &str) -> Result<OgcCrs, Problem> {
    OgcCrs::from_uri(uri).ok_or_else(|| {
        let known = OgcCrs::ALL.map(OgcCrs::uri).join(", ");
        Problem::bad_request(
            "unknown_crs",
            format!("crs and bbox-crs must be one of {known}"),
        )
    })
}

fn parse_limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(LIMIT.0);
    };
    match text.parse::<usize>() {
        // OGC API Features 1.0.1, section 7.15.2: a limit above the maximum is not an error.
        Ok(limit) if limit > 0 => Ok(limit.min(LIMIT.1)),
        _ => {
            let detail = format!("limit must be a whole number from 1 to {}", LIMIT.1);
            Err(Problem::bad_request("invalid_limit", detail))
        }
    }
}

fn parse_offset(text: Option<&str>) -> Result<usize, Problem> {
    let parsed = text.map_or(Ok(0), str::parse);
    parsed.map_err(|_| {
        Problem::bad_request("invalid_offset", "offset must be a whole number, 0 or more")
    })
}

/// Parses a bounding box of four or six numbers. If there are six numbers, two of them are heights,
/// which are ignored.
fn parse_bbox(text: &str, crs: OgcCrs) -> Result<BboxFilter, Problem> {
    let invalid = || {
        let detail = "bbox must be four comma-separated numbers (or six, with heights): the lower corner, then the upper corner, in the axis order of bbox-crs";
        Problem::bad_request("invalid_bbox", detail)
    };
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|text| text.trim().parse()).collect();
    let numbers = numbers.map_err(|_| invalid())?;
    let (low, high) = match numbers[..] {
        [a, b, c, d] => ([a, b], [c, d]),
        [a, b, _, c, d, _] => ([a, b], [c, d]),
        _ => return Err(invalid()),
    };
    let is_finite = numbers.iter().all(|number| number.is_finite());
    if is_finite && crs.is_valid_box(low, high) {
        Ok(BboxFilter { crs, low, high })
    } else {
        Err(invalid())
    }
}

/// Parses a date, an instant, or an interval: two dates or instants separated by a slash. An end of
/// an interval that is empty or `..` is open.
fn parse_interval(text: &str) -> Result<DateInterval, Problem> {
    let invalid = || {
        let detail = "datetime must be a date (2024-07-01), an instant (2024-07-01T00:00:00Z), or an interval (two dates or instants separated by a slash, with `..` for an open end)";
        Problem::bad_request("invalid_datetime", detail)
    };
    let day = |text: &str| match text {
        "" | ".." => Ok(None),
        text => parse_date(text).map(Some).ok_or_else(invalid),
    };
    let interval = match text.split_once('/') {
        Some((first, last)) => DateInterval {
            first: day(first)?,
            last: day(last)?,
        },
        None => match day(text)? {
            Some(day) => DateInterval {
                first: Some(day),
                last: Some(day),
            },
            None => return Err(invalid()),
        },
    };
    match (interval.first, interval.last) {
        (Some(first), Some(last)) if last < first => Err(invalid()),
        _ => Ok(interval),
    }
}

/// Parses a date or an instant (RFC 3339). An instant is converted to its date in London.
fn parse_date(text: &str) -> Option<Date> {
    match text.len() {
        10 => date_from_iso(text).ok(),
        _ => text.parse::<Timestamp>().ok().map(date_in_london),
    }
}

impl DateInterval {
    fn overlaps(self, period: Period) -> bool {
        let starts_before_end = self
            .last
            .is_none_or(|last| period.from.is_none_or(|from| from <= last));
        let ends_after_start = self
            .first
            .is_none_or(|first| period.to.is_none_or(|to| first < to));
        starts_before_end && ends_after_start
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn open_intervals_overlap_half_open_periods() {
        let period = Period {
            from: Some(date(2022, 1, 5)),
            to: Some(date(2024, 7, 1)),
        };
        for (text, expected) in [
            ("2022-01-04", false),
            ("2022-01-05", true),
            ("2024-06-30", true),
            ("2024-07-01", false),
            // In summer, London is an hour ahead of UTC.
            ("2024-06-30T23:30:00Z", false),
            ("../2022-01-04", false),
            ("/2022-01-05", true),
            ("2024-07-01/..", false),
            ("2024-06-30/", true),
            ("../..", true),
            ("2020-01-01/2030-01-01", true),
        ] {
            let interval = parse_interval(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(interval.overlaps(period), expected, "{text}");
        }
        for text in [
            "",
            "..",
            "2024",
            "2024-02-30",
            "2024-07-01/2022-01-05",
            "a/b",
            "2022-01-05/../..",
        ] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bbox_has_two_corners_in_order() {
        for text in [
            "-3,54,-2,55",
            "-3, 54,-2, 55",
            "-3,54,0,-2,55,100",
            "170,54,-170,55",
        ] {
            assert!(parse_bbox(text, OgcCrs::Crs84).is_ok(), "{text}");
        }
        for text in [
            "",
            "1,2,3",
            "1,2,3,4,5",
            "a,2,3,4",
            "-3,55,-2,54",
            "NaN,1,2,3",
            "1e999,1,2,3",
        ] {
            assert!(parse_bbox(text, OgcCrs::Crs84).is_err(), "{text}");
        }
        assert!(parse_bbox("54,170,55,-170", OgcCrs::Wgs84).is_ok());
        assert!(parse_bbox("3,4,1,5", OgcCrs::BritishNationalGrid).is_err());
    }

    #[test]
    fn limit_is_capped_and_positive() {
        assert_eq!(parse_limit(None).ok(), Some(100));
        assert_eq!(parse_limit(Some("10000")).ok(), Some(1_000));
        for text in ["0", "-1", "ten", "", "1.5"] {
            assert!(parse_limit(Some(text)).is_err(), "{text}");
        }
    }
}
