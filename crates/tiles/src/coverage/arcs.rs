//! Arcs, as in TopoJSON. An arc is a chain of edges of a graph that runs from node to node.
//!
//! ```text
//!        A │ B                 At a node, the areas on the two sides of the edges change. Here,
//!      ────●────               three arcs meet at the node ●. A ring without a node, such as the
//!          C                   ring of an island, is a closed arc.
//! ```
//!
//! If areas may overlap, arcs that do not bound a common area may pass through each other's
//! vertices without a node.

use super::planar_graph::{FaceLabels, LabelId, PlanarGraph};

/// A chain of edges with the same areas on each side.
#[derive(Debug, Clone)]
pub(super) struct BoundaryArc {
    /// The points of the arc, as indices into the points of the graph. A closed arc does not repeat
    /// its first point.
    pub(super) points: Vec<u32>,
    pub(super) label: LabelId,
    /// Whether the arc is a ring without a node.
    pub(super) is_closed: bool,
}

/// Joins the edges of a graph into arcs. Each edge is part of exactly one arc.
pub(super) fn build_arcs(graph: &PlanarGraph, labels: &mut FaceLabels) -> Vec<BoundaryArc> {
    let incident = IncidentEdges::new(graph);
    let mut is_used = vec![false; graph.edges.len()];
    let mut arcs = Vec::new();
    for edge in 0..graph.edges.len() {
        if is_used[edge] {
            continue;
        }
        // The search goes backwards to the start of the arc, then forwards along the arc.
        let seed = HalfEdge {
            edge,
            is_forward: true,
        };
        let mut first = seed;
        let mut is_closed = false;
        while let Some(previous) = incident.continuation(graph, labels, first.twin()) {
            first = previous.twin();
            is_closed = first == seed;
            if is_closed {
                break;
            }
        }
        let mut points = vec![first.from(graph)];
        let mut current = first;
        loop {
            is_used[current.edge] = true;
            points.push(current.to(graph));
            match incident.continuation(graph, labels, current) {
                Some(next) if next != first => current = next,
                _ => break,
            }
        }
        if is_closed {
            points.pop();
        }
        let label = first.label(graph, labels);
        arcs.push(BoundaryArc {
            points,
            label,
            is_closed,
        });
    }
    arcs
}

/// An edge in one of its two directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HalfEdge {
    edge: usize,
    is_forward: bool,
}

impl HalfEdge {
    /// Returns the same edge in the opposite direction.
    fn twin(self) -> HalfEdge {
        HalfEdge {
            edge: self.edge,
            is_forward: !self.is_forward,
        }
    }

    fn from(self, graph: &PlanarGraph) -> u32 {
        self.twin().to(graph)
    }

    fn to(self, graph: &PlanarGraph) -> u32 {
        let edge = &graph.edges[self.edge];
        if self.is_forward { edge.to } else { edge.from }
    }

    fn label(self, graph: &PlanarGraph, labels: &mut FaceLabels) -> LabelId {
        let label = graph.edges[self.edge].label;
        if self.is_forward {
            label
        } else {
            labels.reversed(label)
        }
    }
}

