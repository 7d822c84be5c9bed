//! Points in areas against GEOS, which has nothing in common with our code, on the same polygons in
//! the same whole millimetres. A Python with shapely is named by `CATCHMENT_PYTHON`; without one the
//! test says that it was skipped.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use catchment::domain::{Boundary, Layer};
use catchment::index::Index;
use tempfile::TempDir;

use crate::dataset::embedded;
use crate::reference::{Point, dataset_of, found};

const POINTS: usize = 100_000;

/// A small generator (splitmix64), so that the points are the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from `low` to before `high`.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = u64::from(high.abs_diff(low));
        i32::try_from(i64::from(low) + i64::try_from(self.next() % span).expect("below 2^32"))
            .expect("between two i32")
    }
}

/// At least `count` made-up points: every vertex and every middle of an edge, those a millimetre off
/// them, and for the rest half near a border and half anywhere in the box.
pub(crate) fn points(boundaries: &[Boundary], count: usize) -> Vec<Point> {
    let mut on_borders: BTreeSet<Point> = BTreeSet::new();
    let rings = boundaries
        .iter()
        .flat_map(|it| &it.grid)
        .flat_map(|it| &it.rings);
    for ring in rings {
        for (at, here) in ring.iter().enumerate() {
            let next = ring[(at + 1) % ring.len()];
            let (x, y) = (here.easting_mm(), here.northing_mm());
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
    let (west, east) = ends(on_borders.iter().map(|point| point.0));
    let (south, north) = ends(on_borders.iter().map(|point| point.1));
    let mut dice = Dice(2022);
    while points.len() < count {
        let chosen = dice.next() % on_borders.len() as u64;
        let border = on_borders[usize::try_from(chosen).expect("an index")];
        points.push((
            border.0 + dice.between(-50_000, 50_000),
            border.1 + dice.between(-50_000, 50_000),
        ));
        points.push((dice.between(west, east), dice.between(south, north)));
    }
    points
}

/// The least and the greatest, 10 km further out.
fn ends(values: impl Iterator<Item = i32> + Clone) -> (i32, i32) {
    let least = values.clone().min().expect("there are points");
    let greatest = values.max().expect("there are points");
    (least - 10_000_000, greatest + 10_000_000)
}

/// What GEOS says of a point.
struct Verdict {
    /// The areas that have it in their interior.
    inside: Vec<String>,
    /// The areas that have it on their border.
    touching: Vec<String>,
    /// Whether it is in the interior of all areas together.
    is_surrounded: bool,
}

/// Asks GEOS. The points are made up, so they may lie in a file for a moment.
fn geos(python: &str, boundaries: &[Boundary], points: &[Point]) -> Vec<Verdict> {
    let folder = TempDir::new().expect("a folder");
    let areas: Vec<serde_json::Value> = boundaries.iter().map(area).collect();
    let areas = serde_json::Value::Array(areas).to_string();
    fs::write(folder.path().join("areas.json"), areas).expect("a file");
    let mut text = String::new();
    for (x, y) in points {
        writeln!(text, "{x},{y}").expect("writing to a String");
    }
    fs::write(folder.path().join("points.csv"), text).expect("a file");
    let status = Command::new(python)
        .arg("tests/oracle/geos.py")
        .arg(folder.path())
        .status()
        .expect("CATCHMENT_PYTHON names a Python");
    assert!(status.success(), "geos.py failed");
    let verdicts = fs::read_to_string(folder.path().join("verdicts.tsv")).expect("its answer");
    verdicts.lines().map(verdict).collect()
}

fn area(boundary: &Boundary) -> serde_json::Value {
    let mut polygons = Vec::new();
    for polygon in &boundary.grid {
        let ring = |ring: &Vec<catchment::domain::BritishGrid>| -> Vec<Point> {
            let vertices = ring.iter().map(|it| (it.easting_mm(), it.northing_mm()));
            vertices.collect()
        };
        polygons.push(polygon.rings.iter().map(ring).collect::<Vec<_>>());
    }
    serde_json::json!({ "id": boundary.id, "polygons": polygons })
}

fn verdict(line: &str) -> Verdict {
    let cells: Vec<&str> = line.split('\t').collect();
    let [inside, touching, surrounded] = cells[..] else {
        panic!("three cells in {line}");
    };
    let ids = |cell: &str| cell.split_whitespace().map(str::to_string).collect();
    Verdict {
        inside: ids(inside),
        touching: ids(touching),
        is_surrounded: surrounded == "1",
    }
}

#[test]
fn a_hundred_thousand_points_are_where_geos_says() {
    let Ok(python) = env::var("CATCHMENT_PYTHON") else {
        // Past the test harness, which keeps what a test that passes prints to itself.
        let words =
            "SKIPPED the comparison with GEOS: set CATCHMENT_PYTHON to a Python with shapely\n";
        std::io::stderr()
            .write_all(words.as_bytes())
            .expect("standard error");
        return;
    };
    let dataset = embedded();
    let (layer, iccs) = dataset.boundaries.into_iter().next().expect("a layer");
    assert_eq!(layer, Layer::Icc);
    let points = points(&dataset.statistical_boundaries, POINTS);
    assert!(points.len() >= POINTS);
    check("ICCs", &python, iccs, &points);
    check("LSOAs", &python, dataset.statistical_boundaries, &points);
}

fn check(what: &str, python: &str, boundaries: Vec<Boundary>, points: &[Point]) {
    let verdicts = geos(python, &boundaries, points);
    assert_eq!(verdicts.len(), points.len());
    let index = Index::build(dataset_of(Layer::Icc, boundaries)).expect("one layer");
    let (mut inside, mut on_border, mut outside) = (0, 0, 0);
    for (&point, verdict) in points.iter().zip(&verdicts) {
        let found = found(&index, Layer::Icc, point);
        if verdict.touching.is_empty() {
            assert_eq!(found, verdict.inside, "{what}, {point:?}");
            assert!(found.len() <= 1, "{what}, {point:?}: two areas overlap");
            match found.is_empty() {
                true => outside += 1,
                false => inside += 1,
            }
            continue;
        }
        assert!(
            verdict.inside.is_empty(),
            "{what}, {point:?}: two areas overlap"
        );
        // A coast holds its southern and western points, and not the others.
        assert!(
            found.len() == 1 || (found.is_empty() && !verdict.is_surrounded),
            "{what}, {point:?}: {found:?}"
        );
        assert!(
            found
                .iter()
                .all(|id| verdict.touching.iter().any(|touching| touching == id)),
            "{what}, {point:?}: {found:?} of {:?}",
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
