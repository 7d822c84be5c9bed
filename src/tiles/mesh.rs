//! The shared edges of a layer on a day, before any zoom.
//!
//! Edges are shared where areas have them in common to the millimetre on the British National Grid,
//! and vertices of one area in the middle of another's edge become vertices of both. Only then is
//! anything projected: what is straight on one grid is bent on another, by 16 mm in the middle of a
//! kilometre, so that a border whose sides have other vertices would come apart.
//!
//! Areas that cross, which those of a valid partition do not, get vertices where they cross.

use std::collections::HashMap;

use super::grid::{IntCoord, cross_properly, doubled_area, intersection, sort_along};
use super::planar_graph::{FaceLabels, GraphEdge, PlanarGraph, snap_round};
use crate::domain::{Boundary, GridPolygon};

/// Units around the Earth are two to this: 0.6 mm at the equator.
pub(super) const WORLD_BITS: u32 = 36;

/// Rounding where two edges cross may make others cross; on any real data once is enough.
const CROSSINGS_ROUNDS: usize = 8;

/// The edges of a layer, in units of Web Mercator, y to the south.
#[derive(Debug)]
pub(super) struct Mesh {
    pub(super) network: PlanarGraph,
    pub(super) labels: FaceLabels,
    /// The middle of each area's largest ring: where it is told of when it is too small to be drawn.
    pub(super) middles: Vec<Option<IntCoord>>,
}

impl Mesh {
    /// Areas are numbered in the order of the boundaries.
    pub(super) fn new(boundaries: &[&Boundary], is_partition: bool) -> Mesh {
        let mut labels = FaceLabels::new(is_partition);
        let mut degrees: HashMap<IntCoord, (f64, f64)> = HashMap::new();
        let on_grid = network_on_grid(boundaries, &mut labels, &mut degrees);
        let noded = snap_round(&on_grid, &mut labels, 1);
        let projected = PlanarGraph {
            points: noded
                .points
                .iter()
                .map(|spot| project(degrees[spot]))
                .collect(),
            edges: noded.edges,
        };
        Mesh {
            network: without_crossings(projected, &mut labels),
            middles: boundaries.iter().map(|it| middle(it)).collect(),
            labels,
        }
    }
}

impl Mesh {
    /// About how many bytes it takes.
    pub(super) fn size_bytes(&self) -> usize {
        let PlanarGraph { points, edges } = &self.network;
        size_of_val(&points[..]) + size_of_val(&edges[..]) + self.labels.size_bytes()
    }
}

/// Millimetres, y to the south; exteriors have positive areas, holes negative ones.
pub(super) fn network_on_grid(
    boundaries: &[&Boundary],
    labels: &mut FaceLabels,
    degrees: &mut HashMap<IntCoord, (f64, f64)>,
) -> PlanarGraph {
    let mut network = PlanarGraph::default();
    let mut numbers: HashMap<IntCoord, u32> = HashMap::new();
    for (area, boundary) in (0..).zip(boundaries) {
        let label = labels.intern(Box::new([(area, true)]));
        for (grid, lonlat) in boundary.grid.iter().zip(&boundary.lonlat) {
            let shown = std::iter::once(lonlat.exterior()).chain(lonlat.interiors());
            for ((at, ring), shown) in grid.rings.iter().enumerate().zip(shown) {
                let mut ring: Vec<IntCoord> = ring
                    .iter()
                    .map(|it| (i64::from(it.easting_mm()), -i64::from(it.northing_mm())))
                    .collect();
                for (&spot, shown) in ring.iter().zip(&shown.0) {
                    degrees.entry(spot).or_insert((shown.x, shown.y));
                }
                if (doubled_area(&ring) > 0) != (at == 0) {
                    ring.reverse();
                }
                let mut number = |spot: IntCoord| {
                    *numbers.entry(spot).or_insert_with(|| {
                        network.points.push(spot);
                        u32::try_from(network.points.len() - 1).expect("fewer than 2^32")
                    })
                };
                let ring: Vec<u32> = ring.into_iter().map(&mut number).collect();
                let next = ring.iter().cycle().skip(1);
                network
                    .edges
                    .extend(ring.iter().zip(next).map(|(&from, &to)| GraphEdge {
                        from,
                        to,
                        label,
                    }));
            }
        }
    }
    network
}

/// Web Mercator (EPSG:3857) in units of the mesh.
pub(super) fn project((lon, lat): (f64, f64)) -> IntCoord {
    let east = lon / 360.0 + 0.5;
    let south = 0.5 - lat.to_radians().tan().asinh() / std::f64::consts::TAU;
    let units = (1_u64 << WORLD_BITS) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^36 and a little")]
    let unit = |part: f64| (part * units).round() as i64;
    (unit(east), unit(south))
}

/// Longitude and latitude of a place in units of which two to `bits` go around the Earth.
pub(super) fn unproject((x, y): IntCoord, bits: u32) -> (f64, f64) {
    let units = (1_u64 << bits) as f64;
    let (east, south) = (x as f64 / units, y as f64 / units);
    let latitude = ((0.5 - south) * std::f64::consts::TAU).sinh().atan();
    ((east - 0.5) * 360.0, latitude.to_degrees())
}

