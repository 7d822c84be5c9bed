//! A layer, or one of its areas with what lies around it, as paths for a single picture: what the map on
//! somebody else's site draws, from the same shared edges as tiles, so that its borders meet as well.

use std::fmt::Write as _;

use super::clip::{ClipRect, ClippedArea, clip};
use super::grid::IntCoord;
use super::polygonize::Polygon;
use super::zoom_level::{AreaGeometry, DETAIL_ZOOM, ZoomLevel};
use super::{EXTENT_BITS, Shapes};

/// Where boxes are measured, to choose the zoom: its units are 24 m wide in the middle of Great Britain.
const MEASURED_AT_ZOOM: u8 = 8;
/// The longer side of what is looked at has at least so many units, so that half a pixel of a tile is a
/// 1,024th of it: less than a pixel of any picture in a column of text.
const UNITS_MIN: i64 = 4_096;
/// Around an area, and around a whole layer: one part of its longer side in so many.
const MARGINS: (i64, i64) = (10, 30);
/// Beyond the picture, one part in so many of it: where areas are cut off is out of sight.
const BLEED: i64 = 50;
/// Width to height, in hundredths: not much narrower than 3:4, nor wider than 8:5.
const ASPECT: (i64, i64) = (75, 160);
/// Metres around the equator (EPSG:3857's sphere).
const EQUATOR_M: f64 = 40_075_016.685_578_5;

/// Areas as paths in whole units, x to the east and y to the south (Web Mercator, EPSG:3857).
#[derive(Debug, PartialEq)]
pub struct Picture {
    /// Units across.
    pub width: i64,
    /// Units from top to bottom.
    pub height: i64,
    /// Units around the Earth, and the picture's upper left corner in them from 180° W and the top.
    pub earth: i64,
    /// See `earth`.
    pub corner: (i64, i64),
    /// Metres on the ground that a unit is long in the middle of the picture.
    pub metres_per_unit: f64,
    /// In order of id.
    pub areas: Vec<Pictured>,
}

/// An area in a picture.
#[derive(Debug, PartialEq)]
pub struct Pictured {
    /// Its id.
    pub id: String,
    /// Its name as people say it.
    pub name: String,
    /// Where its boundary comes from.
    pub provenance: String,
    /// Its ground as the `d` of an SVG path, to be filled even-odd.
    pub path: String,
    /// A place well inside, for its name.
    pub middle: (i64, i64),
}

/// Corners of a box.
type Extent = (IntCoord, IntCoord);

impl Shapes {
    /// The whole layer, or an area and what lies around it; of areas that lie over each other, the area
    /// alone. `None` where the area has no ground, or the layer none.
    pub fn picture(&self, focus: Option<&str>) -> Option<Picture> {
        let is_focus = |number: usize| focus.is_none_or(|id| self.areas[number].id == id);
        let measured = extent(self.level(MEASURED_AT_ZOOM), is_focus)?;
        let level = self.level(zoom_for(measured));
        let margin = if focus.is_some() {
            MARGINS.0
        } else {
            MARGINS.1
        };
        let view = view(extent(level, is_focus)?, margin);
        let is_alone = focus.is_some() && !level.is_partition;
        let pieces = clip(level, frame(view), 1)
            .into_iter()
            .filter(|&(number, _)| !is_alone || is_focus(number))
            .filter(|(_, piece)| overlap(view, of_piece(piece)));
        let areas = pieces.map(|(number, piece)| {
            let area = &self.areas[number];
            let (path, middle) = drawn(&piece, view);
            Pictured {
                id: area.id.clone(),
                name: area.name.clone(),
                provenance: area.provenance.clone(),
                path,
                middle,
            }
        });
        let (low, high) = view;
        let earth = 1 << (EXTENT_BITS + u32::from(level.zoom));
        Some(Picture {
            width: high.0 - low.0,
            height: high.1 - low.1,
            earth,
            corner: low,
            metres_per_unit: metres_per_unit(earth, low.1.midpoint(high.1)),
            areas: areas.collect(),
        })
    }
}

/// The box of those areas of a level that are meant and have ground.
fn extent(level: &ZoomLevel, is_meant: impl Fn(usize) -> bool) -> Option<Extent> {
    let wide = |(x, y): (i32, i32)| (i64::from(x), i64::from(y));
    let grounds = level.areas.iter().enumerate();
    grounds
        .filter(|(number, ground)| is_meant(*number) && ground.is_shown())
        .map(|(_, ground)| (wide(ground.min), wide(ground.max)))
        .reduce(around)
}

impl AreaGeometry {
    fn is_shown(&self) -> bool {
        !matches!(self.shape, super::zoom_level::AreaShape::Empty)
    }
}

