//! Paths for the map widget, which shows a layer, or an area and its surroundings, in a single
//! drawing.
//!
//! The paths are made from the same shared edges as tiles, so borders also coincide in widget maps.

use std::fmt::Write as _;

use super::TiledLayer;
use super::coverage::clip::{ClipRect, ClippedArea, clip};
use super::coverage::zoom_level::{AreaGeometry, AreaShape, DETAIL_ZOOM, EXTENT_BITS, ZoomLevel};
use crate::geometry::polygonize::IntPolygon;
use crate::geometry::predicates::IntCoord;

/// The zoom at which bounding boxes are measured in order to choose the zoom to draw. A tile unit
/// is 22 m wide at latitude 54° N.
const MEASURING_ZOOM: u8 = 8;
/// The minimum number of units on the longer side of the focus (the area, or the whole layer). Half
/// a pixel of a tile is therefore at most 1/1,024 of that side, which is less than a pixel if the
/// map is as wide as a column of text.
const UNITS_MIN: i64 = 4_096;
/// The ratio of the longer side of the focus to the margin: around an area, and around a whole
/// layer.
const MARGIN_DIVISORS: (i64, i64) = (10, 30);
/// The ratio of the map's longer side to the width of the strip that is drawn beyond each side to
/// hide clipped edges.
const BLEED_DIVISOR: i64 = 50;
/// The minimum and maximum ratio of width to height, in hundredths: 3:4 and 8:5.
const ASPECT_RANGE: (i64, i64) = (75, 160);
/// The length of the equator in metres, on the sphere of EPSG:3857.
const EQUATOR_M: f64 = 40_075_016.685_578_5;

/// A map of areas in whole units, x to the east and y to the south (Web Mercator, EPSG:3857).
#[derive(Debug, PartialEq)]
pub struct WidgetMap {
    /// The width in units.
    pub width: i64,
    /// The height in units.
    pub height: i64,
    /// The width of the Web Mercator square (the circumference of the Earth), in units.
    pub units_around_earth: i64,
    /// The upper left corner of the map, in units from the upper left corner of the Web Mercator
    /// square.
    pub corner: (i64, i64),
    /// The length in metres that a unit represents in the middle of the map.
    pub metres_per_unit: f64,
    /// The areas on the map, in order of id.
    pub areas: Vec<WidgetArea>,
}

/// An area of a [`WidgetMap`].
#[derive(Debug, PartialEq)]
pub struct WidgetArea {
    /// The area's id.
    pub id: String,
    /// The area's display name.
    pub name: String,
    /// The provenance of the area's boundary.
    pub provenance: String,
    /// The geometry of the area as the `d` attribute of an SVG path, in units from the map's
    /// corner. The path must be filled with the even-odd rule.
    pub path: String,
    /// A point well inside the area, for its label.
    pub label_point: (i64, i64),
}

/// The minimum and maximum corner of a bounding box.
type IntBBox = (IntCoord, IntCoord);

impl TiledLayer {
    /// Draws the whole layer, or an area and its surroundings.
    ///
    /// If areas of the layer may overlap, an area is drawn without its surroundings. Returns `None`
    /// if the area or the layer has no geometry.
    pub fn widget_map(&self, focus: Option<&str>) -> Option<WidgetMap> {
        let is_focus = |index: usize| focus.is_none_or(|id| self.areas[index].id == id);
        let measured = bbox_of_areas(self.level(MEASURING_ZOOM), is_focus)?;
        let level = self.level(zoom_for(measured));
        let margin_divisor = if focus.is_some() {
            MARGIN_DIVISORS.0
        } else {
            MARGIN_DIVISORS.1
        };
        let view = add_margin(bbox_of_areas(level, is_focus)?, margin_divisor);
        let only_focus = focus.is_some() && !level.is_partition;
        let clipped = clip(level, clip_rect(view), 1)
            .into_iter()
            .filter(|&(index, _)| !only_focus || is_focus(index))
            .filter(|(_, area)| overlaps(view, bbox_of_clipped(area)));
        let areas = clipped.map(|(index, clipped)| {
            let area = &self.areas[index];
            let (path, middle) = draw(&clipped, view);
            WidgetArea {
                id: area.id.clone(),
                name: area.name.clone(),
                provenance: area.provenance.clone(),
                path,
                label_point: middle,
            }
        });
        let (min, max) = view;
        let units_around_earth = 1 << (EXTENT_BITS + u32::from(level.zoom));
        Some(WidgetMap {
            width: max.0 - min.0,
            height: max.1 - min.1,
            units_around_earth,
            corner: min,
            metres_per_unit: metres_per_unit(units_around_earth, min.1.midpoint(max.1)),
            areas: areas.collect(),
        })
    }
}

/// Returns the bounding box of the areas of a level that are included and have geometry.
fn bbox_of_areas(level: &ZoomLevel, is_included: impl Fn(usize) -> bool) -> Option<IntBBox> {
    let widen = |(x, y): (i32, i32)| (i64::from(x), i64::from(y));
    let areas = level.areas.iter().enumerate();
    areas
        .filter(|(index, area)| is_included(*index) && area.has_geometry())
        .map(|(_, area)| (widen(area.min), widen(area.max)))
        .reduce(union)
}

