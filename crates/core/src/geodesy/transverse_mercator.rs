//! The transverse Mercator projection of the National Grid, on the GRS80 ellipsoid.
//!
//! The formulae and constants are from Ordnance Survey's *Transformations and OSGM15 user
//! guide* (v1.3, 2020), annexes B and C. Ordnance Survey's *Guide to coordinate systems in Great
//! Britain* also contains them. The result is an ETRS89 easting and northing, which determine the
//! shifts of OSTN15. The ETRS89 position differs from the position on the British National Grid by
//! about 100 m.
//!
//! OS's truncated series are used deliberately. An exact projection (Krüger's series to n⁵) differs
//! from them by less than 0.1 mm over most of Great Britain, but by 0.9 mm in the forward direction
//! and 5.7 mm in the inverse at St Kilda, where the exact projection does not agree with the
//! published test points. For the same reason, [`unproject`] inverts [`project`] to 1 mm only east
//! of 120 km, to 2 mm in the Outer Hebrides, to 5 mm at St Kilda and to 11 mm in the empty
//! north-western corner of the grid.
//!
//! Three rearrangements make the projection faster without changing the result:
//!
//! - Products of sines and cosines in the formula for the meridian arc are written as sines of
//!   multiples of the latitude.
//! - Powers of the longitude are combined with powers of cos φ.
//! - The footpoint latitude comes from the reverted series of the arc instead of an iteration.

/// The semi-axes of GRS80 in metres, rounded as in OS's guide.
const SEMI_MAJOR_M: f64 = 6_378_137.0;
const SEMI_MINOR_M: f64 = 6_356_752.314_1;

/// The National Grid's F0, λ0, E0 and N0; φ0 is in [`ARC_TO_TRUE_ORIGIN_M`].
const SCALE: f64 = 0.999_601_271_7;
const CENTRAL_MERIDIAN: f64 = -2.0;
const FALSE_EASTING_M: f64 = 400_000.0;
const FALSE_NORTHING_M: f64 = -100_000.0;

/// e², the squared eccentricity (equation B1).
const E2: f64 =
    (SEMI_MAJOR_M * SEMI_MAJOR_M - SEMI_MINOR_M * SEMI_MINOR_M) / (SEMI_MAJOR_M * SEMI_MAJOR_M);

/// n, the third flattening (equation B2).
const N: f64 = (SEMI_MAJOR_M - SEMI_MINOR_M) / (SEMI_MAJOR_M + SEMI_MINOR_M);
const N2: f64 = N * N;
const N3: f64 = N * N * N;

/// The coefficients of φ, sin 2φ, sin 4φ and sin 6φ in the meridian arc, in metres.
///
/// The coefficients follow from equation B6 and sin(k(φ − φ0)) cos(k(φ + φ0)) = ½(sin 2kφ − sin
/// 2kφ0).
const ARC: [f64; 4] = [
    SEMI_MINOR_M * SCALE * (1.0 + N + 5.0 / 4.0 * N2 + 5.0 / 4.0 * N3),
    SEMI_MINOR_M * SCALE * (3.0 * N + 3.0 * N2 + 21.0 / 8.0 * N3) / -2.0,
    SEMI_MINOR_M * SCALE * (15.0 / 8.0 * N2 + 15.0 / 8.0 * N3) / 2.0,
    SEMI_MINOR_M * SCALE * (35.0 / 24.0 * N3) / -2.0,
];

/// The length of the meridian arc from the equator to φ0, which is 49° N. A test recomputes the
/// value, because `sin` is not `const`.
const ARC_TO_TRUE_ORIGIN_M: f64 = 5_427_462.685_857_428;

/// The coefficients of sin 2µ, sin 4µ, sin 6µ and sin 8µ in the series for the latitude whose
/// meridian arc is `ARC[0]` µ. The series is the reversion of the sine series of [`ARC`] to the
/// fourth order in n, by Lagrange's theorem. A test measures the remaining error.
const FOOTPOINT: [f64; 4] = {
    let [a2, a4, a6] = [ARC[1] / ARC[0], ARC[2] / ARC[0], ARC[3] / ARC[0]];
    let a2_squared = a2 * a2;
    [
        -a2 - a2 * a4 + a2 * a2_squared / 2.0,
        -a4 + a2_squared - 2.0 * a2 * a6 + 4.0 * a2_squared * a4
            - 4.0 / 3.0 * a2_squared * a2_squared,
        -a6 + 3.0 * a2 * a4 - 3.0 / 2.0 * a2 * a2_squared,
        2.0 * a4 * a4 + 4.0 * a2 * a6 - 8.0 * a2_squared * a4 + 8.0 / 3.0 * a2_squared * a2_squared,
    ]
};

