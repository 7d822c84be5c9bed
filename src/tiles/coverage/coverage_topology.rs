//! The topology of a layer's areas on a date, independent of zoom: the shared edges, which are
//! noded and then projected.
//!
//! Edges are shared where areas coincide to the millimetre on the British National Grid; a vertex
//! of one area that is on an edge of another area becomes a vertex of both areas. The vertices are
//! projected only after the edges are shared, because a line that is straight in one projection is
//! curved in another. The middle of a line 1 km long is up to 27 mm from its straight projection at
//! latitude 54° N, depending on its direction. A border with different vertices on its two sides
//! would therefore come apart.
//!
//! Where the edges of areas cross, which does not happen in a valid partition, the edges are noded
//! at the intersections.

use std::collections::HashMap;

use super::planar_graph::{FaceLabels, GraphEdge, PlanarGraph, snap_round};
use crate::domain::{Boundary, GridPolygon};
use crate::geometry::predicates::{IntCoord, cross_properly, intersection, sort_along};
use crate::geometry::rings::doubled_signed_area;

/// The binary logarithm of the length of the equator in units. A unit is 0.6 mm at the equator.
pub(crate) const WORLD_BITS: u32 = 36;

/// The maximum number of rounds of noding. Rounding an intersection may make other edges cross, but
/// one round is enough for all real data so far.
const NODING_ROUNDS_MAX: usize = 8;

/// The shared edges of a layer, in Web Mercator units with y to the south.
#[derive(Debug)]
pub(crate) struct CoverageTopology {
    pub(super) graph: PlanarGraph,
    pub(crate) labels: FaceLabels,
    /// The point that represents each area if the area is too small to draw: the centre of the
    /// bounding box of its largest ring. `None` if the area has no geometry.
    pub(super) centres: Vec<Option<IntCoord>>,
}