fn middle(boundary: &Boundary) -> Option<IntCoord> {
    let size = |polygon: &GridPolygon| {
        let ring = polygon.rings.first().into_iter().flatten();
        let spots: Vec<IntCoord> = ring
            .map(|it| (i64::from(it.easting_mm()), i64::from(it.northing_mm())))
            .collect();
        doubled_area(&spots).abs()
    };
    let parts = boundary.grid.iter().zip(&boundary.lonlat);
    let (_, largest) = parts.max_by_key(|part| size(part.0))?;
    let spots = largest.exterior().0.iter().map(|it| project((it.x, it.y)));
    let (low, high) = spots.fold(None, |seen: Option<(IntCoord, IntCoord)>, (x, y)| {
        let (low, high) = seen.unwrap_or(((x, y), (x, y)));
        Some(((low.0.min(x), low.1.min(y)), (high.0.max(x), high.1.max(y))))
    })?;
    Some((low.0.midpoint(high.0), low.1.midpoint(high.1)))
}

fn without_crossings(network: PlanarGraph, labels: &mut FaceLabels) -> PlanarGraph {
    let mut network = snap_round(&network, labels, 1);
    for _ in 0..CROSSINGS_ROUNDS {
        let found = crossings(&network, labels);
        if found.is_empty() {
            break;
        }
        network = snap_round(&split(network, found), labels, 1);
    }
    network
}

/// Where edges cross that may not: the number of an edge, and the place; each place twice.
fn crossings(network: &PlanarGraph, labels: &FaceLabels) -> Vec<(usize, IntCoord)> {
    let ends = |edge: &GraphEdge| {
        (
            network.points[edge.from as usize],
            network.points[edge.to as usize],
        )
    };
    let mut found = Vec::new();
    each_near_pair(network, |one, other| {
        let (a, b) = (&network.edges[one], &network.edges[other]);
        if cross_properly(ends(a), ends(b)) && labels.must_not_cross(a.label, b.label) {
            let place = intersection(ends(a), ends(b));
            found.extend([(one, place), (other, place)]);
        }
    });
    found.sort_unstable();
    found.dedup();
    found
}

/// Calls with every two edges whose boxes touch: from the west on, against those that have not ended.
fn each_near_pair(network: &PlanarGraph, mut visit: impl FnMut(usize, usize)) {
    let boxes: Vec<[i64; 4]> = network
        .edges
        .iter()
        .map(|edge| {
            let (a, b) = (
                network.points[edge.from as usize],
                network.points[edge.to as usize],
            );
            [a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)]
        })
        .collect();
    let low = boxes.iter().map(|it| it[1]).min().unwrap_or(0);
    let high = boxes.iter().map(|it| it[3]).max().unwrap_or(0);
    // Bands from west to east, so that few edges are open in each at a time.
    let bands = (boxes.len() / 256).clamp(1, 1_024);
    let side = (high - low) / i64::try_from(bands).expect("few") + 1;
    let band = |y: i64| usize::try_from((y - low) / side).expect("above the lowest");
    let mut of_band: Vec<Vec<usize>> = vec![Vec::new(); bands + 1];
    for (at, it) in boxes.iter().enumerate() {
        for band in &mut of_band[band(it[1])..=band(it[3])] {
            band.push(at);
        }
    }
    for (this, mut edges) in of_band.into_iter().enumerate() {
        edges.sort_unstable_by_key(|&at| boxes[at][0]);
        let mut open: Vec<usize> = Vec::new();
        for at in edges {
            let [west, north, _, south] = boxes[at];
            open.retain(|&other| boxes[other][2] >= west);
            for &other in &open {
                let [_, other_north, _, other_south] = boxes[other];
                let top = north.max(other_north);
                // Once: in the band where both begin to be.
                if top <= south.min(other_south) && band(top) == this {
                    visit(at, other);
                }
            }
            open.push(at);
        }
    }
}

fn split(mut network: PlanarGraph, places: Vec<(usize, IntCoord)>) -> PlanarGraph {
    for of_edge in places.chunk_by(|a, b| a.0 == b.0) {
        let GraphEdge { from, to, label } = network.edges[of_edge[0].0];
        let mut way: Vec<IntCoord> = of_edge.iter().map(|it| it.1).collect();
        let [a, b] = [from, to].map(|end| network.points[end as usize]);
        sort_along(&mut way, a, b);
        let mut last = from;
        for place in way {
            network.points.push(place);
            let next = u32::try_from(network.points.len() - 1).expect("fewer than 2^32");
            network.edges.push(GraphEdge {
                from: last,
                to: next,
                label,
            });
            last = next;
        }
        network.edges[of_edge[0].0] = GraphEdge {
            from: last,
            to,
            label,
        };
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_is_web_mercator() {
        let (half, world) = (1 << (WORLD_BITS - 1), 1 << WORLD_BITS);
        assert_eq!(project((0.0, 0.0)), (half, half));
        let near = |(x, y): IntCoord, (east, south): IntCoord| {
            assert!((x - east).abs() < 10 && (y - south).abs() < 10, "{x} {y}");
        };
        near(project((-180.0, 85.051_128_779_8)), (0, 0));
        near(project((180.0, -85.051_128_779_8)), (world, world));
        let (lon, lat) = unproject(project((-2.8, 54.05)), WORLD_BITS);
        assert!((lon + 2.8).abs() < 1e-8 && (lat - 54.05).abs() < 1e-8);
    }
}