/// Projects a longitude and latitude in degrees to an ETRS89 easting and northing in metres.
///
/// The result is meaningful only within a few degrees of the OSTN15 grid. The caller must check the
/// range.
pub(super) fn project(lon: f64, lat: f64) -> (f64, f64) {
    let latitude = lat.to_radians();
    let ellipse = Ellipse::at(latitude);
    let Ellipse {
        nu,
        nu_over_rho,
        tan,
        cos,
        ..
    } = ellipse;
    let eta2 = nu_over_rho - 1.0;
    let t2 = tan * tan;
    let t4 = t2 * t2;

    // The following variables are OS's terms I to VI, with the powers of cos φ moved into l, and ν
    // factored out.
    let l = (lon - CENTRAL_MERIDIAN).to_radians() * cos;
    let l2 = l * l;
    let iii = (5.0 - t2 + 9.0 * eta2) / 24.0;
    let iiia = (61.0 - 58.0 * t2 + t4) / 720.0;
    let v = (nu_over_rho - t2) / 6.0;
    let vi = (5.0 - 18.0 * t2 + t4 + 14.0 * eta2 - 58.0 * t2 * eta2) / 120.0;

    let i = ellipse.meridian_arc(latitude) - ARC_TO_TRUE_ORIGIN_M + FALSE_NORTHING_M;
    let northing = i + nu * tan * l2 * (0.5 + l2 * (iii + l2 * iiia));
    let easting = FALSE_EASTING_M + nu * l * (1.0 + l2 * (v + l2 * vi));
    (easting, northing)
}

/// Returns the longitude and latitude in degrees of an ETRS89 easting and northing in metres.
///
/// The result is meaningful only on the OSTN15 grid. The caller must check the range.
pub(super) fn unproject(easting: f64, northing: f64) -> (f64, f64) {
    let footpoint = footpoint_latitude(northing);
    let Ellipse {
        nu,
        nu_over_rho,
        tan,
        cos,
        ..
    } = Ellipse::at(footpoint);
    let eta2 = nu_over_rho - 1.0;
    let t2 = tan * tan;
    let t4 = t2 * t2;
    let t6 = t4 * t2;

    // The following variables are OS's terms VII to XIIA, with the powers of ν moved into d.
    let d = (easting - FALSE_EASTING_M) / nu;
    let d2 = d * d;
    let viii = (5.0 + 3.0 * t2 + eta2 - 9.0 * t2 * eta2) / 24.0;
    let ix = (61.0 + 90.0 * t2 + 45.0 * t4) / 720.0;
    let xi = (nu_over_rho + 2.0 * t2) / 6.0;
    let xii = (5.0 + 28.0 * t2 + 24.0 * t4) / 120.0;
    let xiia = (61.0 + 662.0 * t2 + 1320.0 * t4 + 720.0 * t6) / 5040.0;

    let latitude = footpoint - nu_over_rho * tan * d2 * (0.5 - d2 * (viii - d2 * ix));
    let longitude = d / cos * (1.0 - d2 * (xi - d2 * (xii - d2 * xiia)));
    (
        CENTRAL_MERIDIAN + longitude.to_degrees(),
        latitude.to_degrees(),
    )
}

/// Returns φ′: the latitude, in radians, of the point on the central meridian that has the given
/// northing.
///
/// OS's procedure iterates until the arc is correct to 0.01 mm. The reverted series is correct to
/// 0.001 mm without iteration.
fn footpoint_latitude(northing: f64) -> f64 {
    let mu = (northing - FALSE_NORTHING_M + ARC_TO_TRUE_ORIGIN_M) / ARC[0];
    let (sin, cos) = mu.sin_cos();
    let sines = sines_of_multiples(sin, cos);
    mu + FOOTPOINT
        .iter()
        .zip(sines)
        .map(|(coefficient, sine)| coefficient * sine)
        .sum::<f64>()
}

/// The quantities at a latitude that both series need.
struct Ellipse {
    sin: f64,
    cos: f64,
    tan: f64,
    /// ν, the transverse radius of curvature times F0, in metres (equation B3).
    nu: f64,
    /// ν / ρ = (1 − e² sin² φ) / (1 − e²), from equations B3 and B4.
    nu_over_rho: f64,
}

impl Ellipse {
    fn at(latitude: f64) -> Self {
        let (sin, cos) = latitude.sin_cos();
        let w = 1.0 - E2 * sin * sin;
        Self {
            sin,
            cos,
            tan: sin / cos,
            nu: SEMI_MAJOR_M * SCALE / w.sqrt(),
            nu_over_rho: w / (1.0 - E2),
        }
    }

    /// Returns the length of the central meridian from the equator to the given latitude, in
    /// metres.
    fn meridian_arc(&self, latitude: f64) -> f64 {
        let [sin2, sin4, sin6, _] = sines_of_multiples(self.sin, self.cos);
        ARC[0] * latitude + ARC[1] * sin2 + ARC[2] * sin4 + ARC[3] * sin6
    }
}

