//! Compares point-in-polygon look-ups with the exact definition and with GEOS, an independent
//! implementation, on the same polygons in integer millimetres. The comparison with GEOS needs a
//! Python interpreter with Shapely. `CATCHMENT_PYTHON` specifies the interpreter. If the variable
//! is not set, the comparison is skipped.

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fmt::Write as _;
use std::fs;

use catchment::dataset::{DatasetSource, read};
use catchment::domain::{Boundary, BritishGrid};
use catchment::index::{BoundaryIndex, Index};
use tempfile::TempDir;

use crate::data::brute_force::{Point, areas_in_index, contains, dataset_of, grid_at_mm};
use crate::data::embedded_dataset::{DAY, embedded};
use crate::support::external_tools::{python, report_skipped, stdout_of};

const POINTS: usize = 100_000;

/// A pseudorandom number generator (SplitMix64). It generates the same points on every machine.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns an integer from `low` (inclusive) to `high` (exclusive).
    fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = u64::from(high.abs_diff(low));
        i32::try_from(i64::from(low) + i64::try_from(self.next() % span).expect("below 2^32"))
            .expect("between two i32")
    }
}

/// Returns at least `count` points. They include every vertex, every midpoint of an edge, and the
/// points one millimetre away from these points. Of the other points, a third are near a border,
/// and a third are anywhere in the bounding box. The last third are near a border, and are either
/// on a line between cells of the index or one millimetre west or south of such a line. The sides
/// of the cells are powers of two, from 2^8 mm.
pub(crate) fn sample_points(boundaries: &[Boundary], count: usize) -> Vec<Point> {
    let mut on_borders: BTreeSet<Point> = BTreeSet::new();
    let rings = boundaries
        .iter()
        .flat_map(|boundary| &boundary.grid)
        .flat_map(|polygon| &polygon.rings);
    for ring in rings {
        for (index, vertex) in ring.iter().enumerate() {
            let next = ring[(index + 1) % ring.len()];
            let (x, y) = (vertex.easting_mm(), vertex.northing_mm());
            on_borders.insert((x, y));
            on_borders.insert((
                x.midpoint(next.easting_mm()),
                y.midpoint(next.northing_mm()),
            ));
        }
    }
    let on_borders: Vec<Point> = on_borders.into_iter().collect();
    let mut points: Vec<Point> = on_borders
        .iter()
        .flat_map(|&(x, y)| [(x, y), (x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)])
        .collect();
    let (west, east) = padded_range(on_borders.iter().map(|point| point.0));
    let (south, north) = padded_range(on_borders.iter().map(|point| point.1));
    let mut rng = SplitMix64(2022);
    while points.len() < count {
        let chosen = rng.next() % on_borders.len() as u64;
        let border = on_borders[usize::try_from(chosen).expect("an index")];
        points.push((
            border.0 + rng.between(-50_000, 50_000),
            border.1 + rng.between(-50_000, 50_000),
        ));
        points.push((rng.between(west, east), rng.between(south, north)));
        let side = 1 << rng.between(8, 23);
        let on_line =
            |value: i32, rng: &mut SplitMix64| value.div_euclid(side) * side - rng.between(0, 2);
        let (x, y) = (on_line(border.0, &mut rng), on_line(border.1, &mut rng));
        let either = [(x, border.1), (border.0, y), (x, y)];
        points.push(either[usize::try_from(rng.between(0, 3)).expect("an index")]);
    }
    points
}

/// Returns the minimum minus 10 km and the maximum plus 10 km, in millimetres.
fn padded_range(values: impl Iterator<Item = i32> + Clone) -> (i32, i32) {
    let least = values.clone().min().expect("at least one point");
    let greatest = values.max().expect("at least one point");
    (least - 10_000_000, greatest + 10_000_000)
}

/// The areas of a point according to GEOS.
struct GeosResult {
    /// The areas whose interior contains the point.
    inside: Vec<String>,
    /// The areas whose border contains the point.
    touching: Vec<String>,
    /// Whether the interior of the union of all areas contains the point.
    is_surrounded: bool,
}

