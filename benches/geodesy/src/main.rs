//! Compares Catchment's conversion between longitude and latitude and the British National Grid
//! with that of lonlat_bng. The results for a million points all over Great Britain must agree
//! within a millimetre. The benchmark also measures the speed of both libraries.
//!
//! `cargo run --release --manifest-path benches/geodesy/Cargo.toml`

#[path = "../../common/rounds.rs"]
mod rounds;

use std::hint::black_box;

use catchment::geodesy::{to_grid_metres, to_lonlat_degrees};
use lonlat_bng::{convert_osgb36, convert_osgb36_to_ll};
use rounds::{print_heading, print_row, run_interleaved};

const POINTS: usize = 1_000_000;
/// The number of points whose conversion is timed.
const TIMED_POINTS: usize = 200_000;
const TOLERANCE_M: f64 = 0.001;
/// The length of a degree of latitude in metres. A degree of longitude is shorter in Great Britain.
const METRES_PER_DEGREE: f64 = 111_320.0;

fn main() {
    let points = points();
    let (mut to_grid_m, mut to_lonlat_m) = (0.0_f64, 0.0_f64);
    for &(easting, northing) in &points {
        let (lon, lat) = to_lonlat_degrees(easting, northing).expect("on the grid");
        let (their_lon, their_lat) = convert_osgb36_to_ll(easting, northing).expect("on the grid");
        let east = (lon - their_lon) * lat.to_radians().cos();
        to_lonlat_m = to_lonlat_m.max(east.hypot(lat - their_lat) * METRES_PER_DEGREE);
        let (x, y) = to_grid_metres(lon, lat).expect("on the grid");
        let (their_x, their_y) = convert_osgb36(lon, lat).expect("on the grid");
        to_grid_m = to_grid_m.max((x - their_x).hypot(y - their_y));
    }
    println!(
        "{POINTS} points: at most {:.3} mm apart to the grid, {:.3} mm to longitude and latitude",
        to_grid_m * 1e3,
        to_lonlat_m * 1e3
    );
    // lonlat_bng rounds metres to the millimetre, and degrees to 8 decimal places.
    assert!(to_grid_m <= TOLERANCE_M && to_lonlat_m <= TOLERANCE_M);
    times(&points[..TIMED_POINTS]);
}

/// Returns random points on land or sea between Land's End and Shetland. Both libraries have shifts
/// for these points.
fn points() -> Vec<(f64, f64)> {
    let mut state = 15_u64;
    let mut next_fraction = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut points = Vec::with_capacity(POINTS);
    while points.len() < POINTS {
        let (easting, northing) = (
            80_000.0 + next_fraction() * 570_000.0,
            5_000.0 + next_fraction() * 1_215_000.0,
        );
        let is_known = convert_osgb36_to_ll(easting, northing).is_ok()
            && to_lonlat_degrees(easting, northing)
                .is_some_and(|(lon, lat)| convert_osgb36(lon, lat).is_ok());
        if is_known {
            points.push((easting, northing));
        }
    }
    points
}

fn times(points: &[(f64, f64)]) {
    let lonlats: Vec<(f64, f64)> = points
        .iter()
        .map(|&(x, y)| to_lonlat_degrees(x, y).expect("on the grid"))
        .collect();
    let checksum = |count: usize| count as u64;
    let mut ours = || {
        let found = lonlats
            .iter()
            .filter_map(|&(lon, lat)| to_grid_metres(black_box(lon), lat));
        checksum(found.map(black_box).count())
    };
    let mut theirs = || {
        let found = lonlats
            .iter()
            .filter_map(|&(lon, lat)| convert_osgb36(black_box(lon), lat).ok());
        checksum(found.map(black_box).count())
    };
    let to_grid = run_interleaved(points.len(), &mut [&mut ours, &mut theirs]);
    let mut ours = || {
        let found = points
            .iter()
            .filter_map(|&(x, y)| to_lonlat_degrees(black_box(x), y));
        checksum(found.map(black_box).count())
    };
    let mut theirs = || {
        let found = points
            .iter()
            .filter_map(|&(x, y)| convert_osgb36_to_ll(black_box(x), y).ok());
        checksum(found.map(black_box).count())
    };
    let to_lonlat = run_interleaved(points.len(), &mut [&mut ours, &mut theirs]);
    print_heading("Coordinates");
    print_row("longitude and latitude to the grid", to_grid[0], to_grid[1]);
    print_row(
        "the grid to longitude and latitude",
        to_lonlat[0],
        to_lonlat[1],
    );
}
