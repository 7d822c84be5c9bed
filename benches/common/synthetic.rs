//! A synthetic country: towns with people, a partition into areas, and overlapping practice
//! catchments. The country is the same on every machine and in every run.

use std::f64::consts::TAU;

use catchment::domain::Boundary;
use rstar::RTree;

use super::{Point, boundary, rings};

const PEOPLE: usize = 1_740_000;
const TOWNS: usize = 1_200;
/// The country is a square with sides of 400 km and about the area of England and Wales. The
/// following values are in millimetres.
const WEST: i32 = 60_000_000;
const SOUTH: i32 = 60_000_000;
const SIDE: i32 = 400_000_000;

/// The approximate number of practices in England with a catchment.
pub(crate) const CATCHMENTS: usize = 7_650;
/// The number of vertices of a catchment.
const CATCHMENT_VERTICES: usize = 100;
/// The published distribution of the sizes of catchments, in square kilometres.
pub(crate) const MEDIAN_KM2: f64 = 23.0;
pub(crate) const P90_KM2: f64 = 159.0;
pub(crate) const MAX_KM2: f64 = 9_994.0;
/// The spread of the sizes of neighbouring catchments. The areas of all catchments add up to 3.7
/// times the area of England and Wales. With this spread, a person is in about six synthetic
/// catchments. In the published catchments, a person in the centre of a large town is in more than
/// twenty.
const SCATTER: f64 = 2.0;

const MM2_PER_KM2: f64 = 1e12;

/// A small random number generator (splitmix64) that returns the same numbers on every machine.
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> SplitMix64 {
        SplitMix64(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number in [0, 1).
    pub(crate) fn next_fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn next_below(&mut self, end: usize) -> usize {
        usize::try_from(self.next_u64() % end as u64).expect("the number fits into a usize")
    }

    /// Returns a normally distributed number with variance 1.
    pub(crate) fn next_normal(&mut self) -> f64 {
        let (first, second) = (1.0 - self.next_fraction(), self.next_fraction());
        (-2.0 * first.ln()).sqrt() * (TAU * second).cos()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.next_below(index + 1));
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "positions on the grid fit into an i32"
)]
fn round_mm(value: f64) -> i32 {
    value.round() as i32
}

/// Returns points where people live. Seven eighths of the points are around towns: the n-th town
/// has 1/n of the people of the first town. The other points may be anywhere in the country.
pub(crate) fn residents() -> Vec<Point> {
    let mut rng = SplitMix64::new(1_801);
    let random_point = |rng: &mut SplitMix64| {
        (
            f64::from(WEST) + rng.next_fraction() * f64::from(SIDE),
            f64::from(SOUTH) + rng.next_fraction() * f64::from(SIDE),
        )
    };
    let towns: Vec<(f64, f64)> = (0..TOWNS).map(|_| random_point(&mut rng)).collect();
    let weights: Vec<f64> = (1..=TOWNS).map(|rank| 1.0 / rank as f64).collect();
    let total: f64 = weights.iter().sum();
    let mut people = Vec::with_capacity(PEOPLE);
    for (&(x, y), weight) in towns.iter().zip(weights) {
        let count = PEOPLE as f64 * 0.875 * weight / total;
        // The spread grows with the square root of the number of people. Every town therefore has
        // the same density at its centre: about 44 points per square kilometre.
        let spread = count.sqrt() * 60_000.0;
        for _ in 0..round_mm(count) {
            people.push((
                x + rng.next_normal() * spread,
                y + rng.next_normal() * spread,
            ));
        }
    }
    while people.len() < PEOPLE {
        people.push(random_point(&mut rng));
    }
    let inside = |value: f64, low: i32| round_mm(value).clamp(low + 1, low + SIDE - 1);
    people
        .into_iter()
        .map(|(x, y)| (inside(x, WEST), inside(y, SOUTH)))
        .collect()
}

/// A rectangle of the country and the people in that rectangle.
struct PartitionCell<'p> {
    low: [i32; 2],
    high: [i32; 2],
    people: &'p mut [Point],
}