/// Runs GEOS, if `CATCHMENT_PYTHON` is set. The points are synthetic, so they may be written to a
/// file.
fn geos_results(boundaries: &[Boundary], points: &[Point]) -> Option<Vec<GeosResult>> {
    let mut python = python("the comparison with GEOS")?;
    let folder = TempDir::new().expect("a folder");
    let areas: Vec<serde_json::Value> = boundaries.iter().map(area_json).collect();
    let areas = serde_json::Value::Array(areas).to_string();
    fs::write(folder.path().join("areas.json"), areas).expect("a file");
    let mut text = String::new();
    for (x, y) in points {
        writeln!(text, "{x},{y}").expect("writing to a String");
    }
    fs::write(folder.path().join("points.csv"), text).expect("a file");
    stdout_of(python.arg("tests/oracle/geos.py").arg(folder.path()));
    let verdicts =
        fs::read_to_string(folder.path().join("verdicts.tsv")).expect("the result of GEOS");
    Some(verdicts.lines().map(parse_result).collect())
}

fn area_json(boundary: &Boundary) -> serde_json::Value {
    let mut polygons = Vec::new();
    for polygon in &boundary.grid {
        let ring = |ring: &Vec<catchment::domain::BritishGrid>| -> Vec<Point> {
            let vertices = ring
                .iter()
                .map(|position| (position.easting_mm(), position.northing_mm()));
            vertices.collect()
        };
        polygons.push(polygon.rings.iter().map(ring).collect::<Vec<_>>());
    }
    serde_json::json!({ "id": boundary.id, "polygons": polygons })
}

fn parse_result(line: &str) -> GeosResult {
    let cells: Vec<&str> = line.split('\t').collect();
    let [inside, touching, surrounded] = cells[..] else {
        panic!("the line must have three cells: {line}");
    };
    let ids = |cell: &str| cell.split_whitespace().map(str::to_string).collect();
    GeosResult {
        inside: ids(inside),
        touching: ids(touching),
        is_surrounded: surrounded == "1",
    }
}

/// An index of squares of 5 km by 5 km. To locate a point, it applies the definition to the
/// boundaries whose bounding box intersects the square that contains the point.
struct ExactIndex<'b> {
    boundaries: &'b [Boundary],
    squares: HashMap<(i32, i32), Vec<u32>>,
}

impl<'b> ExactIndex<'b> {
    const SQUARE_MM: i32 = 5_000_000;

