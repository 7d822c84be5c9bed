//! Compares the areas of a partition with each other to find overlaps, gaps and edges that nearly
//! match.
//!
//! If two areas share a border vertex for vertex, they neither overlap nor leave a gap. On other
//! borders, there are checks for three kinds of errors: intersections of two areas, holes in the
//! union of all areas, and edges that run within a metre of a neighbour's edge but are not
//! identical to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use geo::unary_union;
use geo::{
    Area as _, BooleanOps, BoundingRect, Coord, Intersects, Line, MultiPolygon, Polygon, Rect,
};
use jiff::civil::Date;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use super::areas::{periods_overlap, ring_error, sized_warning};
use super::{Finding, FindingSubject, Severity};
use crate::dataset::{Dataset, LayerKind};
use catchment_core::domain::{Boundary, BritishGrid};
use catchment_core::geometry::planar::{self, M2_PER_KM2};

/// An overlap narrower than this width, in metres, is a sliver. A sliver indicates that the same
/// border was drawn twice.
const SLIVER_WIDTH_M: f64 = 1.0;
/// Edges closer than this distance, in metres, differ only because vertices are rounded to
/// millimetres.
const SAME_EDGE_M: f64 = 0.002;
/// A hole smaller than this size is a gap between areas. A larger hole may be a lake or an area of
/// another dataset.
const GAP_MAX_M2: f64 = M2_PER_KM2;
/// A hole narrower than this width, in metres, is a gap between areas, regardless of its size.
const GAP_WIDTH_MAX_M: f64 = 10.0;

/// A boundary with valid rings, in planar metres.
struct PlanarArea<'d> {
    boundary: &'d Boundary,
    metres: MultiPolygon<f64>,
    bbox: Rect<f64>,
}

pub(super) fn check(dataset: &Dataset, findings: &mut Vec<Finding>) {
    for (layer, boundaries) in &dataset.boundaries {
        let entry = dataset.manifest.layer(*layer);
        if entry.is_some_and(|entry| entry.kind == LayerKind::Partition) {
            check_partition(layer.as_str(), boundaries, findings);
        }
    }
    if let Some(entry) = &dataset.manifest.statistical_areas {
        check_partition(&entry.id, &dataset.statistical_boundaries, findings);
    }
}

pub(super) fn check_partition(kind: &str, boundaries: &[Boundary], findings: &mut Vec<Finding>) {
    let areas = planar_areas(boundaries);
    let mut reported: Vec<Rect<f64>> = Vec::new();
    check_overlaps(kind, &areas, &mut reported, findings);
    for concurrent in concurrent_sets(&areas) {
        check_gaps(kind, &concurrent, &mut reported, findings);
        check_edges(kind, &concurrent, &reported, findings);
    }
}

pub(super) fn check_overlaps_only(
    kind: &str,
    boundaries: &[Boundary],
    findings: &mut Vec<Finding>,
) {
    check_overlaps(kind, &planar_areas(boundaries), &mut Vec::new(), findings);
}

/// Returns the boundaries with valid rings, from west to east.
fn planar_areas(boundaries: &[Boundary]) -> Vec<PlanarArea<'_>> {
    let valid = boundaries
        .iter()
        .filter(|boundary| ring_error(boundary).is_none());
    let mut areas: Vec<PlanarArea<'_>> = valid
        .filter_map(|boundary| {
            let metres = planar::to_planar(boundary);
            let bbox = metres.bounding_rect()?;
            Some(PlanarArea {
                boundary,
                metres,
                bbox,
            })
        })
        .collect();
    areas.sort_by(|a, b| a.bbox.min().x.total_cmp(&b.bbox.min().x));
    areas
}

/// Returns the distinct sets of areas that are valid at the same time.
fn concurrent_sets<'g, 'd>(areas: &'g [PlanarArea<'d>]) -> Vec<Vec<&'g PlanarArea<'d>>> {
    let periods = areas.iter().map(|area| area.boundary.period);
    let mut days: BTreeSet<Date> = BTreeSet::from([Date::MIN]);
    days.extend(
        periods
            .flat_map(|period| [period.from, period.to])
            .flatten(),
    );
    let mut sets: BTreeSet<Vec<usize>> = BTreeSet::new();
    for day in days {
        let is_valid = |index: &usize| areas[*index].boundary.period.contains(day);
        sets.insert((0..areas.len()).filter(is_valid).collect());
    }
    let sets = sets.into_iter();
    sets.map(|set| set.into_iter().map(|index| &areas[index]).collect())
        .collect()
}

