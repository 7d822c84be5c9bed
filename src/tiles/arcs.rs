//! Arcs: the edges of a network in chains from node to node.
//!
//! ```text
//!        A │ B                 a node is where the areas on the two sides change: three arcs meet
//!      ────●────               in ●. A ring without a node, such as an island's, is a closed arc.
//!          C
//! ```
//!
//! Where areas may lie over each other, arcs that bound no area in common pass through each other's
//! vertices without a node.

use super::planar_graph::{FaceLabels, LabelId, PlanarGraph};

/// A chain of edges with the same areas on either side.
#[derive(Debug, Clone)]
pub(super) struct Arc {
    /// Points of the network, by their numbers; a closed arc does not repeat its first one.
    pub(super) points: Vec<u32>,
    pub(super) label: LabelId,
    /// Whether it is a ring without a node.
    pub(super) is_closed: bool,
}

/// The arcs of a network; each edge is in one.
pub(super) fn arcs(network: &PlanarGraph, labels: &mut FaceLabels) -> Vec<Arc> {
    let incident = Incident::new(network);
    let mut is_used = vec![false; network.edges.len()];
    let mut arcs = Vec::new();
    for edge in 0..network.edges.len() {
        if is_used[edge] {
            continue;
        }
        // Back to where the arc begins, then along it.
        let here = Way {
            edge,
            is_forward: true,
        };
        let mut first = here;
        let mut is_closed = false;
        while let Some(before) = incident.next(network, labels, first.turned()) {
            first = before.turned();
            is_closed = first == here;
            if is_closed {
                break;
            }
        }
        let mut points = vec![first.from(network)];
        let mut at = first;
        loop {
            is_used[at.edge] = true;
            points.push(at.to(network));
            match incident.next(network, labels, at) {
                Some(next) if next != first => at = next,
                _ => break,
            }
        }
        if is_closed {
            points.pop();
        }
        let label = first.label(network, labels);
        arcs.push(Arc {
            points,
            label,
            is_closed,
        });
    }
    arcs
}

/// An edge in one of its directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    edge: usize,
    is_forward: bool,
}

impl Way {
    fn turned(self) -> Way {
        Way {
            edge: self.edge,
            is_forward: !self.is_forward,
        }
    }

    fn from(self, network: &PlanarGraph) -> u32 {
        self.turned().to(network)
    }

    fn to(self, network: &PlanarGraph) -> u32 {
        let edge = &network.edges[self.edge];
        if self.is_forward { edge.to } else { edge.from }
    }

    fn label(self, network: &PlanarGraph, labels: &mut FaceLabels) -> LabelId {
        let label = network.edges[self.edge].label;
        match self.is_forward {
            true => label,
            false => labels.reversed(label),
        }
    }
}