fn around(one: Extent, other: Extent) -> Extent {
    let ((a, b), (c, d)) = (one, other);
    ((a.0.min(c.0), a.1.min(c.1)), (b.0.max(d.0), b.1.max(d.1)))
}

/// The first zoom at which the longer side has as many units as it should.
fn zoom_for((low, high): Extent) -> u8 {
    let side = (high.0 - low.0).max(high.1 - low.1).max(1);
    let at = |zoom: u8| (i128::from(side) << zoom) >> MEASURED_AT_ZOOM;
    (0..DETAIL_ZOOM)
        .find(|&zoom| at(zoom) >= i128::from(UNITS_MIN))
        .unwrap_or(DETAIL_ZOOM)
}

/// What is looked at with ground around it, neither too narrow nor too wide.
fn view((low, high): Extent, margin: i64) -> Extent {
    let (width, height) = (high.0 - low.0, high.1 - low.1);
    let margin = width.max(height) / margin + 8;
    let (width, height) = (width + 2 * margin, height + 2 * margin);
    let sides = (
        width.max(height * ASPECT.0 / 100),
        height.max(width * 100 / ASPECT.1),
    );
    let corner = (
        low.0.midpoint(high.0) - sides.0 / 2,
        low.1.midpoint(high.1) - sides.1 / 2,
    );
    (corner, (corner.0 + sides.0, corner.1 + sides.1))
}

/// The square around a view, and a little more.
fn frame((low, high): Extent) -> ClipRect {
    let side = (high.0 - low.0).max(high.1 - low.1);
    let half = side / 2 + side / BLEED + 1;
    let middle = (low.0.midpoint(high.0), low.1.midpoint(high.1));
    ClipRect {
        min: (middle.0 - half, middle.1 - half),
        max: (middle.0 + half, middle.1 + half),
    }
}

fn of_piece(piece: &ClippedArea) -> Extent {
    match piece {
        ClippedArea::Point(at) => (*at, *at),
        ClippedArea::Polygons(polygons) => of_polygons(polygons),
    }
}

fn of_polygons(polygons: &[Polygon]) -> Extent {
    let vertices = polygons.iter().flat_map(|rings| &rings[0]);
    let boxes = vertices.map(|&vertex| (vertex, vertex));
    boxes.reduce(around).expect("a ring has vertices")
}

/// What two boxes that overlap have in common.
fn within((a, b): Extent, (c, d): Extent) -> Extent {
    ((a.0.max(c.0), a.1.max(c.1)), (b.0.min(d.0), b.1.min(d.1)))
}

fn overlap((a, b): Extent, (c, d): Extent) -> bool {
    a.0 < d.0 && c.0 < b.0 && a.1 < d.1 && c.1 < b.1
}

/// The path, and a place well inside it, from the view's corner.
fn drawn(piece: &ClippedArea, view: Extent) -> (String, IntCoord) {
    let (corner, _) = view;
    let own = |(x, y): IntCoord| (x - corner.0, y - corner.1);
    match piece {
        ClippedArea::Point(at) => {
            let (x, y) = own(*at);
            // A small square on its corner: there is no ground to be drawn.
            (format!("M{} {y}l32-32 32 32-32 32z", x - 32), (x, y))
        }
        ClippedArea::Polygons(polygons) => {
            let mut path = String::new();
            for ring in polygons.iter().flatten() {
                let ring: Vec<IntCoord> = ring.iter().map(|&it| own(it)).collect();
                write_ring(&mut path, &ring);
            }
            (path, own(middle(polygons, view)))
        }
    }
}

/// Steps from vertex to vertex are a third of the bytes of places.
fn write_ring(path: &mut String, ring: &[IntCoord]) {
    let (x, y) = ring[0];
    write!(path, "M{x} {y}l").expect("writing to a String");
    for (at, edge) in ring.windows(2).enumerate() {
        for (axis, step) in [edge[1].0 - edge[0].0, edge[1].1 - edge[0].1]
            .into_iter()
            .enumerate()
        {
            // A minus sign parts numbers as well as a space does.
            let space = if step < 0 || (at == 0 && axis == 0) {
                ""
            } else {
                " "
            };
            write!(path, "{space}{step}").expect("writing to a String");
        }
    }
    path.push('z');
}

/// Lines across an area on which a place for its name is looked for.
const LINES: i64 = 16;

/// The middle of the widest stretch of the area in the view, on one of several lines across it; those
/// towards its top and bottom count half.
fn middle(polygons: &[Polygon], view: Extent) -> IntCoord {
    let (low, high) = within(of_polygons(polygons), view);
    let mut best = (0, low.0.midpoint(high.0), low.1.midpoint(high.1));
    for line in 1..LINES {
        let y = low.1 + (high.1 - low.1) * line / LINES;
        for (west, east) in stretches(polygons, y) {
            let (west, east) = (west.max(low.0), east.min(high.0));
            let worth = (east - west) * (LINES - (line - LINES / 2).abs());
            if worth > best.0 {
                best = (worth, west.midpoint(east), y);
            }
        }
    }
    (best.1, best.2)
}

