//! Tests of builds from files like those of users. The build must report losses, and must fail if
//! the losses are large.
//!
//! Each row of `tests/cases/field/build_reports.csv` describes a build in a folder next to the
//! table. If the build is expected to fail, the error must contain the words in the row. Otherwise,
//! the report must contain the words, and the places or postcodes must be in the areas in the row.

use std::fs;
use std::path::{Path, PathBuf};

use catchment::builder::{BuildOptions, BuildProgress, BuildReport, build_with_progress};
use catchment::check::compare_with_previous;
use catchment::dataset::{self, Dataset, DatasetSource};
use catchment::domain::BritishGrid;
use catchment::index::{Index, LayerResult, LocateQuery, Locator};
use jiff::civil::date;
use serde_json::Value;
use tempfile::TempDir;

const CASES: &str = "tests/cases/field";

fn build_case(
    config: &Path,
    output: &Path,
    previous: Option<&Path>,
) -> Result<BuildReport, String> {
    let options = BuildOptions {
        output: Some(output),
        previous,
        ..BuildOptions::default()
    };
    build_with_progress(config, options, &mut BuildProgress::default())
        .map_err(|error| format!("{error:#}"))
}

fn read(folder: &Path) -> Dataset {
    dataset::read(&DatasetSource::Folder(folder.to_path_buf())).expect("a dataset")
}

/// Returns the areas of a postcode, or of a place such as `305000 475000`, in the form `K,L` or,
/// with the titles of communities, `K (Kay ICC)`.
fn areas_of(index: &Index, place: &str, with_titles: bool) -> String {
    let is_place = place
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b' ');
    let locator = match place.split_once(' ') {
        Some((easting, northing)) if is_place => {
            let metres = |text: &str| text.parse().expect("metres");
            let position = BritishGrid::from_metres(metres(easting), metres(northing));
            Locator::Grid(position.expect("a position"))
        }
        _ => Locator::Postcode(place.parse().expect("a postcode")),
    };
    let answer = index.locate(&LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of: date(2025, 11, 30),
    });
    let mut names: Vec<String> = Vec::new();
    for (_, result) in &answer.residence {
        match result {
            LayerResult::Areas(areas) => names.extend(areas.iter().map(|found| {
                if with_titles {
                    format!("{} ({})", found.area.id, found.area.title())
                } else {
                    found.area.id.clone()
                }
            })),
            LayerResult::Practices(practices) => {
                names.extend(
                    practices
                        .iter()
                        .map(|found| found.practice.code.to_string()),
                );
            }
            _ => {}
        }
    }
    names.sort();
    names.join(",")
}

#[test]
fn builds_report_or_refuse_what_would_be_lost() {
    let mut table =
        csv::Reader::from_path(format!("{CASES}/build_reports.csv")).expect("the table");
    let mut failures: Vec<String> = Vec::new();
    for row in table.records() {
        let row = row.expect("a row");
        let (case, config, outcome, words, areas) = (&row[0], &row[1], &row[2], &row[3], &row[4]);
        let scratch = TempDir::new().expect("a folder");
        let output = scratch.path().join("out");
        let config = PathBuf::from(CASES).join(case).join(config);
        let name = config.display();
        let (found, text) = match build_case(&config, &output, None) {
            Ok(report) => ("built", report.lines.join("\n")),
            Err(error) => ("refused", error),
        };
        if found != outcome {
            failures.push(format!("{name}: {found} instead of {outcome}: {text}"));
            continue;
        }
        for words in words.split('|').filter(|words| !text.contains(*words)) {
            failures.push(format!("{name}: `{words}` is not in: {text}"));
        }
        if found == "refused" {
            assert!(!output.exists(), "{name}: a refused build writes nothing");
            continue;
        }
        let index = Index::build(read(&output)).expect("an index");
        for query in areas.split(';').filter(|query| !query.is_empty()) {
            let (place, expected) = query.split_once('=').expect("place=areas");
            let found = areas_of(&index, place, expected.contains('('));
            if found != expected {
                failures.push(format!("{name}: {place} is in `{found}`, not `{expected}`"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_report_is_in_the_folder_and_its_counts_add_up() {
    let scratch = TempDir::new().expect("a folder");
    let output = scratch.path().join("out");
    let config = PathBuf::from(CASES).join("08-registrations-of-another-year/allowed.toml");
    let report = build_case(&config, &output, None).expect("a dataset");
    let written = fs::read_to_string(output.join(dataset::BUILD_REPORT)).expect("the report");
    assert_eq!(written, report.json);
    let body: Value = serde_json::from_str(&written).expect("JSON");
    let sources = body["sources"].as_array().expect("sources");
    assert!(!sources.is_empty());
    for source in sources {
        let number = |value: &Value| value.as_u64().expect("a number");
        let unused = source["not_used"].as_array().expect("reasons").iter();
        let unused = unused.filter(|unused| unused["kind"] != "doubtful");
        let unused: u64 = unused.map(|unused| number(&unused["rows"])).sum();
        let sum = number(&source["rows_used"]) + unused;
        assert_eq!(sum, number(&source["rows_read"]), "{source}");
    }
    let of_shares = sources
        .iter()
        .find(|source| source["source"] == "registrations.csv")
        .expect("the registrations");
    assert_eq!(of_shares["people_read"], 1_250);
    assert_eq!(of_shares["not_used"][0]["people"], 1_000);
    // The report is not in the manifest, but the folder can still be replaced.
    assert!(
        !read(&output)
            .manifest
            .files
            .contains_key(dataset::BUILD_REPORT)
    );
    build_case(&config, &output, None).expect("the folder contains nothing but a dataset");
}

#[test]
fn a_dataset_that_lacks_much_of_the_previous_one_is_refused() {
    let scratch = TempDir::new().expect("a folder");
    let (old, new) = (scratch.path().join("old"), scratch.path().join("new"));
    let folder = PathBuf::from(CASES).join("30-lookup-lsoa-left-out");
    for name in ["build.toml", "lookup.csv", "lsoas.geojson", "postcodes.csv"] {
        fs::copy(folder.join(name), scratch.path().join(name)).expect("a copy");
    }
    let config = scratch.path().join("build.toml");
    build_case(&config, &old, None).expect("the previous dataset");
    build_case(&config, &new, Some(&old)).expect("the same again");
    let lookup = scratch.path().join("lookup.csv");
    let table = fs::read_to_string(&lookup).expect("the look-up");
    fs::write(&lookup, table.replace("E01000002,L,Ell\n", "")).expect("a file");
    let error = build_case(&config, &new, Some(&old)).expect_err("an area less");
    for words in [
        "--previous",
        "areas: 1 instead of 2",
        "assignments: 2 instead of 3",
        "LA18 4AA",
    ] {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
    let without = scratch.path().join("without");
    build_case(&config, &without, None).expect("without a comparison");
    let comparison = compare_with_previous(&read(&old), &read(&without)).expect("two indexes");
    let codes: Vec<&str> = comparison.findings().map(|finding| finding.code).collect();
    assert!(codes.contains(&"fewer_rows") && codes.contains(&"postcode_no_longer_located"));
    assert!(
        compare_with_previous(&read(&new), &read(&old))
            .expect("two indexes")
            .is_empty()
    );
}