impl AreaGeometry {
    fn has_geometry(&self) -> bool {
        !matches!(self.shape, AreaShape::Empty)
    }
}

fn union((min_a, max_a): IntBBox, (min_b, max_b): IntBBox) -> IntBBox {
    (
        (min_a.0.min(min_b.0), min_a.1.min(min_b.1)),
        (max_a.0.max(max_b.0), max_a.1.max(max_b.1)),
    )
}

/// Returns the lowest zoom at which the longer side of a box is at least [`UNITS_MIN`] units long.
fn zoom_for((min, max): IntBBox) -> u8 {
    let side = (max.0 - min.0).max(max.1 - min.1).max(1);
    let side_at = |zoom: u8| (i128::from(side) << zoom) >> MEASURING_ZOOM;
    (0..DETAIL_ZOOM)
        .find(|&zoom| side_at(zoom) >= i128::from(UNITS_MIN))
        .unwrap_or(DETAIL_ZOOM)
}

/// Adds a margin around a box, and extends it to an aspect ratio within [`ASPECT_RANGE`].
fn add_margin((min, max): IntBBox, margin_divisor: i64) -> IntBBox {
    let (width, height) = (max.0 - min.0, max.1 - min.1);
    let margin = width.max(height) / margin_divisor + 8;
    let (width, height) = (width + 2 * margin, height + 2 * margin);
    let sides = (
        width.max(height * ASPECT_RANGE.0 / 100),
        height.max(width * 100 / ASPECT_RANGE.1),
    );
    let corner = (
        min.0.midpoint(max.0) - sides.0 / 2,
        min.1.midpoint(max.1) - sides.1 / 2,
    );
    (corner, (corner.0 + sides.0, corner.1 + sides.1))
}

/// Returns the square around a view, extended by the bleed.
fn clip_rect((min, max): IntBBox) -> ClipRect {
    let side = (max.0 - min.0).max(max.1 - min.1);
    let half = side / 2 + side / BLEED_DIVISOR + 1;
    let centre = (min.0.midpoint(max.0), min.1.midpoint(max.1));
    ClipRect {
        min: (centre.0 - half, centre.1 - half),
        max: (centre.0 + half, centre.1 + half),
    }
}

fn bbox_of_clipped(area: &ClippedArea) -> IntBBox {
    match area {
        ClippedArea::Point(point) => (*point, *point),
        ClippedArea::Polygons(polygons) => bbox_of_polygons(polygons),
    }
}

fn bbox_of_polygons(polygons: &[IntPolygon]) -> IntBBox {
    let vertices = polygons.iter().flat_map(|rings| &rings[0]);
    let boxes = vertices.map(|&vertex| (vertex, vertex));
    boxes.reduce(union).expect("a ring has vertices")
}

/// Returns the intersection of two boxes that overlap.
fn intersection((min_a, max_a): IntBBox, (min_b, max_b): IntBBox) -> IntBBox {
    (
        (min_a.0.max(min_b.0), min_a.1.max(min_b.1)),
        (max_a.0.min(max_b.0), max_a.1.min(max_b.1)),
    )
}

fn overlaps((min_a, max_a): IntBBox, (min_b, max_b): IntBBox) -> bool {
    min_a.0 < max_b.0 && min_b.0 < max_a.0 && min_a.1 < max_b.1 && min_b.1 < max_a.1
}

/// Returns an area's path and label point, relative to the view's corner.
fn draw(area: &ClippedArea, view: IntBBox) -> (String, IntCoord) {
    let (corner, _) = view;
    let relative = |(x, y): IntCoord| (x - corner.0, y - corner.1);
    match area {
        ClippedArea::Point(point) => {
            let (x, y) = relative(*point);
            // A small diamond marks an area that is too thin to draw.
            (format!("M{} {y}l32-32 32 32-32 32z", x - 32), (x, y))
        }
        ClippedArea::Polygons(polygons) => {
            let mut path = String::new();
            for ring in polygons.iter().flatten() {
                let ring: Vec<IntCoord> = ring.iter().map(|&vertex| relative(vertex)).collect();
                write_ring(&mut path, &ring);
            }
            (path, relative(label_point(polygons, view)))
        }
    }
}

/// Writes a ring with relative coordinates, which take a third of the bytes of absolute
/// coordinates.
fn write_ring(path: &mut String, ring: &[IntCoord]) {
    let (x, y) = ring[0];
    write!(path, "M{x} {y}l").expect("writing to a String");
    for (index, edge) in ring.windows(2).enumerate() {
        for (axis, step) in [edge[1].0 - edge[0].0, edge[1].1 - edge[0].1]
            .into_iter()
            .enumerate()
        {
            // A minus sign separates numbers, so no space is needed before it.
            let space = if step < 0 || (index == 0 && axis == 0) {
                ""
            } else {
                " "
            };
            write!(path, "{space}{step}").expect("writing to a String");
        }
    }
    path.push('z');
}