/// The edges at each point.
pub(super) struct Incident {
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Incident {
    pub(super) fn new(network: &PlanarGraph) -> Incident {
        let mut starts = vec![0; network.points.len() + 1];
        for edge in &network.edges {
            for end in [edge.from, edge.to] {
                starts[end as usize + 1] += 1;
            }
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut edges = vec![0; 2 * network.edges.len()];
        for (number, edge) in (0_u32..).zip(&network.edges) {
            for end in [edge.from, edge.to] {
                edges[next[end as usize] as usize] = number;
                next[end as usize] += 1;
            }
        }
        Incident { starts, edges }
    }

    /// The edges that end in the point, by their numbers.
    pub(super) fn at(&self, point: u32) -> &[u32] {
        let point = point as usize;
        &self.edges[self.starts[point] as usize..self.starts[point + 1] as usize]
    }

    /// The edge that goes on from the end of this one with the same areas on either side, where no
    /// other one that minds it is there.
    fn next(&self, network: &PlanarGraph, labels: &mut FaceLabels, way: Way) -> Option<Way> {
        let end = way.to(network);
        let label = network.edges[way.edge].label;
        let mut others = self
            .at(end)
            .iter()
            .map(|&edge| edge as usize)
            .filter(|&edge| {
                edge != way.edge && labels.must_not_cross(network.edges[edge].label, label)
            });
        let (other, None) = (others.next()?, others.next()) else {
            return None;
        };
        let next = Way {
            edge: other,
            is_forward: network.edges[other].from == end,
        };
        (next.label(network, labels) == way.label(network, labels)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid::IntCoord;
    use super::super::planar_graph::snap_round;
    use super::super::planar_graph::tests::graph_of;
    use super::*;

    /// The lengths of the open arcs and of the closed ones, in vertices.
    fn lengths(areas: &[&[IntCoord]], is_partition: bool) -> (Vec<usize>, Vec<usize>) {
        let mut labels = FaceLabels::new(is_partition);
        let network = graph_of(areas, &mut labels);
        let network = snap_round(&network, &mut labels, 1);
        let arcs = arcs(&network, &mut labels);
        let of = |is_closed: bool| {
            let kind = arcs.iter().filter(|arc| arc.is_closed == is_closed);
            let mut lengths: Vec<usize> = kind.map(|arc| arc.points.len()).collect();
            lengths.sort_unstable();
            lengths
        };
        (of(false), of(true))
    }

    #[test]
    fn a_shared_border_is_one_arc() {
        let west: &[IntCoord] = &[(0, 0), (10, 0), (12, 5), (10, 10), (0, 10)];
        let east: &[IntCoord] = &[(10, 0), (20, 0), (20, 10), (10, 10), (12, 5)];
        // Two coasts of four vertices, and the border of three.
        assert_eq!(lengths(&[west, east], true), (vec![3, 4, 4], vec![]));
    }

    #[test]
    fn an_island_is_a_closed_arc_and_an_enclave_is_one_of_two_areas() {
        let island: &[IntCoord] = &[(50, 50), (60, 50), (60, 60)];
        let around: &[IntCoord] = &[(0, 0), (9, 0), (9, 9), (0, 9)];
        let hole: &[IntCoord] = &[(3, 3), (3, 6), (6, 6), (6, 3)];
        let mut labels = FaceLabels::new(true);
        let mut network = graph_of(&[island, around], &mut labels);
        // The enclave's ring, and the same one the other way as a hole.
        let enclave: Vec<IntCoord> = hole.iter().rev().copied().collect();
        for (area, ring) in [(1, hole), (2, &enclave[..])] {
            let label = labels.intern(Box::new([(area, true)]));
            let first = u32::try_from(network.points.len()).expect("few");
            network.points.extend_from_slice(ring);
            network
                .edges
                .extend((0..4).map(|at| super::super::planar_graph::GraphEdge {
                    from: first + at,
                    to: first + (at + 1) % 4,
                    label,
                }));
        }
        let network = snap_round(&network, &mut labels, 1);
        let arcs = arcs(&network, &mut labels);
        assert!(arcs.iter().all(|arc| arc.is_closed));
        let mut areas: Vec<usize> = arcs
            .iter()
            .map(|arc| labels.faces(arc.label).len())
            .collect();
        areas.sort_unstable();
        assert_eq!(areas, [1, 1, 2]);
    }

    #[test]
    fn areas_over_each_other_share_what_coincides_and_else_do_not_mind() {
        let one: &[IntCoord] = &[(0, 0), (10, 0), (10, 10), (0, 10)];
        let across: &[IntCoord] = &[(5, -5), (15, -5), (15, 5), (5, 5)];
        assert_eq!(lengths(&[one, across], false), (vec![], vec![4, 4]));
        assert_eq!(lengths(&[one, one], false), (vec![], vec![4]));
        let half: &[IntCoord] = &[(0, 0), (10, 0), (10, 10)];
        assert_eq!(lengths(&[one, half], false), (vec![2, 3, 3], vec![]));
    }
}
