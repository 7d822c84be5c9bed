//! Projection of OSGB36 longitude and latitude (EPSG:4277) to the British National Grid.
//!
//! The grid is defined by this projection: a transverse Mercator projection of the Airy 1830
//! ellipsoid. The datum stays the same, so OSTN15 is not involved. [`to_lonlat`](super::to_lonlat)
//! applies OSTN15 when it converts the result to ETRS89. The formulae are from annex B of
//! Ordnance Survey's *Transformations and OSGM15 user guide*.

use super::{LAT_RANGE, LON_RANGE};

/// The semi-axes of the Airy 1830 ellipsoid, in metres.
const SEMI_MAJOR_M: f64 = 6_377_563.396;
const SEMI_MINOR_M: f64 = 6_356_256.909;

/// The National Grid's F0, λ0, φ0, E0 and N0.
const SCALE: f64 = 0.999_601_271_7;
const CENTRAL_MERIDIAN: f64 = -2.0;
const TRUE_ORIGIN_LAT: f64 = 49.0;
const FALSE_EASTING_M: f64 = 400_000.0;
const FALSE_NORTHING_M: f64 = -100_000.0;

/// Projects an OSGB36 longitude and latitude in degrees to a British National Grid easting and
/// northing in metres.
///
/// Returns `None` far outside the grid, where the series of the projection does not converge, and
/// for numbers that are not finite.
pub fn osgb36_to_grid_metres(lon: f64, lat: f64) -> Option<(f64, f64)> {
    if !LON_RANGE.contains(&lon) || !LAT_RANGE.contains(&lat) {
        return None;
    }
    let e2 = 1.0 - (SEMI_MINOR_M * SEMI_MINOR_M) / (SEMI_MAJOR_M * SEMI_MAJOR_M);
    let latitude = lat.to_radians();
    let (sin, cos) = latitude.sin_cos();
    let t2 = (sin / cos).powi(2);
    let t4 = t2 * t2;
    let w = 1.0 - e2 * sin * sin;
    let nu = SEMI_MAJOR_M * SCALE / w.sqrt();
    let rho = SEMI_MAJOR_M * SCALE * (1.0 - e2) / (w * w.sqrt());
    let eta2 = nu / rho - 1.0;
    let i = meridian_arc(latitude) + FALSE_NORTHING_M;
    let ii = nu / 2.0 * sin * cos;
    let iii = nu / 24.0 * sin * cos.powi(3) * (5.0 - t2 + 9.0 * eta2);
    let iiia = nu / 720.0 * sin * cos.powi(5) * (61.0 - 58.0 * t2 + t4);
    let iv = nu * cos;
    let v = nu / 6.0 * cos.powi(3) * (nu / rho - t2);
    let vi = nu / 120.0 * cos.powi(5) * (5.0 - 18.0 * t2 + t4 + 14.0 * eta2 - 58.0 * t2 * eta2);
    let l = (lon - CENTRAL_MERIDIAN).to_radians();
    let l2 = l * l;
    let easting = FALSE_EASTING_M + l * (iv + l2 * (v + l2 * vi));
    let northing = i + l2 * (ii + l2 * (iii + l2 * iiia));
    Some((easting, northing))
}

/// Returns the length of the meridian from φ0 to the given latitude, in metres (equation B6).
fn meridian_arc(latitude: f64) -> f64 {
    let n = (SEMI_MAJOR_M - SEMI_MINOR_M) / (SEMI_MAJOR_M + SEMI_MINOR_M);
    let (n2, n3) = (n * n, n * n * n);
    let origin = TRUE_ORIGIN_LAT.to_radians();
    let (difference, sum) = (latitude - origin, latitude + origin);
    let terms = (1.0 + n + 5.0 / 4.0 * n2 + 5.0 / 4.0 * n3) * difference
        - (3.0 * n + 3.0 * n2 + 21.0 / 8.0 * n3) * difference.sin() * sum.cos()
        + (15.0 / 8.0 * n2 + 15.0 / 8.0 * n3) * (2.0 * difference).sin() * (2.0 * sum).cos()
        - 35.0 / 24.0 * n3 * (3.0 * difference).sin() * (3.0 * sum).cos();
    SEMI_MINOR_M * SCALE * terms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of Ordnance Survey's guide, Caister water tower: 52° 39′ 27.2531″ N,
    /// 1° 43′ 4.5177″ E.
    #[test]
    fn the_published_example_projects_to_its_last_digit() {
        let lat = 52.0 + 39.0 / 60.0 + 27.253_1 / 3600.0;
        let lon = 1.0 + 43.0 / 60.0 + 4.517_7 / 3600.0;
        let (easting, northing) = osgb36_to_grid_metres(lon, lat).expect("on the grid");
        assert!((easting - 651_409.903).abs() < 2e-3, "{easting}");
        assert!((northing - 313_177.270).abs() < 2e-3, "{northing}");
    }

    #[test]
    fn the_true_origin_has_the_false_coordinates_and_other_continents_none() {
        let (easting, northing) = osgb36_to_grid_metres(-2.0, 49.0).expect("the true origin");
        assert!((easting - 400_000.0).abs() < 1e-6 && (northing + 100_000.0).abs() < 1e-6);
        for (lon, lat) in [(-74.0, 40.0), (f64::NAN, 52.0), (-2.0, f64::INFINITY)] {
            assert!(osgb36_to_grid_metres(lon, lat).is_none());
        }
    }
}
