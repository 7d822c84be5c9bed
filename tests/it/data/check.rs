//! Tests of `catchment check`. Valid datasets have no findings, each error is reported with its
//! code, and the embedded dataset has only known findings.

use std::process::{Command, Output};

use catchment::check::{Finding, Severity, check};
use tempfile::TempDir;

use crate::support::fixture::{TestDataset, square};

/// Checks that a dataset has a finding with `code`, `severity` and `words`. Returns the finding.
#[track_caller]
fn check_finding(fixture: &TestDataset, severity: Severity, code: &str, words: &[&str]) -> Finding {
    let findings = check(&fixture.dataset());
    let messages: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}: {}", finding.code, finding.message))
        .collect();
    let found = findings
        .into_iter()
        .find(|finding| finding.code == code)
        .unwrap_or_else(|| panic!("no finding {code} in {messages:#?}"));
    assert_eq!(found.severity, severity, "{}", found.message);
    for word in words {
        assert!(
            found.message.contains(word),
            "`{word}` is not in: {}",
            found.message
        );
    }
    found
}

use Severity::{Error, Warning};

#[test]
fn valid_datasets_have_no_findings() {
    let findings = check(&TestDataset::new().dataset());
    let messages: Vec<&str> = findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(messages.is_empty(), "{messages:#?}");
}

#[test]
fn geometry_errors_are_found_with_size_and_position() {
    let check_near = |found: &Finding, easting: f64, northing: f64| {
        let place = found.position.expect("the finding has a position");
        let grid = catchment::geodesy::to_grid(place).expect("in Great Britain");
        let off_m = (grid.easting_m() - easting).hypot(grid.northing_m() - northing);
        assert!(off_m < 1.0, "{}: {off_m} m off", found.message);
    };
    let check_size = |found: &Finding, expected: f64| {
        let size_m2 = found.size_m2.expect("the finding has a size");
        assert!(
            (size_m2 - expected).abs() < expected * 0.001,
            "{size_m2} m²"
        );
    };
    let east = |from: f64| {
        let (right, top) = (320_000.0, 410_000.0);
        vec![
            (from, 400_000.0),
            (right, 400_000.0),
            (right, top),
            (from, top),
        ]
    };
    let fixture = |l: Vec<(f64, f64)>| TestDataset::new().with_boundary("l", l);

    let overlap = fixture(east(309_500.0));
    let found = check_finding(&overlap, Error, "overlap", &["`k` and `l`", "5.00 km²"]);
    check_size(&found, 5e6);
    check_near(&found, 309_750.0, 405_000.0);

    let found = check_finding(
        &fixture(east(309_999.7)),
        Warning,
        "sliver_overlap",
        &["0.30 m"],
    );
    check_size(&found, 3_000.0);

    let found = check_finding(
        &fixture(east(310_000.4)),
        Warning,
        "sliver",
        &["0.400 m apart"],
    );
    let place = found.position.expect("the finding has a position");
    let grid = catchment::geodesy::to_grid(place).expect("in Great Britain");
    assert!((grid.easting_m() - 310_000.2).abs() < 1.0);

    let mut notched = east(310_000.0);
    notched.extend([
        (310_000.0, 406_000.0),
        (310_300.0, 404_000.0),
        (310_000.0, 402_000.0),
    ]);
    let found = check_finding(&fixture(notched), Warning, "gap", &["0.60 km²"]);
    check_size(&found, 600_000.0);
    check_near(&found, 310_100.0, 404_000.0);

    let crossed = vec![
        (310_000.0, 400_000.0),
        (320_000.0, 400_000.0),
        (311_000.0, 410_000.0),
        (315_000.0, 410_000.0),
    ];
    let found = check_finding(
        &fixture(crossed),
        Error,
        "invalid_ring",
        &["icc `l`", "crosses"],
    );
    assert!(found.position.is_some());

    let tiny = TestDataset::new()
        .add_row("areas.csv", "icc,m,Em,,elsewhere,indicative,,")
        .with_boundary("m", square(330_000.0, 400_000.0, 50.0));
    check_size(
        &check_finding(&tiny, Warning, "tiny_area", &["2500 m²"]),
        2_500.0,
    );

    let huge = TestDataset::new()
        .add_row("areas.csv", "icc,m,Em,,elsewhere,indicative,,")
        .with_boundary("m", square(330_000.0, 400_000.0, 70_000.0));
    check_finding(&huge, Warning, "huge_area", &["4900 km²"]);

    let absent = TestDataset::new().add_row("areas.csv", "icc,m,Em,,elsewhere,indicative,,");
    check_finding(&absent, Warning, "area_without_boundary", &["icc `m`"]);
}

