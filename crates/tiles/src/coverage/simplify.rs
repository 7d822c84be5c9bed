//! Simplifies arcs: removes vertices as long as no border moves by more than a tolerance and no
//! edges cross. The vertices whose removal moves the line least are removed first.
//!
//! The guarantees are the same as for JTS's `CoverageSimplifier`: nodes are retained, areas keep
//! their neighbours, and no ring collapses.
//!
//! ```text
//!        v             Vertex v is removed if v and every removed vertex between a and b are
//!      ╱   ╲           within the tolerance of a–b, if the triangle contains no vertex, and if
//!     a ─ ─ ─ b        a–b hits no hot pixel.
//! ```
//!
//! An edge that crossed a–b would have an end inside the triangle, or would cross a–v or v–b.
//! Therefore, only vertices need to be tested. Each vertex stays at least half a unit away from
//! every edge that does not end at that vertex, as in the graph from [`super::planar_graph`].
//!
//! Rejected alternatives:
//!
//! - Douglas–Peucker retains a whole span of vertices if a single vertex is in the way, and
//!   therefore retains more vertices.
//! - Visvalingam–Whyatt orders vertices by area, and therefore does not limit the distance by which
//!   a border moves.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use geo::{Coord, Intersects, Rect};

use super::arcs::BoundaryArc;
use super::grid::{PixelGrid, PointGrid};
use super::planar_graph::{FaceLabels, LabelId, PlanarGraph};
use catchment_core::geometry::bbox::bounding_rect;
use catchment_core::geometry::predicates::cross;
use catchment_core::geometry::rings::doubled_signed_area;

/// A vertex of an arc, in a doubly linked list of the vertices that remain.
#[derive(Debug, Clone, Copy)]
struct ArcVertex {
    point: u32,
    arc: u32,
    previous: u32,
    next: u32,
    /// Whether the vertex may be removed. The ends of open arcs may not be removed.
    is_interior: bool,
    is_removed: bool,
}

struct ArcSimplifier<'n> {
    points: &'n [Coord<i64>],
    labels: &'n FaceLabels,
    arcs: &'n [BoundaryArc],
    vertices: Vec<ArcVertex>,
    /// The index of each arc's first vertex, and the index after the last vertex of the last arc.
    starts: Vec<u32>,
    /// The number of remaining vertices of each arc.
    remaining: Vec<u32>,
    /// The number of remaining vertices at each point.
    uses: Vec<u32>,
    /// If areas may overlap, the labels of the arcs at each point.
    labels_at: HashMap<u32, Vec<LabelId>>,
    point_grid: PointGrid,
    /// The labels of the arcs that have a single edge, by the ends of that edge.
    single_edge_arcs: HashMap<(u32, u32), Vec<LabelId>>,
    squared_tolerance: f64,
}

/// Simplifies the arcs of a [snap-rounded](super::planar_graph::snap_round) graph. `tolerance` is
/// in units of the graph.
pub(super) fn simplify(
    graph: &PlanarGraph,
    labels: &FaceLabels,
    arcs: Vec<BoundaryArc>,
    tolerance: f64,
) -> Vec<BoundaryArc> {
    let arcs = remove_specks(&graph.points, labels, arcs, tolerance);
    let mut simplifier = ArcSimplifier::new(&graph.points, labels, &arcs, tolerance);
    simplifier.run();
    simplifier.remaining_arcs()
}

