//! Tests of the councils and statistical areas of the embedded dataset. The expected answers are
//! computed from the sources, without the builder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use catchment::domain::{BritishGrid, Layer, LookupStatus, date_from_iso};
use catchment::index::{
    LayerResult, LocateAnswer, LocateQuery, Locator, PostcodeFilter, UnknownReason,
};

use crate::data::embedded_dataset::{DAY, index};
use crate::support::layer;

type Row = BTreeMap<String, String>;

fn source_table(name: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(format!("data/source/{name}")).expect("a table");
    let rows = reader.deserialize();
    rows.map(|row| row.expect("a well-formed row")).collect()
}

/// Returns the name of each LSOA of 2011 that has a boundary.
fn lsoas() -> BTreeMap<String, String> {
    let text = fs::read_to_string("data/source/lsoa11_bsc.geojson").expect("a file");
    let collection: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let features = collection["features"].as_array().expect("features").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_string();
    features
        .map(|feature| {
            let properties = &feature["properties"];
            (text(&properties["LSOA11CD"]), text(&properties["LSOA11NM"]))
        })
        .collect()
}

fn ask(locator: Locator, as_of: &str) -> LocateAnswer<'static> {
    index().locate(&LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of: date_from_iso(as_of).expect("a day"),
    })
}

fn ask_postcode(text: &str, as_of: &str) -> LocateAnswer<'static> {
    ask(Locator::Postcode(text.parse().expect("a postcode")), as_of)
}

/// Returns the id of the layer's only area, or the reason why it is unknown.
fn only(answer: &LocateAnswer<'_>, layer: Layer) -> String {
    let mut results = answer.residence.iter();
    let found = results.find(|(id, _)| *id == layer);
    match found.map(|(_, found)| found) {
        Some(LayerResult::Areas(areas)) => match areas.as_slice() {
            [area] => area.area.id.clone(),
            others => format!("{} areas", others.len()),
        },
        Some(LayerResult::Unknown(reason)) => reason.as_str().into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_postcode_has_the_codes_of_the_directory() {
    let lsoas = lsoas();
    let councils = source_table("councils.csv");
    let council_of = |lsoa: &str, is_current: bool| -> String {
        let name = &lsoas[lsoa];
        let (district, _) = name.rsplit_once(' ').expect("a district and a number");
        let mut rows = councils.iter();
        let row = rows.find(|row| row["name"] == district).expect("a council");
        match (is_current, row["successor"].as_str()) {
            (true, successor) if !successor.is_empty() => successor.into(),
            _ => row["code"].clone(),
        }
    };
    let (mut compared, mut differing) = (0, Vec::new());
    for row in source_table("postcodes.csv") {
        let code = row["lsoa11cd"].as_str();
        if !lsoas.contains_key(code) || row["easting"].is_empty() {
            continue;
        }
        compared += 1;
        let now = ask_postcode(&row["postcode"], "2026-04-01");
        let before = ask_postcode(&row["postcode"], "2023-03-31");
        let found = [
            only(&now, layer("lsoa11")),
            only(&now, layer("lsoa21")),
            only(&now, layer("council")),
            only(&before, layer("council")),
        ];
        let expected = [
            code.to_string(),
            row["lsoa21cd"].clone(),
            council_of(code, true),
            council_of(code, false),
        ];
        if found != expected {
            let difference = format!("{found:?}, not {expected:?}");
            differing.push((row["postcode"].clone(), difference));
        }
    }
    assert!(compared > 51_000, "{compared}");
    // The following postcodes are more than 500 m from their LSOA in the directory, so the
    // boundaries are used instead.
    let doubtful = [
        "BB10 2SY", "BB5 5BZ", "BB7 9WS", "BD23 3TG", "CA1 2BZ", "CA1 3BX", "CA13 0QY", "LA16 7AN",
        "LA5 9TZ",
    ];
    let postcodes = differing.iter().map(|(postcode, _)| postcode.as_str());
    assert!(
        postcodes.eq(doubtful),
        "{}: {differing:#?}",
        differing.len()
    );
}

#[test]
fn a_coordinate_in_an_lsoa_that_was_split_is_unknown_in_lsoa21() {
    let (lsoa11, lsoa21) = (layer("lsoa11"), layer("lsoa21"));
    let changes = source_table("lsoa11_to_lsoa21.csv");
    let split: BTreeSet<&str> = changes
        .iter()
        .filter(|row| row["change"] == "S")
        .map(|row| row["lsoa11cd"].as_str())
        .collect();
    assert_eq!(split.len(), 4);
    let reason = UnknownReason::NoBoundary.as_str();
    let mut compared = 0;
    for row in source_table("postcodes.csv") {
        let code = row["lsoa11cd"].as_str();
        if !split.contains(code) || row["easting"].is_empty() {
            continue;
        }
        let metres = |column: &str| row[column].parse().expect("a number of metres");
        let grid =
            BritishGrid::from_metres(metres("easting"), metres("northing")).expect("on the grid");
        let answer = ask(Locator::Grid(grid), "2026-04-01");
        if only(&answer, lsoa11) == code {
            compared += 1;
            assert_eq!(only(&answer, lsoa21), reason);
            assert_eq!(answer.status, LookupStatus::Located);
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn areas_have_a_boundary_unless_they_are_a_part_of_an_lsoa_of_2011() {
    let changes = source_table("lsoa11_to_lsoa21.csv");
    let expected: BTreeSet<&str> = changes
        .iter()
        .filter(|row| row["change"] == "S")
        .map(|row| row["lsoa21cd"].as_str())
        .collect();
    let lsoa21 = layer("lsoa21");
    let all = index().areas(lsoa21, DAY).expect("in the dataset");
    let without: BTreeSet<&str> = all
        .filter(|area| index().boundary(lsoa21, &area.id, DAY).is_none())
        .map(|area| area.id.as_str())
        .collect();
    assert_eq!((without.len(), &without), (9, &expected));
    // The postcodes of these LSOAs are known from the directory.
    let mut rows = source_table("postcodes.csv").into_iter();
    let of_first = |row: &Row| Some(row["lsoa21cd"].as_str()) == expected.first().copied();
    let of_first = rows.by_ref().filter(of_first);
    let of_first: BTreeSet<String> = of_first
        .filter(|row| !row["easting"].is_empty())
        .map(|row| row["postcode"].clone())
        .collect();
    let first = expected.first().expect("an area");
    let page = index().postcodes_in((lsoa21, first), DAY, PostcodeFilter::All, None, 1_000);
    let found = page.postcodes.iter();
    let found: BTreeSet<String> = found
        .map(|postcode| postcode.entry.postcode.to_string())
        .collect();
    assert_eq!(found, of_first);
}

#[test]
fn before_their_first_data_statistical_areas_are_unknown() {
    let answer = ask_postcode("LA18 4DB", "2020-01-01");
    assert_eq!(only(&answer, layer("lsoa21")), "no_data_for_date");
    assert_eq!(only(&answer, layer("lsoa11")), "E01019299");
    assert_eq!(only(&answer, layer("council")), "E07000029");
}

#[test]
fn patients_are_not_registered_with_councils_or_statistical_areas() {
    let answer = index().locate(&LocateQuery {
        locator: None,
        practice: Some("A82033".parse()),
        as_of: DAY,
    });
    let registration = answer.registration.expect("a practice");
    let ids: Vec<Layer> = registration.areas.iter().map(|(layer, _)| *layer).collect();
    for id in ["council", "lsoa11", "lsoa21"] {
        assert!(!ids.contains(&layer(id)), "{id}");
    }
    assert!(ids.contains(&layer("sub-icb")));
}
