//! Differences in the names and boundaries of areas.

use std::collections::{BTreeMap, BTreeSet};

use geo::{BooleanOps, BoundingRect, Intersects, MultiPolygon, unary_union};

use super::{ChangeKind, DatasetOnDate, layers_of_both};
use crate::formats::round_coordinates;
use catchment_core::domain::{Area, Boundary, CatchmentKind, Layer, LayerRole};
use catchment_core::geometry::planar::{self, M2_PER_KM2};

/// A difference in an area.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaChange {
    /// The layer of the area.
    pub layer: Layer,
    /// The id of the area, which is the same in both datasets.
    pub id: String,
    /// Whether the area was added, removed or changed.
    pub change: ChangeKind,
    /// The title of the area in the old dataset.
    pub old_name: Option<String>,
    /// The title of the area in the new dataset.
    pub new_name: Option<String>,
    /// The size of the area in the old dataset, in km².
    pub old_km2: Option<f64>,
    /// The size of the area in the new dataset, in km².
    pub new_km2: Option<f64>,
    /// The size of the geometry that the area gained, in km².
    pub gained_km2: f64,
    /// The size of the geometry that the area lost, in km².
    pub lost_km2: f64,
}

/// A geometry that moved from one area to another, was previously in no area, or is now in no area.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferredGeometry {
    /// The layer of the areas.
    pub layer: Layer,
    /// The id of the area that lost the geometry, or `None` if the geometry was in no area.
    pub from: Option<String>,
    /// The id of the area that gained the geometry, or `None` if the geometry is in no area.
    pub to: Option<String>,
    /// The size of the geometry in km².
    pub km2: f64,
    /// The geometry, in longitude and latitude.
    pub geometry: MultiPolygon<f64>,
}

/// The boundaries of a layer on one day, by area id.
type BoundariesByArea<'s> = BTreeMap<&'s str, Vec<&'s Boundary>>;

/// The geometry that an area lost and gained, in planar metres.
struct AreaDelta<'s> {
    id: &'s str,
    lost: MultiPolygon<f64>,
    gained: MultiPolygon<f64>,
}

pub(super) fn compare(
    old: DatasetOnDate<'_>,
    new: DatasetOnDate<'_>,
) -> (Vec<AreaChange>, Vec<TransferredGeometry>) {
    let (mut changes, mut transferred) = (Vec::new(), Vec::new());
    for layer in layers_of_both(old, new) {
        let (of_layer, transferred_in_layer) = compare_layer(old, new, layer);
        changes.extend(of_layer);
        transferred.extend(transferred_in_layer);
    }
    (changes, transferred)
}

pub(super) fn compare_layer(
    old: DatasetOnDate<'_>,
    new: DatasetOnDate<'_>,
    layer: Layer,
) -> (Vec<AreaChange>, Vec<TransferredGeometry>) {
    let (before, after) = (
        boundaries_by_area(old, layer),
        boundaries_by_area(new, layer),
    );
    let deltas = area_deltas(&before, &after);
    let changes = area_changes(old, new, layer, &deltas);
    let transferred = if old.index.is_partition(layer) || new.index.is_partition(layer) {
        partition_transfers(layer, &deltas, &before, &after)
    } else {
        let transferred = deltas.iter().flat_map(|delta| {
            let lost = transferred_geometry(layer, Some(delta.id), None, delta.lost.clone());
            let gained = transferred_geometry(layer, None, Some(delta.id), delta.gained.clone());
            [lost, gained].into_iter().flatten()
        });
        transferred.collect()
    };
    (changes, transferred)
}

fn boundaries_by_area(view: DatasetOnDate<'_>, layer: Layer) -> BoundariesByArea<'_> {
    let mut boundaries = BoundariesByArea::new();
    for boundary in view.index.boundaries(layer, view.day) {
        boundaries.entry(&boundary.id).or_default().push(boundary);
    }
    boundaries
}

/// Returns the geometry that was lost and gained by each area whose vertices differ.
fn area_deltas<'s>(
    before: &BoundariesByArea<'s>,
    after: &BoundariesByArea<'s>,
) -> Vec<AreaDelta<'s>> {
    let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let delta = |id: &'s str| {
        let (old, new) = (before.get(id), after.get(id));
        if old.map(|boundaries| grid_vertices(boundaries))
            == new.map(|boundaries| grid_vertices(boundaries))
        {
            return None;
        }
        let metres = |boundaries: Option<&Vec<&Boundary>>| {
            boundaries.map(planar_union).unwrap_or_else(empty)
        };
        let (old, new) = (metres(old), metres(new));
        Some(AreaDelta {
            id,
            lost: planar::remove_slivers(old.difference(&new)),
            gained: planar::remove_slivers(new.difference(&old)),
        })
    };
    ids.into_iter().filter_map(delta).collect()
}

fn empty() -> MultiPolygon<f64> {
    MultiPolygon::new(Vec::new())
}

/// Returns the union of all boundaries of an area, in planar metres. A practice can have an inner
/// and an outer catchment.
fn planar_union(boundaries: &Vec<&Boundary>) -> MultiPolygon<f64> {
    match boundaries.as_slice() {
        [only] => planar::to_planar(only),
        several => {
            let several: Vec<_> = several
                .iter()
                .map(|boundary| planar::to_planar(boundary))
                .collect();
            unary_union(&several)
        }
    }
}

