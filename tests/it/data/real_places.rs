//! Tests of look-ups of real places, with the hand-written results in `tests/cases/places.csv`.

use std::collections::BTreeMap;

use catchment::domain::{Basis, Layer, date_from_iso};
use catchment::index::{LayerResult, LocateQuery, Locator, UnknownReason};

use crate::data::embedded_dataset::{DAY, index};

type Row = BTreeMap<String, String>;

fn cases() -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path("tests/cases/places.csv")
        .expect("the table is in the repository");
    reader
        .deserialize()
        .map(|row| row.expect("a well-formed row"))
        .collect()
}

fn query(row: &Row) -> LocateQuery {
    let filled = |column: &str| Some(row[column].as_str()).filter(|text| !text.is_empty());
    let place = filled("postcode").map(|text| text.parse().expect("a postcode"));
    let as_of = filled("as_of").map(|text| date_from_iso(text).expect("a day"));
    LocateQuery {
        locator: place.map(Locator::Postcode),
        practice: filled("practice").map(str::parse),
        as_of: as_of.unwrap_or(DAY),
    }
}

/// Formats the result of a layer in the format of the table.
fn found_text(found: &LayerResult<'_>) -> String {
    let texts: Vec<String> = match found {
        LayerResult::Unknown(UnknownReason::NoneNamed) => vec!["unknown".into()],
        LayerResult::Unknown(UnknownReason::NoSource) => vec!["no_source".into()],
        LayerResult::Unknown(UnknownReason::NoDataForDate) => vec!["no_data_for_date".into()],
        LayerResult::Unknown(UnknownReason::NoBoundary) => vec!["no_boundary".into()],
        LayerResult::Unknown(UnknownReason::NoLivePostcodes) => vec!["no_live_postcodes".into()],
        LayerResult::Areas(areas) => areas
            .iter()
            .map(|area_match| area_match.area.id.clone())
            .collect(),
        LayerResult::Practices(practices) => {
            let codes = practices
                .iter()
                .map(|practice_match| practice_match.practice.code.to_string());
            codes.collect()
        }
        LayerResult::Groups(groups) => {
            let via = groups
                .iter()
                .map(|group_match| format!("{} via {}", group_match.area.id, group_match.via.id));
            via.collect()
        }
    };
    texts.join(" + ")
}

fn layer_text(layers: &[(Layer, LayerResult<'_>)], layer: Layer) -> String {
    let found = layers.iter().find(|(id, _)| *id == layer);
    found
        .map(|(_, found)| found_text(found))
        .unwrap_or_default()
}

fn basis(layers: &[(Layer, LayerResult<'_>)]) -> Option<Basis> {
    layers.iter().find_map(|(layer, found)| match found {
        LayerResult::Areas(areas) if *layer == crate::support::layer("icc") => {
            areas.first().map(|area| area.basis)
        }
        _ => None,
    })
}

/// Looks up the place of a row and returns the actual values of all its columns.
fn actual_row(row: &Row) -> Row {
    let query = query(row);
    let answer = index().locate(&query);
    let residence = |layer| layer_text(&answer.residence, layer);
    let registration = answer.registration.as_ref();
    let registered = |layer| {
        let areas = registration.map(|registration| layer_text(&registration.areas, layer));
        areas.unwrap_or_default()
    };
    let registered_with = registration
        .and_then(|registration| registration.practice.as_ref())
        .map(|practice| {
            let branch = match practice.branch_is_listed {
                Some(true) => " listed branch",
                Some(false) => " unlisted branch",
                None => "",
            };
            format!(
                "{} {}{branch}",
                practice.practice.code,
                practice.status.as_str()
            )
        });
    let reason = registration
        .and_then(|registration| registration.reason)
        .map(|reason| reason.as_str());
    let notes: Vec<&str> = answer.notes.iter().map(|note| note.as_str()).collect();
    // The table contains no groups for a registration without an ICC.
    let registration_groups = match registered(crate::support::layer("icc")).as_str() {
        "" => String::new(),
        _ => registered(crate::support::layer("resilience-group")),
    };
    [
        ("status", answer.status.as_str().to_string()),
        ("icc", residence(crate::support::layer("icc"))),
        (
            "basis",
            basis(&answer.residence).map_or("", Basis::as_str).into(),
        ),
        (
            "sub_community",
            residence(crate::support::layer("sub-community")),
        ),
        (
            "groups",
            residence(crate::support::layer("resilience-group")),
        ),
        ("practices", residence(crate::support::layer("gp-practice"))),
        ("registered_with", registered_with.unwrap_or_default()),
        ("registration_icc", registered(crate::support::layer("icc"))),
        ("registration_groups", registration_groups),
        ("reason", reason.unwrap_or_default().into()),
        ("agreement", answer.agreement.as_str().into()),
        ("notes", notes.join(" ")),
    ]
    .map(|(column, text)| (column.to_string(), text))
    .into()
}

fn matches_expected(column: &str, expected: &str, found: &str) -> bool {
    match (column, expected) {
        (_, "*") => true,
        ("practices", "none") => found.is_empty(),
        ("practices", "no_data_for_date") => found == expected,
        ("practices", _) => expected
            .split_whitespace()
            .all(|word| match word.strip_prefix('!') {
                Some(code) => !found.contains(code),
                None => found.split(" + ").any(|code| code == word),
            }),
        _ => found == expected,
    }
}

#[test]
fn real_places_have_the_hand_written_results() {
    let mut mismatches = Vec::new();
    for row in cases() {
        for (column, found) in actual_row(&row) {
            let expected = &row[&column];
            if !matches_expected(&column, expected, &found) {
                mismatches.push(format!(
                    "{} {} {}: {column} is `{found}`, expected `{expected}` ({})",
                    row["postcode"], row["practice"], row["as_of"], row["why"]
                ));
            }
        }
    }
    assert!(mismatches.is_empty(), "\n{}", mismatches.join("\n"));
}

#[test]
fn cases_cover_every_community_and_state_a_reason() {
    let cases = cases();
    let places: std::collections::BTreeSet<&str> =
        cases.iter().map(|row| row["postcode"].as_str()).collect();
    assert!(places.len() >= 100, "{}", places.len());
    for area in index()
        .areas(crate::support::layer("icc"), DAY)
        .expect("the layer is in the dataset")
    {
        let count = cases.iter().filter(|row| row["icc"] == area.id).count();
        assert!(
            count >= if area.id.starts_with("mb-") { 5 } else { 1 },
            "{}: {count}",
            area.id
        );
    }
    assert!(cases.iter().all(|row| !row["why"].is_empty()));
}
