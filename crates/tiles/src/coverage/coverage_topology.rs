//! The topology of a layer's areas on a date, independent of zoom. The topology consists of the
//! shared edges, which are noded and then projected.
//!
//! Areas share an edge if it is identical to the millimetre on the British National Grid. A vertex
//! of one area that is on an edge of another area becomes a vertex of both areas. The vertices are
//! projected only after the edges are shared, because a line that is straight in one projection is
//! curved in another. The middle of a line 1 km long is up to 27 mm from its straight projection at
//! latitude 54° N, depending on its direction. If the two sides of a border had different vertices,
//! the sides would therefore no longer coincide.
//!
//! If the edges of areas cross, they are noded at the intersections. Edges do not cross in a valid
//! partition.

use std::collections::HashMap;

use geo::{BoundingRect, Coord, Rect};

use super::planar_graph::{FaceLabels, GraphEdge, PlanarGraph, snap_round};
use catchment_core::domain::{Boundary, BritishGrid, GridPolygon};
use catchment_core::geodesy::web_mercator;
use catchment_core::geometry::bbox::bounding_rect;
use catchment_core::geometry::predicates::{cross_properly, intersection, sort_along};
use catchment_core::geometry::rings::doubled_signed_area;

/// The binary logarithm of the length of the equator in units. A unit is 0.6 mm at the equator.
pub(crate) const WORLD_BITS: u32 = 36;

/// The maximum number of rounds of noding. Rounding an intersection may make other edges cross, but
/// one round has been enough for all real data so far.
const NODING_ROUNDS_MAX: usize = 8;

/// The shared edges of a layer, in Web Mercator units, with the y axis pointing south.
#[derive(Debug)]
pub(crate) struct CoverageTopology {
    pub(super) graph: PlanarGraph,
    pub(crate) labels: FaceLabels,
    /// The point that represents each area if the area is too small to draw: the centre of the
    /// bounding box of its largest ring. `None` if the area has no geometry.
    pub(super) centres: Vec<Option<Coord<i64>>>,
}

impl CoverageTopology {
    /// Builds the topology. The index of an area is the index of its boundary.
    pub(crate) fn new(boundaries: &[&Boundary], is_partition: bool) -> CoverageTopology {
        let mut labels = FaceLabels::new(is_partition);
        let mut degrees: HashMap<Coord<i64>, Coord<f64>> = HashMap::new();
        let on_grid = graph_on_grid(boundaries, &mut labels, &mut degrees);
        let noded = snap_round(&on_grid, &mut labels, 1);
        let projected = PlanarGraph {
            points: noded
                .points
                .iter()
                .map(|point| project(degrees[point]))
                .collect(),
            edges: noded.edges,
        };
        CoverageTopology {
            graph: node_crossings(projected, &mut labels),
            centres: boundaries
                .iter()
                .map(|boundary| bbox_centre(boundary))
                .collect(),
            labels,
        }
    }

    /// Estimates the memory used, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let PlanarGraph { points, edges } = &self.graph;
        size_of_val(&points[..]) + size_of_val(&edges[..]) + self.labels.size_bytes()
    }
}

/// Builds the graph of boundaries on the British National Grid, in millimetres, with the y axis
/// pointing south.
///
/// Exteriors have positive areas, and holes have negative areas. `degrees` receives the longitude
/// and latitude of every point (WGS84).
pub(super) fn graph_on_grid(
    boundaries: &[&Boundary],
    labels: &mut FaceLabels,
    degrees: &mut HashMap<Coord<i64>, Coord<f64>>,
) -> PlanarGraph {
    let mut graph = PlanarGraph::default();
    let mut indices: HashMap<Coord<i64>, u32> = HashMap::new();
    for (area, boundary) in (0..).zip(boundaries) {
        let label = labels.intern(Box::new([(area, true)]));
        for (grid, lonlat) in boundary.grid.iter().zip(&boundary.lonlat) {
            let lonlat_rings = std::iter::once(lonlat.exterior()).chain(lonlat.interiors());
            for ((ring_index, ring), lonlat_ring) in grid.rings.iter().enumerate().zip(lonlat_rings)
            {
                let mut ring: Vec<Coord<i64>> = grid_vertices(ring).collect();
                for (&point, &lonlat) in ring.iter().zip(&lonlat_ring.0) {
                    degrees.entry(point).or_insert(lonlat);
                }
                if (doubled_signed_area(&ring) > 0) != (ring_index == 0) {
                    ring.reverse();
                }
                let mut index_of = |point: Coord<i64>| {
                    *indices.entry(point).or_insert_with(|| {
                        graph.points.push(point);
                        u32::try_from(graph.points.len() - 1).expect("fewer than 2^32")
                    })
                };
                let ring: Vec<u32> = ring.into_iter().map(&mut index_of).collect();
                let next = ring.iter().cycle().skip(1);
                graph
                    .edges
                    .extend(ring.iter().zip(next).map(|(&from, &to)| GraphEdge {
                        from,
                        to,
                        label,
                    }));
            }
        }
    }
    graph
}

