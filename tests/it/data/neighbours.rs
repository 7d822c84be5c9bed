//! Tests of adjacent areas, and of the comparison of two dates of a dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use catchment::diff::{ChangeKind, compare_dates};
use catchment::domain::PracticeStatus;
use catchment::index::Index;
use jiff::civil::date;
use serde_json::Value;

use crate::data::embedded_dataset::COMMITTED_DATASET;
use crate::support::fixture::{TestDataset, square};
use crate::support::server::embedded;

fn index(fixture: &TestDataset) -> Index {
    Index::build(fixture.dataset()).expect("the dataset is valid")
}

fn neighbours_of(index: &Index, id: &str) -> Vec<(String, f64)> {
    let found = index.neighbours(crate::support::layer("icc"), id, date(2025, 1, 1));
    let found = found.into_iter();
    found
        .map(|area| (area.area.id.clone(), area.shared_border_m))
        .collect()
}

#[test]
fn areas_that_meet_only_at_a_corner_are_not_neighbours() {
    let fixture = TestDataset::new()
        .add_row("areas.csv", "icc,m,Em,,toy,indicative,,")
        .add_row("areas.csv", "icc,n,En,,toy,indicative,,")
        // The lower half of M's west side is a border with L. At the lower end of this border, only
        // M has a vertex. N touches K only at a corner.
        .with_boundary("m", square(320_000.0, 405_000.0, 10_000.0))
        .with_boundary("n", square(290_000.0, 410_000.0, 10_000.0));
    let index = index(&fixture);
    let check_shared = |found: &[(String, f64)], expected: &[(&str, f64)]| {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((id, shared_m), (expected, metres)) in found.iter().zip(expected) {
            assert_eq!(id, expected);
            assert!((shared_m - metres).abs() <= 100.0, "{id}: {shared_m}");
        }
    };
    check_shared(&neighbours_of(&index, "k"), &[("l", 10_000.0)]);
    check_shared(
        &neighbours_of(&index, "l"),
        &[("k", 10_000.0), ("m", 5_000.0)],
    );
    check_shared(&neighbours_of(&index, "m"), &[("l", 5_000.0)]);
    check_shared(&neighbours_of(&index, "n"), &[]);
    check_shared(&neighbours_of(&index, "nowhere"), &[]);
}

/// Returns the pairs of adjacent communities, without using the index. Two communities are adjacent
/// if their statistical areas share an edge.
fn expected_neighbour_pairs() -> BTreeSet<(String, String)> {
    let read =
        |name: &str| fs::read_to_string(format!("{COMMITTED_DATASET}/{name}")).expect("committed");
    let table = read("assignments.csv");
    let community: BTreeMap<&str, &str> = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|cells| cells[1] == "icc" && cells[4].is_empty() && cells[5].is_empty())
        .map(|cells| (cells[0], cells[2]))
        .collect();
    let areas: Value = serde_json::from_str(&read("areas/lsoa11.geojson")).expect("JSON");
    let mut communities_by_edge: BTreeMap<[String; 2], BTreeSet<&str>> = BTreeMap::new();
    for feature in areas["features"].as_array().expect("features") {
        let code = feature["properties"]["id"].as_str().expect("an id");
        let Some(community) = community.get(code) else {
            continue;
        };
        let geometry = &feature["geometry"];
        let polygons = match geometry["type"].as_str() {
            Some("Polygon") => vec![&geometry["coordinates"]],
            _ => geometry["coordinates"]
                .as_array()
                .expect("polygons")
                .iter()
                .collect(),
        };
        for ring in polygons
            .iter()
            .flat_map(|value| value.as_array().expect("rings"))
        {
            let vertices: Vec<String> = ring
                .as_array()
                .expect("a ring")
                .iter()
                .map(Value::to_string)
                .collect();
            for ends in vertices.windows(2) {
                let mut edge = [ends[0].clone(), ends[1].clone()];
                edge.sort();
                communities_by_edge
                    .entry(edge)
                    .or_default()
                    .insert(community);
            }
        }
    }
    let shared = communities_by_edge
        .values()
        .filter(|value| value.len() == 2);
    let pairs = shared.map(|texts| texts.iter().map(|id| id.to_string()).collect::<Vec<_>>());
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

#[test]
fn neighbours_share_an_edge_of_their_statistical_areas() {
    let index = Index::build(embedded()).expect("the dataset is valid");
    let day = date(2025, 12, 1);
    let mut found = BTreeSet::new();
    for area in index
        .areas(crate::support::layer("icc"), day)
        .expect("the layer is in the dataset")
    {
        for other in index.neighbours(crate::support::layer("icc"), &area.id, day) {
            let back = index.neighbours(crate::support::layer("icc"), &other.area.id, day);
            let back = back
                .iter()
                .find(|adjacent_area| adjacent_area.area.id == area.id);
            let back_m = back.map_or(0.0, |area| area.shared_border_m);
            // The shared border is sampled at different points in the two directions.
            let (here_m, id) = (other.shared_border_m, &other.area.id);
            assert!(
                (back_m - here_m).abs() < 250.0,
                "{} {id}: {here_m} {back_m}",
                area.id
            );
            let mut pair = [area.id.clone(), id.clone()];
            pair.sort();
            let [one, two] = pair;
            found.insert((one, two));
        }
    }
    let expected = expected_neighbour_pairs();
    assert!(expected.len() > 15, "{expected:?}");
    assert_eq!(found, expected);
}

