//! Checks of practices: their communities, premises and successors.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::Date;

use super::areas::periods_overlap;
use super::{Finding, FindingSubject};
use crate::dataset::Dataset;
use catchment_core::domain::{GroupMember, Layer, OdsCode, Practice, PracticeStatus};
use catchment_core::geodesy;
use catchment_core::index::PostcodeLookup;
use catchment_core::index::{Index, LayerResult, LocateQuery, Locator};

pub(super) fn check(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    check_communities(dataset, findings);
    check_premises(dataset, day, findings);
    check_age_of_premises(dataset, day, findings);
    check_successions(dataset, findings);
}

fn subject(code: OdsCode) -> FindingSubject {
    FindingSubject::new("practice", code.as_str())
}

/// Returns whether a practice is active on `day`.
pub(super) fn is_open(practice: &Practice, day: Date) -> bool {
    practice.status_on(day) == PracticeStatus::Active
}

/// Reports practices that belong to two communities at the same time.
fn check_communities(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let mut memberships_by_practice: BTreeMap<OdsCode, Vec<_>> = BTreeMap::new();
    let Some(main) = dataset.manifest.main_community_layer() else {
        return;
    };
    let of_main = dataset.memberships.iter();
    for membership in of_main.filter(|membership| membership.layer == main) {
        if let GroupMember::Practice(code) = &membership.member {
            memberships_by_practice
                .entry(*code)
                .or_default()
                .push(membership);
        }
    }
    for (code, memberships) in memberships_by_practice {
        for (index, one) in memberships.iter().enumerate() {
            let mut others = memberships[index + 1..].iter();
            let clash = others.find(|membership| {
                membership.group != one.group && periods_overlap(membership.period, one.period)
            });
            if let Some(other) = clash {
                let name = |group: &Option<String>| group.clone().unwrap_or("none named".into());
                let (one, other) = (name(&one.group), name(&other.group));
                let message = format!(
                    "practice `{code}` is in the communities `{one}` and `{other}` at the same time"
                );
                findings.push(
                    Finding::error("practice_in_two_communities", message)
                        .with_subject(subject(code)),
                );
            }
        }
    }
}

fn check_premises(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    let with_premises: HashSet<OdsCode> =
        dataset.premises.iter().map(|site| site.practice).collect();
    let open = dataset
        .practices
        .iter()
        .filter(|practice| is_open(practice, day));
    for practice in open.filter(|practice| !with_premises.contains(&practice.code)) {
        let message = format!(
            "practice `{}`, {}, has no premises",
            practice.code, practice.name
        );
        let finding = Finding::warning("practice_without_premises", message);
        findings.push(finding.with_subject(subject(practice.code)));
    }
}

/// The age in years above which the source of premises is reported.
const PREMISES_AGE_YEARS: i16 = 5;

/// Reports premises of open practices whose source is more than five years older than the dataset.
fn check_age_of_premises(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    let open: HashSet<OdsCode> = dataset
        .practices
        .iter()
        .filter(|practice| is_open(practice, day))
        .map(|practice| practice.code)
        .collect();
    let sites = dataset.premises.iter();
    for site in sites.filter(|site| open.contains(&site.practice)) {
        let Some(as_of) = site.as_of else { continue };
        if day.year() - as_of.first_day().year() <= PREMISES_AGE_YEARS {
            continue;
        }
        let name = site.name.as_deref().unwrap_or("without a name");
        let postcode = site.postcode.map(|postcode| format!(", {postcode}"));
        let message = format!(
            "the {} of practice `{}`, {name}{}, is as of {as_of}, more than {PREMISES_AGE_YEARS} \
             years before the dataset",
            site.kind.as_str(),
            site.practice,
            postcode.unwrap_or_default()
        );
        let finding = Finding::warning("premises_out_of_date", message);
        findings.push(
            finding
                .with_subject(subject(site.practice))
                .with_position(geodesy::to_lonlat(site.position)),
        );
    }
}

fn check_successions(dataset: &Dataset, findings: &mut Vec<Finding>) {
    let known: HashSet<OdsCode> = dataset
        .practices
        .iter()
        .chain(
            dataset
                .neighbouring_practices
                .iter()
                .map(|found| &found.practice),
        )
        .map(|practice| practice.code)
        .collect();
    let mut next: BTreeMap<OdsCode, Vec<OdsCode>> = BTreeMap::new();
    for step in &dataset.successions {
        next.entry(step.predecessor)
            .or_default()
            .push(step.successor);
        if !known.contains(&step.successor) {
            let (from, to) = (step.predecessor, step.successor);
            let message =
                format!("the successor of practice `{from}`, `{to}`, is not in the dataset");
            findings
                .push(Finding::warning("unknown_successor", message).with_subject(subject(from)));
        }
    }
    let mut reported: BTreeSet<OdsCode> = BTreeSet::new();
    for &start in next.keys() {
        if reported.contains(&start) {
            continue;
        }
        if let Some(cycle) = cycle_through(start, &next) {
            let codes: Vec<&str> = cycle.iter().map(OdsCode::as_str).collect();
            let message = format!("successions form a cycle: {}", codes.join(" → "));
            findings.push(Finding::error("succession_cycle", message).with_subject(subject(start)));
            reported.extend(cycle);
        }
    }
    let closed = dataset.practices.iter();
    let closed = closed.filter(|practice| practice.status == PracticeStatus::Closed);
    for practice in closed.filter(|practice| !next.contains_key(&practice.code)) {
        let note = practice.note.as_ref().map(|note| format!(": {note}"));
        let message = format!(
            "practice `{}`, {}, is closed and has no known successor{}",
            practice.code,
            practice.name,
            note.unwrap_or_default()
        );
        let finding = Finding::warning("closed_no_successor", message);
        findings.push(finding.with_subject(subject(practice.code)));
    }
}

