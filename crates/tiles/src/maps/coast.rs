//! Distinguishes the outlines of areas that are coast from borders on land. The coast is drawn with
//! a thin line, because the boundaries in datasets are generalised, and a bold line would fill
//! narrow bays.

use std::collections::{HashMap, HashSet};

use super::raster::{self, AreaMask, CELL_SIZE, ImagePoint, ImageRect, hundredths};

/// The minimum side of a cell, in CSS pixels.
const CELL_MIN: f64 = 8.0;

/// The distance from an edge at which a point is certainly on one side of the edge, in CSS pixels.
/// The distance is slightly more than half a cell of a mask.
const BESIDE: f64 = 1.5;

/// The data of a map about the coast.
pub(super) struct CoastMap<'a> {
    /// The land of Great Britain.
    pub(super) land: &'a [Vec<ImagePoint>],
    /// The areas that show where the dataset has land. There may be sea beyond their edges.
    pub(super) covered: Vec<&'a AreaMask>,
    /// The distance by which the coast of a dataset may differ from the coast of Great Britain.
    pub(super) tolerance: f64,
    /// The maximum width of a gap between areas that is treated as an inlet or the mouth of a
    /// river, and its maximum distance from the coast.
    pub(super) inlet_max: f64,
    pub(super) inlet_reach: f64,
}

/// The kind of an edge of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EdgeKind {
    Border,
    Coast,
    /// The side of a narrow inlet that is missing from the land of Great Britain.
    Inlet,
}

/// Determines which edges of areas are coast.
pub(super) struct CoastFinder<'a> {
    map: &'a CoastMap<'a>,
    coast: CoastSegments,
    inlets: CoastSegments,
    land: AreaMask,
    /// The part of the image that the masks show.
    frame: ImageRect,
}

impl CoastFinder<'_> {
    pub(super) fn new<'a>(map: &'a CoastMap<'a>, frame: &ImageRect) -> CoastFinder<'a> {
        CoastFinder {
            map,
            coast: CoastSegments::new(map.land, map.tolerance),
            inlets: CoastSegments::new(map.land, map.inlet_reach),
            land: AreaMask::new(map.land.iter().map(Vec::as_slice), frame),
            frame: *frame,
        }
    }

    fn is_covered(&self, point: ImagePoint) -> bool {
        self.map.covered.iter().any(|mask| mask.contains(point))
    }

    /// Returns the kind of an edge that belongs to only one area. The edge is coast if it is near
    /// the coast, or if there is no land beyond it.
    fn kind(&self, from: ImagePoint, to: ImagePoint) -> EdgeKind {
        let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        if self.coast.is_near(middle) {
            return EdgeKind::Coast;
        }
        let length = raster::distance(from, to).max(f64::EPSILON);
        let across = ((from.1 - to.1) / length, (to.0 - from.0) / length);
        let beside = |distance: f64| {
            (
                middle.0 + across.0 * distance,
                middle.1 + across.1 * distance,
            )
        };
        let may_be_inlet = || self.inlets.is_near(middle);
        let outwards = match [-BESIDE, BESIDE].map(|distance| self.is_covered(beside(distance))) {
            [true, false] => 1.0,
            [false, true] => -1.0,
            // There is a gap or an area that is too narrow to be visible.
            _ if may_be_inlet() => return EdgeKind::Inlet,
            _ => return EdgeKind::Border,
        };
        let beyond = beside(outwards * self.map.tolerance);
        if self.frame.contains(beyond) && !self.land.contains(beyond) {
            return EdgeKind::Coast;
        }
        let steps = (1_u32..).map(|step| BESIDE + f64::from(step) * CELL_SIZE / 2.0);
        let mut gap = steps.take_while(|distance| *distance <= self.map.inlet_max);
        let is_gap = gap.any(|distance| self.is_covered(beside(outwards * distance)));
        match is_gap && may_be_inlet() {
            true => EdgeKind::Inlet,
            false => EdgeKind::Border,
        }
    }
}