    fn new(boundaries: &'b [Boundary]) -> ExactIndex<'b> {
        let square = |value: i32| value.div_euclid(Self::SQUARE_MM);
        let mut squares: HashMap<(i32, i32), Vec<u32>> = HashMap::new();
        for (index, boundary) in (0..).zip(boundaries) {
            let vertices = boundary
                .grid
                .iter()
                .flat_map(|polygon| &polygon.rings)
                .flatten();
            let least = |of: fn(&BritishGrid) -> i32| vertices.clone().map(of).min();
            let most = |of: fn(&BritishGrid) -> i32| vertices.clone().map(of).max();
            let east = |position: &BritishGrid| position.easting_mm();
            let north = |position: &BritishGrid| position.northing_mm();
            let (Some(west), Some(south)) = (least(east), least(north)) else {
                continue;
            };
            let (Some(east), Some(north)) = (most(east), most(north)) else {
                continue;
            };
            for x in square(west)..=square(east) {
                for y in square(south)..=square(north) {
                    squares.entry((x, y)).or_default().push(index);
                }
            }
        }
        ExactIndex {
            boundaries,
            squares,
        }
    }

    fn areas_containing(&self, (x, y): Point) -> Vec<u32> {
        let square = |value: i32| value.div_euclid(Self::SQUARE_MM);
        let candidates = self.squares.get(&(square(x), square(y)));
        candidates
            .into_iter()
            .flatten()
            .filter(|candidate| contains(&self.boundaries[**candidate as usize].grid, (x, y)))
            .copied()
            .collect()
    }
}

/// Compares the index with the definition, for single points, and for batches of points in several
/// orders.
fn check_in_every_order(what: &str, boundaries: &[Boundary], points: &[Point]) {
    let exact = ExactIndex::new(boundaries);
    let spatial = BoundaryIndex::build(boundaries.to_vec());
    let expected: Vec<Vec<u32>> = points
        .iter()
        .map(|&point| exact.areas_containing(point))
        .collect();
    for (&point, expected) in points.iter().zip(&expected) {
        assert_eq!(
            &spatial.covering(grid_at_mm(point), DAY),
            expected,
            "{what}, {point:?}"
        );
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    let mut rng = SplitMix64(1801);
    for order_name in ["original order", "sorted", "shuffled"] {
        match order_name {
            "sorted" => order.sort_by_key(|&index| points[index]),
            "shuffled" => {
                for position in (1..order.len()).rev() {
                    let other = usize::try_from(rng.next() % (position as u64 + 1));
                    order.swap(position, other.expect("an index"));
                }
            }
            _ => {}
        }
        let positions: Vec<BritishGrid> = order
            .iter()
            .map(|&index| grid_at_mm(points[index]))
            .collect();
        let mut seen = vec![false; positions.len()];
        spatial.for_each_covering(&positions, DAY, |index, found| {
            assert!(
                !std::mem::replace(&mut seen[index], true),
                "{what}: a point was reported twice"
            );
            assert_eq!(
                found, expected[order[index]],
                "{what}, {order_name}: {:?}",
                points[order[index]]
            );
        });
        assert!(
            seen.into_iter().all(|seen| seen),
            "{what}, {order_name}: a point was not reported"
        );
    }
}

#[test]
fn hundred_thousand_points_match_the_definition_and_geos() {
    check_embedded(POINTS);
}

#[test]
#[ignore = "takes minutes; tests/check --all runs it"]
fn million_points_match_the_definition_and_geos() {
    check_embedded(10 * POINTS);
}

/// Checks the national dataset (docs/users/national-data.md) in the folder that
/// `CATCHMENT_NATIONAL` specifies. The national polygons of ONS are not a valid coverage, so they
/// are not compared with GEOS.
#[test]
#[ignore = "needs the dataset in the folder CATCHMENT_NATIONAL; tests/check --all runs it"]
fn million_points_of_the_national_dataset_match_the_definition() {
    let Some(folder) = env::var_os("CATCHMENT_NATIONAL") else {
        report_skipped("the national dataset: set CATCHMENT_NATIONAL to its folder");
        return;
    };
    let dataset = read(&DatasetSource::Folder(folder.into())).expect("CATCHMENT_NATIONAL");
    let layers = dataset
        .boundaries
        .iter()
        .map(|(layer, boundaries)| (layer.as_str(), boundaries));
    for (what, boundaries) in layers.chain([("LSOAs", &dataset.statistical_boundaries)]) {
        check_in_every_order(what, boundaries, &sample_points(boundaries, 10 * POINTS));
    }
}

fn check_embedded(count: usize) {
    let dataset = embedded();
    let (layer, iccs) = dataset.boundaries.into_iter().next().expect("a layer");
    assert_eq!(layer, crate::support::layer("icc"));
    let points = sample_points(&dataset.statistical_boundaries, count);
    assert!(points.len() >= count);
    check_in_every_order("ICCs", &iccs, &points);
    check_in_every_order("LSOAs", &dataset.statistical_boundaries, &points);
    check_with_geos("ICCs", iccs, &points);
    check_with_geos("LSOAs", dataset.statistical_boundaries, &points);
}

fn check_with_geos(what: &str, boundaries: Vec<Boundary>, points: &[Point]) {
    let Some(verdicts) = geos_results(&boundaries, points) else {
        return;
    };
    assert_eq!(verdicts.len(), points.len());
    let index =
        Index::build(dataset_of(crate::support::layer("icc"), boundaries)).expect("one layer");
    let (mut inside, mut on_border, mut outside) = (0, 0, 0);
    for (&point, verdict) in points.iter().zip(&verdicts) {
        let found = areas_in_index(&index, crate::support::layer("icc"), point);
        if verdict.touching.is_empty() {
            assert_eq!(found, verdict.inside, "{what}, {point:?}");
            assert!(found.len() <= 1, "{what}, {point:?}: two areas overlap");
            if found.is_empty() {
                outside += 1
            } else {
                inside += 1
            }
            continue;
        }
        assert!(
            verdict.inside.is_empty(),
            "{what}, {point:?}: two areas overlap"
        );
        // On a coast, points on southern and western edges are in the area, and points on other
        // edges are not.
        assert!(
            found.len() == 1 || (found.is_empty() && !verdict.is_surrounded),
            "{what}, {point:?}: {found:?}"
        );
        assert!(
            found
                .iter()
                .all(|id| verdict.touching.iter().any(|touching| touching == id)),
            "{what}, {point:?}: found {found:?}, but the point is on the borders of {:?}",
            verdict.touching
        );
        on_border += 1;
    }
    println!("{what}: {inside} points inside, {on_border} on a border, {outside} outside");
    assert!(
        inside > 20_000 && on_border > 2_000 && outside > 10_000,
        "{what}"
    );
}