/// Returns sin 2x, sin 4x, sin 6x and sin 8x, given sin x and cos x.
fn sines_of_multiples(sin: f64, cos: f64) -> [f64; 4] {
    let sin2 = 2.0 * sin * cos;
    let cos2 = 1.0 - 2.0 * sin * sin;
    let sin4 = 2.0 * sin2 * cos2;
    let cos4 = 1.0 - 2.0 * sin2 * sin2;
    [sin2, sin4, sin4 * cos2 + cos4 * sin2, 2.0 * sin4 * cos4]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUE_ORIGIN_LAT: f64 = 49.0;

    /// Caister water tower, the worked example in OS's user guide.
    const CAISTER_LON_LAT: (f64, f64) = (1.716_073_972, 52.658_007_833);
    const CAISTER_ETRS89: (f64, f64) = (651_307.003_0, 313_255.685_9);

    #[test]
    fn the_arc_to_the_true_origin_is_the_arc_at_49_degrees() {
        let latitude = TRUE_ORIGIN_LAT.to_radians();
        let arc = Ellipse::at(latitude).meridian_arc(latitude);
        assert!((arc - ARC_TO_TRUE_ORIGIN_M).abs() < 1e-7, "{arc}");
    }

    #[test]
    fn the_true_origin_has_the_false_coordinates() {
        let (easting, northing) = project(CENTRAL_MERIDIAN, TRUE_ORIGIN_LAT);
        assert!((easting - FALSE_EASTING_M).abs() < 1e-7, "{easting}");
        assert!((northing - FALSE_NORTHING_M).abs() < 1e-7, "{northing}");
    }

    #[test]
    fn the_published_example_projects_to_a_tenth_of_a_millimetre() {
        let (easting, northing) = project(CAISTER_LON_LAT.0, CAISTER_LON_LAT.1);
        assert!((easting - CAISTER_ETRS89.0).abs() < 1e-4, "{easting}");
        assert!((northing - CAISTER_ETRS89.1).abs() < 1e-4, "{northing}");
    }

    #[test]
    fn the_published_example_unprojects_to_its_last_digit() {
        // The guide's own example of the inverse starts from coordinates rounded to millimetres.
        // The easting in the guide's example is 0.2 mm greater than this easting.
        let (lon, lat) = unproject(651_307.003_2, 313_255.686_0);
        assert!((lon - CAISTER_LON_LAT.0).abs() < 2e-9, "{lon}");
        assert!((lat - CAISTER_LON_LAT.1).abs() < 2e-9, "{lat}");
    }

    #[test]
    fn the_footpoint_misses_less_of_the_arc_than_os_allows() {
        for northing in (0..=1_250_000).step_by(10_000).map(f64::from) {
            let footpoint = footpoint_latitude(northing);
            let arc = Ellipse::at(footpoint).meridian_arc(footpoint);
            let missing_m = northing - FALSE_NORTHING_M - (arc - ARC_TO_TRUE_ORIGIN_M);
            assert!(missing_m.abs() < 0.000_001, "{northing}: {missing_m}");
        }
    }

    /// Compares the results with results of OS's unmodified formulae, which another program
    /// calculated. The rearrangements must not change the results, even in the far corners.
    #[test]
    fn the_rearranged_formulae_are_those_of_the_annexes() {
        for ((lon, lat), (easting, northing)) in [
            (
                (-8.578_544_561, 57.813_518_38),
                (9_500.004_988, 899_499.990_935),
            ),
            (
                (-6.299_777_52, 49.922_263_94),
                (91_400.000_932, 11_399.999_368),
            ),
            (
                (1.444_547_304, 51.374_470_26),
                (639_720.223_718, 169_645.824_244),
            ),
            (
                (-2.073_828_228, 60.133_080_92),
                (395_898.578_064, 1_138_780.345_927),
            ),
        ] {
            let (e, n) = project(lon, lat);
            assert!((e - easting).hypot(n - northing) < 1e-6, "{e} {n}");
        }
        for ((easting, northing), (lon, lat)) in [
            (
                (9_500.0, 899_500.0),
                (-8.578_544_609_905, 57.813_518_422_115),
            ),
            (
                (91_400.0, 11_400.0),
                (-6.299_777_526_797, 49.922_263_943_214),
            ),
            (
                (650_000.0, 300_000.0),
                (1.686_780_270_384, 52.539_690_219_234),
            ),
            (
                (440_000.0, 1_200_000.0),
                (-1.267_762_084_919, 60.680_773_154_178),
            ),
        ] {
            let (found_lon, found_lat) = unproject(easting, northing);
            // 1e-10 degrees are 0.01 mm, the tolerance of OS's own iteration.
            assert!(
                (found_lon - lon).hypot(found_lat - lat) < 1e-10,
                "{found_lon} {found_lat}"
            );
        }
    }

    /// Tests that OS's two series agree with each other as closely as the module documentation
    /// states.
    #[test]
    fn unprojecting_undoes_projecting_as_closely_as_documented() {
        for (west_of, tolerance_m) in [(120_000, 1e-3), (55_000, 5e-3), (0, 11e-3)] {
            for easting in (west_of..=660_000).step_by(5_000).map(f64::from) {
                for northing in (0..=1_250_000).step_by(25_000).map(f64::from) {
                    let (lon, lat) = unproject(easting, northing);
                    let (e, n) = project(lon, lat);
                    let error_m = (e - easting).hypot(n - northing);
                    assert!(error_m < tolerance_m, "{easting} {northing}: {error_m}");
                }
            }
        }
    }
}
