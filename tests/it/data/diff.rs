//! Tests of `catchment diff`. Identical datasets have no differences, and for changed datasets the
//! output lists exactly the changes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use catchment::diff::{ChangeKind, DatasetDifference, diff};
use catchment::domain::Layer;
use jiff::civil::{Date, date};
use tempfile::TempDir;

use crate::data::embedded_dataset::{COMMITTED_DATASET, file_names};
use crate::support::fixture::TestDataset;

const DAY: Date = date(2025, 1, 1);

fn diff_from_fixture(new: &TestDataset) -> DatasetDifference {
    diff(TestDataset::new().dataset(), new.dataset(), DAY).expect("the datasets are compared")
}

/// Returns the fixture in which a strip of land, 500 m wide and west of the border, has moved from
/// K to L. One postcode is in the strip.
fn fixture_with_moved_border() -> TestDataset {
    let (middle, top) = (309_500.0, 410_000.0);
    TestDataset::new()
        .with_boundary(
            "k",
            vec![
                (300_000.0, 400_000.0),
                (middle, 400_000.0),
                (middle, top),
                (300_000.0, top),
            ],
        )
        .with_boundary(
            "l",
            vec![
                (middle, 400_000.0),
                (320_000.0, 400_000.0),
                (320_000.0, top),
                (middle, top),
            ],
        )
}

#[test]
fn identical_datasets_have_no_difference() {
    let same = diff_from_fixture(&TestDataset::new());
    assert!(same.is_empty() && same.transferred.is_empty(), "{same:?}");
}

#[test]
fn moved_borders_transfer_geometry_and_postcodes() {
    let found = diff_from_fixture(&fixture_with_moved_border());
    let areas: Vec<(&str, ChangeKind)> = found
        .areas
        .iter()
        .map(|change| (change.id.as_str(), change.change))
        .collect();
    assert_eq!(
        areas,
        [("k", ChangeKind::Changed), ("l", ChangeKind::Changed)]
    );
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(close(found.areas[0].lost_km2, 5.0) && close(found.areas[0].gained_km2, 0.0));
    assert!(close(found.areas[1].gained_km2, 5.0) && close(found.areas[1].lost_km2, 0.0));
    let [strip] = &found.transferred[..] else {
        panic!("exactly one strip must move: {:?}", found.transferred);
    };
    assert_eq!(
        (strip.from.as_deref(), strip.to.as_deref()),
        (Some("k"), Some("l"))
    );
    assert!(close(strip.km2, 5.0));
    let [postcode] = &found.postcodes[..] else {
        panic!("exactly one postcode must move: {:?}", found.postcodes);
    };
    assert_eq!(postcode.postcode.to_string(), "LA1 1AD");
    let icc = |answer: &Option<catchment::diff::PostcodeAnswer>| {
        answer
            .as_ref()
            .map(|answer| answer.areas[0].clone())
            .unwrap_or_default()
    };
    assert_eq!(
        (icc(&postcode.old), icc(&postcode.new)),
        ("k".into(), "l".into())
    );
    assert!(found.practices.is_empty() && found.memberships.is_empty());
}

#[test]
fn geometry_gained_or_lost_without_a_neighbour_is_reported() {
    let smaller = TestDataset::new().with_boundary(
        "k",
        vec![
            (301_000.0, 400_000.0),
            (310_000.0, 400_000.0),
            (310_000.0, 410_000.0),
            (301_000.0, 410_000.0),
        ],
    );
    let forward = diff_from_fixture(&smaller);
    let backward = diff(smaller.dataset(), TestDataset::new().dataset(), DAY)
        .expect("the datasets are compared");
    let ends = |found: &DatasetDifference| -> Vec<(Option<String>, Option<String>, f64)> {
        found
            .transferred
            .iter()
            .map(|geometry| {
                (
                    geometry.from.clone(),
                    geometry.to.clone(),
                    geometry.km2.round(),
                )
            })
            .collect()
    };
    assert_eq!(ends(&forward), [(Some("k".into()), None, 10.0)]);
    assert_eq!(ends(&backward), [(None, Some("k".into()), 10.0)]);
}

