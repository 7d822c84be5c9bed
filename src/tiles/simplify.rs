//! Leaves out vertices of arcs, the least ones first, as long as no border moves by more than a tolerance
//! and nothing crosses. The contract is that of JTS's `CoverageSimplifier`: nodes stay, areas keep
//! their neighbours, no ring collapses.
//!
//! ```text
//!        v             the vertex v goes if every vertex that has gone between a and b, and v, is within
//!      ╱   ╲           the tolerance of a–b, if no vertex is in the triangle, and if a–b enters
//!     a ─ ─ ─ b        the square of none
//! ```
//!
//! An edge that crossed a–b would have an end in the triangle, or cross a–v or v–b. So nothing has
//! to be looked at but vertices, and each stays half a unit and more from every edge that does not end
//! in it, as [`super::planar_graph`] left them.
//!
//! Douglas and Peucker's method refuses whole spans at a time where something is in the way, and keeps
//! more vertices; Visvalingam and Whyatt's order by area says nothing of how far a border moves.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::arcs::BoundaryArc;
use super::grid::{IntCoord, PixelGrid, PointGrid, cross, doubled_area};
use super::planar_graph::{FaceLabels, LabelId, PlanarGraph};

/// A place on an arc.
#[derive(Debug, Clone, Copy)]
struct Slot {
    point: u32,
    arc: u32,
    before: u32,
    after: u32,
    /// Whether it may go: it is no end of an arc.
    is_inner: bool,
    is_gone: bool,
}

struct Simplifier<'n> {
    points: &'n [IntCoord],
    labels: &'n FaceLabels,
    arcs: &'n [BoundaryArc],
    slots: Vec<Slot>,
    /// The first slot of each arc, and one past the last.
    starts: Vec<u32>,
    /// How many of each arc's slots are left.
    left: Vec<u32>,
    /// In how many arcs each point is still.
    uses: Vec<u32>,
    /// The labels at each point, for areas that lie over each other.
    labels_at: HashMap<u32, Vec<LabelId>>,
    buckets: PointGrid,
    /// Arcs of one edge, by their ends.
    straight: HashMap<(u32, u32), Vec<LabelId>>,
    squared_tolerance: f64,
}

/// The arcs with fewer vertices; the tolerance is in units of the network, which is
/// [`snapped`](super::planar_graph::snap_round).
pub(super) fn simplify(
    network: &PlanarGraph,
    labels: &FaceLabels,
    arcs: Vec<BoundaryArc>,
    tolerance: f64,
) -> Vec<BoundaryArc> {
    let arcs = without_specks(&network.points, labels, arcs, tolerance);
    let mut simplifier = Simplifier::new(&network.points, labels, &arcs, tolerance);
    simplifier.run();
    simplifier.simplified()
}

