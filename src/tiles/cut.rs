//! What of a level is in a tile and its buffer, in the tile's units.
//!
//! ```text
//!    ┌──────────┐      An edge that leaves the frame ends in the whole unit nearest to where it
//!    │      ╱   │      does: a mark (●). Marks, and the corners, have squares as vertices have, and
//!    │    ╱     ●──    any edge that enters one is led through it. No vertex of the level
//!    │   ●──────┤      is in the square of another's edge, so nothing else has to move, and what
//!    └──────────┘      was beside each other stays beside each other.
//! ```
//!
//! Then each area is closed along the frame. As many edges go into each vertex as leave it, so what goes
//! along the frame is known but for a constant: 0 somewhere, or, of an area none of whose edges
//! meets the frame, what its size says.
//!
//! Cutting ring by ring (Sutherland and Hodgman) was what we had. It leaves edges along the frame that
//! lie on each other, and a cut edge may pass on the other side of a vertex near the frame.

use super::grid::{IntCoord, PixelGrid, cross, div_round, sort_along};
use super::polygonize::{DirectedEdge, Polygon, cancel_opposites, polygonize};
use super::zoom_level::{AreaGeometry, AreaShape, ZoomCoord, ZoomLevel};

/// What a tile holds: a square whose sides are parallel to the axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) low: IntCoord,
    pub(super) high: IntCoord,
}

/// An area in a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Polygons(Vec<Polygon>),
    Point(IntCoord),
}

/// The areas of the level that reach into the frame, by their numbers and in their order. The frame is in
/// units of which the level's have `factor`.
pub(super) fn cut(level: &ZoomLevel, frame: Frame, factor: i64) -> Vec<(usize, Piece)> {
    let mut pieces: Vec<(usize, Piece)> = Vec::new();
    let mut cut_through: Vec<(usize, Vec<Vec<IntCoord>>)> = Vec::new();
    for (number, ground) in level.areas.iter().enumerate() {
        let (low, high) = (scaled(ground.min, factor), scaled(ground.max, factor));
        if !frame.touches(low, high) {
            continue;
        }
        match &ground.shape {
            AreaShape::Empty => {}
            AreaShape::Point(at) => pieces.push((number, Piece::Point(scaled(*at, factor)))),
            AreaShape::Polygons(_) if frame.holds_well(low) && frame.holds_well(high) => {
                pieces.push((number, Piece::Polygons(whole(ground, factor))));
            }
            AreaShape::Polygons(_) => {
                let rings = whole(ground, factor).into_iter().flatten().collect();
                cut_through.push((number, rings));
            }
        }
    }
    let marks = Marks::new(frame, cut_through.iter().flat_map(|it| &it.1));
    let steps: Vec<Vec<DirectedEdge>> = cut_through
        .iter()
        .map(|(_, rings)| cancel_opposites(marks.steps(rings)))
        .collect();
    let all_touched = frame.touched(steps.iter().flatten());
    for ((number, rings), steps) in cut_through.into_iter().zip(steps) {
        // A neighbour's vertex is one of ours too; of areas over one another it is not.
        let own = || frame.touched(&steps);
        let touched = if level.is_partition {
            all_touched.clone()
        } else {
            own()
        };
        let closed = frame.closed(&rings, steps, &touched);
        let polygons = polygonize(&closed);
        if !polygons.is_empty() {
            pieces.push((number, Piece::Polygons(polygons)));
        }
    }
    pieces.sort_unstable_by_key(|piece| piece.0);
    pieces
}

fn scaled((x, y): ZoomCoord, factor: i64) -> IntCoord {
    (i64::from(x) * factor, i64::from(y) * factor)
}

fn whole(ground: &AreaGeometry, factor: i64) -> Vec<Polygon> {
    let AreaShape::Polygons(polygons) = &ground.shape else {
        return Vec::new();
    };
    let ring = |ring: &Vec<ZoomCoord>| ring.iter().map(|&it| scaled(it, factor)).collect();
    polygons
        .iter()
        .map(|rings| rings.iter().map(ring).collect())
        .collect()
}

impl Frame {
    fn touches(self, low: IntCoord, high: IntCoord) -> bool {
        low.0 <= self.high.0 && low.1 <= self.high.1 && high.0 >= self.low.0 && high.1 >= self.low.1
    }

    fn holds(self, (x, y): IntCoord) -> bool {
        (self.low.0..=self.high.0).contains(&x) && (self.low.1..=self.high.1).contains(&y)
    }

    /// Whether the place is in the frame and in the square of nothing on it.
    fn holds_well(self, (x, y): IntCoord) -> bool {
        (self.low.0 + 1..self.high.0).contains(&x) && (self.low.1 + 1..self.high.1).contains(&y)
    }

    fn side(self) -> i64 {
        self.high.0 - self.low.0
    }