/// Returns the shortest cycle of successions through `start`, if there is a cycle.
fn cycle_through(start: OdsCode, next: &BTreeMap<OdsCode, Vec<OdsCode>>) -> Option<Vec<OdsCode>> {
    let mut paths: Vec<Vec<OdsCode>> = vec![vec![start]];
    let mut seen: HashSet<OdsCode> = HashSet::new();
    let mut index = 0;
    while index < paths.len() {
        let last = *paths[index].last().expect("a path has a start");
        for &successor in next.get(&last).into_iter().flatten() {
            let mut path = paths[index].clone();
            path.push(successor);
            if successor == start {
                return Some(path);
            }
            if seen.insert(successor) {
                paths.push(path);
            }
        }
        index += 1;
    }
    None
}

/// Reports open practices that have no community, or whose address is outside their community.
pub(super) fn check_addresses(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    let Some(layer) = index.manifest().main_community_layer() else {
        return;
    };
    let own_community = |practice: &Practice| {
        let member = GroupMember::Practice(practice.code);
        let mut memberships = index.memberships_of(&member, layer, day);
        memberships.find_map(|membership| membership.group.clone())
    };
    let open: Vec<&Practice> = index
        .practices()
        .iter()
        .filter(|practice| is_open(practice, day))
        .collect();
    // If any practice of a sub-ICB location has a community, all practices of the location should
    // have a community.
    let with_communities: HashSet<&str> = open
        .iter()
        .filter(|practice| own_community(practice).is_some())
        .filter_map(|practice| practice.sub_icb.as_deref())
        .collect();
    for practice in open {
        let address_communities = communities_at_address(index, layer, practice, day);
        match (own_community(practice), address_communities) {
            (Some(own), Some((locator, address_communities)))
                if !address_communities.contains(&own) =>
            {
                findings.push(outside_community_finding(
                    index,
                    practice,
                    &own,
                    &address_communities,
                    locator,
                    day,
                ));
            }
            (None, address_communities) => {
                let address_communities = address_communities
                    .map(|address_community| address_community.1)
                    .unwrap_or_default();
                let sub_icb = practice.sub_icb.as_deref();
                if !address_communities.is_empty()
                    || sub_icb.is_some_and(|text| with_communities.contains(text))
                {
                    findings.push(without_community_finding(practice, &address_communities));
                }
            }
            _ => {}
        }
    }
}

/// Returns a practice's address and the communities at this address, or `None` if the address is
/// not known.
fn communities_at_address(
    index: &Index,
    layer: Layer,
    practice: &Practice,
    day: Date,
) -> Option<(Locator, Vec<String>)> {
    let postcode = practice.postcode.filter(|postcode| {
        matches!(index.lookup_postcode(*postcode), PostcodeLookup::Entry(entry) if entry.position.is_some())
    });
    let premises = index.premises(practice.code).first();
    let locator = match (postcode, premises) {
        (Some(postcode), _) => Locator::Postcode(postcode),
        (None, Some(premises)) => Locator::Grid(premises.position),
        (None, None) => return None,
    };
    let answer = index.locate(&LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of: day,
    });
    let result = answer.residence.iter().find(|value| value.0 == layer)?;
    let LayerResult::Areas(areas) = &result.1 else {
        return None;
    };
    let ids = areas
        .iter()
        .map(|area_match| area_match.area.id.clone())
        .collect();
    Some((locator, ids))
}

fn outside_community_finding(
    index: &Index,
    practice: &Practice,
    own: &str,
    address_communities: &[String],
    locator: Locator,
    day: Date,
) -> Finding {
    let answer = index.locate(&LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of: day,
    });
    let location_text = match address_communities {
        [] => "no community".to_string(),
        ids => format!("`{}`", ids.join("`, `")),
    };
    let message = format!(
        "practice `{}`, {}, belongs to the community `{own}` but its address is in {location_text}",
        practice.code, practice.name
    );
    let lonlat = answer.location.and_then(|location| location.lonlat());
    Finding::warning("practice_outside_community", message)
        .with_subject(subject(practice.code))
        .with_position(lonlat.or_else(|| first_premises(index, practice)))
}

fn first_premises(index: &Index, practice: &Practice) -> Option<catchment_core::domain::LonLat> {
    geodesy::to_lonlat(index.premises(practice.code).first()?.position)
}

fn without_community_finding(practice: &Practice, address_communities: &[String]) -> Finding {
    let location_text = match address_communities {
        [] => String::new(),
        ids => format!("; its address is in `{}`", ids.join("`, `")),
    };
    let message = format!(
        "practice `{}`, {}, belongs to no community{location_text}",
        practice.code, practice.name
    );
    Finding::warning("practice_without_community", message).with_subject(subject(practice.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_found_only_from_its_own_practices() {
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
