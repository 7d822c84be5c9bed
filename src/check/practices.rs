//! Checks of practices: their ICCs, premises and successors.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::Date;

use super::areas::overlap;
use super::{Finding, Subject};
use crate::dataset::Dataset;
use crate::domain::{Layer, Member, OdsCode, Practice, PracticeStatus};
use crate::geodesy;
use crate::index::Listing;
use crate::index::{Found, Index, Place, Query};

pub(super) fn check(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    check_communities(dataset, findings);
    check_buildings(dataset, day, findings);
    check_successions(dataset, findings);
}

fn subject(code: OdsCode) -> Subject {
    Subject::named("practice", code.as_str())
}

/// Returns whether a practice is open and has patients on `day`.
pub(super) fn is_open(practice: &Practice, day: Date) -> bool {
    practice.status_on(day) == PracticeStatus::Active
}

/// Reports practices that are in two ICCs at the same time.
fn check_communities(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let mut homes: BTreeMap<OdsCode, Vec<_>> = BTreeMap::new();
    for membership in &dataset.memberships {
        if let (Member::Practice(code), Layer::Icc) = (&membership.member, membership.layer) {
            homes.entry(*code).or_default().push(membership);
        }
    }
    for (code, homes) in homes {
        for (at, one) in homes.iter().enumerate() {
            let mut others = homes[at + 1..].iter();
            let clash = others.find(|it| it.group != one.group && overlap(it.period, one.period));
            if let Some(other) = clash {
                let name = |group: &Option<String>| group.clone().unwrap_or("none named".into());
                let (one, other) = (name(&one.group), name(&other.group));
                let message =
                    format!("practice `{code}` is in ICC `{one}` and `{other}` at the same time");
                findings.push(Finding::error("practice_in_two_iccs", message).about(subject(code)));
            }
        }
    }
}

fn check_buildings(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    let housed: HashSet<OdsCode> = dataset.premises.iter().map(|site| site.practice).collect();
    let open = dataset.practices.iter().filter(|it| is_open(it, day));
    for practice in open.filter(|practice| !housed.contains(&practice.code)) {
        let message = format!(
            "practice `{}`, {}, has no premises",
            practice.code, practice.name
        );
        let finding = Finding::warning("practice_without_premises", message);
        findings.push(finding.about(subject(practice.code)));
    }
}

fn check_successions(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let known: HashSet<OdsCode> = dataset.practices.iter().map(|it| it.code).collect();
    let mut next: BTreeMap<OdsCode, Vec<OdsCode>> = BTreeMap::new();
    for step in &dataset.successions {
        next.entry(step.predecessor)
            .or_default()
            .push(step.successor);
        if !known.contains(&step.successor) {
            let (from, to) = (step.predecessor, step.successor);
            let message =
                format!("the successor of practice `{from}`, `{to}`, is not in the dataset");
            findings.push(Finding::warning("unknown_successor", message).about(subject(from)));
        }
    }
    let mut told: BTreeSet<OdsCode> = BTreeSet::new();
    for &start in next.keys() {
        if told.contains(&start) {
            continue;
        }
        if let Some(cycle) = cycle_through(start, &next) {
            let codes: Vec<&str> = cycle.iter().map(OdsCode::as_str).collect();
            let message = format!("successions form a cycle: {}", codes.join(" → "));
            findings.push(Finding::error("succession_cycle", message).about(subject(start)));
            told.extend(cycle);
        }
    }
    let closed = dataset.practices.iter();
    let closed = closed.filter(|practice| practice.status == PracticeStatus::Closed);
    for practice in closed.filter(|practice| !next.contains_key(&practice.code)) {
        let message = format!(
            "practice `{}`, {}, is closed and has no known successor",
            practice.code, practice.name
        );
        let finding = Finding::warning("closed_no_successor", message);
        findings.push(finding.about(subject(practice.code)));
    }
}

/// Returns the shortest cycle of successions through `start`.
fn cycle_through(start: OdsCode, next: &BTreeMap<OdsCode, Vec<OdsCode>>) -> Option<Vec<OdsCode>> {
    let mut ways: Vec<Vec<OdsCode>> = vec![vec![start]];
    let mut seen: HashSet<OdsCode> = HashSet::new();
    let mut at = 0;
    while at < ways.len() {
        let here = *ways[at].last().expect("a path has a start");
        for &successor in next.get(&here).into_iter().flatten() {
            let mut way = ways[at].clone();
            way.push(successor);
            if successor == start {
                return Some(way);
            }
            if seen.insert(successor) {
                ways.push(way);
            }
        }
        at += 1;
    }
    None
}

