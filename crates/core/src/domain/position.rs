use std::fmt;
use std::ops::RangeInclusive;

/// A position in degrees of longitude and latitude, WGS84 (EPSG:4326). ETRS89 coordinates are
/// treated as WGS84 coordinates.
#[derive(Clone, Copy, PartialEq)]
pub struct LonLat {
    lon: f64,
    lat: f64,
}

/// The reason why two numbers are not a longitude and a latitude. The message never contains the
/// numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLonLat {
    /// A number is NaN or infinite.
    #[error("longitude and latitude must be finite numbers")]
    NotFinite,
    /// A number is beyond ±1,000, and so is probably in metres.
    #[error("longitude and latitude must be in degrees; use easting and northing for metres")]
    NotDegrees,
    /// The longitude is beyond ±180, or the latitude beyond ±90.
    #[error("longitude must be between -180 and 180 degrees, latitude between -90 and 90")]
    OutOfRange,
}

impl LonLat {
    /// Creates a position from degrees of longitude and latitude.
    ///
    /// # Errors
    /// If a number is not finite, or outside the range of longitude or latitude.
    pub fn new(lon: f64, lat: f64) -> Result<LonLat, InvalidLonLat> {
        if !lon.is_finite() || !lat.is_finite() {
            Err(InvalidLonLat::NotFinite)
        } else if lon.abs() > 1_000.0 || lat.abs() > 1_000.0 {
            Err(InvalidLonLat::NotDegrees)
        } else if lon.abs() > 180.0 || lat.abs() > 90.0 {
            Err(InvalidLonLat::OutOfRange)
        } else {
            Ok(LonLat { lon, lat })
        }
    }

    /// Returns the longitude in degrees east.
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// Returns the latitude in degrees north.
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Returns whether both numbers are zero, or the position is the false origin of the British
    /// National Grid. Programs write these positions if the coordinates are not known.
    pub fn is_origin(self) -> bool {
        let is_near = |lon: f64, lat: f64| {
            (self.lon - lon).abs() < ORIGIN_TOLERANCE_DEGREES
                && (self.lat - lat).abs() < ORIGIN_TOLERANCE_DEGREES
        };
        (self.lon == 0.0 && self.lat == 0.0) || is_near(GRID_ORIGIN.0, GRID_ORIGIN.1)
    }

    /// Returns whether the position is in a generous bounding box of Great Britain, which extends
    /// from Scilly to Shetland but does not include Rockall.
    pub fn is_in_great_britain(self) -> bool {
        is_in_great_britain(self.lon, self.lat)
    }

    /// Returns whether the position is outside Great Britain but would be inside it if longitude
    /// and latitude were swapped.
    pub fn looks_swapped(self) -> bool {
        !is_in_great_britain(self.lon, self.lat) && is_in_great_britain(self.lat, self.lon)
    }
}

/// The longitude and the latitude of the false origin of the British National Grid, in the sea
/// south-west of Scilly.
const GRID_ORIGIN: (f64, f64) = (-7.557_16, 49.766_81);
/// The tolerance around the false origin. The tolerance is greater than the difference between the
/// usual transformations at the false origin.
const ORIGIN_TOLERANCE_DEGREES: f64 = 0.000_5;

fn is_in_great_britain(lon: f64, lat: f64) -> bool {
    (-9.5..=3.0).contains(&lon) && (49.0..=61.5).contains(&lat)
}

/// A position on the British National Grid (EPSG:27700), in whole millimetres.
///
/// Positions are within 200 km of the grid's extent of 700 km × 1,300 km, so that the cross product
/// of any two differences of positions fits in an `i64`. The margin leaves room for boundaries that
/// extend into the sea. OSTN15 does not cover the whole grid, so some positions have no longitude
/// and latitude.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BritishGrid {
    easting_mm: i32,
    northing_mm: i32,
}

/// The error for two numbers that are not an easting and a northing in metres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "easting must be between {} and {} metres and northing between {} and {}, on the British National Grid",
    EASTING_RANGE_M.start(), EASTING_RANGE_M.end(), NORTHING_RANGE_M.start(), NORTHING_RANGE_M.end()
)]
pub struct InvalidBritishGrid;