/// The number of equal parts into which scan lines divide an area's height to find a label point.
const SCAN_DIVISIONS: i64 = 16;

/// Returns the middle of the widest stretch of the area in the view along horizontal scan lines.
///
/// Widths are weighted: a width near the top or bottom counts half as much as a width in the
/// middle.
fn label_point(polygons: &[IntPolygon], view: IntBBox) -> IntCoord {
    let (min, max) = intersection(bbox_of_polygons(polygons), view);
    let mut best = (0, min.0.midpoint(max.0), min.1.midpoint(max.1));
    for line in 1..SCAN_DIVISIONS {
        let y = min.1 + (max.1 - min.1) * line / SCAN_DIVISIONS;
        for (west, east) in stretches_at(polygons, y) {
            let (west, east) = (west.max(min.0), east.min(max.0));
            let score = (east - west) * (SCAN_DIVISIONS - (line - SCAN_DIVISIONS / 2).abs());
            if score > best.0 {
                best = (score, west.midpoint(east), y);
            }
        }
    }
    (best.1, best.2)
}

/// Returns the ranges of x within the area on a horizontal line just below `y`.
fn stretches_at(polygons: &[IntPolygon], y: i64) -> Vec<(i64, i64)> {
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
    crossings
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// Returns the length in metres that a unit represents at a y coordinate of the map.
///
/// Mercator's scale factor is the secant of the latitude, which equals the hyperbolic cosine of the
/// projected distance from the equator on a unit sphere.
fn metres_per_unit(units_around_earth: i64, y: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 2^28 units")]
    let (units_around_earth, y) = (units_around_earth as f64, y as f64);
    let north = (0.5 - y / units_around_earth) * std::f64::consts::TAU;
    EQUATOR_M / units_around_earth / north.cosh()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_contains_the_focus_and_its_aspect_ratio_is_limited() {
        for (width, height) in [(4_096, 4_096), (4_096, 100), (100, 4_096), (0, 0)] {
            let focus = ((1_000, 2_000), (1_000 + width, 2_000 + height));
            let (view_min, view_max) = add_margin(focus, 10);
            assert!(view_min.0 < 1_000 && view_min.1 < 2_000, "{view_min:?}");
            assert!(
                view_max.0 > 1_000 + width && view_max.1 > 2_000 + height,
                "{view_max:?}"
            );
            let hundredths = 100 * (view_max.0 - view_min.0) / (view_max.1 - view_min.1);
            assert!((74..=161).contains(&hundredths), "{hundredths}");
            let ClipRect { min, max } = clip_rect((view_min, view_max));
            assert_eq!(max.0 - min.0, max.1 - min.1);
            assert!(min.0 < view_min.0 && min.1 < view_min.1);
            assert!(max.0 > view_max.0 && max.1 > view_max.1);
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
    fn paths_use_relative_coordinates() {
        let mut path = String::new();
        write_ring(&mut path, &[(10, 20), (15, 20), (12, 27)]);
        assert_eq!(path, "M10 20l5 0-3 7z");
        let area = ClippedArea::Point((110, 120));
        let (path, middle) = draw(&area, ((100, 100), (200, 200)));
        assert_eq!(
            (path.as_str(), middle),
            ("M-22 20l32-32 32 32-32 32z", (10, 20))
        );
    }

    #[test]
    fn the_label_point_is_where_the_area_is_widest_in_view() {
        // The area has a narrow stem, and a broad foot that the view cuts off in the east.
        let area = vec![vec![vec![
            (0, 0),
            (10, 0),
            (10, 80),
            (400, 80),
            (400, 100),
            (0, 100),
        ]]];
        let (x, y) = label_point(&area, ((0, 0), (100, 100)));
        assert_eq!(x, 50);
        assert!((80..100).contains(&y), "{y}");
        // This area has a hole in the middle, and the label point is beside the hole.
        let ring = vec![vec![
            vec![(0, 0), (100, 0), (100, 100), (0, 100)],
            vec![(20, 5), (20, 95), (90, 95), (90, 5)],
        ]];
        assert_eq!(label_point(&ring, ((0, 0), (100, 100))).0, 10);
    }

    /// At 60° north a degree of longitude is half as long as at the equator.
    #[test]
    fn units_shorten_to_the_north() {
        let earth = 1 << 20;
        let unit_at = |latitude: f64| {
            let south = 0.5 - latitude.to_radians().tan().asinh() / std::f64::consts::TAU;
            #[expect(clippy::cast_possible_truncation, reason = "within the world")]
            let y = (south * f64::from(earth)).round() as i64;
            metres_per_unit(i64::from(earth), y)
        };
        assert!((unit_at(0.0) - 38.218_5).abs() < 1e-3, "{}", unit_at(0.0));
        assert!(
            (unit_at(60.0) * 2.0 - unit_at(0.0)).abs() < 1e-3,
            "{}",
            unit_at(60.0)
        );
    }
}