/// The coast of Great Britain: for each cell of a grid, the segments that are within the tolerance
/// of some point of the cell.
struct CoastSegments {
    cell: f64,
    reach: f64,
    segments: HashMap<(i64, i64), Vec<(ImagePoint, ImagePoint)>>,
}

impl CoastSegments {
    fn new(rings: &[Vec<ImagePoint>], reach: f64) -> CoastSegments {
        let mut coast = CoastSegments {
            cell: reach.max(CELL_MIN),
            reach,
            segments: HashMap::new(),
        };
        for ring in rings {
            for (from, to) in edges(ring) {
                coast.insert(from, to);
            }
        }
        coast
    }

    fn insert(&mut self, from: ImagePoint, to: ImagePoint) {
        let range = |a: f64, b: f64| {
            let first = cell_index((a.min(b) - self.reach) / self.cell);
            first..=cell_index((a.max(b) + self.reach) / self.cell)
        };
        for row in range(from.1, to.1) {
            for column in range(from.0, to.0) {
                let segments = self.segments.entry((column, row)).or_default();
                segments.push((from, to));
            }
        }
    }

    /// Returns whether a point is within the tolerance of the coast.
    fn is_near(&self, (x, y): ImagePoint) -> bool {
        let cell = (cell_index(x / self.cell), cell_index(y / self.cell));
        let mut segments = self.segments.get(&cell).into_iter().flatten();
        segments.any(|&(from, to)| distance_to_segment((x, y), from, to) <= self.reach)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a few thousand cells")]
fn cell_index(cells: f64) -> i64 {
    cells.floor() as i64
}

fn distance_to_segment((x, y): ImagePoint, from: ImagePoint, to: ImagePoint) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length_squared = dx * dx + dy * dy;
    let along = (x - from.0) * dx + (y - from.1) * dy;
    let fraction = match length_squared > 0.0 {
        true => (along / length_squared).clamp(0.0, 1.0),
        false => 0.0,
    };
    (from.0 + fraction * dx - x).hypot(from.1 + fraction * dy - y)
}

/// The outlines of areas as lines. An edge that several areas share is drawn only once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct OutlineLines {
    pub(super) borders: Vec<Vec<ImagePoint>>,
    pub(super) coast: Vec<Vec<ImagePoint>>,
    pub(super) inlets: Vec<Vec<ImagePoint>>,
}

type Vertex = (i64, i64);

/// The edges of all areas of a layer, in the direction of the rings.
pub(super) struct LayerEdges(HashSet<(Vertex, Vertex)>);

impl LayerEdges {
    pub(super) fn new<'r>(rings: impl Iterator<Item = &'r Vec<ImagePoint>>) -> LayerEdges {
        let edges = rings.flat_map(|ring| edges(ring));
        LayerEdges(edges.map(|(from, to)| (vertex(from), vertex(to))).collect())
    }

    /// Splits rings into borders and coast. If another ring contains the same edge in the opposite
    /// direction, there are areas on both sides of the edge, so the edge is a border.
    pub(super) fn outlines<'r>(
        &self,
        rings: impl Iterator<Item = &'r Vec<ImagePoint>>,
        coast: &CoastFinder<'_>,
    ) -> OutlineLines {
        let mut drawn: HashSet<(Vertex, Vertex)> = HashSet::new();
        let mut lines = OutlineLines::default();
        for ring in rings {
            let mut last_kind = None;
            for (from, to) in edges(ring) {
                let (start, end) = (vertex(from), vertex(to));
                if !drawn.insert((start.min(end), start.max(end))) {
                    last_kind = None;
                    continue;
                }
                let kind = match self.0.contains(&(end, start)) {
                    true => EdgeKind::Border,
                    false => coast.kind(from, to),
                };
                let of_kind = match kind {
                    EdgeKind::Border => &mut lines.borders,
                    EdgeKind::Coast => &mut lines.coast,
                    EdgeKind::Inlet => &mut lines.inlets,
                };
                match of_kind.last_mut() {
                    Some(line) if last_kind == Some(kind) => line.push(to),
                    _ => of_kind.push(vec![from, to]),
                }
                last_kind = Some(kind);
            }
        }
        lines
    }
}

