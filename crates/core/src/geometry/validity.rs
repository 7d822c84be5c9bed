//! Checks whether polygons form a valid area as defined by OGC Simple Features (OGC 06-103r4,
//! 6.1.11), with the same result as GEOS and JTS. The check is exact, because coordinates are
//! integers, and takes O(n log n) time for n vertices.
//!
//! A sweep line (Shamos and Hoey, 1976) passes over the edges from west to east. The status of the
//! sweep line contains the edges that the line intersects, in order from south to north. The order
//! stays correct, because the sweep stops at the first two edges that cross. A vertex on another
//! edge splits that edge exactly, so rings that touch meet only at vertices. The conditions at a
//! vertex are:
//!
//! - A ring passes through a point at most once.
//! - Rings that meet at a point do not cross at that point: around it, the ends of the rings nest
//!   like brackets.
//! - The ring that directly encloses a ring is of the correct kind. This enclosing ring is derived
//!   from the edge below the westernmost vertex of the ring.
//! - The touching rings of a polygon form no cycle, because a cycle would disconnect the interior.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

use geo::Coord;

use super::rings::{Polygon, doubled_signed_area, edges};

/// A vertex as a pair of coordinates. The order of pairs is the order in which the sweep line
/// passes over the vertices.
type Vertex = (i64, i64);

/// The reason why polygons do not form a valid area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyError {
    /// A ring has fewer than three distinct vertices.
    TooFewVertices,
    /// A ring crosses, overlaps or touches itself.
    RingCrossesItself,
    /// A hole is not inside its exterior ring.
    HoleOutside,
    /// Two rings of a polygon share part of an edge.
    RingsShareAnEdge,
    /// A hole overlaps another hole or is inside it.
    HolesOverlap,
    /// The interior is disconnected by holes that touch the exterior ring or each other.
    InteriorIsDisconnected,
    /// Two polygons of the area overlap.
    PartsOverlap,
    /// Two polygons of the area share part of an edge.
    PartsShareAnEdge,
}

impl TopologyError {
    /// Returns the reason as part of a message about a feature.
    pub fn reason(self) -> &'static str {
        match self {
            TopologyError::TooFewVertices => "a ring has fewer than three vertices",
            TopologyError::RingCrossesItself => "a ring crosses or touches itself",
            TopologyError::HoleOutside => "a hole extends outside its exterior ring",
            TopologyError::RingsShareAnEdge => "two rings share part of an edge",
            TopologyError::HolesOverlap => "two holes overlap",
            TopologyError::InteriorIsDisconnected => {
                "its holes cut it into separate parts; each part should be a separate polygon"
            }
            TopologyError::PartsOverlap => "its parts overlap",
            TopologyError::PartsShareAnEdge => "its parts share an edge",
        }
    }
}

/// Returns the reason why the polygons do not form a valid area, or `None` if they form a valid
/// area.
///
/// Coordinates must be within ±2^40. The first ring of a polygon is its exterior, whatever its
/// orientation.
pub fn find_topology_error(polygons: &[Polygon]) -> Option<TopologyError> {
    find_located_topology_error(polygons).map(|(error, _)| error)
}

/// Returns the same reason as [`find_topology_error`], and the place of the error: a vertex, or the
/// rounded position where two edges cross.
pub fn find_located_topology_error(polygons: &[Polygon]) -> Option<(TopologyError, Coord<i64>)> {
    let mut sweep = match SweepLine::new(polygons) {
        Ok(sweep) => sweep,
        Err((error, vertex)) => return Some((error, vertex)),
    };
    match sweep.run().and_then(|()| sweep.check_nesting()) {
        Ok(()) => None,
        Err(error) => Some((error, sweep.place.into())),
    }
}

/// A part of an edge of a ring, from its western end to its eastern end. A vertical part goes from
/// its southern end to its northern end.
#[derive(Debug, Clone, Copy)]
struct SweepSegment {
    west: Vertex,
    east: Vertex,
    ring: u32,
    /// Whether the inside of the ring is above the segment: to the north of the segment or, if the
    /// segment is vertical, to the west of it.
    has_inside_above: bool,
}