/// Projects a longitude and latitude to Web Mercator. The length of the equator is
/// 2^[`WORLD_BITS`] units.
pub(crate) fn project(lonlat: Coord<f64>) -> Coord<i64> {
    let fractions = web_mercator::to_unit_square(lonlat);
    let units = (1_u64 << WORLD_BITS) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "little more than 2^36")]
    let to_units = |fraction: f64| (fraction * units).round() as i64;
    Coord {
        x: to_units(fractions.x),
        y: to_units(fractions.y),
    }
}

/// Returns the longitude and latitude of a point in Web Mercator. The length of the equator is
/// 2^`bits` units.
pub(crate) fn unproject(point: Coord<i64>, bits: u32) -> Coord<f64> {
    let units = (1_u64 << bits) as f64;
    web_mercator::from_unit_square(Coord {
        x: point.x as f64 / units,
        y: point.y as f64 / units,
    })
}

/// Returns the vertices of a ring in millimetres, with the y axis pointing south.
fn grid_vertices(ring: &[BritishGrid]) -> impl Iterator<Item = Coord<i64>> {
    ring.iter().map(|vertex| Coord {
        x: vertex.easting_mm().into(),
        y: -i64::from(vertex.northing_mm()),
    })
}

fn bbox_centre(boundary: &Boundary) -> Option<Coord<i64>> {
    let exterior_area = |polygon: &GridPolygon| {
        let exterior = polygon.rings.first().map_or(&[][..], Vec::as_slice);
        let points: Vec<Coord<i64>> = grid_vertices(exterior).collect();
        doubled_signed_area(&points).abs()
    };
    let polygons = boundary.grid.iter().zip(&boundary.lonlat);
    let (_, largest) = polygons.max_by_key(|(polygon, _)| exterior_area(polygon))?;
    let bbox = bounding_rect(largest.exterior().0.iter().copied().map(project))?;
    Some(midpoint(bbox.min(), bbox.max()))
}

fn midpoint(a: Coord<i64>, b: Coord<i64>) -> Coord<i64> {
    Coord {
        x: a.x.midpoint(b.x),
        y: a.y.midpoint(b.y),
    }
}

fn node_crossings(graph: PlanarGraph, labels: &mut FaceLabels) -> PlanarGraph {
    let mut graph = snap_round(&graph, labels, 1);
    for _ in 0..NODING_ROUNDS_MAX {
        let crossings = find_crossings(&graph, labels);
        if crossings.is_empty() {
            break;
        }
        graph = snap_round(&split_edges(graph, crossings), labels, 1);
    }
    graph
}

/// Returns the crossings of edges that must not cross. The result contains two entries for each
/// crossing, one for each of the two edges. An entry consists of the index of the edge and the
/// intersection. The entries are in order.
fn find_crossings(graph: &PlanarGraph, labels: &FaceLabels) -> Vec<(usize, Coord<i64>)> {
    let mut crossings = Vec::new();
    for_each_candidate_pair(graph, |index_a, index_b| {
        let (a, b) = (&graph.edges[index_a], &graph.edges[index_b]);
        let (line_a, line_b) = (graph.line(a), graph.line(b));
        if cross_properly(line_a, line_b) && labels.must_not_cross(a.label, b.label) {
            let point = intersection(line_a, line_b);
            crossings.extend([(index_a, point), (index_b, point)]);
        }
    });
    crossings.sort_unstable_by_key(|(edge, point)| (*edge, point.x_y()));
    crossings.dedup();
    crossings
}