const EASTING_RANGE_M: RangeInclusive<f64> = -200_000.0..=900_000.0;
const NORTHING_RANGE_M: RangeInclusive<f64> = -200_000.0..=1_500_000.0;

impl BritishGrid {
    /// Creates a position from metres, rounded to the nearest millimetre.
    ///
    /// # Errors
    /// If a number is not finite, or the position is more than 200 km outside the grid.
    pub fn from_metres(easting: f64, northing: f64) -> Result<BritishGrid, InvalidBritishGrid> {
        // Ranges do not contain NaN.
        let is_near_grid =
            EASTING_RANGE_M.contains(&easting) && NORTHING_RANGE_M.contains(&northing);
        if !is_near_grid {
            return Err(InvalidBritishGrid);
        }
        Ok(BritishGrid {
            easting_mm: to_mm(easting),
            northing_mm: to_mm(northing),
        })
    }

    /// Creates a position from the millimetres of another position, without checking them.
    pub(crate) fn from_mm(easting_mm: i32, northing_mm: i32) -> BritishGrid {
        BritishGrid {
            easting_mm,
            northing_mm,
        }
    }

    /// Returns the millimetres east of the false origin.
    pub fn easting_mm(self) -> i32 {
        self.easting_mm
    }

    /// Returns the millimetres north of the false origin.
    pub fn northing_mm(self) -> i32 {
        self.northing_mm
    }

    /// Returns the metres east of the false origin.
    pub fn easting_m(self) -> f64 {
        f64::from(self.easting_mm) / 1_000.0
    }

    /// Returns the metres north of the false origin.
    pub fn northing_m(self) -> f64 {
        f64::from(self.northing_mm) / 1_000.0
    }

    /// Returns whether both numbers are zero. Programs write zeros if the coordinates are not
    /// known.
    pub fn is_origin(self) -> bool {
        (self.easting_mm, self.northing_mm) == (0, 0)
    }

    /// Returns whether the two numbers could be a longitude and a latitude. In metres, such a
    /// position would be in the sea near Scilly, so the user probably meant degrees.
    pub fn looks_like_degrees(self) -> bool {
        self.easting_m().abs() <= 180.0 && self.northing_m().abs() <= 90.0
    }

    /// Returns the distance on the grid plane, in metres.
    pub fn distance_m(self, other: BritishGrid) -> f64 {
        (self.easting_m() - other.easting_m()).hypot(self.northing_m() - other.northing_m())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 1,500,000 m, which is 1.5e9 mm"
)]
fn to_mm(metres: f64) -> i32 {
    (metres * 1_000.0).round() as i32
}

impl fmt::Debug for LonLat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LonLat(…)")
    }
}

