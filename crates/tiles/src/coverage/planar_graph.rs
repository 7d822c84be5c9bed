//! A planar graph whose edges are labelled with the areas on both sides, and snap rounding.
//!
//! ```text
//!        a ────────────── b          a ─────v──────── b      edge a–b hits the hot pixel of v,
//!             ┌──v──┐         ──►        ╱                   so it is routed through v
//!             └─╱───┘                   w
//!              w
//! ```
//!
//! Snap rounding moves every vertex to the centre of its hot pixel, and routes every edge through
//! the centre of each hot pixel that it hits (Hobby 1999; Guibas and Marimont 1998). No vertex
//! crosses an edge. Parts narrower than a pixel collapse and cancel in the same way on both sides.
//! The rounding is repeated until the graph no longer changes. Every vertex is then at least half a
//! unit away from every edge that does not end at that vertex (iterated snap rounding: Halperin and
//! Packer 2002).
//!
//! Rounding each vertex separately makes 12 of the 16 embedded communities invalid at zoom 5, and 5
//! of them at zoom 8.

use std::collections::{BTreeSet, HashMap, HashSet};

use geo::{Coord, Line};

use super::grid::{PixelGrid, PointGrid};
use catchment_core::geometry::predicates::sort_along;

/// The indices of the areas that an edge bounds, sorted. Each index has a flag that states whether
/// the area is on the left of the edge, with the y axis pointing up.
pub(super) type Faces = Box<[(u32, bool)]>;

/// The id of interned [`Faces`].
pub(super) type LabelId = u32;

/// The interned edge labels of a graph.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaceLabels {
    /// Whether the areas form a partition, in which no two edges may cross. If areas may overlap,
    /// only edges that bound a common area must not cross.
    pub(super) is_partition: bool,
    faces: Vec<Faces>,
    ids: HashMap<Faces, LabelId>,
}

impl FaceLabels {
    pub(super) fn new(is_partition: bool) -> FaceLabels {
        FaceLabels {
            is_partition,
            ..FaceLabels::default()
        }
    }

    pub(super) fn faces(&self, label: LabelId) -> &[(u32, bool)] {
        &self.faces[label as usize]
    }

    /// Returns the label of sorted faces. A label that does not exist yet is added.
    pub(super) fn intern(&mut self, faces: Faces) -> LabelId {
        if let Some(&label) = self.ids.get(&faces) {
            return label;
        }
        let label = u32::try_from(self.faces.len()).expect("fewer labels than edges");
        self.faces.push(faces.clone());
        self.ids.insert(faces, label);
        label
    }

    /// Returns the label of the same edge in the opposite direction.
    pub(super) fn reversed(&mut self, label: LabelId) -> LabelId {
        let faces = self.faces(label).iter();
        let reversed = faces.map(|&(area, is_left)| (area, !is_left)).collect();
        self.intern(reversed)
    }

    /// Returns the neighbours of each area, which are the areas that share an edge with it.
    /// `area_count` is the number of areas.
    pub(crate) fn neighbours(&self, area_count: usize) -> Vec<BTreeSet<usize>> {
        let mut neighbours = vec![BTreeSet::new(); area_count];
        for faces in &self.faces {
            for &(area, _) in faces {
                let others = faces.iter().filter(|&&(other, _)| other != area);
                neighbours[area as usize].extend(others.map(|&(other, _)| other as usize));
            }
        }
        neighbours
    }

    /// Estimates the memory used, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let faces: usize = self.faces.iter().map(|faces| faces.len() * 8).sum();
        2 * (faces + self.faces.len() * 32)
    }

    /// Returns whether two edges with these labels must not cross.
    pub(super) fn must_not_cross(&self, a: LabelId, b: LabelId) -> bool {
        if self.is_partition || a == b {
            return true;
        }
        let (mut faces_a, mut faces_b) = (self.faces(a), self.faces(b));
        while let ([(area_a, _), rest_a @ ..], [(area_b, _), rest_b @ ..]) = (faces_a, faces_b) {
            match area_a.cmp(area_b) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => faces_a = rest_a,
                std::cmp::Ordering::Greater => faces_b = rest_b,
            }
        }
        false
    }
}

/// A labelled edge between two points of a graph, given by the indices of the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GraphEdge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) label: LabelId,
}

/// Points and the labelled edges between them.
#[derive(Debug, Clone, Default)]
pub(super) struct PlanarGraph {
    pub(super) points: Vec<Coord<i64>>,
    pub(super) edges: Vec<GraphEdge>,
}

impl PlanarGraph {
    /// Returns an edge between its points.
    pub(super) fn line(&self, edge: &GraphEdge) -> Line<i64> {
        let [start, end] = [edge.from, edge.to].map(|end| self.points[end as usize]);
        Line { start, end }
    }
}