/// Returns a fixture in which the east side of K moves by 500 m and practice Two moves from L to K
/// on one date, and practice One closes on another date.
fn changing_fixture() -> TestDataset {
    let feature = |id: &str, period: &str, x: f64, width: f64| {
        format!(
            r#"{{"type":"Feature","properties":{{"id":"{id}",{period}}},"geometry":{{"type":"Polygon","coordinates":[[[{x},400000],[{0},400000],[{0},410000],[{x},410000],[{x},400000]]]}}}}"#,
            x + width,
        )
    };
    let (until, since) = (r#""to":"2024-04-01""#, r#""from":"2024-04-01""#);
    let features = [
        feature("k", until, 300_000.0, 10_000.0),
        feature("l", until, 310_000.0, 10_000.0),
        feature("k", since, 300_000.0, 9_500.0),
        feature("l", since, 309_500.0, 10_500.0),
    ];
    let crs = r#"{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}}"#;
    let geojson = format!(
        r#"{{"type":"FeatureCollection","crs":{crs},"features":[{}]}}"#,
        features.join(",")
    );
    let mut fixture = TestDataset::new()
        .replace(
            "memberships.csv",
            "gp-practice,A00002,icc,l,,,derived",
            "gp-practice,A00002,icc,l,,2024-04-01,derived\ngp-practice,A00002,icc,k,2024-04-01,,derived",
        )
        .replace("practices.csv", "active,1974-04-01,,01K,,20000", "active,1974-04-01,2024-06-30,01K,,20000")
        .replace("areas.csv", "icc,l,Ell,,toy,indicative,,", "icc,l,Ell,,toy,indicative,,2024-04-01\nicc,l,Elle,,toy,indicative,2024-04-01,")
        .with_table("areas/icc.geojson", &geojson);
    fixture.boundaries.clear();
    fixture
}

#[test]
fn comparisons_show_the_changes_between_two_dates() {
    let index = index(&changing_fixture());
    let compare = |from, to| compare_dates(&index, crate::support::layer("icc"), from, to);
    assert!(compare(date(2023, 1, 1), date(2024, 3, 31)).is_empty());
    assert!(compare(date(2024, 7, 1), date(2025, 7, 1)).is_empty());

    let spring = compare(date(2024, 3, 31), date(2024, 4, 1));
    let areas: Vec<_> = spring
        .areas
        .iter()
        .map(|change| {
            (
                change.id.as_str(),
                change.change,
                change.gained_km2,
                change.lost_km2,
            )
        })
        .collect();
    assert_eq!(
        areas,
        [
            ("k", ChangeKind::Changed, 0.0, 5.0),
            ("l", ChangeKind::Changed, 5.0, 0.0)
        ]
    );
    let names = (
        spring.areas[1].old_name.as_deref(),
        spring.areas[1].new_name.as_deref(),
    );
    assert_eq!(names, (Some("Ell ICC"), Some("Elle ICC")));
    let [strip] = &spring.transferred[..] else {
        panic!("exactly one strip must move: {:?}", spring.transferred);
    };
    assert_eq!(
        (strip.from.as_deref(), strip.to.as_deref()),
        (Some("k"), Some("l"))
    );
    let [two] = &spring.members[..] else {
        panic!("exactly one member must move: {:?}", spring.members);
    };
    assert_eq!(
        (two.member.as_str(), two.layer),
        ("A00002", crate::support::layer("icc"))
    );
    assert_eq!(
        (&two.left, &two.joined),
        (&vec![Some("l".into())], &vec![Some("k".into())])
    );
    assert!(spring.practices.is_empty());

    // The practice is still open on its last day.
    assert!(compare(date(2024, 4, 1), date(2024, 6, 30)).is_empty());
    let summer = compare(date(2024, 6, 30), date(2024, 7, 1));
    let [one] = &summer.practices[..] else {
        panic!("exactly one practice must close: {:?}", summer.practices);
    };
    assert_eq!(
        (one.code.as_str(), one.old, one.new),
        ("A00001", PracticeStatus::Active, PracticeStatus::Closed)
    );
    assert!(summer.areas.is_empty() && summer.members.is_empty());

    let all: Vec<String> = index
        .change_dates_of_layer(crate::support::layer("icc"))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(all, ["2024-04-01", "2024-07-01"]);
    assert!(
        index
            .change_dates_of_layer(crate::support::layer("pcn"))
            .is_empty()
    );
}
