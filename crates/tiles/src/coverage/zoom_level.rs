//! The simplified geometry of a layer at one zoom, in whole units of that zoom.
//!
//! The areas of a partition form a valid coverage at every zoom.

use std::collections::HashSet;

use geo::{Coord, Line, Rect};

use super::arcs::{BoundaryArc, build_arcs};
use super::coverage_topology::{CoverageTopology, WORLD_BITS};
use super::pinch_points::{PinchPoint, separate_touching_rings};
use super::planar_graph::{FaceLabels, PlanarGraph, snap_round};
use super::simplify::simplify;
use catchment_core::geometry::bbox::bounding_rect;
use catchment_core::geometry::polygonize::{edge_key, polygonize};
use catchment_core::geometry::rings::Ring;

/// The binary logarithm of the number of units across a tile. A zoom is 2^zoom tiles wide.
pub(crate) const EXTENT_BITS: u32 = 12;
/// The maximum distance by which simplification moves a border, in units. The tolerance is half a
/// CSS pixel if a tile is 512 pixels across.
const SIMPLIFY_TOLERANCE: f64 = 4.0;

/// The highest zoom for which geometry is prepared. The units of this zoom are 9 cm in the middle
/// of Great Britain, and only vertices on straight lines are removed. The geometry of higher zooms
/// is scaled up from the geometry of this zoom, and therefore remains valid.
pub(crate) const DETAIL_ZOOM: u8 = 16;

/// The maximum number of rounds in which touching rings are separated. Separating rings at one
/// pinch point may create another pinch point, but two rounds have been enough for all real data so
/// far.
const PINCH_ROUNDS_MAX: usize = 4;

/// The areas of a layer at a zoom, in units of that zoom and in the order of the layer's
/// [`CoverageTopology`].
#[derive(Debug)]
pub(crate) struct ZoomLevel {
    pub(crate) zoom: u8,
    pub(crate) is_partition: bool,
    pub(crate) areas: Vec<AreaGeometry>,
}

/// An area's geometry at a zoom, with its bounding box.
#[derive(Debug)]
pub(crate) struct AreaGeometry {
    pub(crate) bbox: Rect<i32>,
    pub(crate) shape: AreaShape,
}

/// The form in which an area is drawn.
#[derive(Debug)]
pub(crate) enum AreaShape {
    /// Exteriors, each with its holes. Rings do not repeat their first vertex.
    Polygons(Vec<Vec<Vec<Coord<i32>>>>),
    /// The area is thinner than a unit everywhere. A point marks the position of the area.
    Point(Coord<i32>),
    /// The area has no geometry.
    Empty,
}

impl ZoomLevel {
    /// Snap rounds and simplifies a layer for a zoom. For a zoom above [`DETAIL_ZOOM`], the result
    /// is the same as for [`DETAIL_ZOOM`].
    pub(crate) fn new(topology: &CoverageTopology, zoom: u8) -> ZoomLevel {
        let zoom = zoom.min(DETAIL_ZOOM);
        let step = 1_i64 << (WORLD_BITS - EXTENT_BITS - u32::from(zoom));
        let tolerance = if zoom == DETAIL_ZOOM {
            0.0
        } else {
            SIMPLIFY_TOLERANCE
        };
        let mut labels = topology.labels.clone();
        let mut graph = snap_round(&topology.graph, &mut labels, step);
        let at_zoom = |point: &Coord<i64>| {
            narrow(Coord {
                x: point.x.div_euclid(step),
                y: point.y.div_euclid(step),
            })
        };
        let centres: Vec<Option<Coord<i32>>> = topology
            .centres
            .iter()
            .map(|centre| centre.as_ref().map(at_zoom))
            .collect();
        let mut areas = simplified_areas(&graph, &mut labels, tolerance, &centres);
        for _ in 0..PINCH_ROUNDS_MAX {
            let pinch_points: Vec<PinchPoint> = (0..)
                .zip(&areas)
                .flat_map(|(index, area)| area.pinch_points(index))
                .collect();
            if pinch_points.is_empty()
                || !separate_touching_rings(&mut graph, &mut labels, &pinch_points)
            {
                break;
            }
            areas = simplified_areas(&graph, &mut labels, tolerance, &centres);
        }
        ZoomLevel {
            zoom,
            is_partition: labels.is_partition,
            areas,
        }
    }

