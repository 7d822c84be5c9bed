//! Tests of the coordinate transformation with the test points of Ordnance Survey.

use catchment::{
    domain::{BritishGrid, LonLat},
    geodesy::{to_grid, to_grid_metres, to_lonlat, to_lonlat_degrees},
};

const TOLERANCE_M: f64 = 0.001;

/// The cells of a row: point, direction, longitude, latitude, easting and northing.
type Row = (String, String, f64, f64, f64, f64);

/// Returns the test points for one direction, which must be TP01 to TP40.
fn test_points(direction: &str) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path("tests/cases/ostn15_test_points.csv")
        .expect("the table is in the repository");
    let rows = reader
        .deserialize()
        .map(|row| row.expect("a well-formed row"));
    let rows: Vec<Row> = rows.filter(|row: &Row| row.1 == direction).collect();
    let expected: Vec<String> = (1..=40).map(|number| format!("TP{number:02}")).collect();
    assert!(rows.iter().map(|row| &row.0).eq(&expected));
    rows
}

#[test]
fn lonlat_to_grid_matches_os_test_points_within_a_millimetre() {
    for (point, _, lon, lat, easting, northing) in test_points("to_grid") {
        let (e, n) = to_grid_metres(lon, lat).expect("on the grid");
        let error_m = (e - easting).hypot(n - northing);
        assert!(error_m < TOLERANCE_M, "{point}: {error_m} m");
    }
}

#[test]
fn grid_to_lonlat_matches_os_test_points_within_a_millimetre() {
    for (point, _, lon, lat, easting, northing) in test_points("to_lonlat") {
        let (found_lon, found_lat) = to_lonlat_degrees(easting, northing).expect("on the grid");
        let error_m = surface_distance_m((found_lon, found_lat), (lon, lat));
        assert!(error_m < TOLERANCE_M, "{point}: {error_m} m");
    }
}

#[test]
fn conversions_return_domain_types() {
    // Caister water tower, the worked example in OS's user guide.
    let lonlat = LonLat::new(1.716_073_972, 52.658_007_833).expect("on the Earth");
    let grid = BritishGrid::from_metres(651_409.804, 313_177.450).expect("on the grid");

    let found = to_grid(lonlat).expect("on the grid");
    assert!((found.easting_m() - grid.easting_m()).abs() < 1e-6);
    assert!((found.northing_m() - grid.northing_m()).abs() < 1e-6);

    let found = to_lonlat(grid).expect("on the grid");
    assert!(surface_distance_m((found.lon(), found.lat()), (lonlat.lon(), lonlat.lat())) < 0.001);
}

#[test]
fn positions_off_the_grid_are_not_converted() {
    let places = [
        ("Paris", 2.35, 48.86),
        ("Amsterdam", 4.90, 52.37),
        ("west of Galway Bay", -9.9, 53.2),
        ("Faroe Islands", -6.77, 62.01),
        ("Null Island", 0.0, 0.0),
        ("the Antipodes Islands", 178.77, -49.68),
        ("north pole", -2.0, 90.0),
    ];
    for (name, lon, lat) in places {
        assert!(to_grid_metres(lon, lat).is_none(), "{name}");
        let position = LonLat::new(lon, lat).expect("on the Earth");
        assert!(to_grid(position).is_none(), "{name}");
    }
    for (easting, northing) in [(0.0, 0.0), (-1_000.0, 500_000.0), (701_000.0, 500_000.0)] {
        assert!(
            to_lonlat_degrees(easting, northing).is_none(),
            "{easting} {northing}"
        );
    }
    assert!(to_lonlat_degrees(400_000.0, 1_251_000.0).is_none());
}

/// Returns the distance on a sphere, in metres, between two positions that are a few millimetres
/// apart.
fn surface_distance_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    let metres_per_degree = 6_371_008.8_f64.to_radians();
    let east = (a.0 - b.0) * b.1.to_radians().cos();
    east.hypot(a.1 - b.1) * metres_per_degree
}