impl<'n> ArcSimplifier<'n> {
    fn new(
        points: &'n [Coord<i64>],
        labels: &'n FaceLabels,
        arcs: &'n [BoundaryArc],
        tolerance: f64,
    ) -> ArcSimplifier<'n> {
        let mut simplifier = ArcSimplifier {
            points,
            labels,
            arcs,
            vertices: Vec::new(),
            starts: vec![0],
            remaining: Vec::new(),
            uses: vec![0; points.len()],
            labels_at: HashMap::new(),
            point_grid: PointGrid::new(points),
            single_edge_arcs: HashMap::new(),
            squared_tolerance: tolerance * tolerance,
        };
        for (index, arc) in (0..).zip(arcs) {
            simplifier.add_arc(index, arc);
        }
        simplifier
    }

    fn add_arc(&mut self, arc_index: u32, arc: &BoundaryArc) {
        let first = to_u32(self.vertices.len());
        let length = to_u32(arc.points.len());
        let last = first + length - 1;
        for (index, &point) in (first..).zip(&arc.points) {
            self.vertices.push(ArcVertex {
                point,
                arc: arc_index,
                previous: if index == first { last } else { index - 1 },
                next: if index == last { first } else { index + 1 },
                is_interior: arc.is_closed || (index != first && index != last),
                is_removed: false,
            });
            self.uses[point as usize] += 1;
            if !self.labels.is_partition {
                self.labels_at.entry(point).or_default().push(arc.label);
            }
        }
        self.starts.push(last + 1);
        self.remaining.push(length);
        if let [from, to] = arc.points[..] {
            self.add_single_edge_arc(from, to, arc.label);
        }
    }

    fn add_single_edge_arc(&mut self, from: u32, to: u32, label: LabelId) {
        let ends = (from.min(to), from.max(to));
        self.single_edge_arcs.entry(ends).or_default().push(label);
    }

    fn run(&mut self) {
        // Costs are not negative, so their bits have the same order as the costs.
        let mut queue: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        let mut costs = vec![f64::INFINITY; self.vertices.len()];
        for vertex in 0..to_u32(self.vertices.len()) {
            self.enqueue(vertex, &mut costs, &mut queue);
        }
        while let Some(Reverse((bits, vertex))) = queue.pop() {
            let is_stale = costs[vertex as usize].to_bits() != bits;
            let ArcVertex {
                previous,
                next,
                is_removed,
                ..
            } = self.vertices[vertex as usize];
            if is_removed || is_stale || !self.can_remove(vertex) {
                continue;
            }
            self.remove(vertex);
            for neighbour in [previous, next] {
                self.enqueue(neighbour, &mut costs, &mut queue);
            }
        }
    }

    fn enqueue(&self, vertex: u32, costs: &mut [f64], queue: &mut BinaryHeap<Reverse<(u64, u32)>>) {
        if !self.vertices[vertex as usize].is_interior {
            return;
        }
        let squared = self.squared_displacement(vertex);
        costs[vertex as usize] = squared;
        if squared <= self.squared_tolerance {
            queue.push(Reverse((squared.to_bits(), vertex)));
        }
    }

    /// Returns the square of the distance by which the arc would move if the vertex were removed.
    /// That distance is the largest distance between the new edge and any original vertex between
    /// its ends, including vertices that have been removed.
    ///
    /// The calculation stops as soon as the tolerance is exceeded.
    fn squared_displacement(&self, vertex: u32) -> f64 {
        let ArcVertex {
            previous,
            next,
            arc,
            ..
        } = self.vertices[vertex as usize];
        let [a, b] = [previous, next].map(|end| self.position(end));
        let (first, end) = (self.starts[arc as usize], self.starts[arc as usize + 1]);
        let mut furthest: f64 = 0.0;
        let mut between = previous;
        loop {
            between = if between + 1 == end {
                first
            } else {
                between + 1
            };
            if between == next {
                return furthest;
            }
            furthest = furthest.max(squared_distance(self.position(between), a, b));
            if furthest > self.squared_tolerance {
                return furthest;
            }
        }
    }

    fn position(&self, vertex: u32) -> Coord<i64> {
        self.points[self.vertices[vertex as usize].point as usize]
    }

    fn can_remove(&self, vertex: u32) -> bool {
        let ArcVertex {
            point,
            arc,
            previous,
            next,
            ..
        } = self.vertices[vertex as usize];
        let (from, to) = (
            self.vertices[previous as usize].point,
            self.vertices[next as usize].point,
        );
        let label = self.arcs[arc as usize].label;
        // A ring needs three vertices. In an open arc that ends at the node where it starts, that
        // node is counted twice.
        let remaining = self.remaining[arc as usize];
        let is_closed = self.arcs[arc as usize].is_closed;
        let ends_at_its_start = !is_closed
            && self.vertices[self.starts[arc as usize] as usize].point
                == self.vertices[self.starts[arc as usize + 1] as usize - 1].point;
        let min_remaining = 3 + u32::from(ends_at_its_start);
        if from == to || ((is_closed || ends_at_its_start) && remaining <= min_remaining) {
            return false;
        }
        // The arc would become a single edge, which must not coincide with another edge.
        if remaining == 3 && !is_closed {
            let ends = (from.min(to), from.max(to));
            let mut others = self.single_edge_arcs.get(&ends).into_iter().flatten();
            if others.any(|&other| self.labels.must_not_cross(other, label)) {
                return false;
            }
        }
        self.is_clear(
            [previous, vertex, next].map(|corner| self.position(corner)),
            [from, point, to],
            label,
        )
    }

    /// Returns whether the triangle is clear. A triangle is clear if no other vertex that matters
    /// for the label is inside the triangle or near the new edge.
    fn is_clear(&self, [a, v, b]: [Coord<i64>; 3], corners: [u32; 3], label: LabelId) -> bool {
        let grid = PixelGrid::new(1);
        let is_flat = cross(a, v, b) == 0;
        self.point_grid
            .in_box(bbox_with_pixels([a, v, b]))
            .all(|point| {
                let position = self.points[point as usize];
                let is_in_the_way = || {
                    grid.segment_hits(a, b, position)
                        || (!is_flat && in_triangle(position, [a, v, b]))
                };
                corners.contains(&point)
                    || self.uses[point as usize] == 0
                    || !is_in_the_way()
                    || !self.matters_to(point, label)
            })
    }

    /// Returns whether an arc with this label must stay on the same side of the point.
    fn matters_to(&self, point: u32, label: LabelId) -> bool {
        if self.labels.is_partition {
            return true;
        }
        let mut labels = self.labels_at.get(&point).into_iter().flatten();
        labels.any(|&other| self.labels.must_not_cross(other, label))
    }

    fn remove(&mut self, vertex: u32) {
        let ArcVertex {
            point,
            arc,
            previous,
            next,
            ..
        } = self.vertices[vertex as usize];
        self.vertices[vertex as usize].is_removed = true;
        self.vertices[previous as usize].next = next;
        self.vertices[next as usize].previous = previous;
        self.uses[point as usize] -= 1;
        self.remaining[arc as usize] -= 1;
        if self.remaining[arc as usize] == 2 {
            let [from, to] = [previous, next].map(|end| self.vertices[end as usize].point);
            self.add_single_edge_arc(from, to, self.arcs[arc as usize].label);
        }
    }

    fn remaining_arcs(&self) -> Vec<BoundaryArc> {
        let remaining = |(index, arc): (usize, &BoundaryArc)| {
            let range = self.starts[index] as usize..self.starts[index + 1] as usize;
            let vertices = self.vertices[range]
                .iter()
                .filter(|vertex| !vertex.is_removed);
            BoundaryArc {
                points: vertices.map(|vertex| vertex.point).collect(),
                ..*arc
            }
        };
        self.arcs.iter().enumerate().map(remaining).collect()
    }
}