    /// Estimates the memory used, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let vertices = |area: &AreaGeometry| match &area.shape {
            AreaShape::Polygons(polygons) => polygons
                .iter()
                .flatten()
                .map(|ring| ring.len() * 8 + 24)
                .sum(),
            AreaShape::Point(_) | AreaShape::Empty => 0,
        };
        let areas = self.areas.iter();
        areas
            .map(|area| vertices(area) + size_of::<AreaGeometry>())
            .sum()
    }
}

/// Simplifies the arcs of a graph, and assembles the areas of the graph from the simplified arcs.
fn simplified_areas(
    graph: &PlanarGraph,
    labels: &mut FaceLabels,
    tolerance: f64,
    centres: &[Option<Coord<i32>>],
) -> Vec<AreaGeometry> {
    let arcs = build_arcs(graph, labels);
    let arcs = simplify(graph, labels, arcs, tolerance);
    let mut edges: Vec<Vec<Line<i64>>> = vec![Vec::new(); centres.len()];
    for arc in &arcs {
        for (from, to) in arc_edges(arc) {
            let (from, to) = (graph.points[from as usize], graph.points[to as usize]);
            for &(area, is_left) in labels.faces(arc.label) {
                let (start, end) = if is_left { (from, to) } else { (to, from) };
                edges[area as usize].push(Line { start, end });
            }
        }
    }
    let to_area = |(mut edges, &centre): (Vec<Line<i64>>, &Option<Coord<i32>>)| {
        edges.sort_unstable_by_key(edge_key);
        AreaGeometry::new(&edges, centre)
    };
    edges.into_iter().zip(centres).map(to_area).collect()
}

impl AreaGeometry {
    /// Assembles an area from its edges, which must be sorted by [`edge_key`]. If the edges enclose
    /// nothing, the area is a point at `centre`.
    fn new(edges: &[Line<i64>], centre: Option<Coord<i32>>) -> AreaGeometry {
        let polygons: Vec<Vec<Vec<Coord<i32>>>> = polygonize(edges)
            .into_iter()
            .map(|rings| {
                let ring = |ring: Ring| ring.into_iter().map(narrow).collect();
                rings.into_iter().map(ring).collect()
            })
            .collect();
        let vertices = polygons.iter().flat_map(|rings| &rings[0]);
        match (bounding_rect(vertices.copied()), centre) {
            (Some(bbox), _) => AreaGeometry {
                bbox,
                shape: AreaShape::Polygons(polygons),
            },
            (None, Some(centre)) => AreaGeometry {
                bbox: Rect::new(centre, centre),
                shape: AreaShape::Point(centre),
            },
            (None, None) => AreaGeometry {
                bbox: Rect::new((0, 0), (0, 0)),
                shape: AreaShape::Empty,
            },
        }
    }

    /// Returns the vertices where two rings of one of the area's polygons touch.
    fn pinch_points(&self, area: u32) -> Vec<PinchPoint> {
        let AreaShape::Polygons(polygons) = &self.shape else {
            return Vec::new();
        };
        let mut pinch_points = Vec::new();
        for rings in polygons.iter().filter(|rings| rings.len() > 1) {
            let mut seen: HashSet<Coord<i32>> = HashSet::new();
            let repeated = rings
                .iter()
                .flatten()
                .filter(|&&vertex| !seen.insert(vertex));
            pinch_points.extend(repeated.map(|vertex| PinchPoint {
                area,
                position: widen(*vertex),
            }));
        }
        pinch_points
    }
}

fn arc_edges(arc: &BoundaryArc) -> impl Iterator<Item = (u32, u32)> {
    let closing = arc.is_closed.then(|| {
        let last = arc.points.last().copied().expect("a ring has vertices");
        (last, arc.points[0])
    });
    let along = arc.points.windows(2).map(|edge| (edge[0], edge[1]));
    along.chain(closing)
}

/// Returns a position in 32 bits. 32 bits are enough, because the equator is at most 2^28 units
/// long.
fn narrow(point: Coord<i64>) -> Coord<i32> {
    let narrow = |value: i64| i32::try_from(value).expect("the equator is at most 2^28 units long");
    Coord {
        x: narrow(point.x),
        y: narrow(point.y),
    }
}

/// Returns a position in 64 bits, for exact predicates.
pub(crate) fn widen(point: Coord<i32>) -> Coord<i64> {
    Coord {
        x: point.x.into(),
        y: point.y.into(),
    }
}