#[test]
fn changed_ids_are_a_removal_and_an_addition() {
    let mut other = TestDataset::new()
        .replace("areas.csv", "icc,l,Ell", "icc,m,Em")
        .replace("memberships.csv", "A00002,icc,l", "A00002,icc,m")
        .replace("memberships.csv", "icc,l,resilience", "icc,m,resilience");
    let geometry = other.boundaries.remove("l").expect("l has a boundary");
    let found = diff_from_fixture(&other.with_boundary("m", geometry));
    let areas: Vec<(&str, ChangeKind)> = found
        .areas
        .iter()
        .map(|change| (change.id.as_str(), change.change))
        .collect();
    assert_eq!(
        areas,
        [("l", ChangeKind::Removed), ("m", ChangeKind::Added)]
    );
    assert_eq!(found.transferred.len(), 1);
    assert_eq!(found.memberships.len(), 4);
    assert_eq!(found.postcodes.len(), 1);
}

#[test]
fn names_practices_memberships_and_postcodes_are_compared_by_field() {
    let renamed = diff_from_fixture(&TestDataset::new().replace("areas.csv", "Kay", "Kay and Jay"));
    let [area] = &renamed.areas[..] else {
        panic!("exactly one area must change: {:?}", renamed.areas);
    };
    let names = (area.old_name.as_deref(), area.new_name.as_deref());
    assert_eq!(names, (Some("Kay ICC"), Some("Kay and Jay ICC")));
    assert!(renamed.transferred.is_empty() && renamed.postcodes.is_empty());

    let practice = diff_from_fixture(
        &TestDataset::new()
            .replace("practices.csv", "20000", "21000")
            .replace("memberships.csv", "A00001,icc,k", "A00001,icc,l")
            .add_row(
                "practices.csv",
                "A00004,Four,4 The Street,LA1 1AB,,active,2024-04-01,,01K,,10",
            ),
    );
    let changes: Vec<String> = practice
        .practices
        .iter()
        .map(|change| {
            let field = change.field.unwrap_or_default();
            format!(
                "{} {} {field} {} {}",
                change.change.as_str(),
                change.code,
                change.old,
                change.new
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            "changed A00001 list_size 20000 21000",
            "changed A00001 icc k l",
            "added A00004   ",
        ]
    );
    let memberships: Vec<(Layer, Option<&str>, &str, ChangeKind)> = practice
        .memberships
        .iter()
        .map(|change| {
            (
                change.layer,
                change.group.as_deref(),
                change.member.as_str(),
                change.change,
            )
        })
        .collect();
    assert_eq!(
        memberships,
        [
            (
                crate::support::layer("icc"),
                Some("k"),
                "A00001",
                ChangeKind::Removed
            ),
            (
                crate::support::layer("icc"),
                Some("l"),
                "A00001",
                ChangeKind::Added
            ),
        ]
    );

    let postcodes = diff_from_fixture(
        &TestDataset::new()
            .replace(
                "postcodes.csv",
                "LA1 1AB,316000,405000,10,live,198001,,,\n",
                "",
            )
            .replace(
                "postcodes.csv",
                "LA1 1AD,309800,405000,10,live,198001,,",
                "LA1 1AD,309800,405000,10,terminated,198001,202301,",
            )
            .add_row("postcodes.csv", "LA1 1AE,316000,405000,10,live,198001,,,"),
    );
    let changes: Vec<(String, ChangeKind)> = postcodes
        .postcodes
        .iter()
        .map(|change| (change.postcode.to_string(), change.change))
        .collect();
    assert_eq!(
        changes,
        [
            ("LA1 1AB".into(), ChangeKind::Removed),
            ("LA1 1AD".into(), ChangeKind::Changed),
            ("LA1 1AE".into(), ChangeKind::Added),
        ]
    );
}

#[test]
fn changed_shares_of_statistical_areas_are_reported_by_area() {
    let fixture = |shares: &str| {
        TestDataset::new()
            .replace(
                "postcodes.csv",
                "LA1 1AA,301000,401000,10,live,198001,,,",
                "LA1 1AA,301000,401000,10,live,198001,,E1,",
            )
            .replace(
                "postcodes.csv",
                "LA1 1AB,316000,405000,10,live,198001,,,",
                "LA1 1AB,316000,405000,10,live,198001,,E2,",
            )
            .with_table(
                "assignments.csv",
                &format!("statistical_area,layer,area,share,from,to\n{shares}"),
            )
    };
    let old = fixture("E1,icc,k,0.400,,\nE2,icc,l,,,\n");
    let new = fixture("E1,icc,k,0.450,,\nE2,icc,l,0.900,2026-01-01,\nE2,icc,k,0.100,,\n");
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    old.write(&path("old"));
    new.write(&path("new"));
    let day = ["--as-of", "2025-01-01"];
    let [before, after, out] = ["old", "new", "out"].map(path);
    let output = run(&[
        "diff",
        path_text(&before),
        path_text(&after),
        "--output",
        path_text(&out),
        day[0],
        day[1],
    ]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    for line in [
        "icc k: 1 added, 1 with a different share",
        "icc l: 1 removed",
    ] {
        assert!(stdout.contains(line), "{stdout}");
    }
    assert_eq!(
        fs::read_to_string(out.join("coverage.csv")).expect("an output file"),
        "change,layer,area,statistical_area,old_share,new_share\n\
         changed,icc,k,E1,0.400,0.450\n\
         added,icc,k,E2,,0.100\n\
         removed,icc,l,E2,1.000,\n"
    );
}

#[test]
fn changes_that_are_not_compared_are_not_reported_as_identical() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let [old, new] = ["old", "new"].map(path);
    TestDataset::new().write(&old);
    TestDataset::new()
        .replace("lineage.csv", "a map", "another map")
        .write(&new);
    let output = run(&["diff", path_text(&old), path_text(&new)]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(
        stdout.contains("no differences in the compared data"),
        "{stdout}"
    );
}

#[test]
fn future_changes_appear_from_their_date() {
    let coming = TestDataset::new()
        .replace(
            "areas.csv",
            "icc,k,Kay,,toy,indicative,,",
            "icc,k,Kay,,toy,indicative,,2026-04-01",
        )
        .add_row("areas.csv", "icc,k,Kay and Jay,,toy,indicative,2026-04-01,");
    let changes_on = |day: Date| {
        let found = diff(TestDataset::new().dataset(), coming.dataset(), day);
        found.expect("the datasets are compared").areas.len()
    };
    assert_eq!(
        (changes_on(date(2026, 3, 31)), changes_on(date(2026, 4, 1))),
        (0, 1)
    );
}

// ---- the command -------------------------------------------------------------------------------

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn embedded_dataset_does_not_differ_from_itself() {
    let output = run(&["diff", COMMITTED_DATASET, COMMITTED_DATASET]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains("no differences"), "{stdout}");
}

#[test]
fn output_files_are_written_completely_or_not_at_all() {
    let folder = TempDir::new().expect("a folder");
    let (old, new, out) = (
        folder.path().join("old"),
        folder.path().join("new"),
        folder.path().join("out"),
    );
    TestDataset::new().write(&old);
    fixture_with_moved_border().write(&new);
    let arguments = [
        "diff",
        path_text(&old),
        path_text(&new),
        "--as-of",
        "2025-01-01",
        "--output",
        path_text(&out),
    ];
    let output = run(&arguments);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("icc: 5.000 km² from k to l"), "{stdout}");
    assert!(stdout.contains("icc: 1 from k to l"), "{stdout}");
    let expected = [
        "areas.csv",
        "coverage.csv",
        "memberships.csv",
        "postcodes.csv",
        "practices.csv",
        "summary.json",
        "transfers.geojson",
    ];
    assert_eq!(file_names(&out), expected);
    let read = |name: &str| fs::read_to_string(out.join(name)).expect("an output file");
    assert_eq!(
        read("postcodes.csv").lines().nth(1),
        Some("changed,LA1 1AD,located,located,k,l")
    );
    let geometry: geojson::FeatureCollection = read("transfers.geojson").parse().expect("GeoJSON");
    assert_eq!(geometry.features.len(), 1);
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).expect("JSON");
    assert_eq!(summary["postcodes"]["changed"], 1);
    assert_eq!(summary["transfers"][0]["km2"], 5.0);

    let again = run(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&again.stderr)
            .contains("would be deleted; choose another name, or replace it with --force")
    );
    assert_eq!(file_names(folder.path()), ["new", "old", "out"]);
    let json = run(&[
        "diff",
        "--json",
        path_text(&old),
        path_text(&new),
        "--as-of",
        "2025-01-01",
    ]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json, summary);
}
