//! The time to find the areas that cover a point, to compute the distance from a point to the
//! boundary of its area, and to find the areas whose boundary is near a point. Each time is
//! compared with the time of the straightforward solution: an R-tree from `rstar` with the
//! `Contains` test of `geo`. Both solutions run in the same rounds and must give the same results.
//! If `CATCHMENT_PYTHON` is the path of a Python interpreter with geopandas, the `sjoin` of
//! geopandas is also measured.
//!
//! `CATCHMENT_NATIONAL` is the folder of the national dataset (docs/users/national-data.md).
//! Without this variable, the benchmark uses synthetic data. If an argument is given, only the
//! layers whose names contain it are measured.

mod common;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use catchment::domain::{Boundary, BritishGrid};
use catchment::index::BoundaryIndex;
use common::rounds::{print_heading, print_row, run_interleaved};
use common::synthetic::{self, MAX_KM2, MEDIAN_KM2, P90_KM2};
use common::{Country, Point, count_vertices, rings, to_geo};
use geo::{BoundingRect, Contains, MultiPolygon};
use jiff::civil::{Date, date};
use rstar::primitives::{GeomWithData, Line, Rectangle};
use rstar::{AABB, PointDistance, RTree};
use tempfile::TempDir;

const DAY: Date = date(2026, 4, 30);
const WITHIN_M: f64 = 100.0;
/// The number of points for which distances are measured.
const DISTANCES: usize = 50_000;

fn main() {
    let filter = env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_selected = |name: &str| {
        filter
            .as_ref()
            .is_none_or(|word| name.contains(word.as_str()))
    };
    let country = Country::new();
    println!(
        "{} points of {}",
        country.shuffled_points.len(),
        country.title()
    );
    let dense = synthetic::densify(&country.sub_icbs, 5);
    let catchments = synthetic::catchments(&country.people);
    check_catchments(&catchments);
    for (name, boundaries) in [
        ("sub-ICBs", &country.sub_icbs),
        ("sub-ICBs, dense", &dense),
        ("LSOAs", &country.lsoas),
        ("catchments", &catchments),
    ] {
        if is_selected(name) {
            measure_layer(name, boundaries, &country);
        }
    }
}

fn measure_layer(name: &str, boundaries: &[Boundary], country: &Country) {
    let (ours, theirs) = (
        BoundaryIndex::build(boundaries.to_vec()),
        Baseline::build(boundaries),
    );
    check_answers(name, &ours, &theirs, &country.shuffled_points);
    print_heading(&format!(
        "{} {name}, {} vertices",
        boundaries.len(),
        count_vertices(boundaries)
    ));
    for (order, points) in [
        ("random", &country.shuffled_points),
        ("sorted", &country.sorted_points),
    ] {
        measure_covering(&format!("{name}, {order}"), &ours, &theirs, points);
    }
    measure_distances(
        name,
        &ours,
        boundaries,
        &country.shuffled_points[..DISTANCES],
    );
    compare_with_geopandas(name, &ours, boundaries, country);
}

/// The straightforward solution: an R-tree finds the bounding boxes that contain a point, and then
/// the polygon in each box is tested.
struct Baseline {
    boxes: RTree<GeomWithData<Rectangle<[f64; 2]>, u32>>,
    polygons: Vec<MultiPolygon>,
}

impl Baseline {
    fn build(boundaries: &[Boundary]) -> Baseline {
        let polygons: Vec<MultiPolygon> = boundaries.iter().map(to_geo).collect();
        let boxes = (0..).zip(&polygons).map(|(index, polygon)| {
            let rect = polygon.bounding_rect().expect("the area is not empty");
            let corner = |corner: geo::Coord| [corner.x, corner.y];
            let corners = AABB::from_corners(corner(rect.min()), corner(rect.max()));
            GeomWithData::new(Rectangle::from_aabb(corners), index)
        });
        Baseline {
            boxes: RTree::bulk_load(boxes.collect()),
            polygons,
        }
    }

    fn covering(&self, point: BritishGrid) -> impl Iterator<Item = u32> {
        let [x, y] = coordinates_mm(point);
        let near = self
            .boxes
            .locate_all_at_point(&[x, y])
            .map(|entry| entry.data);
        near.filter(move |&index| self.polygons[index as usize].contains(&geo::Point::new(x, y)))
    }
}

fn coordinates_mm(point: BritishGrid) -> [f64; 2] {
    [point.easting_mm(), point.northing_mm()].map(f64::from)
}

