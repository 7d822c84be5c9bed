//! Checks for live postcodes that are in no area of any layer.

use std::collections::BTreeMap;

use geo::{MultiPoint, Point};
use jiff::civil::Date;

use super::{Finding, FindingGeometry, FindingSubject};
use crate::plural::count_with_noun;
use catchment_core::domain::{LonLat, LookupStatus, Postcode};
use catchment_core::geodesy;
use catchment_core::index::{Index, LayerResult, LocateQuery, Locator};

/// The maximum number of postcodes that a message names. The GeoJSON contains all postcodes.
const NAMED_MAX: usize = 3;

pub(super) fn check(index: &Index, day: Date, findings: &mut Vec<Finding>) {
    let mut outside: BTreeMap<String, Vec<(Postcode, LonLat)>> = BTreeMap::new();
    let mut in_use: BTreeMap<String, usize> = BTreeMap::new();
    for entry in index.postcodes() {
        let Some(position) = entry.position else {
            continue;
        };
        if index.is_terminated(&entry, day) {
            continue;
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
    let named: Vec<String> = postcodes
        .iter()
        .take(NAMED_MAX)
        .map(|(postcode, _)| postcode.to_string())
        .collect();
    let ellipsis = if postcodes.len() > NAMED_MAX {
        ", …"
    } else {
        ""
    };
    let count = postcodes.len();
    let in_use = count_with_noun(in_use, "live postcode", "live postcodes");
    let verb = if count == 1 { "is" } else { "are" };
    let message = format!(
        "{count} of the {in_use} in {outcode} {verb} in no area of any layer: {}{ellipsis}",
        named.join(", ")
    );
    let points: MultiPoint<f64> = postcodes
        .iter()
        .map(|(_, lonlat)| Point::new(lonlat.lon(), lonlat.lat()))
        .collect();
    Finding {
        geometry: Some(FindingGeometry::Points(points)),
        ..Finding::warning("postcode_outside", message)
    }
    .with_subject(FindingSubject::new("outcode", outcode))
    .with_position(Some(postcodes[0].1))
}