fn grid_vertices<'b>(
    boundaries: &[&'b Boundary],
) -> Vec<(CatchmentKind, &'b [catchment_core::domain::GridPolygon])> {
    let mut vertices: Vec<_> = boundaries
        .iter()
        .map(|boundary| (boundary.catchment_kind, boundary.grid.as_slice()))
        .collect();
    vertices.sort_by_key(|(catchment_kind, _)| *catchment_kind);
    vertices
}

fn area_changes(
    old: DatasetOnDate<'_>,
    new: DatasetOnDate<'_>,
    layer: Layer,
    deltas: &[AreaDelta<'_>],
) -> Vec<AreaChange> {
    let (before, after) = (areas(old, layer), areas(new, layer));
    let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let change = |id: &str| {
        let (old_area, new_area) = (before.get(id), after.get(id));
        let delta = deltas.iter().find(|delta| delta.id == id);
        let change = match (old_area, new_area) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some(old_area), Some(new_area))
                if old_area.title() != new_area.title() || delta.is_some() =>
            {
                ChangeKind::Changed
            }
            _ => return None,
        };
        let km2 = |geometry: &MultiPolygon<f64>| planar::area_m2(geometry) / M2_PER_KM2;
        Some(AreaChange {
            layer,
            id: id.into(),
            change,
            old_name: old_area.map(|area| area.title().to_string()),
            new_name: new_area.map(|area| area.title().to_string()),
            old_km2: size_km2(old, layer, id),
            new_km2: size_km2(new, layer, id),
            gained_km2: delta.map_or(0.0, |delta| km2(&delta.gained)),
            lost_km2: delta.map_or(0.0, |delta| km2(&delta.lost)),
        })
    };
    ids.into_iter().filter_map(change).collect()
}

fn areas(DatasetOnDate { index, day }: DatasetOnDate<'_>, layer: Layer) -> BTreeMap<&str, &Area> {
    let areas = index.areas(layer, day).into_iter().flatten();
    let has_practices = index.role(layer) == Some(LayerRole::PracticeCatchment);
    // The module `records` compares all practices; here, only practices with a boundary are
    // compared.
    let has_boundary =
        |area: &&Area| !has_practices || index.boundary(layer, &area.id, day).is_some();
    areas
        .filter(has_boundary)
        .map(|area| (area.id.as_str(), area))
        .collect()
}

fn size_km2(
    DatasetOnDate { index, day }: DatasetOnDate<'_>,
    layer: Layer,
    id: &str,
) -> Option<f64> {
    let boundaries: Vec<&Boundary> = index
        .boundaries(layer, day)
        .filter(|boundary| boundary.id == id)
        .collect();
    (!boundaries.is_empty()).then(|| planar::area_m2(&planar_union(&boundaries)) / M2_PER_KM2)
}

/// Returns the geometries that moved between areas of a partition, were previously in no area, or
/// are now in no area.
fn partition_transfers(
    layer: Layer,
    deltas: &[AreaDelta<'_>],
    before: &BoundariesByArea<'_>,
    after: &BoundariesByArea<'_>,
) -> Vec<TransferredGeometry> {
    let mut transferred = Vec::new();
    for losing in deltas {
        let gaining_areas = deltas.iter().filter(|gaining| gaining.id != losing.id);
        for gaining in
            gaining_areas.filter(|gaining| bboxes_intersect(&losing.lost, &gaining.gained))
        {
            let shared = losing.lost.intersection(&gaining.gained);
            transferred.extend(transferred_geometry(
                layer,
                Some(losing.id),
                Some(gaining.id),
                shared,
            ));
        }
        let remainder = subtract_others(&losing.lost, after, losing.id);
        transferred.extend(transferred_geometry(
            layer,
            Some(losing.id),
            None,
            remainder,
        ));
    }
    for gaining in deltas {
        let unclaimed = subtract_others(&gaining.gained, before, gaining.id);
        transferred.extend(transferred_geometry(
            layer,
            None,
            Some(gaining.id),
            unclaimed,
        ));
    }
    transferred
}

/// Subtracts all areas other than `own` from a geometry.
fn subtract_others(
    geometry: &MultiPolygon<f64>,
    others: &BoundariesByArea<'_>,
    own: &str,
) -> MultiPolygon<f64> {
    let mut remainder = geometry.clone();
    for (_, boundaries) in others.iter().filter(|(id, _)| **id != own) {
        let other = planar_union(boundaries);
        if bboxes_intersect(&remainder, &other) {
            remainder = remainder.difference(&other);
        }
    }
    remainder
}

fn bboxes_intersect(one: &MultiPolygon<f64>, other: &MultiPolygon<f64>) -> bool {
    match (one.bounding_rect(), other.bounding_rect()) {
        (Some(one), Some(other)) => one.intersects(&other),
        _ => false,
    }
}

fn transferred_geometry(
    layer: Layer,
    from: Option<&str>,
    to: Option<&str>,
    metres: MultiPolygon<f64>,
) -> Option<TransferredGeometry> {
    let metres = planar::remove_slivers(metres);
    (!metres.0.is_empty()).then(|| TransferredGeometry {
        layer,
        from: from.map(str::to_string),
        to: to.map(str::to_string),
        km2: planar::area_m2(&metres) / M2_PER_KM2,
        geometry: round_coordinates(&planar::to_lonlat(&metres)),
    })
}