/// An edge that has not been merged with other edges between the same points. The fields are the
/// lower point index, the higher point index, the label, and a flag that states whether the label
/// is for the direction from the higher index to the lower index.
pub(super) type RawEdge = (u32, u32, LabelId, bool);

/// Snap rounds a graph to multiples of `step`. The result is in steps.
///
/// The points of the result are sorted by x, then by y. The edges of the result are sorted and
/// unique, and go from the lower point index to the higher point index.
pub(super) fn snap_round(graph: &PlanarGraph, labels: &mut FaceLabels, step: i64) -> PlanarGraph {
    let mut snapped = snap_round_once(graph, labels, PixelGrid::new(step)).0;
    loop {
        let (next, has_changed) = snap_round_once(&snapped, labels, PixelGrid::new(1));
        snapped = next;
        if !has_changed {
            return snapped;
        }
    }
}

/// Returns the rounded graph, and whether any edge was routed through another point.
fn snap_round_once(
    graph: &PlanarGraph,
    labels: &mut FaceLabels,
    grid: PixelGrid,
) -> (PlanarGraph, bool) {
    let rounded: Vec<Coord<i64>> = graph
        .points
        .iter()
        .map(|&point| grid.nearest(point))
        .collect();
    let mut points = rounded.clone();
    points.sort_unstable_by_key(Coord::x_y);
    points.dedup();
    let index_of = |point: &Coord<i64>| {
        let index = points
            .binary_search_by_key(&point.x_y(), Coord::x_y)
            .expect("the point is in the list");
        u32::try_from(index).expect("fewer than 2^32 points")
    };
    let new_indices: Vec<u32> = rounded.iter().map(index_of).collect();
    let hits = hot_pixel_hits(graph, labels, grid, &points, &new_indices);
    let mut raw_edges: Vec<RawEdge> = Vec::with_capacity(graph.edges.len() + hits.len());
    let mut remaining = &hits[..];
    for (edge_index, edge) in (0..).zip(&graph.edges) {
        let (own_hits, others) =
            remaining.split_at(remaining.partition_point(|hit| hit.0 <= edge_index));
        remaining = others;
        let ends = [edge.from, edge.to].map(|end| new_indices[end as usize]);
        if ends[0] == ends[1] {
            continue;
        }
        let [a, b] = [edge.from, edge.to].map(|end| graph.points[end as usize]);
        let mut between: Vec<Coord<i64>> =
            own_hits.iter().map(|hit| points[hit.1 as usize]).collect();
        sort_along(&mut between, a, b);
        let mut last = ends[0];
        for next in between.iter().map(index_of).chain([ends[1]]) {
            raw_edges.push((last.min(next), last.max(next), edge.label, next < last));
            last = next;
        }
    }
    let edges = merge_edges(raw_edges, labels);
    (PlanarGraph { points, edges }, !hits.is_empty())
}

/// Returns the hot pixels through which each edge must be routed, other than the hot pixels of its
/// ends. The result consists of pairs of edge index and point index, in order of edges.
fn hot_pixel_hits(
    graph: &PlanarGraph,
    labels: &FaceLabels,
    grid: PixelGrid,
    points: &[Coord<i64>],
    new_indices: &[u32],
) -> Vec<(u32, u32)> {
    let point_grid = PointGrid::new(points);
    let step = grid.step() as f64;
    let in_steps = |point: Coord<i64>| Coord {
        x: point.x as f64 / step,
        y: point.y as f64 / step,
    };
    let mut hits = Vec::new();
    for (edge_index, edge) in (0..).zip(&graph.edges) {
        let [a, b] = [edge.from, edge.to].map(|end| graph.points[end as usize]);
        let ends = [edge.from, edge.to].map(|end| new_indices[end as usize]);
        if ends[0] == ends[1] {
            continue;
        }
        let candidates = point_grid.near_segment(in_steps(a), in_steps(b));
        let hit_points = candidates.filter(|point| {
            !ends.contains(point) && grid.segment_hits(a, b, points[*point as usize])
        });
        hits.extend(hit_points.map(|point| (edge_index, point)));
    }
    if !labels.is_partition {
        retain_relevant_hits(&mut hits, graph, labels, new_indices);
    }
    hits
}

