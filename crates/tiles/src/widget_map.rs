//! Paths for the map widget, which shows a layer, or an area and its surroundings, as a single SVG
//! drawing.
//!
//! The paths are made from the same shared edges as tiles, so borders also coincide in widget maps.

use std::fmt::Write as _;

use geo::{Coord, Rect};

use super::TiledLayer;
use super::coverage::clip::{ClippedArea, clip};
use super::coverage::zoom_level::{
    AreaGeometry, AreaShape, DETAIL_ZOOM, EXTENT_BITS, ZoomLevel, widen,
};
use catchment_core::geodesy::web_mercator;
use catchment_core::geometry::bbox::{bounding_rect, union};
use catchment_core::geometry::rings::{Polygon, edges};

/// The zoom at which bounding boxes are measured to choose the zoom of the drawing. A tile unit
/// is 22 m wide at latitude 54° N.
const MEASURING_ZOOM: u8 = 8;
/// The minimum number of units on the longer side of the focus (the area or the whole layer). Half
/// a pixel of a tile is therefore at most 1/1,024 of that side. This distance is less than a pixel
/// if the map is as wide as a column of text.
const UNITS_MIN: i64 = 4_096;
/// The ratio of the longer side of the focus to the margin: first for an area, then for a whole
/// layer.
const MARGIN_DIVISORS: (i64, i64) = (10, 30);
/// The ratio of the map's longer side to the width of the bleed: the strip that is drawn beyond
/// each side to hide clipped edges.
const BLEED_DIVISOR: i64 = 50;
/// The minimum and maximum ratio of width to height, in hundredths: 3:4 and 8:5.
const ASPECT_RANGE: (i64, i64) = (75, 160);

/// A map of areas in whole units, with the x axis pointing east and the y axis pointing south (Web
/// Mercator, EPSG:3857).
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
    pub corner: Coord<i64>,
    /// The length in metres that a unit represents at the middle of the map.
    pub metres_per_unit: f64,
    /// The areas on the map, in order of id.
    pub areas: Vec<WidgetArea>,
}

impl WidgetMap {
    /// Returns the longitude and latitude of a position on the map.
    pub fn position(&self, point: Coord<i64>) -> [f64; 2] {
        #[expect(clippy::cast_precision_loss, reason = "at most 2^28 units")]
        let fraction = |units: i64| units as f64 / self.units_around_earth as f64;
        let place = web_mercator::from_unit_square(Coord {
            x: fraction(self.corner.x + point.x),
            y: fraction(self.corner.y + point.y),
        });
        [place.x, place.y]
    }
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
    pub label_point: Coord<i64>,
}

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
        let units_around_earth = 1 << (EXTENT_BITS + u32::from(level.zoom));
        Some(WidgetMap {
            width: view.width(),
            height: view.height(),
            units_around_earth,
            corner: view.min(),
            metres_per_unit: metres_per_unit(units_around_earth, centre(view).y),
            areas: areas.collect(),
        })
    }
}

/// Returns the bounding box of the included areas of a level that have geometry.
fn bbox_of_areas(level: &ZoomLevel, is_included: impl Fn(usize) -> bool) -> Option<Rect<i64>> {
    let areas = level.areas.iter().enumerate();
    areas
        .filter(|(index, area)| is_included(*index) && area.has_geometry())
        .map(|(_, area)| Rect::new(widen(area.bbox.min()), widen(area.bbox.max())))
        .reduce(union)
}

impl AreaGeometry {
    fn has_geometry(&self) -> bool {
        !matches!(self.shape, AreaShape::Empty)
    }
}

/// Returns the lowest zoom at which the longer side of a box is at least [`UNITS_MIN`] units long.
fn zoom_for(focus: Rect<i64>) -> u8 {
    let side = longer_side(focus).max(1);
    let side_at = |zoom: u8| (i128::from(side) << zoom) >> MEASURING_ZOOM;
    (0..DETAIL_ZOOM)
        .find(|&zoom| side_at(zoom) >= i128::from(UNITS_MIN))
        .unwrap_or(DETAIL_ZOOM)
}

/// Adds a margin around a box, and extends it to an aspect ratio within [`ASPECT_RANGE`].
fn add_margin(focus: Rect<i64>, margin_divisor: i64) -> Rect<i64> {
    let margin = longer_side(focus) / margin_divisor + 8;
    let (width, height) = (focus.width() + 2 * margin, focus.height() + 2 * margin);
    let sides = Coord {
        x: width.max(height * ASPECT_RANGE.0 / 100),
        y: height.max(width * 100 / ASPECT_RANGE.1),
    };
    let corner = centre(focus) - sides / 2;
    Rect::new(corner, corner + sides)
}