/// An entry of the sweep-line status, ordered from south to north: a segment, or a vertex to search
/// for.
#[derive(Debug, Clone, Copy)]
enum SweepEntry {
    /// A segment that the sweep line intersects.
    Segment(SweepSegment),
    /// A search key just below every segment that contains the vertex.
    Below(Vertex),
    /// A search key just above every segment that contains the vertex.
    Above(Vertex),
}

/// The polygon and the role of a ring.
struct RingInfo {
    polygon: u32,
    is_exterior: bool,
}

/// The state of the sweep.
struct SweepLine {
    rings: Vec<RingInfo>,
    /// The edges of all rings, in order of their western end.
    segments: Vec<SweepSegment>,
    /// The smallest ring that encloses each ring; `Some(None)` if no ring encloses the ring, and
    /// `None` until the sweep reaches the ring.
    enclosing: Vec<Option<Option<u32>>>,
    touching: TouchingRings,
    /// The place of the error, if there is one.
    place: Vertex,
    /// The first vertex at which touching rings disconnect the interior.
    disconnected: Option<Vertex>,
    /// The westernmost vertex of each ring, which the sweep reaches first.
    first_vertices: Vec<Vertex>,
}

impl SweepLine {
    fn new(polygons: &[Polygon]) -> Result<SweepLine, (TopologyError, Coord<i64>)> {
        let mut rings = Vec::new();
        let mut segments = Vec::with_capacity(polygons.iter().flatten().map(Vec::len).sum());
        for (polygon, polygon_rings) in (0..).zip(polygons) {
            for (index, ring) in polygon_rings.iter().enumerate() {
                let ring_id = u32::try_from(rings.len()).expect("fewer than 2^32 rings");
                rings.push(RingInfo {
                    polygon,
                    is_exterior: index == 0,
                });
                let before = segments.len();
                let is_counter_clockwise = doubled_signed_area(ring) > 0;
                // A vertex that is repeated in succession is treated as one vertex.
                let ends = edges(ring).map(|edge| (edge.start.x_y(), edge.end.x_y()));
                for (from, to) in ends.filter(|(from, to)| from != to) {
                    segments.push(SweepSegment {
                        west: from.min(to),
                        east: from.max(to),
                        ring: ring_id,
                        has_inside_above: (from < to) == is_counter_clockwise,
                    });
                }
                if segments.len() - before < 3 {
                    let vertex = ring.first().copied().unwrap_or_default();
                    return Err((TopologyError::TooFewVertices, vertex));
                }
            }
        }
        segments.sort_unstable_by_key(|segment| segment.west);
        Ok(SweepLine {
            enclosing: vec![None; rings.len()],
            touching: TouchingRings::new(rings.len()),
            first_vertices: vec![(0, 0); rings.len()],
            rings,
            segments,
            place: (0, 0),
            disconnected: None,
        })
    }

    /// Sweeps over all vertices from west to east.
    fn run(&mut self) -> Result<(), TopologyError> {
        let segments = std::mem::take(&mut self.segments);
        let ends = segments
            .iter()
            .flat_map(|segment| [segment.west, segment.east]);
        let mut vertices: Vec<Vertex> = ends.collect();
        vertices.sort_unstable();
        vertices.dedup();
        let mut status: BTreeSet<SweepEntry> = BTreeSet::new();
        let mut pending = segments.as_slice();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for vertex in vertices {
            self.place = vertex;
            left.clear();
            right.clear();
            let at_vertex = (
                Bound::Excluded(SweepEntry::Below(vertex)),
                Bound::Excluded(SweepEntry::Above(vertex)),
            );
            left.extend(status.range(at_vertex).filter_map(SweepEntry::segment));
            for segment in &left {
                status.remove(&SweepEntry::Segment(*segment));
                if segment.east != vertex {
                    right.push(SweepSegment {
                        west: vertex,
                        ..*segment
                    });
                }
            }
            let count = pending
                .iter()
                .take_while(|segment| segment.west == vertex)
                .count();
            let (begin, rest) = pending.split_at(count);
            pending = rest;
            right.extend_from_slice(begin);
            right.sort_unstable_by(|a, b| compare_to_line(a.west, a.east, b.east).reverse());
            self.check_overlaps(&right)?;
            self.check_vertex(&left, &right)?;
            let south = status.range(..SweepEntry::Below(vertex)).next_back();
            let south = south.and_then(SweepEntry::segment);
            let north = status.range(SweepEntry::Above(vertex)..).next();
            let north = north.and_then(SweepEntry::segment);
            self.record_enclosing(south, &right);
            match (right.first(), right.last()) {
                (Some(first), Some(last)) => {
                    self.check_crossing(south.as_ref(), Some(first))?;
                    self.check_crossing(Some(last), north.as_ref())?;
                }
                _ => self.check_crossing(south.as_ref(), north.as_ref())?,
            }
            status.extend(right.iter().copied().map(SweepEntry::Segment));
        }
        Ok(())
    }

