//! Checks of the areas of a partition against each other: overlaps, gaps and edges that nearly
//! match.
//!
//! Areas with common edges share them vertex for vertex, and their overlay is clean. Everything
//! else is checked in three ways: the intersection of two areas; holes in the union of all areas;
//! and edges that run within a metre of a neighbour's edge but are not identical to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use geo::unary_union;
use geo::{Area as _, BooleanOps, BoundingRect, Coord, Intersects, MultiPolygon, Polygon, Rect};
use jiff::civil::Date;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use super::areas::{overlap, ring_fault, sized};
use super::{Finding, Severity, Subject};
use crate::dataset::{Dataset, LayerKind};
use crate::domain::Boundary;
use crate::ground::{self, M2_PER_KM2};

/// A narrower overlap, in metres, is a sliver: the same border drawn twice.
const SLIVER_WIDTH_M: f64 = 1.0;
/// Edges nearer than this are identical except for the rounding of vertices to millimetres.
const SAME_EDGE_M: f64 = 0.002;
/// A smaller hole is a gap between areas. A larger one may be a lake or the area of another
/// dataset.
const GAP_MAX_M2: f64 = M2_PER_KM2;

/// A boundary with valid rings, in planar metres.
struct Ground<'d> {
    boundary: &'d Boundary,
    metres: MultiPolygon<f64>,
    extent: Rect<f64>,
}

pub(super) fn check(dataset: &Dataset, findings: &mut Vec<Finding>) {
    for (layer, boundaries) in &dataset.boundaries {
        let entry = dataset
            .manifest
            .layers
            .iter()
            .find(|entry| entry.id == layer.as_str());
        if entry.is_some_and(|entry| entry.kind == LayerKind::Partition) {
            check_partition(layer.as_str(), boundaries, findings);
        }
    }
    if let Some(entry) = &dataset.manifest.statistical_areas {
        check_partition(&entry.id, &dataset.statistical_boundaries, findings);
    }
}

fn check_partition(kind: &str, boundaries: &[Boundary], findings: &mut Vec<Finding>) {
    let sound = boundaries.iter().filter(|it| ring_fault(it).is_none());
    let mut grounds: Vec<Ground<'_>> = sound
        .filter_map(|boundary| {
            let metres = ground::in_metres(boundary);
            let extent = metres.bounding_rect()?;
            Some(Ground {
                boundary,
                metres,
                extent,
            })
        })
        .collect();
    grounds.sort_by(|a, b| a.extent.min().x.total_cmp(&b.extent.min().x));
    let mut known: Vec<Rect<f64>> = Vec::new();
    check_overlaps(kind, &grounds, &mut known, findings);
    for at_once in at_once(&grounds) {
        check_gaps(kind, &at_once, &mut known, findings);
        check_edges(kind, &at_once, &known, findings);
    }
}

/// Returns the distinct sets of areas that are valid at the same time.
fn at_once<'g, 'd>(grounds: &'g [Ground<'d>]) -> Vec<Vec<&'g Ground<'d>>> {
    let periods = grounds.iter().map(|ground| ground.boundary.period);
    let mut days: BTreeSet<Date> = BTreeSet::from([Date::MIN]);
    days.extend(
        periods
            .flat_map(|period| [period.from, period.to])
            .flatten(),
    );
    let mut sets: BTreeSet<Vec<usize>> = BTreeSet::new();
    for day in days {
        let holds = |at: &usize| grounds[*at].boundary.period.contains(day);
        sets.insert((0..grounds.len()).filter(holds).collect());
    }
    let sets = sets.into_iter();
    sets.map(|set| set.into_iter().map(|at| &grounds[at]).collect())
        .collect()
}

// ---- overlaps ----------------------------------------------------------------------------------