/// Partitions the country into `count` areas with about the same number of people and about
/// `vertices` vertices each. The boundaries are curved, and the common boundary of two neighbours
/// is identical in both.
pub(crate) fn partition(people: &[Point], count: usize, vertices: usize) -> Vec<Boundary> {
    let mut people = people.to_vec();
    let mut boxes = Vec::with_capacity(count);
    let all = PartitionCell {
        low: [WEST, SOUTH],
        high: [WEST + SIDE, SOUTH + SIDE],
        people: &mut people,
    };
    split_cell(all, count, &mut boxes);
    // If a corner of a neighbour is on the side of an area, the corner is also a vertex of that
    // area.
    let mut corners: [Vec<(i32, i32)>; 2] = Default::default();
    for (low, high) in &boxes {
        for x in [low[0], high[0]] {
            for y in [low[1], high[1]] {
                corners[0].push((x, y));
                corners[1].push((y, x));
            }
        }
    }
    for axis_corners in &mut corners {
        axis_corners.sort_unstable();
        axis_corners.dedup();
    }
    // Three areas meet at a corner, so two of the six vertices of an area belong to neighbours.
    let per_side = vertices.saturating_sub(6).div_ceil(6);
    let area = |(index, (low, high)): (usize, &([i32; 2], [i32; 2]))| {
        let side = |axis: usize, across: i32, from: i32, to: i32| {
            side_coordinates(&corners[axis], across, from, to, per_side)
        };
        let south = side(1, low[1], low[0], high[0])
            .into_iter()
            .map(|x| (x, low[1]));
        let east = side(0, high[0], low[1], high[1])
            .into_iter()
            .map(|y| (high[0], y));
        let north = side(1, high[1], low[0], high[0])
            .into_iter()
            .map(|x| (x, high[1]));
        let west = side(0, low[0], low[1], high[1])
            .into_iter()
            .map(|y| (low[0], y));
        let ring: Vec<Point> = without_last(south)
            .chain(without_last(east))
            .chain(without_last(north.rev()))
            .chain(without_last(west.rev()))
            .map(bend)
            .collect();
        boundary(index, &[vec![ring]])
    };
    boxes.iter().enumerate().map(area).collect()
}

