//! Checks of the communities of places: disputed assignments, layers that point to different
//! communities, and the ratio of registered to resident people.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::counts::format_thousands;
use super::{Finding, FindingSubject};
use catchment_core::domain::{Area, Layer, LayerSet, PostcodeStatus};
use catchment_core::index::{
    DisagreeingLayer, Disagreement, Index, LayerResult, LocateQuery, Locator,
};

/// The usual ratio of registered to resident people of a community. A list is usually a few per
/// cent longer than the number of residents, because it also contains people who have moved away or
/// live elsewhere.
const REGISTERED_TO_RESIDENT: std::ops::RangeInclusive<f64> = 0.9..=1.2;

pub(super) fn check(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    check_disputed(index, day, findings);
    check_disagreements(index, day, findings);
    check_ratios(index, day, findings);
}

/// Information about the live postcodes of a statistical area.
#[derive(Default)]
struct LivePostcodes {
    count: usize,
    disagreeing: usize,
    /// A description of the first disagreement.
    disagreement: Option<String>,
    community: String,
}

/// Reports statistical areas whose assignment the source disputes.
fn check_disputed(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    let shares = index.facts().model_shares.iter();
    let disputed: Vec<_> = shares.filter(|share| !share.disputed.is_empty()).collect();
    if disputed.is_empty() {
        return;
    }
    let mut live: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in index.postcodes() {
        if index.postcode_status(&entry, day) == PostcodeStatus::Live
            && let Some(code) = index.statistical_area_code(&entry)
        {
            *live.entry(code).or_default() += 1;
        }
    }
    for share in disputed {
        let code = share.statistical_area.as_str();
        let others: Vec<String> = share
            .disputed
            .iter()
            .map(|(id, share)| format!("`{id}` with {share:.2}"))
            .collect();
        let message = format!(
            "`{code}` is in {} `{}` with a share of {:.2} of the modelled people, and disputed: \
             {}; it has {} live postcodes",
            share.layer,
            share.area,
            share.share,
            others.join(", "),
            live.get(code).copied().unwrap_or_default()
        );
        let finding = Finding::warning("disputed", message);
        findings.push(finding.with_subject(FindingSubject::new("statistical_area", code)));
    }
}

/// Reports statistical areas whose network, or whose practice with the largest share, belongs to
/// another community.
fn check_disagreements(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    if index.community_layers().is_empty() {
        return;
    }
    let without_distances: LayerSet = std::iter::empty().collect();
    let mut by_code: BTreeMap<&str, LivePostcodes> = BTreeMap::new();
    for entry in index.postcodes() {
        if index.postcode_status(&entry, day) != PostcodeStatus::Live {
            continue;
        }
        let query = LocateQuery {
            locator: Some(Locator::Postcode(entry.postcode)),
            practice: None,
            as_of: day,
        };
        let answer = index.locate_with_distances(&query, without_distances);
        let code = index.statistical_area_code(&entry).unwrap_or("none");
        let found = by_code.entry(code).or_default();
        found.count += 1;
        let disagreements = index.disagreements(&answer.residence, day);
        if !disagreements.is_empty() {
            found.disagreeing += 1;
            if found.disagreement.is_none() {
                found.community = community(index, &answer.residence);
                found.disagreement = Some(describe(&disagreements));
            }
        }
    }
    for (code, found) in by_code {
        let Some(disagreement) = found.disagreement else {
            continue;
        };
        let message = format!(
            "`{code}` is in `{}`, but {disagreement}; this is the case for {} of its {} live postcodes",
            found.community, found.disagreeing, found.count
        );
        let finding = Finding::warning("layers_disagree", message);
        findings.push(finding.with_subject(FindingSubject::new("statistical_area", code)));
    }
}

fn community(index: &Index, residence: &[(Layer, LayerResult<'_>)]) -> String {
    let ids: Vec<&str> = index.community_ids(residence).collect();
    ids.join("`, `")
}

fn describe(disagreements: &[Disagreement<'_>]) -> String {
    let sentences: Vec<String> = disagreements
        .iter()
        .map(|found| {
            let of = match found.of {
                DisagreeingLayer::Network(area) => format!("network `{}`", area.id),
                DisagreeingLayer::Practice(practice) => {
                    format!("practice `{}`, which has the largest share,", practice.code)
                }
            };
            let ids: Vec<&str> = found
                .communities
                .iter()
                .map(|area| area.id.as_str())
                .collect();
            format!("{of} belongs to `{}`", ids.join("`, `"))
        })
        .collect();
    sentences.join(", and ")
}

/// Reports communities with an unusual ratio of registered to resident people.
fn check_ratios(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    for &layer in index.community_layers() {
        let areas: Vec<&Area> = index.areas(layer, day).into_iter().flatten().collect();
        for area in areas {
            let population = index.population(area, day);
            let Some((registered, resident)) = population.registered.zip(population.resident)
            else {
                continue;
            };
            let ratio = f64::from(registered) / f64::from(resident.max(1));
            if REGISTERED_TO_RESIDENT.contains(&ratio) {
                continue;
            }
            let message = format!(
                "{} has {} registered people and {} residents, a ratio of {ratio:.2}; the usual \
                 range is {:.1} to {:.1}",
                area.title(),
                format_thousands(registered.into()),
                format_thousands(resident.into()),
                REGISTERED_TO_RESIDENT.start(),
                REGISTERED_TO_RESIDENT.end()
            );
            let finding = Finding::warning("registered_to_resident", message);
            findings.push(finding.with_subject(FindingSubject::area(layer, &area.id)));
        }
    }
}
