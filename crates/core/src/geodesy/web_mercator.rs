//! Web Mercator: WGS 84 / Pseudo-Mercator (EPSG:3857), the projection of web maps.
//!
//! EPSG defines the projection (method 1024, IOGP Guidance Note 7-2) as the Mercator projection of
//! a sphere whose radius is the semi-major axis of WGS84. The projection is applied to latitudes on
//! the ellipsoid:
//!
//! ```text
//!   E = R λ        N = R ln tan(π/4 + φ/2) = R asinh(tan φ)
//! ```
//!
//! Longitudes and latitudes are in degrees, and x is before y. Coordinates for tiles are measured
//! east and south from the north-west corner of the square world. The unit of these coordinates is
//! the side of the square world, which is the length of the equator.

use std::f64::consts::TAU;

use geo::Coord;

/// The radius of the sphere in metres: the semi-major axis of WGS84 (EPSG:7030).
pub const EARTH_RADIUS_M: f64 = 6_378_137.0;
/// The length of the equator in metres, which is the side of the square world.
pub const EQUATOR_M: f64 = TAU * EARTH_RADIUS_M;
/// The maximum latitude, at which the projected world is a square: atan(sinh π).
pub const LATITUDE_MAX: f64 = 85.051_128_779_806_6;

/// Projects a longitude and latitude to metres. The y axis points north. Latitudes beyond
/// [`LATITUDE_MAX`] are projected to the side of the square world.
pub fn to_metres(lonlat: Coord<f64>) -> Coord<f64> {
    let latitude = lonlat.y.clamp(-LATITUDE_MAX, LATITUDE_MAX);
    Coord {
        x: lonlat.x.to_radians() * EARTH_RADIUS_M,
        y: northing(latitude) * EARTH_RADIUS_M,
    }
}

/// Returns the longitude and latitude of a position in metres.
pub fn from_metres(metres: Coord<f64>) -> Coord<f64> {
    Coord {
        x: (metres.x / EARTH_RADIUS_M).to_degrees(),
        y: latitude(metres.y / EARTH_RADIUS_M),
    }
}

/// Projects a longitude and latitude to fractions of the side of the square world, from its
/// north-west corner; the y axis points south.
pub fn to_unit_square(lonlat: Coord<f64>) -> Coord<f64> {
    Coord {
        x: lonlat.x / 360.0 + 0.5,
        y: 0.5 - northing(lonlat.y) / TAU,
    }
}

/// Returns the longitude and latitude of a position in fractions of the side of the square world.
pub fn from_unit_square(fractions: Coord<f64>) -> Coord<f64> {
    Coord {
        x: (fractions.x - 0.5) * 360.0,
        y: latitude((0.5 - fractions.y) * TAU),
    }
}

/// Returns the length in metres of the parallel at a y coordinate, which is a fraction of the side
/// of the square world.
///
/// Mercator's scale factor is the secant of the latitude, which equals the hyperbolic cosine of the
/// projected distance from the equator on a unit sphere.
pub fn parallel_m(y: f64) -> f64 {
    EQUATOR_M / ((0.5 - y) * TAU).cosh()
}

/// Returns the projected distance of a latitude in degrees from the equator, on a unit sphere.
fn northing(latitude: f64) -> f64 {
    latitude.to_radians().tan().asinh()
}

/// Returns the latitude in degrees of a projected distance from the equator, on a unit sphere.
fn latitude(northing: f64) -> f64 {
    northing.sinh().atan().to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_near(found: Coord<f64>, expected: (f64, f64), tolerance: f64) {
        let distance = (found.x - expected.0).hypot(found.y - expected.1);
        assert!(distance < tolerance, "{found:?} is not {expected:?}");
    }

    /// The worked example for method 1024 in IOGP Guidance Note 7-2: 24°22'54.433"N,
    /// 100°20'00.000"W.
    #[test]
    fn web_mercator_agrees_with_the_published_example() {
        let lonlat = Coord {
            x: -(100.0 + 20.0 / 60.0),
            y: 24.0 + 22.0 / 60.0 + 54.433 / 3_600.0,
        };
        let metres = Coord {
            x: -11_169_055.58,
            y: 2_800_000.00,
        };
        assert_near(to_metres(lonlat), (metres.x, metres.y), 0.01);
        assert_near(from_metres(metres), (lonlat.x, lonlat.y), 1e-7);
    }

    /// The expected values were computed with PROJ.
    #[test]
    fn web_mercator_agrees_with_proj() {
        let lonlat = Coord { x: -2.8, y: 54.05 };
        let metres = to_metres(lonlat);
        assert_near(metres, (-311_694.574_221_166, 7_179_631.388_187_292), 1e-6);
        assert_near(from_metres(metres), (-2.8, 54.05), 1e-9);
    }

    /// The corner of the tile matrix set WebMercatorQuad (OGC 17-083r4, annex D).
    #[test]
    fn the_world_is_the_square_of_tiles() {
        const HALF_M: f64 = 20_037_508.342_789_2;
        assert!((EQUATOR_M / 2.0 - HALF_M).abs() < 1e-6, "{EQUATOR_M}");
        let corner = Coord { x: -180.0, y: 90.0 };
        assert_near(to_metres(corner), (-HALF_M, HALF_M), 1e-6);
        let corner = Coord {
            x: 180.0,
            y: -LATITUDE_MAX,
        };
        assert_near(to_unit_square(corner), (1.0, 1.0), 1e-12);
        assert_near(
            from_unit_square(Coord::zero()),
            (-180.0, LATITUDE_MAX),
            1e-12,
        );
    }

    #[test]
    fn metres_and_fractions_are_the_same_projection() {
        for (x, y) in [(-2.8, 54.05), (1.0, -33.0), (179.0, 80.0)] {
            let lonlat = Coord { x, y };
            let (metres, fractions) = (to_metres(lonlat), to_unit_square(lonlat));
            let expected = (
                (fractions.x - 0.5) * EQUATOR_M,
                (0.5 - fractions.y) * EQUATOR_M,
            );
            assert_near(metres, expected, 1e-6);
            assert_near(from_unit_square(fractions), (x, y), 1e-9);
        }
    }

    /// At 60° north a degree of longitude is half as long as at the equator.
    #[test]
    fn parallels_shorten_to_the_north() {
        assert!((parallel_m(0.5) - EQUATOR_M).abs() < 1e-6);
        let north = to_unit_square(Coord { x: 0.0, y: 60.0 });
        assert!((parallel_m(north.y) * 2.0 - EQUATOR_M).abs() < 1e-3);
    }
}
