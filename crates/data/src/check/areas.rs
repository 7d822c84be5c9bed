//! Checks of single areas: rings, size, versions and boundaries.

use std::collections::{BTreeMap, BTreeSet};

use geo::{Area as _, Centroid as _};
use jiff::civil::Date;

use super::{Finding, FindingSubject};
use crate::dataset::{Dataset, LayerKind, Manifest};
use crate::formats::round_coordinates;
use catchment_core::domain::{Boundary, GroupMember, Layer, LayerRole, Period};
use catchment_core::geometry::planar::{self, M2_PER_KM2};
use catchment_core::geometry::validity::{TopologyError, find_topology_error};

/// The minimum size of an area: 1 ha. A smaller area is probably a digitising error.
const AREA_MIN_M2: f64 = 10_000.0;
/// The minimum size of a part of an area: 1,000 m², the size of a large garden. A smaller part is
/// probably a digitising error.
const PART_MIN_M2: f64 = 1_000.0;
/// The maximum size of a community, team, network or practice catchment. Eden, the largest known
/// ICC, covers about 2,200 km².
const COMMUNITY_MAX_M2: f64 = 4_000.0 * M2_PER_KM2;

pub(super) fn check(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    for (layer, boundaries) in &dataset.boundaries {
        for boundary in boundaries {
            check_geometry(layer.as_str(), boundary, findings);
            if has_usual_size(&dataset.manifest, *layer) {
                check_size(*layer, boundary, findings);
            }
        }
        let periods = boundaries.iter().map(|boundary| {
            (
                (boundary.id.as_str(), boundary.catchment_kind),
                boundary.period,
            )
        });
        let describe = |key: &(&str, _)| format!("{layer} `{}` has two boundaries", key.0);
        check_periods(periods, describe, findings);
    }
    if let Some(entry) = &dataset.manifest.statistical_areas {
        for boundary in &dataset.statistical_boundaries {
            check_geometry(&entry.id, boundary, findings);
        }
    }
    let versions = dataset
        .areas
        .iter()
        .map(|area| ((area.layer, area.id.as_str()), area.period));
    let describe = |(layer, id): &(Layer, &str)| format!("{layer} `{id}` has two versions");
    check_periods(versions, describe, findings);
    let memberships = dataset.memberships.iter();
    let memberships = memberships.map(|membership| {
        (
            (&membership.member, membership.layer, &membership.group),
            membership.period,
        )
    });
    let describe = |(member, layer, group): &(&GroupMember, Layer, &Option<String>)| {
        let group = group.as_deref().unwrap_or("none named");
        format!(
            "{} has two memberships of {layer} `{group}`",
            describe_member(member)
        )
    };
    check_periods(memberships, describe, findings);
    check_missing_boundaries(dataset, day, findings);
}

fn describe_member(member: &GroupMember) -> String {
    match member {
        GroupMember::Practice(code) => format!("practice `{code}`"),
        GroupMember::Area(layer, id) => format!("{layer} `{id}`"),
    }
}

/// Returns the reason why the rings of a boundary do not form a valid area, or `None` if they form
/// a valid area. Only valid areas can be overlaid.
pub(super) fn ring_error(boundary: &Boundary) -> Option<&'static str> {
    let polygons: Vec<_> = boundary
        .grid
        .iter()
        .map(|polygon| {
            let in_mm = |ring: &Vec<_>| ring.iter().map(to_mm).collect();
            polygon.rings.iter().map(in_mm).collect()
        })
        .collect();
    if polygons.iter().any(Vec::is_empty) || polygons.is_empty() {
        return Some("it has no rings");
    }
    find_topology_error(&polygons).map(TopologyError::reason)
}

fn to_mm(vertex: &catchment_core::domain::BritishGrid) -> geo::Coord<i64> {
    geo::Coord {
        x: vertex.easting_mm().into(),
        y: vertex.northing_mm().into(),
    }
}

fn check_geometry(kind: &str, boundary: &Boundary, findings: &mut Vec<Finding>) {
    let id = &boundary.id;
    let metres = planar::to_planar(boundary);
    let subject = || FindingSubject::new(kind, id);
    if let Some(error) = ring_error(boundary) {
        let first_vertex = metres
            .0
            .iter()
            .find_map(|polygon| polygon.exterior().0.first());
        let message = format!("{kind} `{id}`: {error}");
        let finding = Finding::error("invalid_ring", message).with_subject(subject());
        findings
            .push(finding.with_position(first_vertex.and_then(|&vertex| planar::to_point(vertex))));
        return;
    }
    let size_m2 = planar::area_m2(&metres);
    if size_m2 < AREA_MIN_M2 {
        let message = format!("{kind} `{id}` covers only {size_m2:.0} m²");
        findings
            .push(sized_warning("tiny_area", message, &metres, size_m2).with_subject(subject()));
        return;
    }
    for part in metres
        .0
        .iter()
        .filter(|polygon| polygon.unsigned_area() < PART_MIN_M2)
    {
        let size_m2 = part.unsigned_area();
        let message = format!("{kind} `{id}` has a detached part of only {size_m2:.1} m²");
        let part = part.clone().into();
        findings.push(sized_warning("tiny_part", message, &part, size_m2).with_subject(subject()));
    }
}

