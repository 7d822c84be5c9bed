//! Differences in the names and boundaries of areas.

use std::collections::{BTreeMap, BTreeSet};

use geo::{BooleanOps, BoundingRect, Intersects, MultiPolygon, unary_union};

use super::{Change, View};
use crate::domain::{Area, Boundary, Extent, Layer};
use crate::ground::{self, M2_PER_KM2};

/// A difference in an area.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaChange {
    /// Its layer.
    pub layer: Layer,
    /// Its id, which is the same in both datasets.
    pub id: String,
    /// Whether it was added, removed or changed.
    pub change: Change,
    /// Its title in the old dataset.
    pub old_name: Option<String>,
    /// Its title in the new dataset.
    pub new_name: Option<String>,
    /// Its size in the old dataset, in km².
    pub old_km2: Option<f64>,
    /// Its size in the new dataset, in km².
    pub new_km2: Option<f64>,
    /// The size of what it gained, in km².
    pub gained_km2: f64,
    /// The size of what it lost, in km².
    pub lost_km2: f64,
}

/// A geometry that was transferred from one area to another, or from or to no area.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedGround {
    /// The layer of the areas.
    pub layer: Layer,
    /// The id of the area that lost it; `None` if it was in no area.
    pub from: Option<String>,
    /// The id of the area that gained it; `None` if it is in no area.
    pub to: Option<String>,
    /// Its size in km².
    pub km2: f64,
    /// The geometry, in longitude and latitude.
    pub ground: MultiPolygon<f64>,
}

/// The boundaries of a layer on one day, by area id.
type Grounds<'s> = BTreeMap<&'s str, Vec<&'s Boundary>>;

/// The geometry that an area lost and gained, in planar metres.
struct Shift<'s> {
    id: &'s str,
    lost: MultiPolygon<f64>,
    gained: MultiPolygon<f64>,
}

pub(super) fn compare(old: View<'_>, new: View<'_>) -> (Vec<AreaChange>, Vec<MovedGround>) {
    let (mut changes, mut moved) = (Vec::new(), Vec::new());
    for layer in Layer::ALL {
        let (of_layer, moved_in_layer) = compare_layer(old, new, layer);
        changes.extend(of_layer);
        moved.extend(moved_in_layer);
    }
    (changes, moved)
}

pub(super) fn compare_layer(
    old: View<'_>,
    new: View<'_>,
    layer: Layer,
) -> (Vec<AreaChange>, Vec<MovedGround>) {
    let (before, after) = (grounds(old, layer), grounds(new, layer));
    let shifts = shifts(&before, &after);
    let changes = area_changes(old, new, layer, &shifts);
    let moved = if old.index.is_partition(layer) || new.index.is_partition(layer) {
        exchanged(layer, &shifts, &before, &after)
    } else {
        let moved = shifts.iter().flat_map(|shift| {
            let lost = moved_ground(layer, Some(shift.id), None, shift.lost.clone());
            let gained = moved_ground(layer, None, Some(shift.id), shift.gained.clone());
            [lost, gained].into_iter().flatten()
        });
        moved.collect()
    };
    (changes, moved)
}

fn grounds(view: View<'_>, layer: Layer) -> Grounds<'_> {
    let mut grounds = Grounds::new();
    for boundary in view.index.boundaries(layer, view.day) {
        grounds.entry(&boundary.id).or_default().push(boundary);
    }
    grounds
}

/// Returns what each area lost and gained, for areas whose vertices differ.
fn shifts<'s>(before: &Grounds<'s>, after: &Grounds<'s>) -> Vec<Shift<'s>> {
    let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let shift = |id: &'s str| {
        let (old, new) = (before.get(id), after.get(id));
        if old.map(|it| vertices(it)) == new.map(|it| vertices(it)) {
            return None;
        }
        let metres = |grounds: Option<&Vec<&Boundary>>| grounds.map(whole).unwrap_or_else(nothing);
        let (old, new) = (metres(old), metres(new));
        Some(Shift {
            id,
            lost: ground::without_rounding(old.difference(&new)),
            gained: ground::without_rounding(new.difference(&old)),
        })
    };
    ids.into_iter().filter_map(shift).collect()
}

fn nothing() -> MultiPolygon<f64> {
    MultiPolygon::new(Vec::new())
}

/// Returns the union of all boundaries of an area, in planar metres. A practice can have an inner
/// and an outer one.
fn whole(grounds: &Vec<&Boundary>) -> MultiPolygon<f64> {
    match grounds.as_slice() {
        [only] => ground::in_metres(only),
        several => {
            let several: Vec<_> = several.iter().map(|it| ground::in_metres(it)).collect();
            unary_union(&several)
        }
    }
}