/// Checks that look-ups of single points and of batches find the same areas as the baseline.
fn check_answers(name: &str, ours: &BoundaryIndex, theirs: &Baseline, points: &[BritishGrid]) {
    let mut batched: Vec<Vec<u32>> = vec![Vec::new(); points.len()];
    ours.for_each_covering(points, DAY, |point_index, areas| {
        batched[point_index] = areas.to_vec()
    });
    let mut most = 0;
    let mut pairs = 0;
    for (point, batched) in points.iter().zip(batched) {
        let mut expected: Vec<u32> = theirs.covering(*point).collect();
        expected.sort_unstable();
        assert_eq!(
            ours.covering(*point, DAY),
            expected,
            "{name}: one at a time"
        );
        assert_eq!(batched, expected, "{name}: in batches");
        most = most.max(expected.len());
        pairs += expected.len();
    }
    let mean = pairs as f64 / points.len() as f64;
    println!("\n{name}: {mean:.2} areas per point, at most {most}; all equal to the baseline");
    if name == "catchments" {
        // A point in the centre of a real city is in more than twenty catchments, but a point in
        // the centre of a synthetic city is in fewer.
        assert!((3.0..8.0).contains(&mean) && most > 12, "{mean} {most}");
    }
}

fn measure_covering(what: &str, ours: &BoundaryIndex, theirs: &Baseline, points: &[BritishGrid]) {
    let ordinal = |area: u32| u64::from(area) + 1;
    let mut found = Vec::new();
    let mut single = || {
        let mut sum = 0;
        for point in points {
            ours.collect_covering(&mut found, black_box(*point), DAY);
            sum += found.iter().map(|&area| ordinal(area)).sum::<u64>();
        }
        sum
    };
    let mut batch = || {
        let mut sum = 0;
        ours.for_each_covering(black_box(points), DAY, |_, areas| {
            sum += areas.iter().map(|&area| ordinal(area)).sum::<u64>();
        });
        sum
    };
    let mut peer = || {
        let found = points
            .iter()
            .flat_map(|point| theirs.covering(black_box(*point)));
        found.map(ordinal).sum()
    };
    let times = run_interleaved(points.len(), &mut [&mut single, &mut batch, &mut peer]);
    print_row(&format!("{what}, one at a time"), times[0], times[2]);
    print_row(&format!("{what}, in batches"), times[1], times[2]);
}

type Edge = GeomWithData<Line<[f64; 2]>, u32>;

fn edges(boundaries: &[Boundary]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (index, boundary) in (0..).zip(boundaries) {
        for ring in rings(boundary) {
            let corner = |(x, y): Point| [f64::from(x), f64::from(y)];
            let ends = ring.iter().zip(ring.iter().cycle().skip(1));
            // `rstar` computes NaN as the distance to a zero-length edge.
            let ends = ends.filter(|(from, to)| from != to);
            edges.extend(
                ends.map(|(from, to)| {
                    GeomWithData::new(Line::new(corner(*from), corner(*to)), index)
                }),
            );
        }
    }
    edges
}

/// Measures two operations: computing the distance from a point to the boundary of its own area,
/// and finding the areas with a boundary nearby. The baseline has one tree of edges per area for
/// the distances, and one tree of all edges for the nearby boundaries.
fn measure_distances(
    name: &str,
    ours: &BoundaryIndex,
    boundaries: &[Boundary],
    points: &[BritishGrid],
) {
    let all = RTree::bulk_load(edges(boundaries));
    let own: Vec<RTree<Edge>> = boundaries
        .iter()
        .map(|boundary| RTree::bulk_load(edges(std::slice::from_ref(boundary))))
        .collect();
    let located: Vec<(u32, BritishGrid)> = points
        .iter()
        .filter_map(|point| Some((*ours.covering(*point, DAY).first()?, *point)))
        .collect();
    let their_distance_m = |&(area, point): &(u32, BritishGrid)| {
        let edge = own[area as usize].nearest_neighbor(&coordinates_mm(point));
        edge.expect("the area has edges")
            .distance_2(&coordinates_mm(point))
            .sqrt()
            / 1_000.0
    };
    let their_neighbours = |point: BritishGrid, near: &mut Vec<(u32, f64)>| {
        near.clear();
        let radius_2 = (WITHIN_M * 1_000.0).powi(2);
        for edge in all.locate_within_distance(coordinates_mm(point), radius_2) {
            let distance_m = edge.distance_2(&coordinates_mm(point)).sqrt() / 1_000.0;
            match near.iter_mut().find(|(area, _)| *area == edge.data) {
                Some((_, nearest)) => *nearest = nearest.min(distance_m),
                None => near.push((edge.data, distance_m)),
            }
        }
        near.retain(|value| value.1 < WITHIN_M);
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    };
    let mut near = Vec::new();
    for home in &located {
        let ours_m = ours.distance_to_edge_m(home.0, home.1);
        let theirs_m = their_distance_m(home);
        assert!(
            (ours_m - theirs_m).abs() < 1e-6,
            "{name}: {ours_m} m, not {theirs_m}"
        );
        let ours = ours.boundaries_within(home.1, WITHIN_M, DAY);
        their_neighbours(home.1, &mut near);
        // Two areas at the same distance may come in either order.
        let distances = ours.iter().zip(&near);
        assert!(
            ours.len() == near.len(),
            "{name}: {} {}",
            ours.len(),
            near.len()
        );
        assert!(
            distances.into_iter().all(|(a, b)| (a.1 - b.1).abs() < 1e-6),
            "{name}"
        );
    }
    // The distances may differ in the last bits, so checksums of the distances would differ, too.
    // Use the number of points as the checksum instead.
    let mut our_distances = || {
        let found = located
            .iter()
            .map(|&(area, point)| ours.distance_to_edge_m(area, black_box(point)));
        black_box(found.sum::<f64>());
        located.len() as u64
    };
    let mut their_distances = || {
        black_box(
            located
                .iter()
                .map(|value| their_distance_m(black_box(value)))
                .sum::<f64>(),
        );
        located.len() as u64
    };
    let times = run_interleaved(
        located.len(),
        &mut [&mut our_distances, &mut their_distances],
    );
    print_row(
        &format!("{name}, metres to its boundary"),
        times[0],
        times[1],
    );
    let mut our_neighbours = || {
        let found = points.iter().map(|position| {
            ours.boundaries_within(black_box(*position), WITHIN_M, DAY)
                .len()
        });
        found.sum::<usize>() as u64
    };
    let mut their_neighbours = || {
        let mut count = 0;
        for point in points {
            their_neighbours(black_box(*point), &mut near);
            count += near.len();
        }
        count as u64
    };
    let times = run_interleaved(
        points.len(),
        &mut [&mut our_neighbours, &mut their_neighbours],
    );
    print_row(
        &format!("{name}, boundaries within 100 m"),
        times[0],
        times[1],
    );
}