/// Calls `visit` once for each pair of edges whose bounding boxes touch. The function sweeps from
/// west to east.
fn for_each_candidate_pair(graph: &PlanarGraph, mut visit: impl FnMut(usize, usize)) {
    let edges = graph.edges.iter();
    let boxes: Vec<Rect<i64>> = edges.map(|edge| graph.line(edge).bounding_rect()).collect();
    let min_y = boxes.iter().map(|bbox| bbox.min().y).min().unwrap_or(0);
    let max_y = boxes.iter().map(|bbox| bbox.max().y).max().unwrap_or(0);
    // Each horizontal band is swept separately, so that only a few edges are active at the same
    // time.
    let band_count = (boxes.len() / 256).clamp(1, 1_024);
    let band_height = (max_y - min_y) / i64::try_from(band_count).expect("few") + 1;
    let band_of = |y: i64| usize::try_from((y - min_y) / band_height).expect("not above min_y");
    let mut bands: Vec<Vec<usize>> = vec![Vec::new(); band_count + 1];
    for (edge, bbox) in boxes.iter().enumerate() {
        for band in &mut bands[band_of(bbox.min().y)..=band_of(bbox.max().y)] {
            band.push(edge);
        }
    }
    for (band, mut edges) in bands.into_iter().enumerate() {
        edges.sort_unstable_by_key(|&edge| boxes[edge].min().x);
        let mut active: Vec<usize> = Vec::new();
        for edge in edges {
            let (min, max) = (boxes[edge].min(), boxes[edge].max());
            active.retain(|&other| boxes[other].max().x >= min.x);
            for &other in &active {
                let top = min.y.max(boxes[other].min().y);
                // A pair is visited only in the first band that contains both edges, so that it is
                // visited only once.
                if top <= max.y.min(boxes[other].max().y) && band_of(top) == band {
                    visit(edge, other);
                }
            }
            active.push(edge);
        }
    }
}

/// Splits edges at points. The points are in order of edge index.
fn split_edges(mut graph: PlanarGraph, crossings: Vec<(usize, Coord<i64>)>) -> PlanarGraph {
    for of_edge in crossings.chunk_by(|a, b| a.0 == b.0) {
        let GraphEdge { from, to, label } = graph.edges[of_edge[0].0];
        let mut points: Vec<Coord<i64>> = of_edge.iter().map(|crossing| crossing.1).collect();
        let [a, b] = [from, to].map(|end| graph.points[end as usize]);
        sort_along(&mut points, a, b);
        let mut last = from;
        for point in points {
            graph.points.push(point);
            let next = u32::try_from(graph.points.len() - 1).expect("fewer than 2^32");
            graph.edges.push(GraphEdge {
                from: last,
                to: next,
                label,
            });
            last = next;
        }
        graph.edges[of_edge[0].0] = GraphEdge {
            from: last,
            to,
            label,
        };
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_count_from_the_north_west_corner() {
        let (half, world) = (1 << (WORLD_BITS - 1), 1 << WORLD_BITS);
        let units_at = |lon: f64, lat: f64| project(Coord { x: lon, y: lat });
        assert_eq!(units_at(0.0, 0.0).x_y(), (half, half));
        let assert_near = |found: Coord<i64>, (east, south): (i64, i64)| {
            let is_near = (found.x - east).abs() < 10 && (found.y - south).abs() < 10;
            assert!(is_near, "{found:?}");
        };
        assert_near(units_at(-180.0, 85.051_128_779_8), (0, 0));
        assert_near(units_at(180.0, -85.051_128_779_8), (world, world));
        let lonlat = unproject(units_at(-2.8, 54.05), WORLD_BITS);
        assert!((lonlat.x + 2.8).abs() < 1e-8 && (lonlat.y - 54.05).abs() < 1e-8);
    }
}
