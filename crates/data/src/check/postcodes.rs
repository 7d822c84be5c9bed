//! Checks for live postcodes that are in no area of any layer, and counts the postcodes for which
//! the directory is uncertain.

use std::collections::BTreeMap;

use geo::{MultiPoint, Point};
use jiff::civil::Date;

use super::{Finding, FindingGeometry, FindingSubject};
use crate::plural::{count_with_noun, first_names};
use catchment_core::domain::{LonLat, LookupStatus, Postcode, PostcodeEntry, PostcodeStatus};
use catchment_core::geodesy;
use catchment_core::index::{Index, LayerResult, LocateQuery, Locator};

/// The maximum number of postcodes in a message. The GeoJSON contains all postcodes.
pub(super) const NAMED_MAX: usize = 3;

pub(super) fn check(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    let mut outside: BTreeMap<String, Vec<(Postcode, LonLat)>> = BTreeMap::new();
    let mut in_use: BTreeMap<String, usize> = BTreeMap::new();
    for entry in index.postcodes() {
        let Some(position) = entry.position else {
            continue;
        };
        match index.postcode_status(&entry, day) {
            PostcodeStatus::Live | PostcodeStatus::NotYetIntroduced => {}
            PostcodeStatus::Terminated | PostcodeStatus::Unknown => continue,
        }
        let outcode = entry.postcode.outcode().to_string();
        *in_use.entry(outcode.clone()).or_default() += 1;
        let lonlat = geodesy::to_lonlat(position);
        if let (Some(lonlat), true) = (lonlat, is_outside_every_area(index, entry.postcode, day)) {
            let of_outcode = outside.entry(outcode).or_default();
            of_outcode.push((entry.postcode, lonlat));
        }
    }
    for (outcode, postcodes) in outside {
        findings.push(outside_finding(&outcode, &postcodes, in_use[&outcode]));
    }
    findings.extend(postcodes_finding(
        index,
        "postcode_status_unknown",
        "postcodes in the directory that are in no list of live postcodes, so it is not known \
         whether they are in use",
        |entry| index.postcode_status(entry, day) == PostcodeStatus::Unknown,
    ));
    findings.extend(postcodes_finding(
        index,
        "statistical_area_by_polygon",
        "postcodes with the statistical area that contains their position, because the publisher's \
         look-up has the statistical area of an earlier use of the postcode",
        |entry| index.postcode_codes(entry).is_statistical_area_by_polygon,
    ));
}

/// Returns a finding with the number of postcodes that have a property and the first of these
/// postcodes, or `None` if no postcode has the property.
fn postcodes_finding(
    index: &Index,
    code: &'static str,
    description: &str,
    has_property: impl Fn(&PostcodeEntry) -> bool,
) -> Option<Finding> {
    let entries: Vec<PostcodeEntry> = index.postcodes().filter(has_property).collect();
    let postcodes: Vec<Postcode> = entries.iter().map(|entry| entry.postcode).collect();
    let positions = entries.iter().filter_map(|entry| entry.position);
    let positions: Vec<LonLat> = positions.filter_map(geodesy::to_lonlat).collect();
    let message = format!(
        "{description}: {} of {} ({})",
        postcodes.len(),
        index.postcodes().len(),
        first_names(&postcodes, NAMED_MAX)
    );
    let finding = Finding {
        geometry: Some(FindingGeometry::Points(to_points(&positions))),
        ..Finding::warning(code, message)
    };
    (!postcodes.is_empty()).then(|| finding.with_position(positions.first().copied()))
}

fn to_points(positions: &[LonLat]) -> MultiPoint<f64> {
    let points = positions.iter();
    points
        .map(|lonlat| Point::new(lonlat.lon(), lonlat.lat()))
        .collect()
}

fn is_outside_every_area(index: &Index, postcode: Postcode, day: Date) -> bool {
    let answer = index.locate(&LocateQuery {
        locator: Some(Locator::Postcode(postcode)),
        practice: None,
        as_of: day,
    });
    let is_empty = |result: &LayerResult<'_>| match result {
        LayerResult::Areas(areas) => areas.is_empty(),
        LayerResult::Practices(practices) => practices.is_empty(),
        LayerResult::Groups(groups) => groups.is_empty(),
        LayerResult::Unknown(_) => true,
    };
    answer.status == LookupStatus::OutsideCoverage
        || answer.residence.iter().all(|(_, result)| is_empty(result))
}

fn outside_finding(outcode: &str, postcodes: &[(Postcode, LonLat)], in_use: usize) -> Finding {
    let (names, positions): (Vec<Postcode>, Vec<LonLat>) = postcodes.iter().copied().unzip();
    let count = postcodes.len();
    let in_use = count_with_noun(in_use, "live postcode", "live postcodes");
    let verb = if count == 1 { "is" } else { "are" };
    let message = format!(
        "{count} of the {in_use} in {outcode} {verb} in no area of any layer: {}",
        first_names(&names, NAMED_MAX)
    );
    Finding {
        geometry: Some(FindingGeometry::Points(to_points(&positions))),
        ..Finding::warning("postcode_outside", message)
    }
    .with_subject(FindingSubject::new("outcode", outcode))
    .with_position(Some(postcodes[0].1))
}