    /// The way from the low corner along the frame, with the inside on the left; `None` off it.
    fn way(self, (x, y): IntCoord) -> Option<i64> {
        let side = self.side();
        if !self.holds((x, y)) {
            None
        } else if y == self.low.1 {
            Some(x - self.low.0)
        } else if x == self.high.0 {
            Some(side + y - self.low.1)
        } else if y == self.high.1 {
            Some(2 * side + self.high.0 - x)
        } else if x == self.low.0 {
            Some(3 * side + self.high.1 - y)
        } else {
            None
        }
    }

    fn at(self, way: i64) -> IntCoord {
        let (side, along) = (self.side(), way % self.side());
        match way / side {
            0 => (self.low.0 + along, self.low.1),
            1 => (self.high.0, self.low.1 + along),
            2 => (self.high.0 - along, self.high.1),
            _ => (self.low.0, self.high.1 - along),
        }
    }

    /// Whether the two places are on one side of it.
    fn has_on_a_side(self, a: IntCoord, b: IntCoord) -> bool {
        let is_both = |one: i64, other: i64, at: i64| one == at && other == at;
        is_both(a.0, b.0, self.low.0)
            || is_both(a.0, b.0, self.high.0)
            || is_both(a.1, b.1, self.low.1)
            || is_both(a.1, b.1, self.high.1)
    }

    /// The corners and the vertices of edges on it, in order along it.
    fn touched<'s>(self, steps: impl IntoIterator<Item = &'s DirectedEdge>) -> Vec<i64> {
        let mut touched: Vec<i64> = steps
            .into_iter()
            .flat_map(|&(from, to)| [from, to])
            .filter_map(|spot| self.way(spot))
            .chain((0..4).map(|corner| corner * self.side()))
            .collect();
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// An area's edges with those along the frame that close it, in order.
    fn closed(
        self,
        rings: &[Vec<IntCoord>],
        mut steps: Vec<DirectedEdge>,
        touched: &[i64],
    ) -> Vec<DirectedEdge> {
        let mut leaving: Vec<(i64, i64)> = Vec::new();
        for &(from, to) in &steps {
            leaving.extend(self.way(from).map(|way| (way, 1)));
            leaving.extend(self.way(to).map(|way| (way, -1)));
        }
        leaving.sort_unstable();
        let mut along = Vec::with_capacity(touched.len());
        let mut flow = 0;
        let mut next = leaving.into_iter().peekable();
        for &way in touched {
            while let Some((_, count)) = next.next_if(|it| it.0 == way) {
                flow -= count;
            }
            along.push(flow);
        }
        let least = along.iter().copied().min().unwrap_or(0);
        let most = along.iter().copied().max().unwrap_or(0);
        let is_full = least == most && self.is_covered(rings, &steps);
        for (at, flow) in along.into_iter().enumerate() {
            if flow > least || is_full {
                let to = touched[(at + 1) % touched.len()];
                steps.push((self.at(touched[at]), self.at(to)));
            }
        }
        steps.sort_unstable();
        steps
    }

    /// Whether the area whose edges do not meet the frame goes all along it: what is inside is then
    /// larger by the whole square than what its edges inside surround.
    fn is_covered(self, rings: &[Vec<IntCoord>], steps: &[DirectedEdge]) -> bool {
        let inside: f64 = rings
            .iter()
            .map(|ring| self.doubled_area_inside(ring))
            .sum();
        let doubled = |step: &DirectedEdge| cross(self.low, step.0, step.1) as f64;
        let surrounded: f64 = steps.iter().map(doubled).sum();
        // Twice the area against the area: more than half.
        inside - surrounded > (self.side() * self.side()) as f64
    }

    /// Twice the area of what is left of a ring (Sutherland and Hodgman; what they leave along the
    /// sides has no area).
    fn doubled_area_inside(self, ring: &[IntCoord]) -> f64 {
        let side = self.side() as f64;
        let mut ring: Vec<[f64; 2]> = ring
            .iter()
            .map(|&(x, y)| [(x - self.low.0) as f64, (y - self.low.1) as f64])
            .collect();
        for (axis, limit, sign) in [
            (0, 0.0, 1.0),
            (0, side, -1.0),
            (1, 0.0, 1.0),
            (1, side, -1.0),
        ] {
            let beyond = |at: [f64; 2]| sign * (at[axis] - limit);
            let mut kept = Vec::with_capacity(ring.len());
            for (at, &to) in ring.iter().enumerate() {
                let from = ring[(at + ring.len() - 1) % ring.len()];
                let (before, after) = (beyond(from), beyond(to));
                if (before < 0.0) != (after < 0.0) {
                    let part = before / (before - after);
                    kept.push([0, 1].map(|axis| from[axis] + part * (to[axis] - from[axis])));
                }
                if after >= 0.0 {
                    kept.push(to);
                }
            }
            ring = kept;
        }
        let next = ring.iter().cycle().skip(1);
        ring.iter()
            .zip(next)
            .map(|(a, b)| a[0] * b[1] - b[0] * a[1])
            .sum()
    }
}

/// The places on the frame where edges meet it, and its corners.
struct Marks {
    frame: Frame,
    /// By side: x low, x high, y low, y high; the other coordinate of each mark, in order.
    sides: [Vec<i64>; 4],
}