/// Reports open practices whose own address is in a different ICC from their patients, or that have
/// no ICC.
pub(super) fn check_homes(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    let own = |practice: &Practice| {
        let member = Member::Practice(practice.code);
        let mut homes = index.memberships_of(&member, Layer::Icc, day);
        homes.find_map(|membership| membership.group.clone())
    };
    let open: Vec<&Practice> = index
        .practices()
        .iter()
        .filter(|practice| is_open(practice, day))
        .collect();
    // If any practice of a sub-ICB location has an ICC, all should have one.
    let with_iccs: HashSet<&str> = open
        .iter()
        .filter(|practice| own(practice).is_some())
        .filter_map(|practice| practice.sub_icb.as_deref())
        .collect();
    for practice in open {
        let around = address_icc(index, practice, day);
        match (own(practice), around) {
            (Some(own), Some((place, around))) if !around.contains(&own) => {
                findings.push(outside(index, practice, &own, &around, place, day));
            }
            (None, around) => {
                let around = around.map(|it| it.1).unwrap_or_default();
                let sub_icb = practice.sub_icb.as_deref();
                if !around.is_empty() || sub_icb.is_some_and(|it| with_iccs.contains(it)) {
                    findings.push(homeless(practice, &around));
                }
            }
            _ => {}
        }
    }
}

/// Returns the ICCs at a practice's own address, and the address, if that is known.
fn address_icc(index: &Index, practice: &Practice, day: Date) -> Option<(Place, Vec<String>)> {
    let listed = practice.postcode.filter(|postcode| {
        matches!(index.postcode(*postcode), Listing::Entry(entry) if entry.position.is_some())
    });
    let building = index.premises(practice.code).first();
    let place = match (listed, building) {
        (Some(postcode), _) => Place::Postcode(postcode),
        (None, Some(building)) => Place::Grid(building.position),
        (None, None) => return None,
    };
    let answer = index.locate(&Query {
        place: Some(place),
        practice: None,
        as_of: day,
    });
    let found = answer.residence.iter().find(|it| it.0 == Layer::Icc)?;
    let Found::Areas(areas) = &found.1 else {
        return None;
    };
    let ids = areas.iter().map(|found| found.area.id.clone()).collect();
    Some((place, ids))
}

fn outside(
    index: &Index,
    practice: &Practice,
    own: &str,
    around: &[String],
    place: Place,
    day: Date,
) -> Finding {
    let answer = index.locate(&Query {
        place: Some(place),
        practice: None,
        as_of: day,
    });
    let lies_in = match around {
        [] => "no ICC".to_string(),
        ids => format!("`{}`", ids.join("`, `")),
    };
    let message = format!(
        "practice `{}`, {}, belongs to ICC `{own}` but its address is in {lies_in}",
        practice.code, practice.name
    );
    let lonlat = answer.location.and_then(|location| location.lonlat());
    Finding::warning("practice_outside_icc", message)
        .about(subject(practice.code))
        .at(lonlat.or_else(|| first_building(index, practice)))
}

fn first_building(index: &Index, practice: &Practice) -> Option<crate::domain::LonLat> {
    geodesy::to_lonlat(index.premises(practice.code).first()?.position)
}

fn homeless(practice: &Practice, around: &[String]) -> Finding {
    let lies_in = match around {
        [] => String::new(),
        ids => format!("; its address is in `{}`", ids.join("`, `")),
    };
    let message = format!(
        "practice `{}`, {}, belongs to no ICC{lies_in}",
        practice.code, practice.name
    );
    Finding::warning("practice_without_icc", message).about(subject(practice.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_from_any_practice_in_it_and_from_no_other() {
        let code = |text: &str| text.parse::<OdsCode>().expect("an ODS code");
        let steps = [
            ("A00001", "A00002"),
            ("A00002", "A00003"),
            ("A00003", "A00002"),
            ("A00004", "A00005"),
        ];
        let mut next: BTreeMap<OdsCode, Vec<OdsCode>> = BTreeMap::new();
        for (from, to) in steps {
            next.entry(code(from)).or_default().push(code(to));
        }
        let length = |start: &str| cycle_through(code(start), &next).map(|cycle| cycle.len());
        assert_eq!(length("A00001"), None);
        assert_eq!(length("A00002"), Some(3));
        assert_eq!(length("A00003"), Some(3));
        assert_eq!(length("A00004"), None);
    }
}