/// Returns whether there is a usual size for the areas of a layer. There is no usual size for areas
/// above communities.
fn has_usual_size(manifest: &Manifest, layer: Layer) -> bool {
    let role = manifest.layer(layer).map(|entry| entry.role);
    !matches!(role, Some(LayerRole::Administrative | LayerRole::Group))
}

fn check_size(layer: Layer, boundary: &Boundary, findings: &mut Vec<Finding>) {
    let metres = planar::to_planar(boundary);
    let size_m2 = planar::area_m2(&metres);
    if size_m2 > COMMUNITY_MAX_M2 {
        let size_km2 = size_m2 / M2_PER_KM2;
        let message = format!("{layer} `{}` covers {size_km2:.0} km²", boundary.id);
        let finding = sized_warning("huge_area", message, &metres, size_m2);
        findings.push(finding.with_subject(FindingSubject::area(layer, &boundary.id)));
    }
}

/// Returns a warning about the geometry `metres`, whose coordinates are in planar metres.
pub(super) fn sized_warning(
    code: &'static str,
    message: String,
    metres: &geo::MultiPolygon<f64>,
    size_m2: f64,
) -> Finding {
    let centroid = metres.centroid().map(|point| point.0);
    Finding::warning(code, message)
        .with_position(centroid.and_then(planar::to_point))
        .with_geometry(round_coordinates(&planar::to_lonlat(metres)), size_m2)
}

/// Reports items whose keys are equal and whose periods overlap.
fn check_periods<K: Ord>(
    items: impl Iterator<Item = (K, Period)>,
    describe: impl Fn(&K) -> String,
    findings: &mut Vec<Finding>,
) {
    let mut seen: BTreeMap<K, Vec<Period>> = BTreeMap::new();
    for (key, period) in items {
        seen.entry(key).or_default().push(period);
    }
    for (key, periods) in &seen {
        for (index, one) in periods.iter().enumerate() {
            if let Some(other) = periods[index + 1..]
                .iter()
                .find(|period| periods_overlap(**period, *one))
            {
                let (one, other) = (format_period(*one), format_period(*other));
                let message = format!("{} whose periods overlap: {one} and {other}", describe(key));
                findings.push(Finding::error("overlapping_validity", message));
            }
        }
    }
}

pub(crate) fn periods_overlap(a: Period, b: Period) -> bool {
    let ends_before =
        |a: Period, b: Period| matches!((a.to, b.from), (Some(to), Some(from)) if to <= from);
    !ends_before(a, b) && !ends_before(b, a)
}

fn format_period(period: Period) -> String {
    let day = |day: Option<Date>| day.map_or("…".to_string(), |day| day.to_string());
    format!("[{}, {})", day(period.from), day(period.to))
}

/// Reports areas of partitions that are valid on `day` but have no boundary on that day.
fn check_missing_boundaries(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    for entry in &dataset.manifest.layers {
        let layer = entry.id;
        // In a layer with the method `postcode_column`, the areas need no boundary.
        let is_checked = entry.kind == LayerKind::Partition && entry.postcode_column.is_none();
        if !is_checked || dataset.manifest.statistical_area_layer() == Some(layer) {
            continue;
        }
        let layer_boundaries = dataset.boundaries.iter().filter(|(of, _)| *of == layer);
        let with_boundary: BTreeSet<&str> = layer_boundaries
            .flat_map(|(_, boundaries)| boundaries)
            .filter(|boundary| boundary.period.contains(day))
            .map(|boundary| boundary.id.as_str())
            .collect();
        let valid = dataset
            .areas
            .iter()
            .filter(|area| area.layer == layer && area.period.contains(day));
        for area in valid.filter(|area| !with_boundary.contains(area.id.as_str())) {
            let message = format!("{layer} `{}` has no boundary on {day}", area.id);
            let finding = Finding::warning("area_without_boundary", message);
            findings.push(finding.with_subject(FindingSubject::area(layer, &area.id)));
        }
    }
}