/// From where to where the line just below `y` is in the area.
fn stretches(polygons: &[Polygon], y: i64) -> Vec<(i64, i64)> {
    let mut crossings: Vec<i64> = Vec::new();
    for ring in polygons.iter().flatten() {
        let next = ring.iter().cycle().skip(1);
        for (&a, &b) in ring.iter().zip(next) {
            if (a.1 > y) != (b.1 > y) {
                crossings.push(a.0 + (b.0 - a.0) * (y - a.1) / (b.1 - a.1));
            }
        }
    }
    crossings.sort_unstable();
    crossings.chunks_exact(2).map(|it| (it[0], it[1])).collect()
}

/// Mercator stretches by one over the cosine of the latitude, which is the hyperbolic cosine of the way
/// from the equator.
fn metres_per_unit(earth: i64, y: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 2^28 units")]
    let (earth, y) = (earth as f64, y as f64);
    let north = (0.5 - y / earth) * std::f64::consts::TAU;
    EQUATOR_M / earth / north.cosh()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_holds_what_is_looked_at_and_is_neither_narrow_nor_wide() {
        for (width, height) in [(4_096, 4_096), (4_096, 100), (100, 4_096), (0, 0)] {
            let looked_at = ((1_000, 2_000), (1_000 + width, 2_000 + height));
            let (low, high) = view(looked_at, 10);
            assert!(low.0 < 1_000 && low.1 < 2_000, "{low:?}");
            assert!(
                high.0 > 1_000 + width && high.1 > 2_000 + height,
                "{high:?}"
            );
            let hundredths = 100 * (high.0 - low.0) / (high.1 - low.1);
            assert!((74..=161).contains(&hundredths), "{hundredths}");
            let ClipRect { min: l, max: h } = frame((low, high));
            assert_eq!(h.0 - l.0, h.1 - l.1);
            assert!(l.0 < low.0 && l.1 < low.1 && h.0 > high.0 && h.1 > high.1);
        }
    }

    #[test]
    fn the_zoom_gives_the_longer_side_enough_units() {
        assert_eq!(zoom_for(((0, 0), (4_096, 10))), 8);
        assert_eq!(zoom_for(((0, 0), (4_095, 10))), 9);
        assert_eq!(zoom_for(((0, 0), (10, 1 << 20))), 0);
        assert_eq!(zoom_for(((5, 5), (5, 5))), DETAIL_ZOOM);
    }

    #[test]
    fn a_path_steps_from_vertex_to_vertex() {
        let mut path = String::new();
        write_ring(&mut path, &[(10, 20), (15, 20), (12, 27)]);
        assert_eq!(path, "M10 20l5 0-3 7z");
        let piece = ClippedArea::Point((110, 120));
        let (path, middle) = drawn(&piece, ((100, 100), (200, 200)));
        assert_eq!(
            (path.as_str(), middle),
            ("M-22 20l32-32 32 32-32 32z", (10, 20))
        );
    }

    #[test]
    fn a_name_goes_where_its_area_is_widest_in_view() {
        // A narrow stem, and a broad foot that the view cuts off in the east.
        let area = vec![vec![vec![
            (0, 0),
            (10, 0),
            (10, 80),
            (400, 80),
            (400, 100),
            (0, 100),
        ]]];
        let (x, y) = middle(&area, ((0, 0), (100, 100)));
        assert_eq!(x, 50);
        assert!((80..100).contains(&y), "{y}");
        // With a hole in the middle, beside it.
        let ring = vec![vec![
            vec![(0, 0), (100, 0), (100, 100), (0, 100)],
            vec![(20, 5), (20, 95), (90, 95), (90, 5)],
        ]];
        assert_eq!(middle(&ring, ((0, 0), (100, 100))).0, 10);
    }

    /// At 60° north a degree of longitude is half as long as at the equator.
    #[test]
    fn units_shorten_to_the_north() {
        let earth = 1 << 20;
        let at = |latitude: f64| {
            let south = 0.5 - latitude.to_radians().tan().asinh() / std::f64::consts::TAU;
            #[expect(clippy::cast_possible_truncation, reason = "within the world")]
            let y = (south * f64::from(earth)).round() as i64;
            metres_per_unit(i64::from(earth), y)
        };
        assert!((at(0.0) - 38.218_5).abs() < 1e-3, "{}", at(0.0));
        assert!((at(60.0) * 2.0 - at(0.0)).abs() < 1e-3, "{}", at(60.0));
    }
}
