//! Areas and their ground.

use std::collections::{BTreeMap, BTreeSet};

use geo::{BooleanOps, BoundingRect, Intersects, MultiPolygon, unary_union};

use super::{Change, View};
use crate::domain::{Area, Boundary, Extent, Layer};
use crate::ground::{self, M2_PER_KM2};

/// An area that is not what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaChange {
    /// Its layer.
    pub layer: Layer,
    /// Its id, which stays the same.
    pub id: String,
    /// Whether it came, went or changed.
    pub change: Change,
    /// Its title before.
    pub old_name: Option<String>,
    /// Its title after.
    pub new_name: Option<String>,
    /// Its ground before.
    pub old_km2: Option<f64>,
    /// Its ground after.
    pub new_km2: Option<f64>,
    /// Ground that it did not have before.
    pub gained_km2: f64,
    /// Ground that it no longer has.
    pub lost_km2: f64,
}

/// Ground that was one area's and is another's, or nobody's.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedGround {
    /// The areas' layer.
    pub layer: Layer,
    /// Whose it was.
    pub from: Option<String>,
    /// Whose it is.
    pub to: Option<String>,
    /// How much.
    pub km2: f64,
    /// The ground, in lon/lat.
    pub ground: MultiPolygon<f64>,
}

/// The grounds of a layer on a day, by area.
type Grounds<'s> = BTreeMap<&'s str, Vec<&'s Boundary>>;

/// What an area lost and gained, in metres.
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

/// What moved, for each area whose vertices are not all the same.
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

/// All grounds of an area; a practice has an inner and an outer one.
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
    // A practice is told of as a practice; its area only where it has ground.
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

/// Who has the ground that areas of a partition lost, and whose it was that they gained.
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

/// The ground that no other area has.
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