impl<'n> Simplifier<'n> {
    fn new(
        points: &'n [IntCoord],
        labels: &'n FaceLabels,
        arcs: &'n [BoundaryArc],
        tolerance: f64,
    ) -> Simplifier<'n> {
        let mut simplifier = Simplifier {
            points,
            labels,
            arcs,
            slots: Vec::new(),
            starts: vec![0],
            left: Vec::new(),
            uses: vec![0; points.len()],
            labels_at: HashMap::new(),
            buckets: PointGrid::new(points),
            straight: HashMap::new(),
            squared_tolerance: tolerance * tolerance,
        };
        for (number, arc) in (0..).zip(arcs) {
            simplifier.add(number, arc);
        }
        simplifier
    }

    fn add(&mut self, number: u32, arc: &BoundaryArc) {
        let first = count(self.slots.len());
        let length = count(arc.points.len());
        let last = first + length - 1;
        for (at, &point) in (first..).zip(&arc.points) {
            self.slots.push(Slot {
                point,
                arc: number,
                before: if at == first { last } else { at - 1 },
                after: if at == last { first } else { at + 1 },
                is_inner: arc.is_closed || (at != first && at != last),
                is_gone: false,
            });
            self.uses[point as usize] += 1;
            if !self.labels.is_partition {
                self.labels_at.entry(point).or_default().push(arc.label);
            }
        }
        self.starts.push(last + 1);
        self.left.push(length);
        if let [from, to] = arc.points[..] {
            self.note_straight(from, to, arc.label);
        }
    }

    fn note_straight(&mut self, from: u32, to: u32, label: LabelId) {
        let ends = (from.min(to), from.max(to));
        self.straight.entry(ends).or_default().push(label);
    }

    fn run(&mut self) {
        // Costs are not negative, and bits of such numbers are in their order.
        let mut queue: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        let mut cost = vec![f64::INFINITY; self.slots.len()];
        for slot in 0..count(self.slots.len()) {
            self.queue(slot, &mut cost, &mut queue);
        }
        while let Some(Reverse((bits, slot))) = queue.pop() {
            let is_stale = cost[slot as usize].to_bits() != bits;
            let Slot {
                before,
                after,
                is_gone,
                ..
            } = self.slots[slot as usize];
            if is_gone || is_stale || !self.may_go(slot) {
                continue;
            }
            self.remove(slot);
            for neighbour in [before, after] {
                self.queue(neighbour, &mut cost, &mut queue);
            }
        }
    }

    fn queue(&self, slot: u32, cost: &mut [f64], queue: &mut BinaryHeap<Reverse<(u64, u32)>>) {
        if !self.slots[slot as usize].is_inner {
            return;
        }
        let squared = self.squared_distance(slot);
        cost[slot as usize] = squared;
        if squared <= self.squared_tolerance {
            queue.push(Reverse((squared.to_bits(), slot)));
        }
    }

    /// How far the arc would move, squared: the furthest of all its vertices, those that are gone
    /// included, between the neighbours of the slot, from the edge between these.
    fn squared_distance(&self, slot: u32) -> f64 {
        let Slot {
            before, after, arc, ..
        } = self.slots[slot as usize];
        let [a, b] = [before, after].map(|at| self.spot(at));
        let (first, end) = (self.starts[arc as usize], self.starts[arc as usize + 1]);
        let mut furthest: f64 = 0.0;
        let mut at = before;
        loop {
            at = if at + 1 == end { first } else { at + 1 };
            if at == after {
                return furthest;
            }
            furthest = furthest.max(squared_distance(self.spot(at), a, b));
            if furthest > self.squared_tolerance {
                return furthest;
            }
        }
    }

    fn spot(&self, slot: u32) -> IntCoord {
        self.points[self.slots[slot as usize].point as usize]
    }

    fn may_go(&self, slot: u32) -> bool {
        let Slot {
            point,
            arc,
            before,
            after,
            ..
        } = self.slots[slot as usize];
        let (from, to) = (
            self.slots[before as usize].point,
            self.slots[after as usize].point,
        );
        let label = self.arcs[arc as usize].label;
        // A ring has three vertices, counted twice where it begins and ends in one node.
        let left = self.left[arc as usize];
        let is_ring = self.arcs[arc as usize].is_closed;
        let ends_where_it_begins = !is_ring
            && self.slots[self.starts[arc as usize] as usize].point
                == self.slots[self.starts[arc as usize + 1] as usize - 1].point;
        let least = 3 + u32::from(ends_where_it_begins);
        if from == to || ((is_ring || ends_where_it_begins) && left <= least) {
            return false;
        }
        if left == 3 && !is_ring {
            let ends = (from.min(to), from.max(to));
            let mut others = self.straight.get(&ends).into_iter().flatten();
            if others.any(|&other| self.labels.must_not_cross(other, label)) {
                return false;
            }
        }
        self.is_clear(
            [before, slot, after].map(|at| self.spot(at)),
            [from, point, to],
            label,
        )
    }

    /// Whether no other vertex is in the triangle or near its new side.
    fn is_clear(&self, [a, v, b]: [IntCoord; 3], own: [u32; 3], label: LabelId) -> bool {
        let low = (a.0.min(v.0).min(b.0), a.1.min(v.1).min(b.1));
        let high = (a.0.max(v.0).max(b.0), a.1.max(v.1).max(b.1));
        let lattice = PixelGrid::new(1);
        let is_flat = cross(a, v, b) == 0;
        self.buckets
            .in_box((low.0 - 1, low.1 - 1), (high.0 + 1, high.1 + 1))
            .all(|point| {
                let spot = self.points[point as usize];
                let is_near = || {
                    lattice.segment_hits(a, b, spot) || (!is_flat && in_triangle(spot, [a, v, b]))
                };
                own.contains(&point)
                    || self.uses[point as usize] == 0
                    || !is_near()
                    || !self.minds(point, label)
            })
    }

    fn minds(&self, point: u32, label: LabelId) -> bool {
        if self.labels.is_partition {
            return true;
        }
        let mut labels = self.labels_at.get(&point).into_iter().flatten();
        labels.any(|&other| self.labels.must_not_cross(other, label))
    }

    fn remove(&mut self, slot: u32) {
        let Slot {
            point,
            arc,
            before,
            after,
            ..
        } = self.slots[slot as usize];
        self.slots[slot as usize].is_gone = true;
        self.slots[before as usize].after = after;
        self.slots[after as usize].before = before;
        self.uses[point as usize] -= 1;
        self.left[arc as usize] -= 1;
        if self.left[arc as usize] == 2 {
            let ends = [before, after].map(|at| self.slots[at as usize].point);
            self.note_straight(ends[0], ends[1], self.arcs[arc as usize].label);
        }
    }

    fn simplified(&self) -> Vec<BoundaryArc> {
        let left = |(at, arc): (usize, &BoundaryArc)| {
            let range = self.starts[at] as usize..self.starts[at + 1] as usize;
            let slots = self.slots[range].iter().filter(|slot| !slot.is_gone);
            BoundaryArc {
                points: slots.map(|slot| slot.point).collect(),
                ..*arc
            }
        };
        self.arcs.iter().enumerate().map(left).collect()
    }
}

