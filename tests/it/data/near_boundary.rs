//! Tests which postcodes of the embedded dataset are near a boundary: postcodes with neighbours
//! across a boundary should be near it, and postcodes on the coast should not.

use catchment::domain::{Basis, Certainty, LayerSet, PostcodeEntry, PostcodeStatus};
use catchment::index::{AreaMatch, LocateQuery, Locator, areas_of_layer};

use super::embedded_dataset::{DAY, index};

/// The information in an answer about the ICC of a postcode.
struct IccProximity {
    id: String,
    basis: Basis,
    certainty: Certainty,
    distance_m: Option<f64>,
    alternatives: Vec<(Option<String>, f64)>,
}

fn icc_proximity(entry: &PostcodeEntry) -> Option<IccProximity> {
    let layers: LayerSet = [crate::support::layer("icc")].into_iter().collect();
    let query = LocateQuery {
        locator: Some(Locator::Postcode(entry.postcode)),
        practice: None,
        as_of: DAY,
    };
    let answer = index().locate_with_distances(&query, layers);
    let found: &AreaMatch<'_> =
        areas_of_layer(&answer.residence, crate::support::layer("icc")).first()?;
    let proximity = found.proximity.as_ref().expect("measured");
    let alternatives = proximity.alternatives.iter();
    let alternatives =
        alternatives.map(|other| (other.area.map(|area| area.id.clone()), other.distance_m));
    Some(IccProximity {
        id: found.area.id.clone(),
        basis: found.basis,
        certainty: proximity.certainty,
        distance_m: proximity.distance_m,
        alternatives: alternatives.collect(),
    })
}

fn live_postcodes() -> impl Iterator<Item = PostcodeEntry> {
    let live = |entry: &PostcodeEntry| {
        index().postcode_status(entry, DAY) == PostcodeStatus::Live && entry.position.is_some()
    };
    index().postcodes().filter(live)
}

/// Returns the ICCs of the three nearest live postcodes.
fn neighbouring_iccs(entry: &PostcodeEntry) -> Vec<String> {
    let position = entry.position.expect("it has one");
    let near = index().nearest_postcodes(position, 4, DAY);
    let others = near
        .iter()
        .filter(|(other, _)| other.postcode != entry.postcode);
    let iccs = others.take(3).filter_map(|(other, _)| icc_proximity(other));
    iccs.map(|proximity| proximity.id).collect()
}

#[test]
fn postcodes_near_another_icc_are_near_a_boundary_and_postcodes_on_the_coast_are_not() {
    let (mut total, mut near, mut near_land, mut with_alternative) = (0, 0, 0, 0);
    let (mut coarse, mut nearest, mut without_reason) = (0, 0, 0);
    let (mut with_neighbours, mut near_neighbours) = (0, 0);
    for entry in live_postcodes() {
        let Some(proximity) = icc_proximity(&entry) else {
            continue;
        };
        total += 1;
        let is_near = proximity.certainty == Certainty::NearBoundary;
        near += u32::from(is_near);
        let has_other = |other: &(Option<String>, f64)| other.0.is_some();
        let has_land = |other: &(Option<String>, f64)| other.0.is_none();
        if proximity.alternatives.iter().any(has_other) {
            with_alternative += 1;
        } else if proximity.alternatives.iter().any(has_land) {
            near_land += 1;
        } else if is_near && entry.is_coarse() {
            coarse += 1;
        } else if is_near && proximity.basis == Basis::Nearest {
            nearest += 1;
        } else if is_near {
            without_reason += 1;
        }
        // A postcode with alternatives is always near a boundary.
        assert!(is_near || proximity.alternatives.is_empty());
        assert!(proximity.distance_m.is_some());
        // Only a postcode less than 5 km from another ICC can have a neighbour in that ICC.
        if proximity.distance_m.is_some_and(|metres| metres < 5_000.0)
            && neighbouring_iccs(&entry)
                .iter()
                .any(|id| *id != proximity.id)
        {
            with_neighbours += 1;
            near_neighbours += u32::from(is_near);
        }
    }
    println!(
        "{total} live postcodes in an ICC, {near} near a boundary: {with_alternative} with another ICC, \
         {near_land} with land in no ICC, {coarse} with an inexact position, {nearest} off the coast \
         without an LSOA, {without_reason} without a reason; {near_neighbours} of {with_neighbours} \
         with a neighbour in another ICC"
    );
    assert_eq!((total, near), (24_591, 513));
    assert_eq!((with_alternative, near_land), (469, 21));
    assert_eq!((coarse, nearest, without_reason), (23, 0, 0));
    // The other postcodes are too far from the generalised boundary.
    assert_eq!((near_neighbours, with_neighbours), (251, 446));
}