    /// Checks that the segments in `right`, which begin at the same vertex and are sorted, have
    /// different directions.
    fn check_overlaps(&self, right: &[SweepSegment]) -> Result<(), TopologyError> {
        let mut pairs = right.windows(2);
        let same =
            pairs.find(|pair| compare_to_line(pair[0].west, pair[0].east, pair[1].east).is_eq());
        match same {
            None => Ok(()),
            Some(pair) => Err(match self.relation(pair[0].ring, pair[1].ring) {
                RingRelation::SameRing => TopologyError::RingCrossesItself,
                RingRelation::ExteriorAndHole | RingRelation::Holes => {
                    TopologyError::RingsShareAnEdge
                }
                RingRelation::Parts
                    if self.is_area_above(&pair[0]) == self.is_area_above(&pair[1]) =>
                {
                    TopologyError::PartsOverlap
                }
                RingRelation::Parts => TopologyError::PartsShareAnEdge,
            }),
        }
    }

    /// Returns whether the area of the polygon is above the segment.
    fn is_area_above(&self, segment: &SweepSegment) -> bool {
        segment.has_inside_above == self.rings[segment.ring as usize].is_exterior
    }

    fn check_crossing(
        &mut self,
        a: Option<&SweepSegment>,
        b: Option<&SweepSegment>,
    ) -> Result<(), TopologyError> {
        match (a, b) {
            (Some(a), Some(b)) if segments_cross(a, b) => {
                self.place = crossing_place(a, b);
                Err(self.crossing_error(a.ring, b.ring))
            }
            _ => Ok(()),
        }
    }

    fn crossing_error(&self, a: u32, b: u32) -> TopologyError {
        match self.relation(a, b) {
            RingRelation::SameRing => TopologyError::RingCrossesItself,
            RingRelation::ExteriorAndHole => TopologyError::HoleOutside,
            RingRelation::Holes => TopologyError::HolesOverlap,
            RingRelation::Parts => TopologyError::PartsOverlap,
        }
    }

    fn relation(&self, a: u32, b: u32) -> RingRelation {
        let [one, other] = [a, b].map(|ring| &self.rings[ring as usize]);
        if a == b {
            RingRelation::SameRing
        } else if one.polygon != other.polygon {
            RingRelation::Parts
        } else if one.is_exterior || other.is_exterior {
            RingRelation::ExteriorAndHole
        } else {
            RingRelation::Holes
        }
    }

    /// Checks the segments that meet at a vertex: the segments to the west (`left`) and the
    /// segments to the east (`right`), both in order from south to north.
    fn check_vertex(
        &mut self,
        left: &[SweepSegment],
        right: &[SweepSegment],
    ) -> Result<(), TopologyError> {
        let ends = left.len() + right.len();
        if ends == 2 {
            return Ok(());
        }
        // The rings of the segments, counter-clockwise around the vertex.
        let rings_around = right
            .iter()
            .chain(left.iter().rev())
            .map(|segment| segment.ring);
        let mut open: Vec<u32> = Vec::with_capacity(ends);
        let mut meeting: Vec<u32> = rings_around.clone().collect();
        meeting.sort_unstable();
        if let Some(repeated) = meeting.chunk_by(|a, b| a == b).find(|same| same.len() > 2) {
            return Err(self.crossing_error(repeated[0], repeated[0]));
        }
        for ring in rings_around {
            match open.last() {
                Some(&last) if last == ring => drop(open.pop()),
                _ => open.push(ring),
            }
        }
        if let [a, b, ..] = open[..] {
            return Err(self.crossing_error(a, b));
        }
        meeting.dedup();
        let by_polygon = meeting
            .iter()
            .map(|&ring| (self.rings[ring as usize].polygon, ring));
        let mut by_polygon: Vec<(u32, u32)> = by_polygon.collect();
        by_polygon.sort_unstable();
        for same in by_polygon.chunk_by(|a, b| a.0 == b.0) {
            for pair in same.windows(2) {
                if !self.touching.union(pair[0].1, pair[1].1) {
                    self.disconnected.get_or_insert(self.place);
                }
            }
        }
        Ok(())
    }