/// Without the closed arcs that surround less ground than the square of the tolerance and no other
/// vertex; the largest ring of an area that has nothing else stays.
fn without_specks(
    points: &[IntCoord],
    labels: &FaceLabels,
    arcs: Vec<BoundaryArc>,
    tolerance: f64,
) -> Vec<BoundaryArc> {
    if tolerance <= 0.0 {
        return arcs;
    }
    let spots = |arc: &BoundaryArc| -> Vec<IntCoord> {
        arc.points.iter().map(|&at| points[at as usize]).collect()
    };
    let doubled_areas: Vec<i128> = arcs
        .iter()
        .map(|arc| {
            if arc.is_closed {
                doubled_area(&spots(arc)).abs()
            } else {
                i128::MAX
            }
        })
        .collect();
    let mut largest: HashMap<u32, usize> = HashMap::new();
    for (at, arc) in arcs.iter().enumerate() {
        for &(area, _) in labels.faces(arc.label) {
            let best = largest.entry(area).or_insert(at);
            if doubled_areas[at] > doubled_areas[*best] {
                *best = at;
            }
        }
    }
    let buckets = PointGrid::new(points);
    let is_speck = |at: usize, arc: &BoundaryArc| {
        let is_small = arc.is_closed && (doubled_areas[at] as f64) < 2.0 * tolerance * tolerance;
        is_small
            && labels
                .faces(arc.label)
                .iter()
                .all(|(area, _)| largest[area] != at)
            && is_empty(points, &buckets, arc)
    };
    let mut at = 0..;
    arcs.into_iter()
        .filter(|arc| !is_speck(at.next().expect("as many as arcs"), arc))
        .collect()
}

/// Whether no vertex but its own is in the arc's box.
fn is_empty(points: &[IntCoord], buckets: &PointGrid, arc: &BoundaryArc) -> bool {
    let own: HashSet<u32> = arc.points.iter().copied().collect();
    let spots = arc.points.iter().map(|&at| points[at as usize]);
    let (low, high) = spots.fold(
        ((i64::MAX, i64::MAX), (i64::MIN, i64::MIN)),
        |(low, high), (x, y)| ((low.0.min(x), low.1.min(y)), (high.0.max(x), high.1.max(y))),
    );
    let is_inside =
        |(x, y): IntCoord| (low.0..=high.0).contains(&x) && (low.1..=high.1).contains(&y);
    buckets
        .in_box(low, high)
        .all(|point| own.contains(&point) || !is_inside(points[point as usize]))
}

pub(super) fn in_triangle(spot: IntCoord, [a, b, c]: [IntCoord; 3]) -> bool {
    let signs = [cross(a, b, spot), cross(b, c, spot), cross(c, a, spot)];
    signs.iter().all(|&it| it >= 0) || signs.iter().all(|&it| it <= 0)
}

fn squared_distance(spot: IntCoord, a: IntCoord, b: IntCoord) -> f64 {
    let (dx, dy) = ((b.0 - a.0) as f64, (b.1 - a.1) as f64);
    let (x, y) = ((spot.0 - a.0) as f64, (spot.1 - a.1) as f64);
    let length = dx * dx + dy * dy;
    let part = match length > 0.0 {
        true => ((x * dx + y * dy) / length).clamp(0.0, 1.0),
        false => 0.0,
    };
    let (x, y) = (x - part * dx, y - part * dy);
    x * x + y * y
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32")
}