// ---- overlaps ----------------------------------------------------------------------------------

fn check_overlaps(
    kind: &str,
    areas: &[PlanarArea<'_>],
    reported: &mut Vec<Rect<f64>>,
    findings: &mut Vec<Finding>,
) {
    for (index, one) in areas.iter().enumerate() {
        let later = areas[index + 1..].iter();
        let near = later.take_while(|other| other.bbox.min().x <= one.bbox.max().x);
        for other in near.filter(|other| other.bbox.intersects(&one.bbox)) {
            let is_another = one.boundary.id != other.boundary.id;
            if is_another && periods_overlap(one.boundary.period, other.boundary.period) {
                let intersection = planar::remove_slivers(one.metres.intersection(&other.metres));
                findings.extend(overlap_finding(kind, one, other, &intersection));
                reported.extend(
                    intersection
                        .0
                        .iter()
                        .filter_map(BoundingRect::bounding_rect),
                );
            }
        }
    }
}

fn overlap_finding(
    kind: &str,
    one: &PlanarArea<'_>,
    other: &PlanarArea<'_>,
    intersection: &MultiPolygon<f64>,
) -> Option<Finding> {
    let widest_m = intersection
        .0
        .iter()
        .map(planar::mean_width_m)
        .reduce(f64::max)?;
    let size_m2 = planar::area_m2(intersection);
    let mut ids = [&one.boundary.id, &other.boundary.id];
    ids.sort();
    let [first, second] = ids;
    let size = format_area(size_m2);
    let parts = match intersection.0.len() {
        1 => String::new(),
        parts => format!(" in {parts} parts"),
    };
    let message = format!(
        "{kind} `{first}` and `{second}` overlap by {size}{parts}, up to {widest_m:.2} m wide"
    );
    let finding = Finding {
        width_m: Some(widest_m),
        ..sized_warning("overlap", message, intersection, size_m2)
            .with_subject(FindingSubject::new(kind, first))
    };
    let largest = intersection
        .0
        .iter()
        .max_by(|a, b| a.unsigned_area().total_cmp(&b.unsigned_area()));
    let position = largest.and_then(centroid_lonlat);
    Some(if widest_m < SLIVER_WIDTH_M {
        Finding {
            code: "sliver_overlap",
            ..finding.with_position(position)
        }
    } else {
        Finding {
            severity: Severity::Error,
            ..finding.with_position(position)
        }
    })
}

fn format_area(size_m2: f64) -> String {
    if size_m2 < 100_000.0 {
        format!("{size_m2:.1} m²")
    } else {
        format!("{:.2} km²", size_m2 / M2_PER_KM2)
    }
}

fn centroid_lonlat(polygon: &Polygon<f64>) -> Option<catchment_core::domain::LonLat> {
    use geo::Centroid as _;
    planar::to_point(polygon.centroid()?.0)
}

// ---- gaps --------------------------------------------------------------------------------------

fn check_gaps(
    kind: &str,
    areas: &[&PlanarArea<'_>],
    reported: &mut Vec<Rect<f64>>,
    findings: &mut Vec<Finding>,
) {
    let all = unary_union(areas.iter().map(|area| &area.metres));
    let rings: Vec<Polygon<f64>> = all
        .iter()
        .flat_map(|part| part.interiors())
        .map(|ring| Polygon::new(ring.clone(), Vec::new()))
        .collect();
    for ring in rings {
        // An area inside the hole is not a part of the gap.
        let within = all.iter().filter(|part| ring.intersects(*part));
        let within = MultiPolygon::new(within.cloned().collect());
        let parts = planar::remove_slivers(ring.difference(&within));
        for hole in parts {
            report_hole(kind, hole, reported, findings);
        }
    }
}

fn report_hole(
    kind: &str,
    hole: Polygon<f64>,
    reported: &mut Vec<Rect<f64>>,
    findings: &mut Vec<Finding>,
) {
    let (size_m2, width_m) = (hole.unsigned_area(), planar::mean_width_m(&hole));
    let size = format_area(size_m2);
    let (code, description) = if size_m2 < GAP_MAX_M2 || width_m < GAP_WIDTH_MAX_M {
        ("gap", "a gap")
    } else {
        ("hole", "a hole or lake")
    };
    let message =
        format!("{kind}: {description} of {size} between areas, about {width_m:.2} m wide");
    reported.extend(hole.bounding_rect());
    // The centroid of a ring-shaped gap is not in the gap.
    let edge = hole.exterior().0.first().copied();
    let is_ring = !hole.interiors().is_empty();
    let finding = Finding {
        width_m: Some(width_m),
        ..sized_warning(code, message, &hole.into(), size_m2)
    };
    findings.push(match edge.filter(|_| is_ring) {
        Some(vertex) => finding.with_position(planar::to_point(vertex)),
        None => finding,
    });
}

// ---- edges that nearly match --------------------------------------------------------------------

/// An edge that occurs in only one area.
#[derive(Debug, Clone, Copy)]
struct UnmatchedEdge {
    from: Coord<f64>,
    to: Coord<f64>,
    owner: usize,
}

/// The edges of two areas that nearly match.
#[derive(Default)]
struct NearMatch {
    length_m: f64,
    widest_m: f64,
    position: Option<Coord<f64>>,
}

/// Reports edges of two areas that run within a metre of each other but are not identical, except
/// inside the bounding boxes of gaps and overlaps that are already `reported`.
fn check_edges(
    kind: &str,
    areas: &[&PlanarArea<'_>],
    reported: &[Rect<f64>],
    findings: &mut Vec<Finding>,
) {
    let unmatched = unmatched_edges(areas);
    let neighbours = NeighbourIndex::build(areas, &unmatched);
    let mut pairs: BTreeMap<(&str, &str), NearMatch> = BTreeMap::new();
    for edge in &unmatched {
        let Some((other, separation_m, position)) = parallel_neighbour(edge, &neighbours) else {
            continue;
        };
        if reported.iter().any(|rect| is_near(rect, position)) {
            continue;
        }
        let mut ids = [edge.owner, other].map(|index| areas[index].boundary.id.as_str());
        ids.sort_unstable();
        let near_match = pairs.entry(ids.into()).or_default();
        // The matching edge of the other area is also added, so only half of each length is added.
        near_match.length_m += edge.length_m() / 2.0;
        if separation_m > near_match.widest_m {
            near_match.widest_m = separation_m;
            near_match.position = Some(position);
        }
    }
    for ((first, second), near_match) in pairs {
        let NearMatch {
            length_m, widest_m, ..
        } = near_match;
        let message = format!(
            "{kind} `{first}` and `{second}` have a common border that does not match: the edges are up to {widest_m:.3} m apart over about {length_m:.0} m"
        );
        let finding = Finding {
            size_m2: Some(length_m * widest_m / 2.0),
            ..Finding::warning("sliver", message)
        };
        let finding = finding.with_subject(FindingSubject::new(kind, first));
        findings.push(finding.with_position(near_match.position.and_then(planar::to_point)));
    }
}

fn is_near(rect: &Rect<f64>, position: Coord<f64>) -> bool {
    let (min, max) = (rect.min(), rect.max());
    let within = |low: f64, value: f64, high: f64| {
        (low - SLIVER_WIDTH_M..=high + SLIVER_WIDTH_M).contains(&value)
    };
    within(min.x, position.x, max.x) && within(min.y, position.y, max.y)
}

/// Returns the edges that occur in only one area, regardless of direction.
fn unmatched_edges(areas: &[&PlanarArea<'_>]) -> Vec<UnmatchedEdge> {
    let mut seen: HashSet<Line<i32>> = HashSet::new();
    let mut shared: HashSet<Line<i32>> = HashSet::new();
    for (edge, _) in areas.iter().flat_map(|area| edges_of(area.boundary)) {
        let edge = undirected(edge);
        if !seen.insert(edge) {
            shared.insert(edge);
        }
    }
    let mut unmatched = Vec::new();
    for (owner, area) in areas.iter().enumerate() {
        for (edge, metres) in edges_of(area.boundary) {
            if !shared.contains(&undirected(edge)) {
                unmatched.push(UnmatchedEdge {
                    from: metres.start,
                    to: metres.end,
                    owner,
                });
            }
        }
    }
    unmatched
}

fn undirected(edge: Line<i32>) -> Line<i32> {
    if edge.start.x_y() <= edge.end.x_y() {
        edge
    } else {
        Line {
            start: edge.end,
            end: edge.start,
        }
    }
}

/// Returns the edges of a boundary. Each edge is in millimetres and in metres.
fn edges_of(boundary: &Boundary) -> impl Iterator<Item = (Line<i32>, Line<f64>)> + '_ {
    let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
    rings.flat_map(|ring| {
        let next = ring.iter().cycle().skip(1);
        ring.iter().zip(next).map(|(a, b)| {
            let mm = |position: &BritishGrid| Coord {
                x: position.easting_mm(),
                y: position.northing_mm(),
            };
            let metres = |position: &BritishGrid| Coord {
                x: position.easting_m(),
                y: position.northing_m(),
            };
            (
                Line {
                    start: mm(a),
                    end: mm(b),
                },
                Line {
                    start: metres(a),
                    end: metres(b),
                },
            )
        })
    })
}

/// Returns the area with an edge that runs along `edge`, the greatest distance in metres between
/// the two edges, and the point of `edge` at this distance. The distance is measured at three
/// points of `edge`: an edge that only touches or crosses `edge` is near one of these points, but
/// not near all three.
fn parallel_neighbour(
    edge: &UnmatchedEdge,
    neighbours: &NeighbourIndex,
) -> Option<(usize, f64, Coord<f64>)> {
    let samples = [0.25, 0.5, 0.75].map(|part| edge.point_at(part));
    let middle = neighbours.nearest_other(edge.owner, samples[1])?;
    let mut separation_m = 0.0_f64;
    let mut widest = samples[1];
    for sample in samples {
        let (_, distance_m) = neighbours.nearest_other(edge.owner, sample)?;
        if distance_m > separation_m {
            separation_m = distance_m;
            widest = sample;
        }
    }
    (separation_m > SAME_EDGE_M).then_some((middle.0, separation_m, widest))
}

/// The unmatched edges. Each area has its own R-tree, so that a search for the edges of other areas
/// does not visit the many nearby edges of the same area.
struct NeighbourIndex {
    bboxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    edges: Vec<RTree<UnmatchedEdge>>,
}

impl NeighbourIndex {
    fn build(areas: &[&PlanarArea<'_>], unmatched: &[UnmatchedEdge]) -> NeighbourIndex {
        let mut edges: Vec<Vec<UnmatchedEdge>> = vec![Vec::new(); areas.len()];
        for edge in unmatched {
            edges[edge.owner].push(*edge);
        }
        let bboxes = areas.iter().enumerate().map(|(owner, area)| {
            let (min, max) = (area.bbox.min(), area.bbox.max());
            GeomWithData::new(
                Rectangle::from_corners([min.x, min.y], [max.x, max.y]),
                owner,
            )
        });
        NeighbourIndex {
            bboxes: RTree::bulk_load(bboxes.collect()),
            edges: edges.into_iter().map(RTree::bulk_load).collect(),
        }
    }

    /// Returns the area other than `owner` whose edge is nearest to `position`, within the width of
    /// a sliver, and the distance of this edge in metres.
    fn nearest_other(&self, owner: usize, position: Coord<f64>) -> Option<(usize, f64)> {
        const DISTANCE_MAX_2: f64 = SLIVER_WIDTH_M * SLIVER_WIDTH_M;
        let point = [position.x, position.y];
        let areas = self.bboxes.locate_within_distance(point, DISTANCE_MAX_2);
        let others = areas.map(|data| data.data).filter(|&other| other != owner);
        let near = others
            .flat_map(|other| self.edges[other].locate_within_distance(point, DISTANCE_MAX_2));
        near.map(|edge| (edge.owner, edge.distance_2(&point).sqrt()))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
    }
}

impl UnmatchedEdge {
    fn point_at(&self, fraction: f64) -> Coord<f64> {
        self.from + (self.to - self.from) * fraction
    }

    fn length_m(&self) -> f64 {
        (self.to.x - self.from.x).hypot(self.to.y - self.from.y)
    }
}

impl RTreeObject for UnmatchedEdge {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> AABB<[f64; 2]> {
        AABB::from_corners([self.from.x, self.from.y], [self.to.x, self.to.y])
    }
}

impl PointDistance for UnmatchedEdge {
    fn distance_2(&self, &[x, y]: &[f64; 2]) -> f64 {
        let along = self.to - self.from;
        let length_2 = along.x * along.x + along.y * along.y;
        let fraction = if length_2 == 0.0 {
            0.0
        } else {
            ((x - self.from.x) * along.x + (y - self.from.y) * along.y) / length_2
        };
        let nearest = self.point_at(fraction.clamp(0.0, 1.0));
        (x - nearest.x).powi(2) + (y - nearest.y).powi(2)
    }
}
