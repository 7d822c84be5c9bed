//! Searches near a point: how many results, and how far away.

use jiff::civil::Date;

use super::client_error::ClientError;
use super::client_query::{ClientQuery, leading_decimal, leading_integer};
use catchment_core::domain::{BritishGrid, LonLat, PostcodeEntry};
use catchment_core::geodesy;
use catchment_core::index::Index;

/// The default and the maximum number of results, and the default and the maximum radius in metres.
pub(super) struct NearestLimits {
    count: (usize, usize),
    radius_m: (f64, f64),
}

/// The limits of searches for postcodes.
pub(super) const POSTCODE_LIMITS: NearestLimits = NearestLimits {
    count: (10, 100),
    radius_m: (100.0, 2_000.0),
};

/// The limits of searches for outward codes.
pub(super) const OUTCODE_LIMITS: NearestLimits = NearestLimits {
    count: (10, 100),
    radius_m: (5_000.0, 25_000.0),
};

/// The radius of a wide search in metres, and the maximum number of its results.
const WIDE_SEARCH: (f64, usize) = (20_000.0, 10);

/// The parameters of a search as text. A parameter that is not given is `None`.
#[derive(Clone, Copy, Default)]
pub(super) struct NearestParams<'t> {
    pub(super) limit: Option<&'t str>,
    pub(super) radius: Option<&'t str>,
    /// Whether to search further away, for fewer results.
    pub(super) is_wide: bool,
}

impl<'t> NearestParams<'t> {
    /// Returns the parameters of a query.
    pub(super) fn from_query(query: &'t ClientQuery) -> NearestParams<'t> {
        NearestParams {
            limit: query.get("limit"),
            radius: query.get("radius"),
            is_wide: query.get_any(["wideSearch", "widesearch"]).is_some(),
        }
    }
}

/// How many results to search for, and how far away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NearestRange {
    pub(super) limit: usize,
    pub(super) radius_m: f64,
}

impl NearestRange {
    /// Parses the parameters of a search. Values above a maximum are lowered to it.
    ///
    /// # Errors
    /// If a value is not a number.
    pub(super) fn new(
        params: &NearestParams<'_>,
        limits: &NearestLimits,
    ) -> Result<NearestRange, ClientError> {
        let (default, max) = limits.count;
        let limit = match params.limit {
            None => default,
            Some(text) => {
                let limit = leading_integer(text)
                    .ok_or_else(|| ClientError::bad_request("Invalid result limit submitted"))?;
                usize::try_from(limit.max(0)).map_or(max, |limit| limit.min(max))
            }
        };
        let (default_m, max_m) = limits.radius_m;
        let radius_m = match params.radius {
            None => default_m,
            Some(text) => leading_decimal(text)
                .ok_or_else(|| ClientError::bad_request("Invalid lookup radius submitted"))?
                .min(max_m),
        };
        if params.is_wide {
            let (radius_m, max) = WIDE_SEARCH;
            return Ok(NearestRange {
                limit: limit.min(max),
                radius_m,
            });
        }
        Ok(NearestRange { limit, radius_m })
    }
}

/// Parses a longitude and a latitude, and converts them to the British National Grid; `None` if the
/// position is outside the grid, where there are no postcodes.
///
/// # Errors
/// If the texts are not a longitude and a latitude.
pub(super) fn parse_point(lon: &str, lat: &str) -> Result<Option<BritishGrid>, ClientError> {
    let degrees = |text| leading_decimal(text).ok_or_else(ClientError::invalid_geolocation);
    let lonlat = LonLat::new(degrees(lon)?, degrees(lat)?);
    let lonlat = lonlat.map_err(|_| ClientError::invalid_geolocation())?;
    Ok(geodesy::to_grid(lonlat))
}

/// Returns the longitude and the latitude of a query, if it has both in one of the two spellings.
pub(super) fn point_of_query(query: &ClientQuery) -> Option<(&str, &str)> {
    let spellings = [("longitude", "latitude"), ("lon", "lat")];
    let mut points = spellings
        .into_iter()
        .filter_map(|(lon, lat)| Some((query.get(lon)?, query.get(lat)?)));
    points.next()
}

/// Returns the postcodes in use that are nearest to a point, each with its distance in metres: the
/// nearest first.
pub(super) fn nearest_postcodes(
    index: &Index,
    point: Option<BritishGrid>,
    range: NearestRange,
    day: Date,
) -> Vec<(PostcodeEntry, f64)> {
    let Some(point) = point.filter(|_| range.limit > 0) else {
        return Vec::new();
    };
    let found = index.nearest_postcodes(point, range.limit, day).into_iter();
    let is_near = |(entry, distance_m): &(PostcodeEntry, f64)| {
        *distance_m <= range.radius_m && entry.postcode.special().is_none()
    };
    found.filter(is_near).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limit: Option<&str>, radius: Option<&str>, is_wide: bool) -> Option<(usize, f64)> {
        let params = NearestParams {
            limit,
            radius,
            is_wide,
        };
        let range = NearestRange::new(&params, &POSTCODE_LIMITS).ok()?;
        Some((range.limit, range.radius_m))
    }

    #[test]
    fn limits_have_defaults_and_maxima() {
        assert_eq!(range(None, None, false), Some((10, 100.0)));
        assert_eq!(range(Some("7"), Some("250.5"), false), Some((7, 250.5)));
        assert_eq!(range(Some("101"), Some("2001"), false), Some((100, 2e3)));
        assert_eq!(range(Some("-1"), Some("-5"), false), Some((0, -5.0)));
        assert_eq!(range(Some("100"), Some("1"), true), Some((10, 20e3)));
        assert_eq!(range(Some("3"), None, true), Some((3, 20e3)));
        assert_eq!(range(Some("many"), None, false), None);
        assert_eq!(range(None, Some("far"), true), None);
    }

    #[test]
    fn points_outside_the_grid_are_valid() {
        let point = |lon, lat| parse_point(lon, lat).map(|point| point.is_some()).ok();
        assert_eq!(point("-2.8", "54.05"), Some(true));
        assert_eq!(point("0", "0"), Some(false));
        assert_eq!(point("-2.8", "91"), None);
        assert_eq!(point("west", "54.05"), None);
    }
}