#[test]
fn extra_vertices_on_one_side_of_a_border_are_not_an_error() {
    let more = vec![
        (310_000.0, 400_000.0),
        (320_000.0, 400_000.0),
        (320_000.0, 410_000.0),
        (310_000.0, 410_000.0),
        (310_000.0, 403_000.0),
    ];
    assert!(check(&TestDataset::new().with_boundary("l", more).dataset()).is_empty());
}

#[test]
fn practice_errors_are_found() {
    let fixture = TestDataset::new;
    let twice = fixture().add_row("memberships.csv", "gp-practice,A00001,icc,l,,,derived");
    check_finding(
        &twice,
        Error,
        "practice_in_two_communities",
        &["A00001", "`k`", "`l`"],
    );
    check_finding(&twice, Error, "contradiction", &["A00001"]);

    let away = fixture().replace("memberships.csv", "A00001,icc,k", "A00001,icc,l");
    let found = check_finding(
        &away,
        Warning,
        "practice_outside_community",
        &["A00001", "`l`", "in `k`"],
    );
    assert!(found.position.is_some());

    let without_icc = fixture().replace(
        "memberships.csv",
        "gp-practice,A00001,icc,k,,,derived\n",
        "",
    );
    check_finding(
        &without_icc,
        Warning,
        "practice_without_community",
        &["A00001", "`k`"],
    );
    check_finding(
        &without_icc,
        Warning,
        "community_without_practices",
        &["Kay ICC"],
    );

    let without_premises = fixture().replace(
        "practice_sites.csv",
        "A00001,main,LA1 1AA,301000,401000\n",
        "",
    );
    check_finding(
        &without_premises,
        Warning,
        "practice_without_premises",
        &["A00001"],
    );

    let old_branch = fixture().replace(
        "practice_sites.csv",
        "ods_code,kind,postcode,easting,northing\n\
         A00001,main,LA1 1AA,301000,401000\n\
         A00002,main,LA1 1AB,316000,405000\n",
        "ods_code,kind,postcode,easting,northing,name,as_of,source\n\
         A00001,main,LA1 1AA,301000,401000,One,2024-04,a list\n\
         A00002,main,LA1 1AB,316000,405000,Two,2024-04,a list\n\
         A00002,branch,LA1 1AD,309800,405000,Hall,2017,a list\n",
    );
    let found = check_finding(
        &old_branch,
        Warning,
        "premises_out_of_date",
        &["branch of practice `A00002`, Hall, LA1 1AD", "2017"],
    );
    assert!(found.position.is_some());

    let cycle = fixture().add_row("practice_successions.csv", "A00002,A00003,2021-04-01");
    check_finding(
        &cycle,
        Error,
        "succession_cycle",
        &["A00002 → A00003 → A00002"],
    );

    let unknown_successor =
        fixture().replace("practice_successions.csv", "A00003,A00002", "A00003,B99999");
    check_finding(
        &unknown_successor,
        Warning,
        "unknown_successor",
        &["B99999"],
    );
}