    /// Records the smallest enclosing ring of each ring whose westernmost vertex is the current
    /// vertex. The face below the southern edge of such a ring at this vertex is outside the ring,
    /// and is above the next segment to the south.
    fn record_enclosing(&mut self, south: Option<SweepSegment>, right: &[SweepSegment]) {
        let mut below = south;
        for segment in right {
            let ring = segment.ring as usize;
            if self.enclosing[ring].is_none() {
                let enclosing = below.and_then(|segment| {
                    if segment.has_inside_above {
                        Some(segment.ring)
                    } else {
                        self.enclosing[segment.ring as usize].flatten()
                    }
                });
                self.enclosing[ring] = Some(enclosing);
                self.first_vertices[ring] = segment.west;
            }
            below = Some(*segment);
        }
    }

    fn check_nesting(&mut self) -> Result<(), TopologyError> {
        for (ring_id, ring) in self.rings.iter().enumerate() {
            let enclosing = self.enclosing[ring_id]
                .flatten()
                .map(|ring_id| &self.rings[ring_id as usize]);
            let error = match enclosing {
                None if ring.is_exterior => continue,
                None => TopologyError::HoleOutside,
                // If this exterior is in a hole of its own polygon, that hole is not inside the
                // exterior, so the hole is reported, too.
                Some(enclosing) if ring.is_exterior && enclosing.is_exterior => {
                    TopologyError::PartsOverlap
                }
                Some(_) if ring.is_exterior => continue,
                Some(enclosing) if enclosing.polygon != ring.polygon => TopologyError::HoleOutside,
                Some(enclosing) if !enclosing.is_exterior => TopologyError::HolesOverlap,
                Some(_) => continue,
            };
            self.place = self.first_vertices[ring_id];
            return Err(error);
        }
        match self.disconnected {
            Some(vertex) => {
                self.place = vertex;
                Err(TopologyError::InteriorIsDisconnected)
            }
            None => Ok(()),
        }
    }
}

/// The relation between two rings.
enum RingRelation {
    SameRing,
    ExteriorAndHole,
    Holes,
    Parts,
}

/// Sets of rings that touch each other (union-find).
struct TouchingRings(Vec<u32>);

impl TouchingRings {
    fn new(rings: usize) -> TouchingRings {
        TouchingRings((0..).take(rings).collect())
    }

    fn find_root(&mut self, mut ring: u32) -> u32 {
        while self.0[ring as usize] != ring {
            let next = self.0[self.0[ring as usize] as usize];
            self.0[ring as usize] = next;
            ring = next;
        }
        ring
    }

    /// Merges the sets of two rings. Returns whether they were different.
    fn union(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find_root(a), self.find_root(b));
        self.0[a as usize] = b;
        a != b
    }
}

impl SweepEntry {
    fn segment(&self) -> Option<SweepSegment> {
        match self {
            SweepEntry::Segment(segment) => Some(*segment),
            _ => None,
        }
    }
}