/// Compares look-ups in batches with geopandas, which runs in a separate process and measures its
/// own run time.
fn compare_with_geopandas(
    name: &str,
    ours: &BoundaryIndex,
    boundaries: &[Boundary],
    country: &Country,
) {
    let Some(python) = env::var_os("CATCHMENT_PYTHON") else {
        println!("geopandas: skipped: CATCHMENT_PYTHON is not set");
        return;
    };
    let folder = TempDir::new().expect("a folder");
    write_areas(&folder.path().join("areas.json"), boundaries);
    let mut bytes = Vec::new();
    for point in &country.shuffled_points {
        bytes.extend(coordinates_mm(*point).map(f64::to_le_bytes).concat());
    }
    fs::write(folder.path().join("points.f64"), bytes).expect("a file");
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/sjoin.py"))
        .arg(folder.path())
        .output()
        .expect("CATCHMENT_PYTHON is a Python");
    if !output.status.success() {
        println!(
            "geopandas: skipped, because it failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let results: Vec<f64> = stdout
        .split_whitespace()
        .map(|text| text.parse().expect("a number"))
        .collect();
    let mut sum = 0;
    let mut batch = || {
        sum = 0;
        ours.for_each_covering(black_box(&country.shuffled_points), DAY, |_, areas| {
            sum += areas.iter().map(|&area| u64::from(area) + 1).sum::<u64>();
        });
        sum
    };
    let times = run_interleaved(country.shuffled_points.len(), &mut [&mut batch]);
    assert_eq!(
        sum as f64, results[1],
        "{name}: the results of geopandas differ"
    );
    print_row(
        &format!("{name}, random, in batches, and sjoin"),
        times[0],
        results[0],
    );
}

fn write_areas(path: &Path, boundaries: &[Boundary]) {
    let mut text = String::from("[");
    for (index, boundary) in boundaries.iter().enumerate() {
        let polygons = boundary.grid.iter().map(|polygon| {
            let rings = polygon.rings.iter().map(|ring| common::ring_points(ring));
            rings.collect::<Vec<Vec<Point>>>()
        });
        let polygons: Vec<_> = polygons.collect();
        let comma = if index == 0 { "" } else { ",\n" };
        write!(text, "{comma}{}", serde_json::json!(polygons)).expect("writing to a String");
    }
    text.push(']');
    fs::write(path, text).expect("a file");
}

/// Checks that the median, the ninth decile and the maximum of the sizes are within 5% of the
/// published values.
fn check_catchments(catchments: &[Boundary]) {
    let mut sizes: Vec<f64> = catchments.iter().map(synthetic::size_km2).collect();
    sizes.sort_by(f64::total_cmp);
    let found = [
        sizes[sizes.len() / 2],
        sizes[sizes.len() * 9 / 10],
        sizes[sizes.len() - 1],
    ];
    for (found, published) in found.into_iter().zip([MEDIAN_KM2, P90_KM2, MAX_KM2]) {
        assert!(
            (found / published - 1.0).abs() < 0.05,
            "{found} km², not {published}"
        );
    }
    println!(
        "{} catchments: median {:.1} km², ninth decile {:.0}, largest {:.0}",
        sizes.len(),
        found[0],
        found[1],
        found[2]
    );
}