#[test]
fn errors_in_counts_dates_postcodes_and_golden_queries_are_found() {
    let fixture = TestDataset::new;
    let stated = fixture().replace(
        "systems.csv",
        "2022-01-05,2,2,",
        "2022-01-05,3,2,an old page",
    );
    check_finding(
        &stated,
        Warning,
        "count_mismatch",
        &[
            "states 3",
            "has 2 sections",
            "dataset has 2 ICCs",
            "an old page",
        ],
    );
    let crowded = fixture().replace("practices.csv", "20000", "70001");
    check_finding(
        &crowded,
        Warning,
        "population_out_of_range",
        &["Kay", "70,001"],
    );
    let empty = fixture().replace("practices.csv", "20000", "9999");
    check_finding(
        &empty,
        Warning,
        "population_out_of_range",
        &["Kay", "9,999"],
    );

    let versions = fixture()
        .replace(
            "areas.csv",
            "toy,indicative,,",
            "toy,indicative,,2023-07-01",
        )
        .add_row("areas.csv", "icc,k,Kay and Jay,,toy,indicative,2023-06-01,");
    check_finding(
        &versions,
        Error,
        "overlapping_validity",
        &["icc `k`", "2023-06-01"],
    );
    let member = fixture().add_row(
        "memberships.csv",
        "gp-practice,A00001,icc,k,2023-06-01,,derived",
    );
    check_finding(
        &member,
        Error,
        "overlapping_validity",
        &["practice `A00001`"],
    );

    let outside = fixture().replace("postcodes.csv", "LA1 1AD,309800", "LA1 1AD,339800");
    let found = check_finding(
        &outside,
        Warning,
        "postcode_outside",
        &["1 of the 3", "LA1 1AD"],
    );
    assert!(found.geometry.is_some());

    let unconfirmed = fixture().replace(
        "postcodes.csv",
        "LA1 1AD,309800,405000,10,live",
        "LA1 1AD,309800,405000,10,not_confirmed",
    );
    let found = check_finding(
        &unconfirmed,
        Warning,
        "postcode_status_unknown",
        &["1 of 3", "LA1 1AD"],
    );
    assert!(found.geometry.is_some() && found.position.is_some());

    let golden_query = fixture().replace("golden_queries.csv", "located,k,k", "located,l,k");
    check_finding(&golden_query, Error, "golden_query_failed", &["line 2"]);
}

#[test]
fn consecutive_versions_of_an_area_neither_overlap_nor_leave_gaps() {
    let renamed = TestDataset::new()
        .replace(
            "areas.csv",
            "icc,k,Kay,,toy,indicative,,",
            "icc,k,Kay,,toy,indicative,,2023-07-01",
        )
        .add_row("areas.csv", "icc,k,Kay and Jay,,toy,indicative,2023-07-01,");
    assert!(check(&renamed.dataset()).is_empty());
}

// ---- the command -------------------------------------------------------------------------------

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

#[test]
fn exit_status_is_3_if_there_are_errors() {
    let folder = TempDir::new().expect("a folder");
    let dataset_folder = folder.path().join("toy");
    let path = dataset_folder.to_str().expect("text");
    let status = |fixture: &TestDataset| {
        fixture.write(&dataset_folder);
        let output = run(&["check", path]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
        )
    };
    let (code, report) = status(&TestDataset::new());
    assert_eq!(
        (code, report.as_str()),
        (Some(0), "toy 1\n\n0 errors, 0 warnings\n")
    );
    let warned = TestDataset::new().replace("practices.csv", "20000", "70001");
    assert_eq!(status(&warned).0, Some(0));
    let wrong = TestDataset::new().replace("golden_queries.csv", "located,k,k", "located,l,k");
    let (code, report) = status(&wrong);
    assert_eq!(code, Some(3));
    assert!(report.contains("error golden_query_failed: 1"), "{report}");
    assert!(report.contains("\n1 error, "), "{report}");
    assert_eq!(run(&["check", "/no/such/folder"]).status.code(), Some(2));
}

