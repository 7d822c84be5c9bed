//! A layer as one zoom shows it: polygons in whole units of the zoom, of areas side by side a valid
//! coverage.

use std::collections::HashSet;

use super::arcs::{BoundaryArc, build_arcs};
use super::coverage::{CoverageTopology, WORLD_BITS};
use super::grid::IntCoord;
use super::pinch::{PinchPoint, separate_touching_rings};
use super::planar_graph::{FaceLabels, PlanarGraph, snap_round};
use super::polygonize::{DirectedEdge, polygonize};
use super::simplify::simplify;
use super::{EXTENT_BITS, TOLERANCE};

/// The most detailed zoom. Deeper ones magnify it, so that they are valid as it is; its units are 9 cm
/// in the middle of Great Britain, and nothing but vertices on straight lines is left out.
pub(super) const DETAIL_ZOOM: u8 = 16;

/// Opening one pinch may close another; on any real data twice is enough.
const PINCH_ROUNDS: usize = 4;

/// A vertex in units of the zoom around the Earth: at most 2^28.
pub(super) type Vertex = (i32, i32);

/// The areas of a layer at a zoom, in the order of the mesh.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) zoom: u8,
    pub(super) is_partition: bool,
    pub(super) grounds: Vec<Ground>,
}

/// An area at a zoom.
#[derive(Debug)]
pub(super) struct Ground {
    /// The corners of its box.
    pub(super) low: Vertex,
    pub(super) high: Vertex,
    pub(super) shape: Shape,
}

/// What is drawn of an area.
#[derive(Debug)]
pub(super) enum Shape {
    /// Exteriors, each with its holes; rings do not repeat their first vertex.
    Polygons(Vec<Vec<Vec<Vertex>>>),
    /// Where it is; it is thinner than a unit everywhere.
    Point(Vertex),
    /// It has no ground.
    Nothing,
}

impl Level {
    pub(super) fn new(mesh: &CoverageTopology, zoom: u8) -> Level {
        let zoom = zoom.min(DETAIL_ZOOM);
        let step = 1_i64 << (WORLD_BITS - EXTENT_BITS - u32::from(zoom));
        let tolerance = if zoom == DETAIL_ZOOM { 0.0 } else { TOLERANCE };
        let mut labels = mesh.labels.clone();
        let mut network = snap_round(&mesh.graph, &mut labels, step);
        let on_level = |&(x, y): &IntCoord| vertex((x.div_euclid(step), y.div_euclid(step)));
        let middles: Vec<Option<Vertex>> = mesh
            .centres
            .iter()
            .map(|middle| middle.as_ref().map(on_level))
            .collect();
        let mut grounds = grounds(&network, &mut labels, tolerance, &middles);
        for _ in 0..PINCH_ROUNDS {
            let pinches: Vec<PinchPoint> = (0..)
                .zip(&grounds)
                .flat_map(|(area, ground)| ground.pinches(area))
                .collect();
            if pinches.is_empty() || !separate_touching_rings(&mut network, &mut labels, &pinches) {
                break;
            }
            grounds = self::grounds(&network, &mut labels, tolerance, &middles);
        }
        Level {
            zoom,
            is_partition: labels.is_partition,
            grounds,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn size_bytes(&self) -> usize {
        let vertices = |ground: &Ground| match &ground.shape {
            Shape::Polygons(polygons) => {
                polygons.iter().flatten().map(|it| it.len() * 8 + 24).sum()
            }
            Shape::Point(_) | Shape::Nothing => 0,
        };
        let grounds = self.grounds.iter();
        grounds.map(|it| vertices(it) + size_of::<Ground>()).sum()
    }
}

/// The areas of a network, of which arcs are simplified.
fn grounds(
    network: &PlanarGraph,
    labels: &mut FaceLabels,
    tolerance: f64,
    middles: &[Option<Vertex>],
) -> Vec<Ground> {
    let arcs = build_arcs(network, labels);
    let arcs = simplify(network, labels, arcs, tolerance);
    let mut steps: Vec<Vec<DirectedEdge>> = vec![Vec::new(); middles.len()];
    for arc in &arcs {
        for (from, to) in edges(arc) {
            let (from, to) = (network.points[from as usize], network.points[to as usize]);
            for &(area, is_left) in labels.faces(arc.label) {
                let step = if is_left { (from, to) } else { (to, from) };
                steps[area as usize].push(step);
            }
        }
    }
    let ground = |(mut steps, &middle): (Vec<DirectedEdge>, &Option<Vertex>)| {
        steps.sort_unstable();
        Ground::new(&steps, middle)
    };
    steps.into_iter().zip(middles).map(ground).collect()
}

impl Ground {
    fn new(steps: &[DirectedEdge], middle: Option<Vertex>) -> Ground {
        let polygons: Vec<Vec<Vec<Vertex>>> = polygonize(steps)
            .into_iter()
            .map(|rings| {
                let ring = |ring: Vec<IntCoord>| ring.into_iter().map(vertex).collect();
                rings.into_iter().map(ring).collect()
            })
            .collect();
        let exteriors = polygons.iter().flat_map(|rings| &rings[0]);
        let corners = exteriors.fold(None, |seen: Option<(Vertex, Vertex)>, &(x, y)| {
            let (low, high) = seen.unwrap_or(((x, y), (x, y)));
            Some(((low.0.min(x), low.1.min(y)), (high.0.max(x), high.1.max(y))))
        });
        match (corners, middle) {
            (Some((low, high)), _) => Ground {
                low,
                high,
                shape: Shape::Polygons(polygons),
            },
            (None, Some(middle)) => Ground {
                low: middle,
                high: middle,
                shape: Shape::Point(middle),
            },
            (None, None) => Ground {
                low: (0, 0),
                high: (0, 0),
                shape: Shape::Nothing,
            },
        }
    }
}

impl Ground {
    /// Where two rings of one of its polygons touch.
    fn pinches(&self, area: u32) -> Vec<PinchPoint> {
        let Shape::Polygons(polygons) = &self.shape else {
            return Vec::new();
        };
        let mut pinches = Vec::new();
        for rings in polygons.iter().filter(|rings| rings.len() > 1) {
            let mut seen: HashSet<Vertex> = HashSet::new();
            let again = rings
                .iter()
                .flatten()
                .filter(|&&vertex| !seen.insert(vertex));
            pinches.extend(again.map(|&(x, y)| PinchPoint {
                area,
                position: (i64::from(x), i64::from(y)),
            }));
        }
        pinches
    }
}

fn edges(arc: &BoundaryArc) -> impl Iterator<Item = (u32, u32)> {
    let closing = arc.is_closed.then(|| {
        let last = arc.points.last().copied().expect("a ring has vertices");
        (last, arc.points[0])
    });
    let along = arc.points.windows(2).map(|edge| (edge[0], edge[1]));
    along.chain(closing)
}

fn vertex((x, y): IntCoord) -> Vertex {
    let whole = |at: i64| i32::try_from(at).expect("at most 2^28 units around the Earth");
    (whole(x), whole(y))
}