/// The edges incident to each point of a graph.
pub(super) struct IncidentEdges {
    /// The index in `edges` at which each point's edges start, and the index at which the last
    /// point's edges end.
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl IncidentEdges {
    pub(super) fn new(graph: &PlanarGraph) -> IncidentEdges {
        let mut starts = vec![0; graph.points.len() + 1];
        for edge in &graph.edges {
            for end in [edge.from, edge.to] {
                starts[end as usize + 1] += 1;
            }
        }
        for point in 1..starts.len() {
            starts[point] += starts[point - 1];
        }
        let mut next = starts.clone();
        let mut edges = vec![0; 2 * graph.edges.len()];
        for (index, edge) in (0_u32..).zip(&graph.edges) {
            for end in [edge.from, edge.to] {
                edges[next[end as usize] as usize] = index;
                next[end as usize] += 1;
            }
        }
        IncidentEdges { starts, edges }
    }

    /// Returns the indices of the edges that are incident to a point.
    pub(super) fn edges_at(&self, point: u32) -> &[u32] {
        let point = point as usize;
        &self.edges[self.starts[point] as usize..self.starts[point + 1] as usize]
    }

    /// Returns the edge that continues the arc at the end of a half-edge, or `None` if that end is
    /// a node.
    ///
    /// The returned edge has the same areas on each side, and is the only other edge at that end
    /// that the arc must not cross.
    fn continuation(
        &self,
        graph: &PlanarGraph,
        labels: &mut FaceLabels,
        half_edge: HalfEdge,
    ) -> Option<HalfEdge> {
        let end = half_edge.to(graph);
        let label = graph.edges[half_edge.edge].label;
        let mut others = self
            .edges_at(end)
            .iter()
            .map(|&edge| edge as usize)
            .filter(|&edge| {
                edge != half_edge.edge && labels.must_not_cross(graph.edges[edge].label, label)
            });
        let (other, None) = (others.next()?, others.next()) else {
            return None;
        };
        let next = HalfEdge {
            edge: other,
            is_forward: graph.edges[other].from == end,
        };
        (next.label(graph, labels) == half_edge.label(graph, labels)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::super::planar_graph::tests::graph_of;
    use super::super::planar_graph::{GraphEdge, snap_round};
    use super::*;
    use geo::Coord;

    /// Returns the sorted numbers of vertices of the open arcs, and those of the closed arcs.
    fn arc_lengths(areas: &[&[(i64, i64)]], is_partition: bool) -> (Vec<usize>, Vec<usize>) {
        let mut labels = FaceLabels::new(is_partition);
        let graph = graph_of(areas, &mut labels);
        let graph = snap_round(&graph, &mut labels, 1);
        let arcs = build_arcs(&graph, &mut labels);
        let lengths = |is_closed: bool| {
            let kind = arcs.iter().filter(|arc| arc.is_closed == is_closed);
            let mut lengths: Vec<usize> = kind.map(|arc| arc.points.len()).collect();
            lengths.sort_unstable();
            lengths
        };
        (lengths(false), lengths(true))
    }

    #[test]
    fn a_shared_border_is_one_arc() {
        let west: &[(i64, i64)] = &[(0, 0), (10, 0), (12, 5), (10, 10), (0, 10)];
        let east: &[(i64, i64)] = &[(10, 0), (20, 0), (20, 10), (10, 10), (12, 5)];
        // Each of the two coasts has four vertices, and the border has three.
        assert_eq!(arc_lengths(&[west, east], true), (vec![3, 4, 4], vec![]));
    }

    #[test]
    fn an_island_is_a_closed_arc_and_an_enclave_shares_one_with_its_hole() {
        let island: &[(i64, i64)] = &[(50, 50), (60, 50), (60, 60)];
        let outer: &[(i64, i64)] = &[(0, 0), (9, 0), (9, 9), (0, 9)];
        let hole: &[(i64, i64)] = &[(3, 3), (3, 6), (6, 6), (6, 3)];
        let mut labels = FaceLabels::new(true);
        let mut graph = graph_of(&[island, outer], &mut labels);
        // The enclave and the hole share a ring. The direction of the ring is opposite in the two
        // areas.
        let enclave: Vec<(i64, i64)> = hole.iter().rev().copied().collect();
        for (area, ring) in [(1, hole), (2, &enclave[..])] {
            let label = labels.intern(Box::new([(area, true)]));
            let first = u32::try_from(graph.points.len()).expect("few");
            graph.points.extend(ring.iter().copied().map(Coord::from));
            graph.edges.extend((0..4).map(|index| GraphEdge {
                from: first + index,
                to: first + (index + 1) % 4,
                label,
            }));
        }
        let graph = snap_round(&graph, &mut labels, 1);
        let arcs = build_arcs(&graph, &mut labels);
        assert!(arcs.iter().all(|arc| arc.is_closed));
        let mut area_counts: Vec<usize> = arcs
            .iter()
            .map(|arc| labels.faces(arc.label).len())
            .collect();
        area_counts.sort_unstable();
        assert_eq!(area_counts, [1, 1, 2]);
    }

    #[test]
    fn overlapping_areas_share_only_coincident_edges() {
        let square: &[(i64, i64)] = &[(0, 0), (10, 0), (10, 10), (0, 10)];
        let across: &[(i64, i64)] = &[(5, -5), (15, -5), (15, 5), (5, 5)];
        assert_eq!(arc_lengths(&[square, across], false), (vec![], vec![4, 4]));
        assert_eq!(arc_lengths(&[square, square], false), (vec![], vec![4]));
        let half: &[(i64, i64)] = &[(0, 0), (10, 0), (10, 10)];
        assert_eq!(arc_lengths(&[square, half], false), (vec![2, 3, 3], vec![]));
    }
}