#[test]
fn embedded_dataset_has_only_known_findings() {
    let folder = TempDir::new().expect("a folder");
    let map = folder.path().join("findings.geojson");
    let output = run(&["check", "--json", "--findings", map.to_str().expect("text")]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let messages_of = |code: &str| -> Vec<&str> {
        let found = findings.iter().filter(|value| value["code"] == code);
        found
            .filter_map(|value| value["message"].as_str())
            .collect()
    };
    let [mismatch] = messages_of("count_mismatch")[..] else {
        panic!(
            "only one system's page must contradict itself, but the findings are: {:?}",
            messages_of("count_mismatch")
        );
    };
    for words in [
        "Morecambe Bay",
        "states 8 ICCs",
        "has 9 sections",
        "dataset has 8 ICCs",
        "9, 11, 12",
    ] {
        assert!(mismatch.contains(words), "`{words}` is not in: {mismatch}");
    }
    let [lancaster] = messages_of("population_out_of_range")[..] else {
        panic!(
            "only one ICC must be too large, but the findings are: {:?}",
            messages_of("population_out_of_range")
        );
    };
    assert!(
        lancaster.contains("Lancaster ICC has 79,608 people"),
        "{lancaster}"
    );
    // The expected numbers are from `data/source/lsoa11_icc.csv`.
    let disputed = messages_of("disputed");
    assert_eq!(disputed.len(), 24);
    assert!(
        disputed
            .iter()
            .any(|message| message.contains("`mb-carnforth` with 0.84")),
        "{disputed:?}"
    );
    assert!(!messages_of("layers_disagree").is_empty());
    for (code, count) in [
        ("postcode_status_unknown", "259 of 68062"),
        ("statistical_area_by_polygon", "56 of 68062"),
    ] {
        let [message] = messages_of(code)[..] else {
            panic!("{code}: {:?}", messages_of(code))
        };
        assert!(message.contains(&format!(": {count} (")), "{message}");
    }
    for code in [
        "invalid_ring",
        "golden_query_failed",
        "practice_in_two_communities",
        "succession_cycle",
    ] {
        assert!(messages_of(code).is_empty(), "{:?}", messages_of(code));
    }
    let map: geojson::FeatureCollection = std::fs::read_to_string(&map)
        .expect("an output file")
        .parse()
        .expect("GeoJSON");
    let placed = findings
        .iter()
        .filter(|value| !value["place"].is_null())
        .count();
    assert_eq!(map.features.len(), placed);
}

#[test]
fn overdue_sources_are_listed_with_the_edition_to_fetch() {
    let folder = TempDir::new().expect("a folder");
    let dataset_folder = folder.path().join("toy");
    let path = dataset_folder.to_str().expect("text");
    let with_sources = |sources: &str| {
        let mut fixture = TestDataset::new();
        fixture.manifest = fixture.manifest.replace("sources = []", sources);
        let _ = std::fs::remove_dir_all(&dataset_folder);
        fixture.write(&dataset_folder);
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        let report = run(&["check", path, "--sources"]);
        let json = run(&["check", path, "--sources", "--json"]);
        assert_eq!(report.status.code(), json.status.code());
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
        (report.status.code(), text(&report), json)
    };
    let (status, report, json) = with_sources(
        r#"sources = [
            { title = "A page", vintage = "undated" },
            { title = "Map of the board", as_of = "2011", frequency = "once" },
            { publisher = "ONS", title = "ONS Postcode Directory", as_of = "2020-02" },
            { publisher = "The board", title = "Places, April 2021", as_of = "2021-04", frequency = "yearly" },
        ]"#,
    );
    assert_eq!(status, Some(3), "{report}");
    let lines: Vec<&str> = report.lines().collect();
    assert!(lines[0].starts_with("toy 1, on "), "{report}");
    assert!(lines[2].starts_with("OVERDUE"), "{report}");
    let order = [
        "ONS: ONS Postcode Directory",
        "The board: Places",
        "Map of the board",
        "A page",
    ];
    for (line, title) in lines[3..].iter().zip(order) {
        assert!(line.contains(title), "{report}");
    }
    assert!(
        lines[3].contains("2020-02") && lines[3].contains("quarterly"),
        "{report}"
    );
    assert!(
        report.contains("To fetch:\n  Office for National Statistics: ONS Postcode Directory, ")
    );
    assert!(report.contains("  The board: Places, April 2"), "{report}");
    assert!(report.contains("2 of 4 sources are overdue"), "{report}");
    assert!(
        report.contains("1 source lacks a date or a known frequency"),
        "{report}"
    );
    assert_eq!(json["overdue"], 2);
    assert_eq!(json["sources"][0]["status"], "overdue");
    assert_eq!(
        json["sources"][0]["next"]["title"],
        "ONS Postcode Directory"
    );
    assert_eq!(json["sources"][2]["overdue_days"], 0);
    assert_eq!(json["sources"][3]["frequency"], serde_json::Value::Null);
    assert_eq!(json["fetch"].as_array().map(Vec::len), Some(2));

    let (status, report, json) = with_sources("sources = []");
    assert_eq!(status, Some(0), "{report}");
    assert!(
        report.contains("the dataset does not list its sources"),
        "{report}"
    );
    assert_eq!(json["sources"], serde_json::json!([]));

    let missing = run(&["check", "no-such-folder", "--sources"]);
    assert_eq!(missing.status.code(), Some(2));
}
