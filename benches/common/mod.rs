//! What the benches ask and of what: the whole country where `CATCHMENT_NATIONAL` names its dataset
//! (docs/national-data.md makes it), and otherwise one that is made up, of the same size.

#![allow(dead_code, reason = "each bench uses its part")]

pub(crate) mod borders;
pub(crate) mod made_up;
pub(crate) mod rounds;

use std::env;
use std::path::PathBuf;

use catchment::dataset::{Files, read};
use catchment::domain::{Boundary, BritishGrid, Extent, GridPolygon, Layer, Period};
use geo::MultiPolygon;
use made_up::Dice;

/// Points that are asked for.
const ASKED: usize = 200_000;
/// As many as England has, and the vertices of their super generalised boundaries.
const SUB_ICBS: (usize, usize) = (106, 95);
/// As many as England and Wales have, and the vertices of their super generalised boundaries.
const LSOAS: (usize, usize) = (34_753, 12);

/// A place in whole millimetres, easting first.
pub(crate) type Point = (i32, i32);

/// The country that is asked about.
pub(crate) struct Country {
    /// Whether it is the real one.
    pub(crate) is_real: bool,
    /// Where its people are, in order of postcode.
    pub(crate) sorted: Vec<BritishGrid>,
    /// The same in one random order, the same on each run.
    pub(crate) random: Vec<BritishGrid>,
    /// All of its places, of which `sorted` are some.
    pub(crate) people: Vec<Point>,
    pub(crate) sub_icbs: Vec<Boundary>,
    pub(crate) lsoas: Vec<Boundary>,
}

/// The dataset of the real country, where the environment names it.
pub(crate) fn national_folder() -> Option<PathBuf> {
    env::var_os("CATCHMENT_NATIONAL").map(PathBuf::from)
}

impl Country {
    pub(crate) fn new() -> Country {
        let (people, sub_icbs, lsoas) = match national_folder() {
            Some(folder) => {
                let mut dataset = read(&Files::Folder(folder)).expect("CATCHMENT_NATIONAL");
                let is_sub_icb = |(layer, _): &(Layer, _)| *layer == Layer::SubIcb;
                let layer = dataset.boundaries.iter().position(is_sub_icb);
                let (_, sub_icbs) = dataset.boundaries.swap_remove(layer.expect("sub-ICBs"));
                let places = dataset.postcodes.iter().filter_map(|it| it.position);
                let people = places.map(|it| (it.easting_mm(), it.northing_mm()));
                (people.collect(), sub_icbs, dataset.statistical_boundaries)
            }
            None => {
                let people = made_up::people();
                let sub_icbs = made_up::partition(&people, SUB_ICBS.0, SUB_ICBS.1);
                let lsoas = made_up::partition(&people, LSOAS.0, LSOAS.1);
                (people, sub_icbs, lsoas)
            }
        };
        let mut dice = Dice::new(27_700);
        let mut order: Vec<usize> = (0..people.len()).collect();
        dice.shuffle(&mut order);
        order.truncate(ASKED);
        let chosen = |order: &[usize]| order.iter().map(|&at| at_mm(people[at])).collect();
        let random = chosen(&order);
        order.sort_unstable();
        Country {
            is_real: national_folder().is_some(),
            random,
            sorted: chosen(&order),
            people,
            sub_icbs,
            lsoas,
        }
    }

    /// In a word, for a heading.
    pub(crate) fn title(&self) -> &'static str {
        match self.is_real {
            true => "Code-Point Open and boundaries of the ONS",
            false => "a made-up country of the same size",
        }
    }
}

pub(crate) fn at_mm((x, y): Point) -> BritishGrid {
    BritishGrid::from_metres(f64::from(x) / 1_000.0, f64::from(y) / 1_000.0).expect("on the grid")
}

/// A boundary for look-ups alone: of its polygons, each an exterior and its holes.
pub(crate) fn boundary(number: usize, polygons: &[Vec<Vec<Point>>]) -> Boundary {
    let ring = |ring: &Vec<Point>| ring.iter().map(|&vertex| at_mm(vertex)).collect();
    let polygon = |rings: &Vec<Vec<Point>>| GridPolygon {
        rings: rings.iter().map(ring).collect(),
    };
    Boundary {
        id: format!("area-{number}"),
        extent: Extent::Whole,
        period: Period::default(),
        lonlat: MultiPolygon::new(Vec::new()),
        grid: polygons.iter().map(polygon).collect(),
    }
}

/// The vertices of each ring.
pub(crate) fn rings(boundary: &Boundary) -> impl Iterator<Item = Vec<Point>> + '_ {
    let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
    rings.map(|ring| ring_of(ring))
}

pub(crate) fn ring_of(ring: &[BritishGrid]) -> Vec<Point> {
    ring.iter()
        .map(|it| (it.easting_mm(), it.northing_mm()))
        .collect()
}

pub(crate) fn vertices(boundaries: &[Boundary]) -> usize {
    boundaries
        .iter()
        .flat_map(rings)
        .map(|ring| ring.len())
        .sum()
}

/// The same ground for `geo`, in millimetres: whole numbers, which its predicates take exactly.
pub(crate) fn for_geo(boundary: &Boundary) -> MultiPolygon {
    let line = |ring: &Vec<BritishGrid>| -> geo::LineString {
        let vertices = ring_of(ring).into_iter();
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