impl fmt::Debug for BritishGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BritishGrid(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_print_the_position() {
        let lonlat = LonLat::new(-2.8, 54.0).expect("on the Earth");
        assert_eq!(format!("{lonlat:?}"), "LonLat(…)");
        let grid = BritishGrid::from_mm(1, 2);
        assert_eq!(format!("{grid:?}"), "BritishGrid(…)");
    }

    #[test]
    fn invalid_degrees_are_rejected_with_the_reason() {
        for (lon, lat, expected) in [
            (f64::NAN, 54.0, InvalidLonLat::NotFinite),
            (-2.8, f64::INFINITY, InvalidLonLat::NotFinite),
            (317_303.0, 480_077.0, InvalidLonLat::NotDegrees),
            (-180.1, 54.0, InvalidLonLat::OutOfRange),
            (-2.8, 90.1, InvalidLonLat::OutOfRange),
        ] {
            assert_eq!(LonLat::new(lon, lat).map(|_| ()), Err(expected));
        }
        assert!(LonLat::new(180.0, -90.0).is_ok());
    }

    #[test]
    fn a_swapped_pair_is_recognised_only_where_it_makes_sense() {
        let looks_swapped = |lon, lat| LonLat::new(lon, lat).expect("on the Earth").looks_swapped();
        assert!(looks_swapped(54.05, -2.8));
        assert!(!looks_swapped(-2.8, 54.05));
        assert!(!looks_swapped(2.35, 48.86));
    }

    #[test]
    fn metres_round_to_the_millimetre() {
        let position = BritishGrid::from_metres(317_303.000_4, 480_077.000_6).expect("on the grid");
        assert_eq!(
            (position.easting_mm(), position.northing_mm()),
            (317_303_000, 480_077_001)
        );
        assert_eq!(
            BritishGrid::from_metres(f64::NAN, 1.0),
            Err(InvalidBritishGrid)
        );
        assert_eq!(
            BritishGrid::from_metres(1.0, 1.6e6),
            Err(InvalidBritishGrid)
        );
    }

    #[test]
    fn positions_round_trip() {
        let degrees = LonLat::new(-2.8, 54.05).expect("on the Earth");
        assert_eq!((degrees.lon(), degrees.lat()), (-2.8, 54.05));
        let grid = BritishGrid::from_metres(317_303.125, -480.5).expect("near the grid");
        assert_eq!((grid.easting_m(), grid.northing_m()), (317_303.125, -480.5));
    }

    #[test]
    fn positions_reach_200_km_around_the_grid() {
        for (easting, northing) in [
            (-200_000.0, -200_000.0),
            (900_000.0, 1_500_000.0),
            (0.0, 0.0),
        ] {
            assert!(BritishGrid::from_metres(easting, northing).is_ok());
        }
        for (easting, northing) in [
            (-200_000.1, 0.0),
            (900_000.1, 0.0),
            (0.0, -200_000.1),
            (0.0, 1_500_000.1),
        ] {
            let result = BritishGrid::from_metres(easting, northing);
            assert_eq!(result, Err(InvalidBritishGrid), "{easting} {northing}");
        }
        assert_eq!(
            InvalidBritishGrid.to_string(),
            "easting must be between -200000 and 900000 metres and northing between -200000 and \
             1500000, on the British National Grid"
        );
    }

    #[test]
    fn degrees_in_place_of_metres_are_recognised() {
        let looks_like_degrees = |easting, northing| {
            let grid = BritishGrid::from_metres(easting, northing).expect("near the grid");
            grid.looks_like_degrees()
        };
        assert!(looks_like_degrees(-2.8, 54.05));
        assert!(looks_like_degrees(180.0, -90.0));
        assert!(!looks_like_degrees(180.1, 54.05));
        assert!(!looks_like_degrees(-2.8, 90.1));
    }

    #[test]
    fn origins_are_recognised_in_degrees_and_in_metres() {
        let is_origin = |lon, lat| LonLat::new(lon, lat).expect("on the Earth").is_origin();
        assert!(is_origin(0.0, 0.0));
        assert!(is_origin(-7.557_1, 49.766_8));
        // Greenwich, and a position in the sea near the false origin.
        assert!(!is_origin(0.0, 51.48));
        assert!(!is_origin(-7.55, 49.766_8));
        assert!(BritishGrid::from_mm(0, 0).is_origin());
        assert!(!BritishGrid::from_mm(0, 1).is_origin());
    }

    #[test]
    fn distances_are_those_of_a_plane() {
        let position =
            |easting, northing| BritishGrid::from_metres(easting, northing).expect("near the grid");
        assert!(
            (position(1_000.0, 2_000.0).distance_m(position(4_000.0, 6_000.0)) - 5_000.0).abs()
                < 1e-9
        );
        assert_eq!(position(7.0, 8.0).distance_m(position(7.0, 8.0)), 0.0);
    }

    #[test]
    fn only_a_pair_with_both_numbers_exchanged_looks_swapped() {
        let looks_swapped = |lon, lat| LonLat::new(lon, lat).expect("on the Earth").looks_swapped();
        // If the numbers were swapped, only one of them would be in Great Britain.
        assert!(!looks_swapped(54.05, 20.0));
        assert!(!looks_swapped(20.0, -2.8));
    }
}