fn without_last<T>(items: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = T> {
    let count = items.len() - 1;
    items.take(count)
}

/// Repeatedly cuts a cell across its longer side. The resulting areas have about the same number of
/// people.
fn split_cell(cell: PartitionCell<'_>, count: usize, boxes: &mut Vec<([i32; 2], [i32; 2])>) {
    let PartitionCell { low, high, people } = cell;
    if count == 1 {
        boxes.push((low, high));
        return;
    }
    let axis = usize::from(high[0] - low[0] < high[1] - low[1]);
    let along = |point: &Point| [point.0, point.1][axis];
    let (first, length) = (count / 2, high[axis] - low[axis]);
    people.sort_unstable_by_key(along);
    let middle = people.get(people.len() * first / count).map(along);
    // Each part is at least an eighth of the cell wide.
    let cut = middle
        .unwrap_or(low[axis] + length / 2)
        .clamp(low[axis] + length / 8, high[axis] - length / 8);
    let index = people.partition_point(|point| along(point) < cut);
    let (before, after) = people.split_at_mut(index);
    let (mut end, mut start) = (high, low);
    (end[axis], start[axis]) = (cut, cut);
    split_cell(
        PartitionCell {
            low,
            high: end,
            people: before,
        },
        first,
        boxes,
    );
    split_cell(
        PartitionCell {
            low: start,
            high,
            people: after,
        },
        count - first,
        boxes,
    );
}

/// Returns the coordinates along a side: its ends, the corners of neighbours on it, and `extra`
/// points between each pair of consecutive ends and corners.
fn side_coordinates(
    corners: &[(i32, i32)],
    across: i32,
    from: i32,
    to: i32,
    extra: usize,
) -> Vec<i32> {
    let first = corners.partition_point(|&corner| corner < (across, from));
    let on_side = corners[first..]
        .iter()
        .take_while(|&&corner| corner <= (across, to));
    let stops: Vec<i32> = on_side.map(|corner| corner.1).collect();
    let mut coordinates = Vec::with_capacity(stops.len() * (extra + 1));
    let parts = i64::try_from(extra).expect("there are few extra points") + 1;
    for pair in stops.windows(2) {
        let length = i64::from(pair[1]) - i64::from(pair[0]);
        for part in 0..parts {
            let step = i32::try_from(length * part / parts).expect("within the side");
            coordinates.push(pair[0] + step);
        }
    }
    coordinates.extend(stops.last());
    coordinates
}

/// Distorts the plane with a wave-shaped shear along each axis, which maps distinct points to
/// distinct points.
fn bend((x, y): Point) -> Point {
    let wave = |value: f64| {
        4e6 * (value / 3.1e7).sin() + 3e5 * (value / 2.3e6).sin() + 2e4 * (value / 1.7e5).sin()
    };
    let (x, y) = (f64::from(x), f64::from(y));
    let x = x + wave(y);
    (round_mm(x), round_mm(y + wave(x)))
}

/// Returns the areas after halving every edge `times` times and moving each new vertex slightly off
/// its edge. The new vertices on a common edge are identical in both neighbours. Edges shorter than
/// a metre are not halved, because their halves could overlap.
pub(crate) fn densify(boundaries: &[Boundary], times: u32) -> Vec<Boundary> {
    let dense = |(index, area): (usize, &Boundary)| {
        let polygons: Vec<Vec<Vec<Point>>> = area
            .grid
            .iter()
            .map(|polygon| {
                let rings = polygon.rings.iter().map(|ring| super::ring_points(ring));
                rings.map(|ring| densify_ring(ring, times)).collect()
            })
            .collect();
        boundary(index, &polygons)
    };
    boundaries.iter().enumerate().map(dense).collect()
}

fn densify_ring(mut ring: Vec<Point>, times: u32) -> Vec<Point> {
    for _ in 0..times {
        let mut dense = Vec::with_capacity(2 * ring.len());
        for (index, &from) in ring.iter().enumerate() {
            let to = ring[(index + 1) % ring.len()];
            dense.push(from);
            if from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)) > 1_000 {
                dense.push(jittered_midpoint(from.min(to), from.max(to)));
            }
        }
        dense.dedup();
        ring = dense;
    }
    ring
}

/// Returns a point near the midpoint of an edge, off the edge by up to a fiftieth of its length.
fn jittered_midpoint(from: Point, to: Point) -> Point {
    let seed = [from.0, from.1, to.0, to.1];
    let mut rng = SplitMix64::new(seed.iter().fold(7, |mixed: u64, part| {
        mixed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(part.unsigned_abs())
    }));
    let offset = (rng.next_fraction() - 0.5) / 25.0;
    let (along_x, along_y) = (
        f64::from(to.0) - f64::from(from.0),
        f64::from(to.1) - f64::from(from.1),
    );
    (
        round_mm(f64::from(from.0.midpoint(to.0)) - offset * along_y),
        round_mm(f64::from(from.1.midpoint(to.1)) + offset * along_x),
    )
}

/// Returns overlapping catchments around some of the people, with the published distribution of
/// sizes. In general, catchments are larger where there are fewer practices.
pub(crate) fn catchments(people: &[Point]) -> Vec<Boundary> {
    let mut rng = SplitMix64::new(7_650);
    let centres: Vec<[f64; 2]> = (0..CATCHMENTS)
        .map(|_| people[rng.next_below(people.len())])
        .map(|(x, y)| [f64::from(x), f64::from(y)])
        .collect();
    let tree = RTree::bulk_load(centres.clone());
    let sparsity = |centre: &[f64; 2], rng: &mut SplitMix64| {
        let mut near = tree.nearest_neighbor_iter_with_distance_2(centre);
        let (_, distance_2) = near.nth(8).expect("there are at least nine catchments");
        distance_2.max(1.0).ln() + SCATTER * rng.next_normal()
    };
    let mut order: Vec<(f64, usize)> = (0..CATCHMENTS)
        .map(|index| (sparsity(&centres[index], &mut rng), index))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut outlines: Vec<(usize, Vec<Point>)> = order
        .iter()
        .enumerate()
        .map(|(rank, &(_, index))| (index, wavy_ring(centres[index], area_km2(rank), &mut rng)))
        .collect();
    outlines.sort_unstable_by_key(|(index, _)| *index);
    let area = |(index, ring): (usize, Vec<Point>)| boundary(index, &[vec![ring]]);
    outlines.into_iter().map(area).collect()
}