/// For overlapping areas, retains only the hits on points of the edge's own areas. These points
/// include the points that an area gains because another of its edges is routed through them.
/// Without such points, that other edge could be routed across this edge.
fn retain_relevant_hits(
    hits: &mut Vec<(u32, u32)>,
    graph: &PlanarGraph,
    labels: &FaceLabels,
    new_indices: &[u32],
) {
    let hit_points: HashSet<u32> = hits.iter().map(|hit| hit.1).collect();
    let mut areas_at: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    let areas = |label: LabelId| labels.faces(label).iter().map(|face| face.0);
    for edge in &graph.edges {
        for point in [edge.from, edge.to].map(|end| new_indices[end as usize]) {
            if hit_points.contains(&point) {
                areas_at.entry(point).or_default().extend(areas(edge.label));
            }
        }
    }
    let label_of = |edge: u32| graph.edges[edge as usize].label;
    let mut is_relevant = vec![false; hits.len()];
    loop {
        let mut has_changed = false;
        for (&(edge, point), is_relevant) in hits.iter().zip(&mut is_relevant) {
            let areas_at_point = areas_at.entry(point).or_default();
            if !*is_relevant && areas(label_of(edge)).any(|area| areas_at_point.contains(&area)) {
                areas_at_point.extend(areas(label_of(edge)));
                *is_relevant = true;
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    let mut is_relevant = is_relevant.into_iter();
    hits.retain(|_| is_relevant.next().unwrap_or(false));
}

/// Merges all edges between the same two points into a single edge.
///
/// An area that is on both sides of the merged edge is removed from the edge's label. An edge
/// without areas is dropped.
pub(super) fn merge_edges(mut raw_edges: Vec<RawEdge>, labels: &mut FaceLabels) -> Vec<GraphEdge> {
    raw_edges.sort_unstable();
    let mut edges = Vec::with_capacity(raw_edges.len());
    for duplicates in raw_edges.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (from, to, label, is_reversed) = duplicates[0];
        let label = match duplicates {
            [_] if !is_reversed => Some(label),
            [_] => Some(labels.reversed(label)),
            _ => merge_labels(duplicates, labels),
        };
        edges.extend(label.map(|label| GraphEdge { from, to, label }));
    }
    edges
}

fn merge_labels(duplicates: &[RawEdge], labels: &mut FaceLabels) -> Option<LabelId> {
    let mut signed_faces: Vec<(u32, i32)> = Vec::new();
    for &(_, _, label, is_reversed) in duplicates {
        for &(area, is_left) in labels.faces(label) {
            signed_faces.push((area, if is_left == is_reversed { -1 } else { 1 }));
        }
    }
    signed_faces.sort_unstable();
    let faces: Faces = signed_faces
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|of_area| {
            let sum: i32 = of_area.iter().map(|face| face.1).sum();
            (sum != 0).then_some((of_area[0].0, sum > 0))
        })
        .collect();
    (!faces.is_empty()).then(|| labels.intern(faces))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Builds the graph of areas with one ring each. The rings must have positive areas.
    pub(in super::super) fn graph_of(
        areas: &[&[(i64, i64)]],
        labels: &mut FaceLabels,
    ) -> PlanarGraph {
        let mut graph = PlanarGraph::default();
        for (area, ring) in (0..).zip(areas) {
            let label = labels.intern(Box::new([(area, true)]));
            let first = u32::try_from(graph.points.len()).expect("few");
            let count = u32::try_from(ring.len()).expect("few");
            graph.points.extend(ring.iter().copied().map(Coord::from));
            graph.edges.extend((0..count).map(|index| GraphEdge {
                from: first + index,
                to: first + (index + 1) % count,
                label,
            }));
        }
        graph
    }

    #[test]
    fn a_vertex_on_a_neighbours_edge_becomes_a_vertex_of_both() {
        let mut labels = FaceLabels::new(true);
        let west: &[(i64, i64)] = &[(0, 0), (10, 0), (10, 10), (0, 10)];
        let east: &[(i64, i64)] = &[(10, 0), (20, 0), (20, 10), (10, 10), (10, 4)];
        let graph = graph_of(&[west, east], &mut labels);
        let snapped = snap_round(&graph, &mut labels, 1);
        let shared: Vec<((i64, i64), (i64, i64))> = snapped
            .edges
            .iter()
            .filter(|edge| labels.faces(edge.label).len() == 2)
            .map(|edge| {
                (
                    snapped.points[edge.from as usize].x_y(),
                    snapped.points[edge.to as usize].x_y(),
                )
            })
            .collect();
        assert_eq!(shared, [((10, 0), (10, 4)), ((10, 4), (10, 10))]);
    }

    #[test]
    fn a_sliver_narrower_than_a_pixel_collapses_on_both_sides() {
        let mut labels = FaceLabels::new(true);
        let sliver: &[(i64, i64)] = &[(0, 100), (4_000, 0), (4_000, 30), (0, 130)];
        let south: &[(i64, i64)] = &[(0, 130), (4_000, 30), (4_000, 4_000), (0, 4_000)];
        let graph = graph_of(&[sliver, south], &mut labels);
        let snapped = snap_round(&graph, &mut labels, 1_000);
        assert_eq!(snapped.points.len(), 4);
        assert_eq!(snapped.edges.len(), 4);
        let faces = |edge: &GraphEdge| labels.faces(edge.label).to_vec();
        assert!(
            snapped
                .edges
                .iter()
                .all(|edge| matches!(faces(edge)[..], [(1, _)]))
        );
    }
}
