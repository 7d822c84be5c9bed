//! The land and the towns of Great Britain. The land and the towns show the location of a map,
//! whatever the dataset covers.
//!
//! The files and their origin are in `data/great-britain`. The files are used only for drawing. The
//! land is simplified, and look-ups never use it.

use std::sync::LazyLock;

use geo::{Coord, Intersects, Rect};
use serde_json::Value;

use catchment_core::geometry::bbox;

const LAND: &str = include_str!("../../../../data/great-britain/land.topojson");
const TOWNS: &str = include_str!("../../../../data/great-britain/towns.csv");

/// The attribution that every map with this land and these towns must have.
pub(super) const ATTRIBUTION: &str = "Coast: Natural Earth. Towns: GeoNames (CC BY 4.0).";

/// A town.
#[derive(Debug)]
pub(super) struct Town {
    pub(super) name: &'static str,
    /// The position in metres on the British National Grid.
    pub(super) position: Coord<f64>,
}

/// The coast of Great Britain or of an island.
struct CoastRing {
    bounds: Rect<f64>,
    /// The vertices in metres on the British National Grid. The first vertex is not repeated at the
    /// end.
    vertices: Vec<Coord<f64>>,
}

static COAST_RINGS: LazyLock<Vec<CoastRing>> =
    LazyLock::new(|| parse_land(LAND).expect("land.topojson is valid"));
static ALL_TOWNS: LazyLock<Vec<Town>> =
    LazyLock::new(|| parse_towns(TOWNS).expect("towns.csv is valid"));

/// Returns the land within a rectangle, as rings that are clipped to the rectangle.
pub(super) fn land_within(rect: Rect<f64>) -> Vec<Vec<Coord<f64>>> {
    let rings = COAST_RINGS
        .iter()
        .filter(|ring| ring.bounds.intersects(&rect));
    let clipped = rings.map(|ring| clip(&ring.vertices, rect));
    clipped.filter(|ring| ring.len() > 2).collect()
}

/// Returns the towns within a rectangle, starting with the largest town.
pub(super) fn towns_within(rect: Rect<f64>) -> impl Iterator<Item = &'static Town> {
    let towns = ALL_TOWNS.iter();
    towns.filter(move |town| rect.intersects(&town.position))
}

/// Parses a topology (TopoJSON) with an arc for each ring. The positions of an arc are whole
/// numbers, each relative to the previous position. The last position is the same as the first.
fn parse_land(text: &str) -> Option<Vec<CoastRing>> {
    let topology: Value = serde_json::from_str(text).ok()?;
    let pair = |value: &Value| Some((value.get(0)?.as_f64()?, value.get(1)?.as_f64()?));
    let transform = &topology["transform"];
    let (scale, translate) = (pair(&transform["scale"])?, pair(&transform["translate"])?);
    let ring = |arc: &Value| {
        let mut last = (0.0, 0.0);
        let mut vertices = Vec::new();
        for step in arc.as_array()? {
            let (dx, dy) = pair(step)?;
            last = (last.0 + dx, last.1 + dy);
            vertices.push(Coord {
                x: translate.0 + last.0 * scale.0,
                y: translate.1 + last.1 * scale.1,
            });
        }
        vertices.pop();
        let bounds = bbox::bounding_rect(vertices.iter().copied())?;
        Some(CoastRing { bounds, vertices })
    };
    topology["arcs"].as_array()?.iter().map(ring).collect()
}

/// Parses the towns, which are in order of population.
fn parse_towns(text: &'static str) -> Option<Vec<Town>> {
    let town = |line: &'static str| {
        let mut fields = line.split(',');
        let name = fields.next()?;
        let mut metres = || fields.next()?.parse::<f64>().ok();
        let (x, y) = (metres()?, metres()?);
        let position = Coord { x, y };
        Some(Town { name, position })
    };
    text.lines().skip(1).map(town).collect()
}