fn check_overlaps(
    kind: &str,
    grounds: &[Ground<'_>],
    known: &mut Vec<Rect<f64>>,
    findings: &mut Vec<Finding>,
) {
    for (at, one) in grounds.iter().enumerate() {
        let later = grounds[at + 1..].iter();
        let near = later.take_while(|other| other.extent.min().x <= one.extent.max().x);
        for other in near.filter(|other| other.extent.intersects(&one.extent)) {
            let is_another = one.boundary.id != other.boundary.id;
            if is_another && overlap(one.boundary.period, other.boundary.period) {
                let both = ground::without_rounding(one.metres.intersection(&other.metres));
                findings.extend(overlap_finding(kind, one, other, &both));
                known.extend(both.0.iter().filter_map(BoundingRect::bounding_rect));
            }
        }
    }
}

fn overlap_finding(
    kind: &str,
    one: &Ground<'_>,
    other: &Ground<'_>,
    both: &MultiPolygon<f64>,
) -> Option<Finding> {
    let widest_m = both.0.iter().map(ground::mean_width_m).reduce(f64::max)?;
    let size_m2 = ground::area_m2(both);
    let mut ids = [&one.boundary.id, &other.boundary.id];
    ids.sort();
    let [first, second] = ids;
    let size = size_in_words(size_m2);
    let parts = match both.0.len() {
        1 => String::new(),
        parts => format!(" in {parts} parts"),
    };
    let message = format!(
        "{kind} `{first}` and `{second}` overlap by {size}{parts}, up to {widest_m:.2} m wide"
    );
    let found = sized("overlap", message, both, size_m2).about(Subject::named(kind, first));
    let largest = both
        .0
        .iter()
        .max_by(|a, b| a.unsigned_area().total_cmp(&b.unsigned_area()));
    let place = largest.and_then(middle);
    Some(if widest_m < SLIVER_WIDTH_M {
        Finding {
            code: "sliver_overlap",
            ..found.at(place)
        }
    } else {
        Finding {
            severity: Severity::Error,
            ..found.at(place)
        }
    })
}

fn size_in_words(size_m2: f64) -> String {
    if size_m2 < 100_000.0 {
        format!("{size_m2:.1} m²")
    } else {
        format!("{:.2} km²", size_m2 / M2_PER_KM2)
    }
}

fn middle(polygon: &Polygon<f64>) -> Option<crate::domain::LonLat> {
    use geo::Centroid as _;
    ground::place(polygon.centroid()?.0)
}

// ---- gaps --------------------------------------------------------------------------------------

fn check_gaps(
    kind: &str,
    grounds: &[&Ground<'_>],
    known: &mut Vec<Rect<f64>>,
    findings: &mut Vec<Finding>,
) {
    let all = unary_union(grounds.iter().map(|ground| &ground.metres));
    let holes = all.into_iter().flat_map(|part| part.into_inner().1);
    for hole in holes.map(|ring| Polygon::new(ring, Vec::new())) {
        if ground::is_rounding(&hole) {
            continue;
        }
        let (size_m2, width_m) = (hole.unsigned_area(), ground::mean_width_m(&hole));
        let size = size_in_words(size_m2);
        let (code, what) = if size_m2 < GAP_MAX_M2 {
            ("gap", "a gap")
        } else {
            ("hole", "a hole or lake")
        };
        let message = format!("{kind}: {what} of {size} between areas, about {width_m:.2} m wide");
        known.extend(hole.bounding_rect());
        findings.push(sized(code, message, &hole.into(), size_m2));
    }
}

// ---- edges that nearly match --------------------------------------------------------------------

type Vertex = (i32, i32);

/// An edge that only one area has.
#[derive(Debug, Clone, Copy)]
struct LooseEdge {
    from: Coord<f64>,
    to: Coord<f64>,
    owner: usize,
}

/// The edges of two areas that nearly match.
#[derive(Default)]
struct Nearly {
    length_m: f64,
    widest_m: f64,
    place: Option<Coord<f64>>,
}

/// Reports edges of two areas that run within a metre of each other but are not identical, except
/// inside the bounding boxes of gaps and overlaps that are already `reported`.
fn check_edges(
    kind: &str,
    grounds: &[&Ground<'_>],
    known: &[Rect<f64>],
    findings: &mut Vec<Finding>,
) {
    let loose = loose_edges(grounds);
    let neighbours = Neighbours::of(grounds, &loose);
    let mut pairs: BTreeMap<(&str, &str), Nearly> = BTreeMap::new();
    for edge in &loose {
        let Some((other, apart_m, place)) = runs_along(edge, &neighbours) else {
            continue;
        };
        if known.iter().any(|rect| is_near(rect, place)) {
            continue;
        }
        let mut ids = [edge.owner, other].map(|at| grounds[at].boundary.id.as_str());
        ids.sort_unstable();
        let nearly = pairs.entry(ids.into()).or_default();
        // The edges of both areas are counted, so each counts half.
        nearly.length_m += edge.length_m() / 2.0;
        if apart_m > nearly.widest_m {
            nearly.widest_m = apart_m;
            nearly.place = Some(place);
        }
    }
    for ((first, second), nearly) in pairs {
        let Nearly {
            length_m, widest_m, ..
        } = nearly;
        let message = format!(
            "{kind} `{first}` and `{second}` have a common border that does not match: the edges are up to {widest_m:.3} m apart over about {length_m:.0} m"
        );
        let finding = Finding {
            size_m2: Some(length_m * widest_m / 2.0),
            ..Finding::warning("sliver", message)
        };
        let finding = finding.about(Subject::named(kind, first));
        findings.push(finding.at(nearly.place.and_then(ground::place)));
    }
}

fn is_near(rect: &Rect<f64>, place: Coord<f64>) -> bool {
    let (min, max) = (rect.min(), rect.max());
    let within =
        |low: f64, at: f64, high: f64| (low - SLIVER_WIDTH_M..=high + SLIVER_WIDTH_M).contains(&at);
    within(min.x, place.x, max.x) && within(min.y, place.y, max.y)
}

/// Returns the edges that only one area has, in either direction.
fn loose_edges(grounds: &[&Ground<'_>]) -> Vec<LooseEdge> {
    let mut once: HashSet<(Vertex, Vertex)> = HashSet::new();
    let mut shared: HashSet<(Vertex, Vertex)> = HashSet::new();
    for (edge, _) in grounds.iter().flat_map(|it| edges_of(it.boundary)) {
        let key = (edge.0.min(edge.1), edge.0.max(edge.1));
        if !once.insert(key) {
            shared.insert(key);
        }
    }
    let mut loose = Vec::new();
    for (owner, ground) in grounds.iter().enumerate() {
        for (edge, (from, to)) in edges_of(ground.boundary) {
            if !shared.contains(&(edge.0.min(edge.1), edge.0.max(edge.1))) {
                loose.push(LooseEdge { from, to, owner });
            }
        }
    }
    loose
}

type InMetres = (Coord<f64>, Coord<f64>);

fn edges_of(boundary: &Boundary) -> impl Iterator<Item = ((Vertex, Vertex), InMetres)> + '_ {
    let rings = boundary.grid.iter().flat_map(|polygon| &polygon.rings);
    rings.flat_map(|ring| {
        let next = ring.iter().cycle().skip(1);
        ring.iter().zip(next).map(|(a, b)| {
            let mm = |it: &crate::domain::BritishGrid| (it.easting_mm(), it.northing_mm());
            let metres = |it: &crate::domain::BritishGrid| Coord {
                x: it.easting_m(),
                y: it.northing_m(),
            };
            ((mm(a), mm(b)), (metres(a), metres(b)))
        })
    })
}

/// Returns the area with an edge that runs along this one, their greatest distance in metres, and
/// where that is. Three samples are compared, because an edge that only ends or crosses here is
/// near at one of them and not at the others.
fn runs_along(edge: &LooseEdge, neighbours: &Neighbours) -> Option<(usize, f64, Coord<f64>)> {
    let places = [0.25, 0.5, 0.75].map(|part| edge.at(part));
    let middle = neighbours.nearest_of_another(edge.owner, places[1])?;
    let mut apart_m = 0.0_f64;
    let mut widest = places[1];
    for place in places {
        let (_, distance_m) = neighbours.nearest_of_another(edge.owner, place)?;
        if distance_m > apart_m {
            apart_m = distance_m;
            widest = place;
        }
    }
    (apart_m > SAME_EDGE_M).then_some((middle.0, apart_m, widest))
}

/// The unmatched edges, in one R-tree for each area, so that a search for the edges of other areas
/// does not visit the many near edges of the same area.
struct Neighbours {
    extents: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
    edges: Vec<RTree<LooseEdge>>,
}

impl Neighbours {
    fn of(grounds: &[&Ground<'_>], loose: &[LooseEdge]) -> Neighbours {
        let mut edges: Vec<Vec<LooseEdge>> = vec![Vec::new(); grounds.len()];
        for edge in loose {
            edges[edge.owner].push(*edge);
        }
        let extents = grounds.iter().enumerate().map(|(owner, ground)| {
            let (min, max) = (ground.extent.min(), ground.extent.max());
            GeomWithData::new(
                Rectangle::from_corners([min.x, min.y], [max.x, max.y]),
                owner,
            )
        });
        Neighbours {
            extents: RTree::bulk_load(extents.collect()),
            edges: edges.into_iter().map(RTree::bulk_load).collect(),
        }
    }

    /// Returns the other area with the nearest edge within a sliver's width of `position`, and the
    /// distance in metres.
    fn nearest_of_another(&self, owner: usize, place: Coord<f64>) -> Option<(usize, f64)> {
        const WITHIN_2: f64 = SLIVER_WIDTH_M * SLIVER_WIDTH_M;
        let place = [place.x, place.y];
        let areas = self.extents.locate_within_distance(place, WITHIN_2);
        let others = areas.map(|it| it.data).filter(|&other| other != owner);
        let near = others.flat_map(|at| self.edges[at].locate_within_distance(place, WITHIN_2));
        near.map(|edge| (edge.owner, edge.distance_2(&place).sqrt()))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
    }
}

impl LooseEdge {
    fn at(&self, part: f64) -> Coord<f64> {
        self.from + (self.to - self.from) * part
    }

    fn length_m(&self) -> f64 {
        (self.to.x - self.from.x).hypot(self.to.y - self.from.y)
    }
}

impl RTreeObject for LooseEdge {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> AABB<[f64; 2]> {
        AABB::from_corners([self.from.x, self.from.y], [self.to.x, self.to.y])
    }
}

impl PointDistance for LooseEdge {
    fn distance_2(&self, &[x, y]: &[f64; 2]) -> f64 {
        let along = self.to - self.from;
        let length_2 = along.x * along.x + along.y * along.y;
        let part = if length_2 == 0.0 {
            0.0
        } else {
            ((x - self.from.x) * along.x + (y - self.from.y) * along.y) / length_2
        };
        let nearest = self.at(part.clamp(0.0, 1.0));
        (x - nearest.x).powi(2) + (y - nearest.y).powi(2)
    }
}