fn vertices<'b>(grounds: &[&'b Boundary]) -> Vec<(Extent, &'b [crate::domain::GridPolygon])> {
    let mut vertices: Vec<_> = grounds
        .iter()
        .map(|boundary| (boundary.extent, boundary.grid.as_slice()))
        .collect();
    vertices.sort_by_key(|(extent, _)| *extent);
    vertices
}

fn area_changes(
    old: View<'_>,
    new: View<'_>,
    layer: Layer,
    shifts: &[Shift<'_>],
) -> Vec<AreaChange> {
    let (before, after) = (areas(old, layer), areas(new, layer));
    let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let change = |id: &str| {
        let (was, is) = (before.get(id), after.get(id));
        let shift = shifts.iter().find(|shift| shift.id == id);
        let change = match (was, is) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(was), Some(is)) if was.title() != is.title() || shift.is_some() => {
                Change::Changed
            }
            _ => return None,
        };
        let km2 = |ground: &MultiPolygon<f64>| ground::area_m2(ground) / M2_PER_KM2;
        Some(AreaChange {
            layer,
            id: id.into(),
            change,
            old_name: was.map(|area| area.title()),
            new_name: is.map(|area| area.title()),
            old_km2: size_km2(old, layer, id),
            new_km2: size_km2(new, layer, id),
            gained_km2: shift.map_or(0.0, |shift| km2(&shift.gained)),
            lost_km2: shift.map_or(0.0, |shift| km2(&shift.lost)),
        })
    };
    ids.into_iter().filter_map(change).collect()
}

fn areas(View { index, day }: View<'_>, layer: Layer) -> BTreeMap<&str, &Area> {
    let areas = index.areas(layer, day).into_iter().flatten();
    // Practices are compared as practices; here only those with a boundary.
    let has_ground =
        |area: &&Area| layer != Layer::GpPractice || index.boundary(layer, &area.id, day).is_some();
    areas
        .filter(has_ground)
        .map(|area| (area.id.as_str(), area))
        .collect()
}

fn size_km2(View { index, day }: View<'_>, layer: Layer, id: &str) -> Option<f64> {
    let grounds: Vec<&Boundary> = index
        .boundaries(layer, day)
        .filter(|boundary| boundary.id == id)
        .collect();
    (!grounds.is_empty()).then(|| ground::area_m2(&whole(&grounds)) / M2_PER_KM2)
}

/// Returns the geometries transferred between areas of a partition, and from or to no area.
fn exchanged(
    layer: Layer,
    shifts: &[Shift<'_>],
    before: &Grounds<'_>,
    after: &Grounds<'_>,
) -> Vec<MovedGround> {
    let mut moved = Vec::new();
    for giver in shifts {
        let takers = shifts.iter().filter(|taker| taker.id != giver.id);
        for taker in takers.filter(|taker| meet(&giver.lost, &taker.gained)) {
            let both = giver.lost.intersection(&taker.gained);
            moved.extend(moved_ground(layer, Some(giver.id), Some(taker.id), both));
        }
        let left = without(&giver.lost, after, giver.id);
        moved.extend(moved_ground(layer, Some(giver.id), None, left));
    }
    for taker in shifts {
        let new = without(&taker.gained, before, taker.id);
        moved.extend(moved_ground(layer, None, Some(taker.id), new));
    }
    moved
}

/// Subtracts the areas of all others from a geometry.
fn without(ground: &MultiPolygon<f64>, others: &Grounds<'_>, own: &str) -> MultiPolygon<f64> {
    let mut left = ground.clone();
    for (_, grounds) in others.iter().filter(|(id, _)| **id != own) {
        let other = whole(grounds);
        if meet(&left, &other) {
            left = left.difference(&other);
        }
    }
    left
}

fn meet(one: &MultiPolygon<f64>, other: &MultiPolygon<f64>) -> bool {
    match (one.bounding_rect(), other.bounding_rect()) {
        (Some(one), Some(other)) => one.intersects(&other),
        _ => false,
    }
}

fn moved_ground(
    layer: Layer,
    from: Option<&str>,
    to: Option<&str>,
    metres: MultiPolygon<f64>,
) -> Option<MovedGround> {
    let metres = ground::without_rounding(metres);
    (!metres.0.is_empty()).then(|| MovedGround {
        layer,
        from: from.map(str::to_string),
        to: to.map(str::to_string),
        km2: ground::area_m2(&metres) / M2_PER_KM2,
        ground: ground::to_lonlat(&metres),
    })
}