impl Marks {
    fn new<'r>(frame: Frame, rings: impl IntoIterator<Item = &'r Vec<IntCoord>>) -> Marks {
        let ends = |low: i64, high: i64| vec![low, high];
        let mut marks = Marks {
            frame,
            sides: [
                ends(frame.low.1, frame.high.1),
                ends(frame.low.1, frame.high.1),
                ends(frame.low.0, frame.high.0),
                ends(frame.low.0, frame.high.0),
            ],
        };
        for (a, b) in rings.into_iter().flat_map(|ring| edges(ring)) {
            if frame.touches((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))) {
                marks.add(a, b);
            }
        }
        for side in &mut marks.sides {
            side.sort_unstable();
            side.dedup();
        }
        marks
    }

    /// A side: which it is, the coordinate that it has, and from where to where it goes.
    fn side(&self, which: usize) -> (i64, i64, i64) {
        let Frame { low, high } = self.frame;
        [
            (low.0, low.1, high.1),
            (high.0, low.1, high.1),
            (low.1, low.0, high.0),
            (high.1, low.0, high.0),
        ][which]
    }

    fn add(&mut self, a: IntCoord, b: IntCoord) {
        for which in 0..4 {
            let (at, low, high) = self.side(which);
            let (a, b) = (turned(a, which), turned(b, which));
            if a.0.min(b.0) > at || a.0.max(b.0) < at {
                continue;
            }
            if a.0 == b.0 {
                let ends = [a.1, b.1].into_iter();
                self.sides[which].extend(ends.filter(|it| (low..=high).contains(it)));
                continue;
            }
            // Exact, so that both neighbours find the same, whichever way they go.
            let (rise, run) = (i128::from(b.1 - a.1), i128::from(b.0 - a.0));
            let offset = rise * i128::from(at - a.0);
            let is_above =
                |limit: i64| (offset + i128::from(a.1 - limit) * run) * run.signum() >= 0;
            let is_below =
                |limit: i64| (offset + i128::from(a.1 - limit) * run) * run.signum() <= 0;
            if is_above(low) && is_below(high) {
                let offset = i64::try_from(div_round(offset, run)).expect("between the two ends");
                self.sides[which].push(a.1 + offset);
            }
        }
    }

    /// The edges of rings inside the frame, led through marks; those along the frame are left out.
    fn steps(&self, rings: &[Vec<IntCoord>]) -> Vec<DirectedEdge> {
        let frame = self.frame;
        let mut steps = Vec::new();
        let mut way: Vec<IntCoord> = Vec::new();
        for (a, b) in rings.iter().flat_map(|ring| edges(ring)) {
            if frame.holds_well(a) && frame.holds_well(b) {
                steps.push((a, b));
                continue;
            }
            if !frame.touches((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1))) {
                continue;
            }
            way.clear();
            self.add_entered(a, b, &mut way);
            way.extend([a, b].into_iter().filter(|&end| frame.holds(end)));
            sort_along(&mut way, a, b);
            way.dedup();
            let inside = way.windows(2).map(|edge| (edge[0], edge[1]));
            steps.extend(inside.filter(|&(from, to)| !frame.has_on_a_side(from, to)));
        }
        steps
    }

    fn add_entered(&self, a: IntCoord, b: IntCoord, way: &mut Vec<IntCoord>) {
        let lattice = PixelGrid::new(1);
        for (which, marks) in self.sides.iter().enumerate() {
            let at = self.side(which).0;
            let (a, b) = (turned(a, which), turned(b, which));
            let (low, high) = (a.0.min(b.0), a.0.max(b.0));
            if low > at + 1 || high < at - 1 {
                continue;
            }
            let near = |along: i64| -> f64 {
                if a.0 == b.0 {
                    return a.1 as f64;
                }
                let part = (along.clamp(low, high) - a.0) as f64 / (b.0 - a.0) as f64;
                a.1 as f64 + part * (b.1 - a.1) as f64
            };
            let mut range = [near(at - 1), near(at + 1)];
            if a.0 == b.0 {
                range = [a.1 as f64, b.1 as f64];
            }
            let first = marks.partition_point(|&it| (it as f64) < range[0].min(range[1]) - 2.0);
            let last = marks.partition_point(|&it| (it as f64) <= range[0].max(range[1]) + 2.0);
            let entered = marks[first..last]
                .iter()
                .map(|&mark| (at, mark))
                .filter(|&mark| mark != a && mark != b && lattice.segment_hits(a, b, mark));
            way.extend(entered.map(|mark| turned(mark, which)));
        }
    }
}

/// With the axis across the side first; the same turns it back.
fn turned((x, y): IntCoord, which: usize) -> IntCoord {
    if which < 2 { (x, y) } else { (y, x) }
}

fn edges(ring: &[IntCoord]) -> impl Iterator<Item = (IntCoord, IntCoord)> {
    let next = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(next.copied())
}
