//! Conversion between longitude and latitude and the British National Grid (with OSTN15), and the
//! [`web_mercator`] projection.
//!
//! Longitude and latitude are ETRS89 degrees (EPSG:4258); eastings and northings are OSGB36 /
//! British National Grid metres (EPSG:27700). WGS84 (EPSG:4326) is treated as ETRS89, as is usual
//! in Great Britain. The two reference systems agreed in 1989 and have diverged by 2.5 cm a year
//! since then.
//!
//! OSTN15 is Ordnance Survey's definition of the National Grid in terms of ETRS89, so the only
//! reference for accuracy is OS's own test points. The results agree with all forty test points to
//! 1 mm in both directions. The error of a Helmert transformation would be several metres.
//!
//! The two directions are inverses of each other to 1 mm, except in the far west. There, OS's
//! formulae themselves are inverses only to 2 mm in the Outer Hebrides and to 5 mm at St Kilda, as
//! the published test point TP31 shows. Details are in `transverse_mercator.rs`.
//!
//! The grid is a rectangle of 700 by 1,250 km that also includes the Isle of Man, the eastern half
//! of Ireland and a strip of France. OS provides shifts for the whole rectangle, so a position that
//! can be converted is not necessarily in Great Britain.
//!
//! The first call decodes the shift grid, which takes a few milliseconds and 3.5 MB of memory.

use std::ops::RangeInclusive;

use crate::domain::{BritishGrid, LonLat};

mod osgb36;
mod ostn15;
mod transverse_mercator;
pub mod web_mercator;

pub use osgb36::osgb36_to_grid_metres;

/// A box that contains the whole shift grid with a margin (the grid's corners reach from 9.4° W to
/// 3.6° E and from 49.7° N to 61.1° N). Outside this box, the projection's series would map some
/// positions, such as those on the other side of the Earth, onto the grid.
const LON_RANGE: RangeInclusive<f64> = -12.0..=8.0;
const LAT_RANGE: RangeInclusive<f64> = 48.0..=63.0;

/// Converts an ETRS89 longitude and latitude to the British National Grid, rounded to the nearest
/// millimetre.
///
/// Returns `None` outside the OSTN15 grid, and if [`BritishGrid`] cannot represent the result.
pub fn to_grid(position: LonLat) -> Option<BritishGrid> {
    let (easting, northing) = to_grid_metres(position.lon(), position.lat())?;
    BritishGrid::from_metres(easting, northing).ok()
}

/// Converts a British National Grid position to an ETRS89 longitude and latitude.
///
/// Returns `None` outside the OSTN15 grid.
pub fn to_lonlat(position: BritishGrid) -> Option<LonLat> {
    let (lon, lat) = to_lonlat_degrees(position.easting_m(), position.northing_m())?;
    LonLat::new(lon, lat).ok()
}

/// Converts an ETRS89 longitude and latitude in degrees to a British National Grid easting and
/// northing in metres, without rounding.
///
/// Returns `None` outside the OSTN15 grid and for numbers that are not finite.
pub fn to_grid_metres(lon: f64, lat: f64) -> Option<(f64, f64)> {
    if !LON_RANGE.contains(&lon) || !LAT_RANGE.contains(&lat) {
        return None;
    }
    let (easting, northing) = transverse_mercator::project(lon, lat);
    ostn15::to_osgb36(easting, northing)
}

/// Converts a British National Grid easting and northing in metres to an ETRS89 longitude and
/// latitude in degrees, without rounding.
///
/// Returns `None` outside the OSTN15 grid and for numbers that are not finite.
pub fn to_lonlat_degrees(easting: f64, northing: f64) -> Option<(f64, f64)> {
    let (easting, northing) = ostn15::to_etrs89(easting, northing)?;
    Some(transverse_mercator::unproject(easting, northing))
}

#[cfg(test)]
mod tests {
    use proptest::{num::f64::ANY, prelude::*};

    use super::*;

    #[test]
    fn non_finite_numbers_have_no_result() {
        for odd in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
        ] {
            assert!(to_grid_metres(odd, 52.0).is_none());
            assert!(to_grid_metres(-2.0, odd).is_none());
            assert!(to_lonlat_degrees(odd, 300_000.0).is_none());
            assert!(to_lonlat_degrees(400_000.0, odd).is_none());
        }
    }

    #[test]
    fn positions_on_other_continents_are_off_the_grid() {
        for lon in -180..=180 {
            for lat in -90..=90 {
                let near = (-10..=4).contains(&lon) && (49..=61).contains(&lat);
                let found = to_grid_metres(f64::from(lon), f64::from(lat));
                assert!(near || found.is_none(), "{lon} {lat}: {found:?}");
            }
        }
    }

    #[test]
    fn longitude_and_latitude_ranges_contain_the_whole_shift_grid() {
        let south = [(0.0, 0.0), (700_000.0, 0.0), (400_000.0, 0.0)];
        let north = [
            (0.0, 1_250_000.0),
            (700_000.0, 1_250_000.0),
            (400_000.0, 1_250_000.0),
        ];
        for (easting, northing) in south.into_iter().chain(north) {
            let (lon, lat) = transverse_mercator::unproject(easting, northing);
            assert!(
                LON_RANGE.contains(&lon) && LAT_RANGE.contains(&lat),
                "{lon} {lat}"
            );
        }
    }

    proptest! {
        /// Tests positions with eastings of at least 120 km. The module documentation states the
        /// accuracy for positions further west.
        #[test]
        fn grid_to_lonlat_to_grid_is_within_a_millimetre(
            easting in 120_000.0..660_000.0,
            northing in 0.0..1_249_000.0,
        ) {
            let (lon, lat) = to_lonlat_degrees(easting, northing).expect("on the grid");
            let (e, n) = to_grid_metres(lon, lat).expect("on the grid");
            prop_assert!((e - easting).hypot(n - northing) < 0.001);
        }

        #[test]
        fn the_typed_functions_round_to_the_millimetre(
            easting in 120_000.0..660_000.0,
            northing in 0.0..1_249_000.0,
        ) {
            let grid = BritishGrid::from_metres(easting, northing).expect("on the grid");
            let back = to_grid(to_lonlat(grid).expect("on the grid")).expect("on the grid");
            prop_assert!((back.easting_m() - grid.easting_m()).abs() < 0.001_1);
            prop_assert!((back.northing_m() - grid.northing_m()).abs() < 0.001_1);
        }

        #[test]
        fn neither_direction_panics_or_returns_nan(x in ANY, y in ANY) {
            let answers = [to_grid_metres(x, y), to_lonlat_degrees(x, y)];
            for (first, second) in answers.into_iter().flatten() {
                prop_assert!(first.is_finite() && second.is_finite());
            }
        }
    }
}