/// Clips a ring to a rectangle (Sutherland and Hodgman, 1974). Where the land continues beyond the
/// rectangle, the ring runs along the sides of the rectangle, so the rectangle must be larger than
/// the visible part of the map.
fn clip(ring: &[Coord<f64>], rect: Rect<f64>) -> Vec<Coord<f64>> {
    let (min, max) = (rect.min(), rect.max());
    let inside: [&dyn Fn(Coord<f64>) -> f64; 4] = [
        &|vertex| vertex.x - min.x,
        &|vertex| max.x - vertex.x,
        &|vertex| vertex.y - min.y,
        &|vertex| max.y - vertex.y,
    ];
    let mut ring = ring.to_vec();
    for depth in inside {
        let mut clipped = Vec::with_capacity(ring.len());
        let before = ring.iter().cycle().skip(ring.len().saturating_sub(1));
        for (&from, &to) in before.zip(&ring) {
            let (from_depth, to_depth) = (depth(from), depth(to));
            if (from_depth >= 0.0) != (to_depth >= 0.0) {
                let fraction = from_depth / (from_depth - to_depth);
                clipped.push(from + (to - from) * fraction);
            }
            if to_depth >= 0.0 {
                clipped.push(to);
            }
        }
        ring = clipped;
    }
    ring
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Area, Contains, LineString, Point, Polygon};

    fn rect(west: f64, south: f64, east: f64, north: f64) -> Rect<f64> {
        Rect::new((west, south), (east, north))
    }

    fn polygon(ring: Vec<Coord<f64>>) -> Polygon<f64> {
        Polygon::new(LineString::new(ring), Vec::new())
    }

    #[test]
    fn clipping_keeps_what_is_inside() {
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)].map(Coord::from);
        let area = |west, south, east, north| {
            polygon(clip(&square, rect(west, south, east, north))).unsigned_area()
        };
        assert_eq!(area(-5.0, -5.0, 20.0, 20.0), 100.0);
        assert_eq!(area(2.0, 3.0, 6.0, 5.0), 8.0);
        assert_eq!(area(5.0, -5.0, 20.0, 5.0), 25.0);
        assert!(clip(&square, rect(11.0, 0.0, 12.0, 1.0)).is_empty());
        assert!(clip(&[], rect(0.0, 0.0, 1.0, 1.0)).is_empty());
    }

    #[test]
    fn the_land_is_great_britain() {
        let everything = rect(-100_000.0, -100_000.0, 800_000.0, 1_400_000.0);
        let land: Vec<Polygon<f64>> = land_within(everything).into_iter().map(polygon).collect();
        // The area of Great Britain and its islands is 229,850 km² (ONS, Standard Area
        // Measurements).
        let km2: f64 = land.iter().map(Area::unsigned_area).sum::<f64>() / 1e6;
        assert!((227_000.0..233_000.0).contains(&km2), "{km2} km²");
        let is_land = |x, y| land.iter().any(|part| part.contains(&Point::new(x, y)));
        for (name, x, y) in [
            ("Kendal", 351_600.0, 492_700.0),
            ("Charing Cross", 530_034.0, 180_381.0),
            ("Cardiff Castle", 318_100.0, 176_600.0),
            ("Inverness", 266_700.0, 845_200.0),
            ("Lerwick", 447_000.0, 1_141_500.0),
            ("Newport, Isle of Wight", 450_000.0, 89_000.0),
        ] {
            assert!(is_land(x, y), "{name}");
        }
        for (name, x, y) in [
            ("Irish Sea", 300_000.0, 450_000.0),
            ("Bristol Channel", 270_000.0, 160_000.0),
            ("North Sea", 600_000.0, 450_000.0),
        ] {
            assert!(!is_land(x, y), "{name}");
        }
    }

    #[test]
    fn towns_are_in_order_of_population() {
        let within = |rect| -> Vec<&str> { towns_within(rect).map(|town| town.name).collect() };
        let all = within(rect(0.0, 0.0, 700_000.0, 1_300_000.0));
        assert_eq!(all[0], "London");
        assert!(all.len() > 1_000, "{}", all.len());
        let furness = within(rect(310_000.0, 460_000.0, 335_000.0, 482_000.0));
        assert_eq!(furness[0], "Barrow-in-Furness");
        assert!(furness.contains(&"Ulverston"), "{furness:?}");
    }
}