impl PartialEq for SweepEntry {
    fn eq(&self, other: &SweepEntry) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SweepEntry {}

impl PartialOrd for SweepEntry {
    fn partial_cmp(&self, other: &SweepEntry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SweepEntry {
    /// Compares from south to north. If two segments do not cross, their order is the same at every
    /// position of the sweep line at which it intersects both segments.
    fn cmp(&self, other: &SweepEntry) -> Ordering {
        let compare_to_vertex = |segment: &SweepSegment, vertex: &Vertex, if_equal: Ordering| {
            compare_to_line(segment.west, segment.east, *vertex)
                .reverse()
                .then(if_equal)
        };
        match (self, other) {
            (SweepEntry::Segment(a), SweepEntry::Segment(b)) if a.west <= b.west => {
                compare_from_south(a, b)
            }
            (SweepEntry::Segment(a), SweepEntry::Segment(b)) => compare_from_south(b, a).reverse(),
            (SweepEntry::Segment(a), SweepEntry::Below(b)) => {
                compare_to_vertex(a, b, Ordering::Greater)
            }
            (SweepEntry::Segment(a), SweepEntry::Above(b)) => {
                compare_to_vertex(a, b, Ordering::Less)
            }
            (SweepEntry::Below(a), SweepEntry::Segment(b)) => {
                compare_to_vertex(b, a, Ordering::Greater).reverse()
            }
            (SweepEntry::Above(a), SweepEntry::Segment(b)) => {
                compare_to_vertex(b, a, Ordering::Less).reverse()
            }
            (SweepEntry::Below(_), SweepEntry::Above(_)) => Ordering::Less,
            (SweepEntry::Above(_), SweepEntry::Below(_)) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

/// Compares two segments from south to north. `a` must begin no further east than `b`.
fn compare_from_south(a: &SweepSegment, b: &SweepSegment) -> Ordering {
    let begin = compare_to_line(a.west, a.east, b.west).reverse();
    begin.then_with(|| compare_to_line(a.west, a.east, b.east).reverse())
}

/// Compares a vertex with the line from `west` to `east`: `Greater` means that the vertex is above
/// the line, and `Equal` that it is on the line. The result is exact.
fn compare_to_line(west: Vertex, east: Vertex, vertex: Vertex) -> Ordering {
    let (run, rise) = (east.0 - west.0, east.1 - west.1);
    let (over, up) = (vertex.0 - west.0, vertex.1 - west.1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "differences are below 2^53, so the relative error of a product is at most 2^-53"
    )]
    let (one, other) = (run as f64 * up as f64, rise as f64 * over as f64);
    // An upper bound of the relative error of three roundings of 2^-53 each.
    const ROUNDING: f64 = 4.5e-16;
    let difference = one - other;
    if difference.abs() > (one.abs() + other.abs()) * ROUNDING {
        return if difference > 0.0 {
            Ordering::Greater
        } else {
            Ordering::Less
        };
    }
    let product = |a: i64, b: i64| i128::from(a) * i128::from(b);
    product(run, up).cmp(&product(rise, over))
}

/// Returns whether two segments cross at a point that is not an end of either segment.
fn segments_cross(a: &SweepSegment, b: &SweepSegment) -> bool {
    let is_divided = |by: &SweepSegment, ends: &SweepSegment| {
        let [one, other] = [ends.west, ends.east].map(|end| compare_to_line(by.west, by.east, end));
        one.is_ne() && other == one.reverse()
    };
    is_divided(a, b) && is_divided(b, a)
}

/// Returns the rounded position where two segments cross.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a place for a message; coordinates are below 2^40"
)]
fn crossing_place(a: &SweepSegment, b: &SweepSegment) -> Vertex {
    let (run, rise) = ((a.east.0 - a.west.0) as f64, (a.east.1 - a.west.1) as f64);
    let (other_run, other_rise) = ((b.east.0 - b.west.0) as f64, (b.east.1 - b.west.1) as f64);
    let (over, up) = ((b.west.0 - a.west.0) as f64, (b.west.1 - a.west.1) as f64);
    let fraction = (over * other_rise - up * other_run) / (run * other_rise - rise * other_run);
    let fraction = fraction.clamp(0.0, 1.0);
    let along = |start: i64, length: f64| start + (length * fraction).round() as i64;
    (along(a.west.0, run), along(a.west.1, rise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_place_where_edges_cross() {
        let ring = |pairs: &[Vertex]| pairs.iter().copied().map(Coord::from).collect::<Vec<_>>();
        let bow_tie = vec![ring(&[(0, 0), (100, 100), (100, 0), (0, 80)])];
        let expected = (TopologyError::RingCrossesItself, Coord { x: 44, y: 44 });
        assert_eq!(find_located_topology_error(&[bow_tie]), Some(expected));
        let hole_outside = vec![
            ring(&[(0, 0), (100, 0), (100, 100), (0, 100)]),
            ring(&[(200, 0), (200, 50), (250, 0)]),
        ];
        let expected = (TopologyError::HoleOutside, Coord { x: 200, y: 0 });
        assert_eq!(find_located_topology_error(&[hole_outside]), Some(expected));
    }

    fn square(x: i64, y: i64, side: i64) -> Vec<Vertex> {
        vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    }

    /// A polygon whose vertices are pairs, because pairs are shorter to write in tests.
    type Pairs = Vec<Vec<Vertex>>;

    fn error_of(polygons: &[Pairs]) -> Option<TopologyError> {
        let ring = |ring: &Vec<Vertex>| ring.iter().copied().map(Coord::from).collect();
        let polygon = |rings: &Pairs| rings.iter().map(ring).collect();
        let polygons: Vec<Polygon> = polygons.iter().map(polygon).collect();
        find_topology_error(&polygons)
    }

    #[track_caller]
    fn check(polygons: &[Pairs], expected: Option<TopologyError>) {
        assert_eq!(error_of(polygons), expected);
        // Rotated or mirrored polygons have the same validity.
        let transformed = |polygons: &[Pairs], turn: fn(Vertex) -> Vertex| -> Vec<Pairs> {
            let ring = |ring: &Vec<Vertex>| ring.iter().copied().map(turn).collect();
            let polygon = |polygon: &Pairs| polygon.iter().map(ring).collect();
            polygons.iter().map(polygon).collect()
        };
        assert_eq!(error_of(&transformed(polygons, |(x, y)| (-y, x))), expected);
        assert_eq!(error_of(&transformed(polygons, |(x, y)| (-x, y))), expected);
        assert_eq!(
            error_of(&transformed(polygons, |(x, y)| (x + y, y - x))),
            expected
        );
    }

    #[test]
    fn rings_may_touch_at_points() {
        check(&[vec![square(0, 0, 10)]], None);
        check(
            &[vec![square(0, 0, 10), square(2, 2, 3), square(6, 6, 3)]],
            None,
        );
        // A hole touches its exterior on an edge, and a hole touches its exterior at a vertex.
        check(
            &[vec![square(0, 0, 10), vec![(0, 5), (3, 4), (3, 6)]]],
            None,
        );
        check(
            &[vec![square(0, 0, 10), vec![(0, 0), (3, 2), (2, 3)]]],
            None,
        );
        // A vertex of the exterior touches the hole.
        let notched = vec![(0, 0), (10, 0), (10, 10), (5, 4), (0, 10)];
        check(&[vec![notched, vec![(4, 4), (4, 2), (6, 2), (6, 4)]]], None);
        // Three holes and the exterior meet at one point.
        let fan = [(1, 3), (2, 2), (3, 1)];
        let holes = fan.map(|(x, y)| vec![(0, 0), (2 * x, 2 * y), (2 * x + 1, 2 * y)]);
        check(&[[vec![square(0, 0, 20)], holes.to_vec()].concat()], None);
        // Two holes in a row: the first touches the second, and the second touches the exterior.
        let chain = [
            vec![(2, 5), (4, 4), (4, 6)],
            vec![(4, 5), (7, 4), (10, 5), (7, 6)],
        ];
        check(&[[vec![square(0, 0, 10)], chain.to_vec()].concat()], None);
        // Parts touch at a point, or one part is in a hole of the other part and may touch the
        // hole.
        check(&[vec![square(0, 0, 10)], vec![square(10, 10, 5)]], None);
        let lake = vec![square(0, 0, 10), square(1, 1, 8)];
        check(&[lake.clone(), vec![square(2, 2, 3)]], None);
        check(&[lake, vec![vec![(1, 1), (5, 2), (2, 5)]]], None);
    }

    #[test]
    fn each_kind_of_invalid_area_is_reported() {
        use TopologyError::*;
        check(
            &[vec![vec![(0, 0), (4, 4), (4, 0), (0, 3)]]],
            Some(RingCrossesItself),
        );
        check(
            &[vec![vec![(0, 0), (4, 0), (4, 0), (0, 0)]]],
            Some(TooFewVertices),
        );
        // A spike, a ring that touches itself at a vertex, and a ring that touches itself on an
        // edge.
        check(
            &[vec![vec![
                (0, 0),
                (8, 0),
                (8, 8),
                (4, 8),
                (4, 12),
                (4, 8),
                (0, 8),
            ]]],
            Some(RingCrossesItself),
        );
        check(
            &[vec![vec![(0, 0), (4, 4), (8, 0), (8, 8), (4, 4), (0, 8)]]],
            Some(RingCrossesItself),
        );
        check(
            &[vec![vec![(0, 0), (8, 0), (8, 8), (4, 0), (0, 8)]]],
            Some(RingCrossesItself),
        );
        check(
            &[vec![square(0, 0, 10), square(20, 0, 2)]],
            Some(HoleOutside),
        );
        check(
            &[vec![square(0, 0, 10), square(8, 8, 4)]],
            Some(HoleOutside),
        );
        check(
            &[vec![square(5, 5, 2), square(0, 0, 10)]],
            Some(HoleOutside),
        );
        // A hole touches its exterior from the outside.
        check(
            &[vec![square(0, 0, 10), vec![(10, 5), (12, 4), (12, 6)]]],
            Some(HoleOutside),
        );
        check(
            &[vec![square(0, 0, 10), vec![(0, 2), (3, 2), (3, 5), (0, 5)]]],
            Some(RingsShareAnEdge),
        );
        check(
            &[vec![square(0, 0, 10), square(0, 0, 10)]],
            Some(RingsShareAnEdge),
        );
        check(
            &[vec![square(0, 0, 10), square(1, 1, 4), square(3, 3, 4)]],
            Some(HolesOverlap),
        );
        check(
            &[vec![square(0, 0, 10), square(1, 1, 8), square(3, 3, 4)]],
            Some(HolesOverlap),
        );
        check(
            &[vec![square(0, 0, 10)], vec![square(5, 5, 10)]],
            Some(PartsOverlap),
        );
        check(
            &[vec![square(0, 0, 10)], vec![square(2, 2, 3)]],
            Some(PartsOverlap),
        );
        check(
            &[vec![square(0, 0, 10)], vec![square(10, 2, 3)]],
            Some(PartsShareAnEdge),
        );
        check(
            &[vec![square(0, 0, 10)], vec![square(0, 0, 4)]],
            Some(PartsOverlap),
        );
        let lake = vec![square(0, 0, 10), square(2, 2, 6)];
        check(
            &[lake.clone(), vec![square(2, 2, 3)]],
            Some(PartsShareAnEdge),
        );
        check(&[lake, vec![square(0, 0, 1)]], Some(PartsOverlap));
        // Two parts cross at a vertex of both.
        let cross = vec![(0, -3), (5, 5), (12, 5), (5, 6)];
        check(
            &[
                vec![vec![(5, 5), (20, 0), (20, 20), (0, 20), (0, 6)]],
                vec![cross],
            ],
            Some(PartsOverlap),
        );
    }

    #[test]
    fn holes_that_disconnect_the_interior_are_rejected() {
        let expected = Some(TopologyError::InteriorIsDisconnected);
        // A hole that touches two opposite sides.
        check(
            &[vec![
                square(0, 0, 10),
                vec![(0, 5), (5, 4), (10, 5), (5, 6)],
            ]],
            expected,
        );
        // A hole that cuts off a corner.
        check(
            &[vec![square(0, 0, 10), vec![(0, 5), (5, 0), (6, 6)]]],
            expected,
        );
        // Two holes that touch each other twice.
        let holes = [
            vec![(2, 2), (8, 2), (5, 3)],
            vec![(2, 2), (5, 7), (8, 2), (5, 8)],
        ];
        check(
            &[[vec![square(0, 0, 10)], holes.to_vec()].concat()],
            expected,
        );
        // A chain of holes between two opposite sides.
        let chain = [
            vec![(0, 5), (2, 4), (4, 5), (2, 6)],
            vec![(4, 5), (7, 4), (10, 5), (7, 6)],
        ];
        check(
            &[[vec![square(0, 0, 10)], chain.to_vec()].concat()],
            expected,
        );
    }

    #[test]
    fn a_comb_with_overlapping_edge_boxes_is_checked_in_n_log_n() {
        const TEETH: i64 = 50_000;
        let teeth = (0..TEETH).flat_map(|index| [(4 * index, 0), (4 * index + 2, 1_000_000)]);
        let back = [(4 * TEETH, 0), (4 * TEETH, -10), (0, -10)];
        let comb: Vec<Vertex> = teeth.chain(back).map(|(x, y)| (x + y, y - x)).collect();
        let begun = std::time::Instant::now();
        assert_eq!(error_of(&[vec![comb]]), None);
        // The check takes 2 s in a debug build; comparing each pair of edges would take minutes.
        assert!(begun.elapsed().as_secs() < 30);
    }

    fn is_flat(ring: &[Vertex]) -> bool {
        let ring: Vec<Coord<i64>> = ring.iter().copied().map(Coord::from).collect();
        doubled_signed_area(&ring) == 0
    }

    /// A reproducible generator of random numbers (xorshift, Marsaglia 2003).
    struct XorShift(u64);

    impl XorShift {
        fn below(&mut self, end: i64) -> i64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            i64::try_from(self.0 >> 1).expect("63 bits") % end
        }

        fn ring(&mut self, vertices: i64, [x, y]: [i64; 2], side: i64) -> Vec<Vertex> {
            loop {
                let mut ring: Vec<Vertex> = (0..vertices)
                    .map(|_| (x + self.below(side), y + self.below(side)))
                    .collect();
                ring.dedup();
                if ring.first() != ring.last() && ring.len() > 2 && !is_flat(&ring) {
                    return ring;
                }
            }
        }

        /// Returns random polygons on a coarse lattice, so that rings often touch.
        fn polygons(&mut self) -> Vec<Pairs> {
            let parts = 1 + self.below(2);
            let part = |random: &mut XorShift| {
                let (x, y) = (random.below(6), random.below(6));
                let side = 4 + random.below(8);
                let kind = random.below(3);
                let exterior = match kind {
                    0 => random.ring(5, [x, y], 12),
                    1 => random.ring(3, [x, y], 12),
                    _ => square(x, y, side),
                };
                let holes = random.below(5);
                let holes = (0..holes).map(|_| {
                    // Holes of a square often touch two of its sides.
                    if kind == 2 && random.below(2) == 0 {
                        return random.ring(3, [x, y], side + 1);
                    }
                    let within = [x + random.below(8), y + random.below(8)];
                    let vertices = 3 + random.below(2);
                    random.ring(vertices, within, 5)
                });
                std::iter::once(exterior)
                    .chain(holes.collect::<Vec<_>>())
                    .collect()
            };
            (0..parts).map(|_| part(self)).collect()
        }
    }

    /// This test runs only if `CATCHMENT_PYTHON` is the path of a Python interpreter with Shapely.
    #[test]
    fn validity_agrees_with_geos() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let Some(python) = std::env::var_os("CATCHMENT_PYTHON") else {
            eprintln!("skipped: set CATCHMENT_PYTHON to a Python with tests/requirements.txt");
            return;
        };
        let mut random = XorShift(0x2545_f491_4f6c_dd1d);
        let all: Vec<Vec<Pairs>> = (0..40_000).map(|_| random.polygons()).collect();
        let script = "import json, sys, shapely\n\
            for parts in json.load(sys.stdin):\n    \
            shape = shapely.MultiPolygon([shapely.Polygon(p[0], p[1:]) for p in parts])\n    \
            print(shapely.is_valid_reason(shape))\n";
        let mut program = Command::new(python);
        program
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut program = program.spawn().expect("Python starts");
        let input = serde_json::to_vec(&all).expect("numbers");
        let mut stdin = program.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(&input).expect("written"));
        let output = program.wait_with_output().expect("Python exits");
        writer.join().expect("written");
        let reasons = String::from_utf8(output.stdout).expect("text");
        assert_eq!(reasons.lines().count(), all.len());
        let (mut valid, mut disconnected) = (0, 0);
        for (polygons, reason) in all.iter().zip(reasons.lines()) {
            let error = error_of(polygons);
            let is_valid = reason == "Valid Geometry";
            assert_eq!(
                error.is_none(),
                is_valid,
                "{reason}, {error:?}: {polygons:?}"
            );
            disconnected += usize::from(error == Some(TopologyError::InteriorIsDisconnected));
            valid += usize::from(is_valid);
        }
        // The comparison is meaningful only if many polygons are valid and many have a disconnected
        // interior.
        assert!(
            valid > 2_000 && disconnected > 100,
            "{valid}, {disconnected}"
        );
    }
}