/// Removes closed arcs that enclose an area smaller than the square of the tolerance and no other
/// vertex.
///
/// An arc is retained if it is the largest arc of one of its areas. Open arcs are treated as larger
/// than closed arcs.
fn remove_specks(
    points: &[Coord<i64>],
    labels: &FaceLabels,
    arcs: Vec<BoundaryArc>,
    tolerance: f64,
) -> Vec<BoundaryArc> {
    if tolerance <= 0.0 {
        return arcs;
    }
    let ring = |arc: &BoundaryArc| -> Vec<Coord<i64>> {
        arc.points
            .iter()
            .map(|&point| points[point as usize])
            .collect()
    };
    let doubled_areas: Vec<i128> = arcs
        .iter()
        .map(|arc| {
            if arc.is_closed {
                doubled_signed_area(&ring(arc)).abs()
            } else {
                i128::MAX
            }
        })
        .collect();
    let mut largest: HashMap<u32, usize> = HashMap::new();
    for (index, arc) in arcs.iter().enumerate() {
        for &(area, _) in labels.faces(arc.label) {
            let best = largest.entry(area).or_insert(index);
            if doubled_areas[index] > doubled_areas[*best] {
                *best = index;
            }
        }
    }
    let point_grid = PointGrid::new(points);
    let is_speck = |index: usize, arc: &BoundaryArc| {
        let is_small = arc.is_closed && (doubled_areas[index] as f64) < 2.0 * tolerance * tolerance;
        is_small
            && labels
                .faces(arc.label)
                .iter()
                .all(|(area, _)| largest[area] != index)
            && is_empty_inside(points, &point_grid, arc)
    };
    let mut index = 0..;
    arcs.into_iter()
        .filter(|arc| !is_speck(index.next().expect("an index for every arc"), arc))
        .collect()
}

/// Returns whether the bounding box of an arc contains only vertices of the arc.
fn is_empty_inside(points: &[Coord<i64>], point_grid: &PointGrid, arc: &BoundaryArc) -> bool {
    let own: HashSet<u32> = arc.points.iter().copied().collect();
    let vertices = arc.points.iter().map(|&point| points[point as usize]);
    let bbox = bounding_rect(vertices).expect("an arc has vertices");
    point_grid
        .in_box(bbox)
        .all(|point| own.contains(&point) || !bbox.intersects(&points[point as usize]))
}

/// Returns the bounding box of a triangle and of the hot pixels that its edges hit.
pub(super) fn bbox_with_pixels([a, b, c]: [Coord<i64>; 3]) -> Rect<i64> {
    let pixel = Coord { x: 1, y: 1 };
    let min = Coord {
        x: a.x.min(b.x).min(c.x),
        y: a.y.min(b.y).min(c.y),
    };
    let max = Coord {
        x: a.x.max(b.x).max(c.x),
        y: a.y.max(b.y).max(c.y),
    };
    Rect::new(min - pixel, max + pixel)
}

/// Returns whether a point is inside a triangle or on an edge of the triangle.
pub(super) fn in_triangle(point: Coord<i64>, [a, b, c]: [Coord<i64>; 3]) -> bool {
    let signs = [cross(a, b, point), cross(b, c, point), cross(c, a, point)];
    signs.iter().all(|&sign| sign >= 0) || signs.iter().all(|&sign| sign <= 0)
}

/// Returns the square of the distance from a point to a segment.
fn squared_distance(point: Coord<i64>, a: Coord<i64>, b: Coord<i64>) -> f64 {
    let (dx, dy) = ((b.x - a.x) as f64, (b.y - a.y) as f64);
    let (x, y) = ((point.x - a.x) as f64, (point.y - a.y) as f64);
    let squared_length = dx * dx + dy * dy;
    let fraction = if squared_length > 0.0 {
        ((x * dx + y * dy) / squared_length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (x, y) = (x - fraction * dx, y - fraction * dy);
    x * x + y * y
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32")
}