fn longer_side(bbox: Rect<i64>) -> i64 {
    bbox.width().max(bbox.height())
}

fn centre(bbox: Rect<i64>) -> Coord<i64> {
    let (min, max) = (bbox.min(), bbox.max());
    Coord {
        x: min.x.midpoint(max.x),
        y: min.y.midpoint(max.y),
    }
}

/// Returns the square around a view, extended by the bleed.
fn clip_rect(view: Rect<i64>) -> Rect<i64> {
    let side = longer_side(view);
    let half = side / 2 + side / BLEED_DIVISOR + 1;
    let half = Coord { x: half, y: half };
    Rect::new(centre(view) - half, centre(view) + half)
}

fn bbox_of_clipped(area: &ClippedArea) -> Rect<i64> {
    match area {
        ClippedArea::Point(point) => Rect::new(*point, *point),
        ClippedArea::Polygons(polygons) => bbox_of_polygons(polygons),
    }
}

fn bbox_of_polygons(polygons: &[Polygon]) -> Rect<i64> {
    let vertices = polygons.iter().flat_map(|rings| &rings[0]);
    bounding_rect(vertices.copied()).expect("a ring has vertices")
}

/// Returns the intersection of two boxes that overlap.
fn intersection(a: Rect<i64>, b: Rect<i64>) -> Rect<i64> {
    let min = Coord {
        x: a.min().x.max(b.min().x),
        y: a.min().y.max(b.min().y),
    };
    let max = Coord {
        x: a.max().x.min(b.max().x),
        y: a.max().y.min(b.max().y),
    };
    Rect::new(min, max)
}

/// Returns whether two boxes overlap. Boxes that only touch do not overlap, but a point in a box
/// overlaps the box.
fn overlaps(a: Rect<i64>, b: Rect<i64>) -> bool {
    let (min_a, max_a, min_b, max_b) = (a.min(), a.max(), b.min(), b.max());
    min_a.x < max_b.x && min_b.x < max_a.x && min_a.y < max_b.y && min_b.y < max_a.y
}

/// Returns an area's path and label point, relative to the view's corner.
fn draw(area: &ClippedArea, view: Rect<i64>) -> (String, Coord<i64>) {
    let corner = view.min();
    match area {
        ClippedArea::Point(point) => {
            let point = *point - corner;
            let (x, y) = point.x_y();
            // A small diamond marks an area that is too thin to draw.
            (format!("M{} {y}l32-32 32 32-32 32z", x - 32), point)
        }
        ClippedArea::Polygons(polygons) => {
            let mut path = String::new();
            for ring in polygons.iter().flatten() {
                write_ring(&mut path, ring, corner);
            }
            (path, label_point(polygons, view) - corner)
        }
    }
}

