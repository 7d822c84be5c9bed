//! The data of the benchmarks: the whole country if `CATCHMENT_NATIONAL` is the folder of its
//! dataset (see docs/users/national-data.md), otherwise a synthetic country with about the same
//! number of areas.

#![allow(dead_code, reason = "each benchmark uses a part of this module")]

pub(crate) mod borders;
pub(crate) mod rounds;
pub(crate) mod synthetic;

use std::env;
use std::path::PathBuf;

use catchment::dataset::{DatasetSource, read};
use catchment::domain::{Boundary, BritishGrid, CatchmentKind, GridPolygon, Layer, Period};
use geo::MultiPolygon;
use synthetic::SplitMix64;

/// The number of points that are looked up.
const POINTS: usize = 200_000;
/// The number of sub-ICB locations in England, and the approximate mean number of vertices of a
/// location's ultra generalised boundary.
const SUB_ICBS: (usize, usize) = (106, 95);
/// The number of LSOAs in England and Wales, and the approximate mean number of vertices of an
/// LSOA's super generalised boundary.
const LSOAS: (usize, usize) = (34_753, 12);

/// A point in whole millimetres, easting first.
pub(crate) type Point = (i32, i32);

/// The country that the benchmarks use.
pub(crate) struct Country {
    /// Whether the data are real instead of synthetic.
    pub(crate) is_real: bool,
    /// A sample of `people`, in the same order.
    pub(crate) sorted_points: Vec<BritishGrid>,
    /// The points of `sorted_points` in a random order that is the same in each run.
    pub(crate) shuffled_points: Vec<BritishGrid>,
    /// All points where people live. If the data are real, these are the positions of postcodes, in
    /// the order of the postcodes.
    pub(crate) people: Vec<Point>,
    pub(crate) sub_icbs: Vec<Boundary>,
    pub(crate) lsoas: Vec<Boundary>,
}

/// Returns the folder of the national dataset, if the environment variable is set.
pub(crate) fn national_folder() -> Option<PathBuf> {
    env::var_os("CATCHMENT_NATIONAL").map(PathBuf::from)
}

impl Country {
    pub(crate) fn new() -> Country {
        let (people, sub_icbs, lsoas) = match national_folder() {
            Some(folder) => {
                let mut dataset = read(&DatasetSource::Folder(folder))
                    .expect("CATCHMENT_NATIONAL is a valid dataset");
                let is_sub_icb =
                    |(layer, _): &(Layer, _)| *layer == Layer::declare("sub-icb").expect("an id");
                let layer = dataset.boundaries.iter().position(is_sub_icb);
                let (_, sub_icbs) = dataset
                    .boundaries
                    .swap_remove(layer.expect("the dataset has sub-ICBs"));
                let positions = dataset.postcodes.iter().filter_map(|entry| entry.position);
                let people =
                    positions.map(|position| (position.easting_mm(), position.northing_mm()));
                (people.collect(), sub_icbs, dataset.statistical_boundaries)
            }
            None => {
                let people = synthetic::residents();
                let sub_icbs = synthetic::partition(&people, SUB_ICBS.0, SUB_ICBS.1);
                let lsoas = synthetic::partition(&people, LSOAS.0, LSOAS.1);
                (people, sub_icbs, lsoas)
            }
        };
        let mut rng = SplitMix64::new(27_700);
        let mut order: Vec<usize> = (0..people.len()).collect();
        rng.shuffle(&mut order);
        order.truncate(POINTS);
        let chosen = |order: &[usize]| {
            order
                .iter()
                .map(|&index| grid_from_mm(people[index]))
                .collect()
        };
        let shuffled_points = chosen(&order);
        order.sort_unstable();
        Country {
            is_real: national_folder().is_some(),
            shuffled_points,
            sorted_points: chosen(&order),
            people,
            sub_icbs,
            lsoas,
        }
    }

    /// Returns a short description for headings.
    pub(crate) fn title(&self) -> &'static str {
        if self.is_real {
            "Code-Point Open and ONS boundaries"
        } else {
            "a synthetic country of the same size"
        }
    }
}

pub(crate) fn grid_from_mm((x, y): Point) -> BritishGrid {
    BritishGrid::from_metres(f64::from(x) / 1_000.0, f64::from(y) / 1_000.0).expect("on the grid")
}

/// Builds a boundary for look-ups from polygons. Each polygon is an exterior ring and its holes.
pub(crate) fn boundary(index: usize, polygons: &[Vec<Vec<Point>>]) -> Boundary {
    let ring = |ring: &Vec<Point>| ring.iter().map(|&vertex| grid_from_mm(vertex)).collect();
    let polygon = |rings: &Vec<Vec<Point>>| GridPolygon {
        rings: rings.iter().map(ring).collect(),
    };
    Boundary {
        id: format!("area-{index}"),
        catchment_kind: CatchmentKind::Whole,
        period: Period::default(),
        lonlat: MultiPolygon::new(Vec::new()),
        grid: polygons.iter().map(polygon).collect(),
    }
}

/// Returns the vertices of each ring of a boundary.
pub(crate) fn rings(boundary: &Boundary) -> impl Iterator<Item = Vec<Point>> + '_ {
    let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
    rings.map(|ring| ring_points(ring))
}

pub(crate) fn ring_points(ring: &[BritishGrid]) -> Vec<Point> {
    ring.iter()
        .map(|position| (position.easting_mm(), position.northing_mm()))
        .collect()
}

pub(crate) fn count_vertices(boundaries: &[Boundary]) -> usize {
    boundaries
        .iter()
        .flat_map(rings)
        .map(|ring| ring.len())
        .sum()
}

/// Converts a boundary to a polygon of `geo` in whole millimetres. The predicates of `geo` are
/// exact for whole numbers.
pub(crate) fn to_geo(boundary: &Boundary) -> MultiPolygon {
    let line = |ring: &Vec<BritishGrid>| -> geo::LineString {
        let vertices = ring_points(ring).into_iter();
        vertices
            .map(|(x, y)| (f64::from(x), f64::from(y)))
            .collect()
    };
    let polygons = boundary.grid.iter().map(|polygon| {
        let mut rings = polygon.rings.iter().map(line);
        let exterior = rings.next().expect("an exterior");
        geo::Polygon::new(exterior, rings.collect())
    });
    polygons.collect()
}