/// Returns the edges of a ring, each as a pair of its ends.
fn edges(ring: &[ImagePoint]) -> impl Iterator<Item = (ImagePoint, ImagePoint)> {
    let next = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(next.copied())
}

/// Returns a point in hundredths of a pixel, in which it is written to the SVG.
fn vertex((x, y): ImagePoint) -> Vertex {
    (hundredths(x), hundredths(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64) -> Vec<ImagePoint> {
        vec![(x, 0.0), (x + 100.0, 0.0), (x + 100.0, 100.0), (x, 100.0)]
    }

    #[test]
    fn points_are_near_the_coast_within_its_reach() {
        let coast = CoastSegments::new(&[square(0.0)], 3.0);
        for (point, expected) in [
            ((50.0, 2.9), true),
            ((50.0, 3.1), false),
            ((-2.0, -2.0), true),
            ((-2.5, -2.5), false),
            ((50.0, -2.9), true),
            ((97.0, 50.0), true),
        ] {
            assert_eq!(coast.is_near(point), expected, "{point:?}");
        }
        assert!(!CoastSegments::new(&[], 3.0).is_near((0.0, 0.0)));
    }

    const FRAME: ImageRect = ImageRect {
        x: -50.0,
        y: -50.0,
        width: 350.0,
        height: 250.0,
    };

    fn rect(x: f64, y: f64, width: f64, height: f64) -> Vec<ImagePoint> {
        vec![
            (x, y),
            (x + width, y),
            (x + width, y + height),
            (x, y + height),
        ]
    }

    fn lines(areas: &[Vec<ImagePoint>], land: &[Vec<ImagePoint>]) -> OutlineLines {
        let masks = areas
            .iter()
            .map(|ring| AreaMask::new([&ring[..]].into_iter(), &FRAME));
        let masks: Vec<AreaMask> = masks.collect();
        let map = CoastMap {
            land,
            covered: masks.iter().collect(),
            tolerance: 4.0,
            inlet_max: 30.0,
            inlet_reach: 120.0,
        };
        let coast = CoastFinder::new(&map, &FRAME);
        LayerEdges::new(areas.iter()).outlines(areas.iter(), &coast)
    }

    #[test]
    fn shared_edges_are_borders_and_drawn_once() {
        let areas = [square(0.0), square(100.0)];
        // There is land all around, except in the north.
        let land = [rect(-50.0, -1.0, 350.0, 201.0)];
        let north = |x| vec![(x, 0.0), (x + 100.0, 0.0)];
        let found = lines(&areas, &land);
        assert_eq!(found.coast, [north(0.0), north(100.0)]);
        let first = vec![(100.0, 0.0), (100.0, 100.0), (0.0, 100.0), (0.0, 0.0)];
        let second = vec![(200.0, 0.0), (200.0, 100.0), (100.0, 100.0)];
        assert_eq!(found.borders, [first, second]);
        // The outlines of islands are only coast, except for the border between two areas.
        let border = [(100.0, 0.0), (100.0, 100.0)];
        assert_eq!(lines(&areas, &[]).borders, [border]);
        assert_eq!(
            lines(&areas, &[rect(0.0, 0.0, 200.0, 100.0)]).borders,
            [border]
        );
    }

    #[test]
    fn both_sides_of_a_narrow_inlet_are_coast() {
        // An inlet is narrow and near the coast. Here, the coast is south of the areas.
        for (gap, south, expected) in [(20.0, 160.0, 2), (40.0, 160.0, 0), (20.0, 900.0, 0)] {
            let land = [rect(-900.0, -900.0, 1_800.0, 900.0 + south)];
            let areas = [square(0.0), square(100.0 + gap)];
            assert_eq!(lines(&areas, &land).inlets.len(), expected, "{gap} {south}");
        }
    }
}