/// Writes a ring from `corner`, with relative coordinates, which take a third of the bytes that
/// absolute coordinates take.
fn write_ring(path: &mut String, ring: &[Coord<i64>], corner: Coord<i64>) {
    let (x, y) = (ring[0] - corner).x_y();
    write!(path, "M{x} {y}l").expect("writing to a String");
    for (index, edge) in ring.windows(2).enumerate() {
        let steps: [i64; 2] = (edge[1] - edge[0]).into();
        for (axis, step) in steps.into_iter().enumerate() {
            // A minus sign separates numbers, so no space is needed before a negative number.
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

/// Returns the middle of the widest stretch of the area along horizontal scan lines in the view.
///
/// Widths are weighted: a width near the top or bottom has half the weight of a width in the
/// middle.
fn label_point(polygons: &[Polygon], view: Rect<i64>) -> Coord<i64> {
    let bbox = intersection(bbox_of_polygons(polygons), view);
    let (min, max) = (bbox.min(), bbox.max());
    let mut best = (0, centre(bbox));
    for line in 1..SCAN_DIVISIONS {
        let y = min.y + bbox.height() * line / SCAN_DIVISIONS;
        for (west, east) in stretches_at(polygons, y) {
            let (west, east) = (west.max(min.x), east.min(max.x));
            let score = (east - west) * (SCAN_DIVISIONS - (line - SCAN_DIVISIONS / 2).abs());
            if score > best.0 {
                let x = west.midpoint(east);
                best = (score, Coord { x, y });
            }
        }
    }
    best.1
}

/// Returns the ranges of x within the area on a horizontal line just below `y`.
fn stretches_at(polygons: &[Polygon], y: i64) -> Vec<(i64, i64)> {
    let mut crossings: Vec<i64> = Vec::new();
    for edge in polygons.iter().flatten().flat_map(|ring| edges(ring)) {
        let (a, b) = (edge.start, edge.end);
        if (a.y > y) != (b.y > y) {
            crossings.push(a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y));
        }
    }
    crossings.sort_unstable();
    crossings
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// Returns the length in metres that a unit represents at a y coordinate of the map.
fn metres_per_unit(units_around_earth: i64, y: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 2^28 units")]
    let (units_around_earth, y) = (units_around_earth as f64, y as f64);
    web_mercator::parallel_m(y / units_around_earth) / units_around_earth
}

#[cfg(test)]
mod tests {
    use geo::Contains;

    use super::*;

    #[test]
    fn the_view_contains_the_focus_and_its_aspect_ratio_is_limited() {
        for (width, height) in [(4_096, 4_096), (4_096, 100), (100, 4_096), (0, 0)] {
            let focus = Rect::new((1_000, 2_000), (1_000 + width, 2_000 + height));
            let is_inside = |inner: Rect<i64>, outer: Rect<i64>| {
                outer.contains(&inner.min()) && outer.contains(&inner.max())
            };
            let view = add_margin(focus, 10);
            assert!(is_inside(focus, view), "{view:?}");
            let hundredths = 100 * view.width() / view.height();
            assert!((74..=161).contains(&hundredths), "{hundredths}");
            let square = clip_rect(view);
            assert_eq!(square.width(), square.height());
            assert!(is_inside(view, square), "{square:?}");
        }
    }

    #[test]
    fn the_zoom_gives_the_longer_side_enough_units() {
        let zoom = |min: (i64, i64), max: (i64, i64)| zoom_for(Rect::new(min, max));
        assert_eq!(zoom((0, 0), (4_096, 10)), 8);
        assert_eq!(zoom((0, 0), (4_095, 10)), 9);
        assert_eq!(zoom((0, 0), (10, 1 << 20)), 0);
        assert_eq!(zoom((5, 5), (5, 5)), DETAIL_ZOOM);
    }

    #[test]
    fn paths_use_relative_coordinates() {
        let mut path = String::new();
        let ring = [(110, 220), (115, 220), (112, 227)].map(Coord::from);
        write_ring(&mut path, &ring, Coord { x: 100, y: 200 });
        assert_eq!(path, "M10 20l5 0-3 7z");
        let area = ClippedArea::Point(Coord { x: 110, y: 120 });
        let view = Rect::new((100, 100), (200, 200));
        assert!(overlaps(view, bbox_of_clipped(&area)));
        let (path, middle) = draw(&area, view);
        assert_eq!(
            (path.as_str(), middle.x_y()),
            ("M-22 20l32-32 32 32-32 32z", (10, 20))
        );
    }

    #[test]
    fn the_label_point_is_where_the_area_is_widest_in_view() {
        // The area has a narrow stem and a broad foot. The view cuts off the foot in the east.
        let ring = [(0, 0), (10, 0), (10, 80), (400, 80), (400, 100), (0, 100)];
        let area = vec![vec![ring.map(Coord::from).to_vec()]];
        let view = Rect::new((0, 0), (100, 100));
        let (x, y) = label_point(&area, view).x_y();
        assert_eq!(x, 50);
        assert!((80..100).contains(&y), "{y}");
        // This area has a hole in the middle, and the label point is to the side of the hole.
        let exterior = [(0, 0), (100, 0), (100, 100), (0, 100)];
        let hole = [(20, 5), (20, 95), (90, 95), (90, 5)];
        let rings = [exterior, hole].map(|ring| ring.map(Coord::from).to_vec());
        assert_eq!(label_point(&[rings.to_vec()], view).x, 10);
    }

    /// The expected value is the length of the equator divided by 2^20.
    #[test]
    fn units_are_a_fraction_of_the_parallel() {
        let unit_m = metres_per_unit(1 << 20, 1 << 19);
        assert!((unit_m - 38.218_5).abs() < 1e-3, "{unit_m}");
    }
}