impl CoverageTopology {
    /// Builds the topology. The index of an area is that of its boundary.
    pub(crate) fn new(boundaries: &[&Boundary], is_partition: bool) -> CoverageTopology {
        let mut labels = FaceLabels::new(is_partition);
        let mut degrees: HashMap<IntCoord, (f64, f64)> = HashMap::new();
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

/// Builds the graph of boundaries on the British National Grid, in millimetres with y to the south.
///
/// Exteriors have positive areas, and holes have negative areas. `degrees` receives the longitude
/// and latitude of every point (WGS84).
pub(super) fn graph_on_grid(
    boundaries: &[&Boundary],
    labels: &mut FaceLabels,
    degrees: &mut HashMap<IntCoord, (f64, f64)>,
) -> PlanarGraph {
    let mut graph = PlanarGraph::default();
    let mut indices: HashMap<IntCoord, u32> = HashMap::new();
    for (area, boundary) in (0..).zip(boundaries) {
        let label = labels.intern(Box::new([(area, true)]));
        for (grid, lonlat) in boundary.grid.iter().zip(&boundary.lonlat) {
            let lonlat_rings = std::iter::once(lonlat.exterior()).chain(lonlat.interiors());
            for ((ring_index, ring), lonlat_ring) in grid.rings.iter().enumerate().zip(lonlat_rings)
            {
                let mut ring: Vec<IntCoord> = ring
                    .iter()
                    .map(|vertex| {
                        (
                            i64::from(vertex.easting_mm()),
                            -i64::from(vertex.northing_mm()),
                        )
                    })
                    .collect();
                for (&point, lonlat) in ring.iter().zip(&lonlat_ring.0) {
                    degrees.entry(point).or_insert((lonlat.x, lonlat.y));
                }
                if (doubled_signed_area(&ring) > 0) != (ring_index == 0) {
                    ring.reverse();
                }
                let mut index_of = |point: IntCoord| {
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

/// Projects longitude and latitude to Web Mercator (EPSG:3857). The length of the equator is
/// 2^[`WORLD_BITS`] units.
pub(crate) fn project((lon, lat): (f64, f64)) -> IntCoord {
    let east = lon / 360.0 + 0.5;
    let south = 0.5 - lat.to_radians().tan().asinh() / std::f64::consts::TAU;
    let units = (1_u64 << WORLD_BITS) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "little more than 2^36")]
    let to_units = |fraction: f64| (fraction * units).round() as i64;
    (to_units(east), to_units(south))
}

/// Returns the longitude and latitude of a point in Web Mercator. The length of the equator is
/// 2^`bits` units.
pub(crate) fn unproject((x, y): IntCoord, bits: u32) -> (f64, f64) {
    let units = (1_u64 << bits) as f64;
    let (east, south) = (x as f64 / units, y as f64 / units);
    let latitude = ((0.5 - south) * std::f64::consts::TAU).sinh().atan();
    ((east - 0.5) * 360.0, latitude.to_degrees())
}

fn bbox_centre(boundary: &Boundary) -> Option<IntCoord> {
    let exterior_area = |polygon: &GridPolygon| {
        let ring = polygon.rings.first().into_iter().flatten();
        let points: Vec<IntCoord> = ring
            .map(|vertex| {
                (
                    i64::from(vertex.easting_mm()),
                    -i64::from(vertex.northing_mm()),
                )
            })
            .collect();
        doubled_signed_area(&points).abs()
    };
    let polygons = boundary.grid.iter().zip(&boundary.lonlat);
    let (_, largest) = polygons.max_by_key(|(polygon, _)| exterior_area(polygon))?;
    let points = largest
        .exterior()
        .0
        .iter()
        .map(|vertex| project((vertex.x, vertex.y)));
    let (min, max) = points.fold(None, |bbox: Option<(IntCoord, IntCoord)>, (x, y)| {
        let (min, max) = bbox.unwrap_or(((x, y), (x, y)));
        Some(((min.0.min(x), min.1.min(y)), (max.0.max(x), max.1.max(y))))
    })?;
    Some((min.0.midpoint(max.0), min.1.midpoint(max.1)))
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

/// Returns the crossings of edges that must not cross. The result has two entries for each
/// crossing, one for each edge, with the index of the edge and the intersection. The entries are in
/// order.
fn find_crossings(graph: &PlanarGraph, labels: &FaceLabels) -> Vec<(usize, IntCoord)> {
    let ends = |edge: &GraphEdge| {
        (
            graph.points[edge.from as usize],
            graph.points[edge.to as usize],
        )
    };
    let mut crossings = Vec::new();
    for_each_candidate_pair(graph, |index_a, index_b| {
        let (a, b) = (&graph.edges[index_a], &graph.edges[index_b]);
        if cross_properly(ends(a), ends(b)) && labels.must_not_cross(a.label, b.label) {
            let point = intersection(ends(a), ends(b));
            crossings.extend([(index_a, point), (index_b, point)]);
        }
    });
    crossings.sort_unstable();
    crossings.dedup();
    crossings
}

/// Calls `visit` once for each pair of edges whose bounding boxes touch (a sweep from west to
/// east).
fn for_each_candidate_pair(graph: &PlanarGraph, mut visit: impl FnMut(usize, usize)) {
    let boxes: Vec<[i64; 4]> = graph
        .edges
        .iter()
        .map(|edge| {
            let (a, b) = (
                graph.points[edge.from as usize],
                graph.points[edge.to as usize],
            );
            [a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)]
        })
        .collect();
    let min_y = boxes.iter().map(|bbox| bbox[1]).min().unwrap_or(0);
    let max_y = boxes.iter().map(|bbox| bbox[3]).max().unwrap_or(0);
    // Each horizontal band is swept separately, so that few edges are active at the same time.
    let band_count = (boxes.len() / 256).clamp(1, 1_024);
    let band_height = (max_y - min_y) / i64::try_from(band_count).expect("few") + 1;
    let band_of = |y: i64| usize::try_from((y - min_y) / band_height).expect("not above min_y");
    let mut bands: Vec<Vec<usize>> = vec![Vec::new(); band_count + 1];
    for (edge, bbox) in boxes.iter().enumerate() {
        for band in &mut bands[band_of(bbox[1])..=band_of(bbox[3])] {
            band.push(edge);
        }
    }
    for (band, mut edges) in bands.into_iter().enumerate() {
        edges.sort_unstable_by_key(|&edge| boxes[edge][0]);
        let mut active: Vec<usize> = Vec::new();
        for edge in edges {
            let [west, north, _, south] = boxes[edge];
            active.retain(|&other| boxes[other][2] >= west);
            for &other in &active {
                let [_, other_north, _, other_south] = boxes[other];
                let top = north.max(other_north);
                // A pair is visited only in the first band that has both edges, so that it is
                // visited once.
                if top <= south.min(other_south) && band_of(top) == band {
                    visit(edge, other);
                }
            }
            active.push(edge);
        }
    }
}

/// Splits edges at points. The points are in order of edge index.
fn split_edges(mut graph: PlanarGraph, crossings: Vec<(usize, IntCoord)>) -> PlanarGraph {
    for of_edge in crossings.chunk_by(|a, b| a.0 == b.0) {
        let GraphEdge { from, to, label } = graph.edges[of_edge[0].0];
        let mut points: Vec<IntCoord> = of_edge.iter().map(|crossing| crossing.1).collect();
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
    fn the_projection_is_web_mercator() {
        let (half, world) = (1 << (WORLD_BITS - 1), 1 << WORLD_BITS);
        assert_eq!(project((0.0, 0.0)), (half, half));
        let assert_near = |(x, y): IntCoord, (east, south): IntCoord| {
            assert!((x - east).abs() < 10 && (y - south).abs() < 10, "{x} {y}");
        };
        assert_near(project((-180.0, 85.051_128_779_8)), (0, 0));
        assert_near(project((180.0, -85.051_128_779_8)), (world, world));
        let (lon, lat) = unproject(project((-2.8, 54.05)), WORLD_BITS);
        assert!((lon + 2.8).abs() < 1e-8 && (lat - 54.05).abs() < 1e-8);
    }
}
