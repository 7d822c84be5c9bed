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

use super::network::{Label, Labels, Network};

/// A chain of edges with the same areas on either side.
#[derive(Debug, Clone)]
pub(super) struct Arc {
    /// Points of the network, by their numbers; a closed arc does not repeat its first one.
    pub(super) points: Vec<u32>,
    pub(super) label: Label,
    /// Whether it is a ring without a node.
    pub(super) is_closed: bool,
}

/// The arcs of a network; each edge is in one.
pub(super) fn arcs(network: &Network, labels: &mut Labels) -> Vec<Arc> {
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

    fn from(self, network: &Network) -> u32 {
        self.turned().to(network)
    }

    fn to(self, network: &Network) -> u32 {
        let edge = &network.edges[self.edge];
        if self.is_forward { edge.to } else { edge.from }
    }

    fn label(self, network: &Network, labels: &mut Labels) -> Label {
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
    pub(super) fn new(network: &Network) -> Incident {
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
    fn next(&self, network: &Network, labels: &mut Labels, way: Way) -> Option<Way> {
        let end = way.to(network);
        let label = network.edges[way.edge].label;
        let mut others = self
            .at(end)
            .iter()
            .map(|&edge| edge as usize)
            .filter(|&edge| edge != way.edge && labels.mind(network.edges[edge].label, label));
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