/// Returns the size in square kilometres of a catchment, given its rank by size. Rank 0 is the
/// smallest catchment. The distribution is a lognormal distribution with the published median and
/// ninth decile, and a tail up to the published maximum.
fn area_km2(rank: usize) -> f64 {
    /// The ninth decile of the normal distribution.
    const Z90: f64 = 1.281_551_6;
    let quantile = (rank as f64 + 0.5) / CATCHMENTS as f64;
    let last = (CATCHMENTS as f64 - 0.5) / CATCHMENTS as f64;
    let spread = (P90_KM2 / MEDIAN_KM2).ln() / Z90;
    let z = normal_quantile(quantile);
    let tail = (z - Z90).max(0.0) / (normal_quantile(last) - Z90);
    let usual = MEDIAN_KM2.ln() + spread * z;
    let short = MAX_KM2.ln() - MEDIAN_KM2.ln() - spread * normal_quantile(last);
    (usual + short * tail.powi(4)).exp()
}

/// Returns a quantile of the normal distribution. The function uses bisection, which is easier to
/// check than a formula.
fn normal_quantile(quantile: f64) -> f64 {
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_distribution(middle) < quantile {
            low = middle
        } else {
            high = middle
        }
    }
    low
}

/// Returns the cumulative probability of the standard normal distribution at `z`. The series is
/// ½ + φ(z) · (z + z³/3 + z⁵/15 + …).
fn normal_distribution(z: f64) -> f64 {
    let (mut term, mut sum) = (z, z);
    for odd in 1..200 {
        term *= z * z / f64::from(2 * odd + 1);
        sum += term;
    }
    0.5 + sum * (-z * z / 2.0).exp() / TAU.sqrt()
}

/// Returns a wavy ring of the given area around the centre.
fn wavy_ring([x, y]: [f64; 2], area_km2: f64, rng: &mut SplitMix64) -> Vec<Point> {
    let waves: Vec<(f64, f64, f64)> = (2..9)
        .map(|wave| {
            (
                f64::from(wave),
                0.35 / f64::from(wave) * rng.next_normal(),
                TAU * rng.next_fraction(),
            )
        })
        .collect();
    let shape: Vec<[f64; 2]> = (0..CATCHMENT_VERTICES)
        .map(|index| {
            let angle = TAU * index as f64 / CATCHMENT_VERTICES as f64;
            let bends = waves
                .iter()
                .map(|(wave, amplitude, phase)| amplitude * (wave * angle + phase).cos());
            let radius = (1.0 + bends.sum::<f64>()).max(0.2);
            [radius * angle.cos(), radius * angle.sin()]
        })
        .collect();
    let next = |index: usize| shape[(index + 1) % shape.len()];
    let doubled: f64 = (0..shape.len())
        .map(|index| shape[index][0] * next(index)[1] - next(index)[0] * shape[index][1])
        .sum();
    let scale = (area_km2 * MM2_PER_KM2 / (doubled / 2.0)).sqrt();
    let low = -190_000_000.0;
    let coordinate =
        |offset: f64, middle: f64, high: f64| round_mm((middle + scale * offset).clamp(low, high));
    shape
        .iter()
        .map(|vertex| {
            (
                coordinate(vertex[0], x, 890_000_000.0),
                coordinate(vertex[1], y, 1_490_000_000.0),
            )
        })
        .collect()
}

/// Returns the area of a boundary in square kilometres.
pub(crate) fn size_km2(boundary: &Boundary) -> f64 {
    let doubled = rings(boundary).map(|ring| {
        let edges = ring.iter().zip(ring.iter().cycle().skip(1));
        let cross = |(a, b): (&Point, &Point)| {
            f64::from(a.0) * f64::from(b.1) - f64::from(b.0) * f64::from(a.1)
        };
        edges.map(cross).sum::<f64>()
    });
    doubled.sum::<f64>().abs() / 2.0 / MM2_PER_KM2
}
