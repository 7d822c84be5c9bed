//! Tests of flows between registered and resident patients. The script `tests/oracle/flows.py`
//! counts the flows with pandas, and tries to compute the hidden numbers with the solver of scipy.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use catchment::batch::flows::{FlowLayers, FlowPlaceKind, FlowTable, PublishedFlows};
use catchment::batch::{BatchInput, BatchProgress, BatchRequest, count_flows};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::{SuppressionRule, date_from_iso};
use catchment::index::{Index, LocateQuery, Locator, areas_of_layer};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::columnar::request;
use crate::support::external_tools::{python, stdout_of};
use crate::support::layer;
use crate::support::made_up_patients::Patients;
use crate::support::server::{AS_OF, SERVER};

const SCRIPT: &str = "tests/oracle/flows.py";

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the dataset is read");
    Index::build(dataset).expect("the dataset is valid")
});

/// The number of rows in `patients.csv`, and the number of these rows that can be read.
const ROWS: u64 = 3_002;
const READABLE_ROWS: u64 = 2_951;

/// A folder that contains `patients.csv`, a file of made-up patients. Some rows of the file cannot
/// be read.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let mut csv = Patients::new(&INDEX, 23).csv(3_000);
    csv.extend_from_slice(b"too,few,fields\nand,again\n");
    fs::write(folder.path().join("patients.csv"), csv).expect("written");
    folder
});

fn run(command: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catchment"))
        .current_dir(folder)
        .args([command, "--as-of", AS_OF])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// Runs `catchment flows`, and returns its output and its messages.
#[track_caller]
fn flows(arguments: &[&str]) -> (String, String) {
    let output = run("flows", FOLDER.path(), arguments);
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{messages}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text, messages)
}

#[track_caller]
fn flows_json(arguments: &[&str]) -> Value {
    let (text, _) = flows(&[&["--json"], arguments].concat());
    serde_json::from_str(&text).expect("JSON")
}

fn path(name: &str) -> String {
    FOLDER.path().join(name).display().to_string()
}

/// Runs a batch on the file of patients, and writes the result, with additional columns, to
/// `answered.csv`.
static ANSWERED: LazyLock<String> = LazyLock::new(|| {
    let columns = "icc.name,council,lsoa11,practice";
    let arguments = ["patients.csv", "-o", "answered.csv", "--columns", columns];
    let output = run("batch", FOLDER.path(), &arguments);
    assert_eq!(output.status.code(), Some(3));
    path("answered.csv")
});

#[test]
fn counts_are_those_of_pandas() {
    if python("flows in pandas").is_none() {
        return;
    }
    let cases: [(&[&str], &str, &str); 3] = [
        (&[], "icc_registration_id", "icc_residence_id"),
        (&["--resident", "council"], "icc_registration_id", "council"),
        (
            &["--layer", "icc", "--threads", "3"],
            "icc_registration_id",
            "icc_residence_id",
        ),
    ];
    for (options, registered, resident) in cases {
        let found = flows_json(&[&["patients.csv", "--suppress", "none"], options].concat());
        let file = path("exact.json");
        fs::write(&file, found.to_string()).expect("written");
        let mut python = python("flows in pandas").expect("Python");
        python.args([SCRIPT, "count", &ANSWERED, &file, registered, resident]);
        let counted: Value = serde_json::from_str(&stdout_of(&mut python)).expect("JSON");
        assert_eq!(counted["rows"], READABLE_ROWS);
        assert!(counted["areas"].as_u64() > Some(10), "{counted}");
    }
}

#[test]
fn every_format_has_the_same_flows() {
    let Some(mut python) = python("flows of other formats") else {
        return;
    };
    let folder = FOLDER.path().display().to_string();
    stdout_of(python.args([SCRIPT, "make", &ANSWERED, &folder]));
    // In the output of `batch`, bad rows have the right number of fields, so they can be read.
    let exact = flows_json(&["answered.csv", "--suppress", "none"]);
    for file in ["patients.ndjson", "patients.parquet", "patients.xlsx"] {
        let found = flows_json(&[file, "--suppress", "none"]);
        assert_eq!(found["total"], ROWS, "{file}");
        assert_eq!(found["flows"], exact["flows"], "{file}");
    }
}

#[test]
fn rows_that_cannot_be_read_are_counted_and_named() {
    let output = run(
        "flows",
        FOLDER.path(),
        &["patients.csv", "--json", "--suppress=none"],
    );
    assert_eq!(output.status.code(), Some(3));
    let messages = String::from_utf8_lossy(&output.stderr);
    let expected = "2,951 of 3,002 rows counted; 51 could not be read, with the line or row numbers 8, 15, 16, ";
    assert!(messages.contains(expected), "{messages}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&found["total"], &found["bad_rows"]),
        (&json!(READABLE_ROWS), &json!(ROWS - READABLE_ROWS))
    );
    let quiet = run("flows", FOLDER.path(), &["patients.csv", "--quiet"]);
    assert!(quiet.stderr.is_empty());
}

#[test]
fn small_numbers_are_hidden_by_default_in_all_tables() {
    let options = ["patients.csv", "--quiet", "--force", "-o"];
    for (file, table) in [
        ("matrix.csv", "matrix"),
        ("long.csv", "long"),
        ("areas.csv", "areas"),
        ("flows.xlsx", "long"),
        ("flows.json", "long"),
    ] {
        flows(&[options.as_slice(), &[file, "--table", table]].concat());
        let manifest = fs::read(path(&format!("{file}.manifest.json"))).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["parameters"]["suppression"], "below:8");
        assert_eq!(manifest["output"]["name"], file);
        assert_eq!(manifest["input"]["name"], "patients.csv");
        assert!(manifest["input"]["bytes"].as_u64() > Some(100_000));
    }
    let found = fs::read_to_string(path("flows.json")).expect("a file");
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["suppression"], "below:8");
    let counts = || found["flows"].as_array().expect("rows").iter();
    let is_small = |count: &Value| count.as_u64().is_some_and(|count| (1..8).contains(&count));
    assert!(counts().any(|row| row["patients"].is_null()));
    assert!(!counts().any(|row| is_small(&row["patients"])));
    let Some(mut python) = python("sheets of flows") else {
        return;
    };
    python.args([SCRIPT, "sheets", &path("flows.xlsx"), &path("flows.json")]);
    stdout_of(&mut python);
}

#[test]
fn flows_help_text() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_catchment"));
    let program = program.args(["flows", "--help"]).env_remove("COLUMNS");
    insta::assert_snapshot!(stdout_of(program));
}

#[test]
fn text_shows_areas_and_a_matrix() {
    let (text, _) = flows(&["patients.csv"]);
    for words in [
        "2,951 patients on 2025-12-01, registered in icc and resident in icc",
        "registered    resident        both       ratio",
        "Kendal ICC",
        "Elsewhere",
        "* is a count from 1 to 7, or another count that is hidden",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let (text, _) = flows(&["patients.csv", "--resident", "lsoa11", "--suppress", "none"]);
    assert!(text.contains("use -o flows.csv or --json"), "{text}");
    assert!(text.ends_with("\nExact counts.\n"), "{text}");
}

#[test]
fn practices_and_statistical_areas_can_be_the_layers() {
    let options = ["--registered", "gp-practice", "--resident", "lsoa11"];
    let found = flows_json(&[["patients.csv", "--suppress", "none"].as_slice(), &options].concat());
    assert_eq!(found["areas"], Value::Null);
    let rows = found["flows"].as_array().expect("rows");
    let total: u64 = rows.iter().filter_map(|row| row["patients"].as_u64()).sum();
    assert_eq!(total, READABLE_ROWS);
    let registered = found["registered"].as_array().expect("places");
    let practice = &registered[0];
    assert!(
        INDEX
            .practices()
            .iter()
            .any(|found| practice["id"] == found.code.as_str())
    );
}

#[test]
fn invalid_arguments_are_rejected_with_what_would_be_right() {
    let folder = FOLDER.path();
    fs::write(
        folder.join("no-practice.csv"),
        "name,postcode\nA,LA18 4DB\n",
    )
    .expect("written");
    fs::write(folder.join("old.csv"), "old").expect("written");
    fs::write(folder.join("empty.csv"), "").expect("written");
    let cases: [(&[&str], &str); 10] = [
        (
            &["patients.csv", "--layer", "iccs"],
            "--layer: no practice belongs to an area of `iccs`: use ",
        ),
        (
            &["patients.csv", "--registered", "lsoa11"],
            "--registered: no practice belongs to an area of `lsoa11`",
        ),
        (
            &["patients.csv", "--resident", "gp-practice"],
            "--resident: a home is not in exactly one area of `gp-practice`: use icc",
        ),
        (
            &["patients.csv", "-o", "flows.txt"],
            "must end in .csv, .xlsx or .json",
        ),
        (&["patients.csv", "-o", "old.csv"], "old.csv"),
        (
            &[
                "patients.csv",
                "-o",
                "x.csv",
                "--table",
                "areas",
                "--resident",
                "council",
            ],
            "--table areas: patients are registered in one layer",
        ),
        (
            &["patients.csv", "--suppress", "8"],
            "expected a suppression rule",
        ),
        (&["no-practice.csv"], "no practice code column found"),
        (&["empty.csv"], "empty.csv: it is empty"),
        (&["missing.csv"], "opening missing.csv"),
    ];
    for (arguments, words) in cases {
        let output = run("flows", folder, arguments);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {messages}");
        assert!(messages.contains(words), "{words:?} is not in {messages}");
    }
    assert_eq!(
        fs::read_to_string(folder.join("old.csv")).expect("kept"),
        "old"
    );
    assert!(!folder.join("x.csv").exists());
}

#[test]
fn summaries_have_the_same_flows_suppressed_by_default() {
    let expected = flows_json(&["patients.csv"]);
    let arguments = [
        "patients.csv",
        "-o",
        "out.csv",
        "--summary",
        "summary.json",
        "--force",
    ];
    run("batch", FOLDER.path(), &arguments);
    let summary = fs::read(path("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    assert_eq!(summary["suppression"], "none");
    for member in [
        "total",
        "registered",
        "resident",
        "matrix",
        "areas",
        "suppression",
    ] {
        assert_eq!(summary["flows"][member], expected[member], "{member}");
    }
    let list = fs::read_to_string(path("patients.csv")).expect("a file");
    let last_record = |query: &str, body: &str| -> Value {
        let path = format!("/api/v1/batch?as_of={AS_OF}&summary=last-record{query}");
        let reply = SERVER.post(&path, "application/x-ndjson", body).expect(200);
        let last = reply.text().lines().last().unwrap_or_default();
        serde_json::from_str(last).expect("JSON")
    };
    let rows: Vec<String> = list
        .lines()
        .skip(1)
        .filter(|line| line.matches(',').count() > 8 && !line.contains('"'))
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            json!({ "postcode": fields[7], "gp_practice_code": fields[8] }).to_string()
        })
        .collect();
    let body = rows.join("\n");
    let flows_of = |record: Value| record["catchment_summary"]["flows"].clone();
    let over_http = flows_of(last_record("", &body));
    assert_eq!(over_http["suppression"], "below:8");
    assert_eq!(over_http["total"], rows.len());
    assert!(over_http["matrix"].to_string().contains("null"));
    let exact = flows_of(last_record("&suppress=none", &body));
    assert!(!exact["matrix"].to_string().contains("null"));
    // Without practice codes, there are no flows.
    let without = flows_of(last_record("", "{\"postcode\":\"LA18 4DB\"}\n"));
    assert_eq!(without, Value::Null);
}

/// Copies the embedded dataset with a table of registrations.
fn with_registrations(folder: &Path, table: &str) {
    let source = Path::new("data/lancashire-and-cumbria");
    let text = fs::read_to_string(source.join("dataset.toml")).expect("a manifest");
    let manifest = dataset::manifest_from_toml(&text).expect("a manifest");
    let names = manifest.files.keys().cloned().collect::<Vec<String>>();
    let read = |name: String| {
        let bytes = fs::read(source.join(&name)).expect("a file of the dataset");
        (name, bytes)
    };
    let mut files: Vec<(String, Vec<u8>)> = names.into_iter().map(read).collect();
    files.push(("registrations.csv".into(), table.into()));
    dataset::write(folder, manifest, &files).expect("the dataset is written");
}

#[test]
fn registrations_of_a_dataset_are_exported_as_flows() {
    let folder = tempfile::tempdir().expect("a folder");
    let day = date_from_iso(AS_OF).expect("a date");
    let areas: Vec<String> = INDEX
        .areas(layer("lsoa11"), day)
        .expect("areas")
        .map(|area| area.id.clone())
        .collect();
    let mut numbers = Numbers(7);
    let mut table = String::from("practice,statistical_area,as_of,patients\n");
    let mut csv = String::from("gp_practice_code,lsoa11\n");
    for practice in INDEX.practices().iter().take(60) {
        for _ in 0..4 {
            let area = numbers.below(areas.len() as u64);
            let area = &areas[usize::try_from(area).expect("few")];
            let row = format!("{},{area}", practice.code);
            // Each pair of a practice and an area occurs only once.
            if table.contains(&row) {
                continue;
            }
            let patients = 1 + numbers.below(30);
            table.push_str(&format!("{row},2026-04-01,{patients}\n"));
            // Earlier numbers are not used if there are newer numbers for the area.
            table.push_str(&format!("A99999,{area},2020-04-01,5000\n"));
            for _ in 0..patients {
                csv.push_str(&format!("{row}\n"));
            }
        }
    }
    let toy = folder.path().join("dataset");
    with_registrations(&toy, &table);
    fs::write(folder.path().join("patients.csv"), csv).expect("written");
    let data = toy.display().to_string();
    let export = |arguments: &[&str]| {
        run(
            "export",
            folder.path(),
            &[&["--quiet", "--force"], arguments].concat(),
        )
    };
    let mut elsewhere = 0;
    for options in [
        [].as_slice(),
        &["--registered", "pcn", "--resident", "council"],
    ] {
        let options = [options, &["--suppress", "none", "--data", &data]].concat();
        let output = export(&[&["--flows", "flows.json"], options.as_slice()].concat());
        let messages = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{messages}");
        let exported = fs::read(folder.path().join("flows.json")).expect("a file");
        let exported: Value = serde_json::from_slice(&exported).expect("JSON");
        let arguments = [&["patients.csv", "--json", "--quiet"], options.as_slice()].concat();
        let counted = run("flows", folder.path(), &arguments);
        let counted: Value = serde_json::from_slice(&counted.stdout).expect("JSON");
        for member in [
            "total",
            "registered",
            "resident",
            "matrix",
            "flows",
            "areas",
        ] {
            assert_eq!(exported[member], counted[member], "{member}");
        }
        assert_eq!(exported["registrations"], "2026-04-01");
        if options.len() == 4 {
            let places = exported["resident"].as_array().expect("places").iter();
            let mut places = places.filter(|place| place["id"] == "elsewhere");
            let total = places.next().and_then(|place| place["total"].as_u64());
            elsewhere = total.expect("a total");
        }
    }
    // By default, small numbers are hidden. Patients in an LSOA outside the dataset are counted
    // under "elsewhere".
    let outside = format!("{table}A82003,E01999999,2026-04-01,44\n");
    with_registrations(&toy, &outside);
    let output = export(&["--flows", "flows.csv", "--table", "matrix", "--data", &data]);
    assert_eq!(output.status.code(), Some(0));
    let csv = fs::read_to_string(folder.path().join("flows.csv")).expect("a file");
    assert!(csv.contains(",*,"), "{csv}");
    let manifest = fs::read(folder.path().join("flows.csv.manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(
        (&manifest["suppression"], &manifest["content"]),
        (&json!("below:8"), &json!("flows"))
    );
    let header: Vec<&str> = csv.lines().next().unwrap_or_default().split(',').collect();
    let column = header
        .iter()
        .position(|name| *name == "elsewhere")
        .expect("a column");
    let totals: Vec<&str> = csv.lines().last().unwrap_or_default().split(',').collect();
    assert_eq!(totals[column], (elsewhere + 44).to_string());
    let output = export(&["--flows", "none.csv"]);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        messages.contains("the dataset has no registrations"),
        "{messages}"
    );
}

/// Postcodes and practices by community.
struct CommunityKeys {
    postcodes: Vec<String>,
    practices: Vec<String>,
}

/// Returns a postcode and a practice for each community that has both.
fn community_keys() -> CommunityKeys {
    let day = date_from_iso(AS_OF).expect("a date");
    let icc = layer("icc");
    let mut practices = BTreeMap::new();
    for practice in INDEX.practices() {
        let query = LocateQuery {
            locator: None,
            practice: Some(Ok(practice.code)),
            as_of: day,
        };
        let registration = INDEX
            .locate(&query)
            .registration
            .expect("it has a practice");
        if let [area] = areas_of_layer(&registration.areas, icc) {
            practices
                .entry(area.area.id.clone())
                .or_insert(practice.code.to_string());
        }
    }
    let mut postcodes = BTreeMap::new();
    for entry in INDEX.postcodes() {
        let query = LocateQuery {
            locator: Some(Locator::Postcode(entry.postcode)),
            practice: None,
            as_of: day,
        };
        if let [area] = areas_of_layer(&INDEX.locate(&query).residence, icc) {
            postcodes
                .entry(area.area.id.clone())
                .or_insert(entry.postcode.to_string());
        }
        if postcodes.len() == practices.len() {
            break;
        }
    }
    let both = practices.keys().filter(|id| postcodes.contains_key(*id));
    CommunityKeys {
        postcodes: both.clone().map(|id| postcodes[id].clone()).collect(),
        practices: both.map(|id| practices[id].clone()).collect(),
    }
}

/// Counts the patients of a made-up file with these counts by registration and residence.
fn counted(keys: &CommunityKeys, table: &[Vec<u64>]) -> FlowTable {
    let mut csv = String::from("postcode,gp_practice_code\n");
    for (counts, practice) in table.iter().zip(&keys.practices) {
        for (count, postcode) in counts.iter().zip(&keys.postcodes) {
            for _ in 0..*count {
                csv.push_str(&format!("{postcode},{practice}\n"));
            }
        }
    }
    let request: BatchRequest = request("");
    let input = BatchInput::open(csv.as_bytes(), &request).expect("rows");
    let layers = FlowLayers::find(&INDEX, "icc", "icc").expect("layers");
    let progress = BatchProgress::default();
    let threads = NonZeroUsize::new(2).expect("two");
    let summary = count_flows(&INDEX, input, &request, layers, threads, &progress);
    summary.expect("counted").flows.expect("flows")
}

/// A generator of pseudorandom numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Returns tables that are difficult to protect, and random tables.
fn tables() -> Vec<Vec<Vec<u64>>> {
    let mut tables = vec![
        vec![vec![3]],
        vec![vec![9]],
        vec![vec![1, 1, 1, 1, 1, 1, 1]],
        vec![vec![2], vec![30], vec![40]],
        vec![vec![1, 0, 0, 300]],
        vec![vec![7, 0], vec![0, 7]],
        vec![vec![200, 0, 0], vec![0, 5, 0], vec![0, 0, 300]],
        vec![vec![1, 50, 60], vec![40, 500, 30], vec![70, 20, 400]],
        vec![vec![4; 6]; 6],
        vec![vec![1, 2_000], vec![2_000, 1]],
        vec![vec![8, 8, 1], vec![8, 8, 8], vec![1, 8, 17]],
        vec![vec![0, 0], vec![0, 40], vec![6, 0]],
    ];
    let mut numbers = Numbers(23);
    for _ in 0..60 {
        let (rows, columns) = (1 + numbers.below(8), 1 + numbers.below(8));
        let density = 1 + numbers.below(4);
        let largest = [4, 12, 60, 300][usize::try_from(numbers.below(4)).expect("few")];
        let mut row = |_| -> Vec<u64> {
            let count = |_| match numbers.below(4) < density {
                true => numbers.below(largest),
                false => 0,
            };
            (0..columns).map(count).collect()
        };
        let table: Vec<Vec<u64>> = (0..rows).map(&mut row).collect();
        if table.iter().flatten().any(|count| *count > 0) {
            tables.push(table);
        }
    }
    tables
}

#[test]
fn no_hidden_number_can_be_computed() {
    let Some(mut python) = python("the solver of scipy") else {
        return;
    };
    let keys = community_keys();
    assert!(keys.practices.len() >= 8, "{}", keys.practices.len());
    let mut lines = Vec::new();
    for (position, counts) in tables().iter().enumerate() {
        let table = counted(&keys, counts);
        let expected: u64 = counts.iter().flatten().sum();
        assert_eq!(table.total(), expected);
        let rule = ["below:8", "below:5-round:5", "below:8-round:5", "below:2"][position % 4];
        let flows = PublishedFlows::new(&table, rule.parse().expect("a rule"));
        lines.push(published_json(&flows, rule).to_string());
    }
    let file = path("tables.ndjson");
    fs::write(&file, lines.join("\n")).expect("written");
    let solved = stdout_of(python.args([SCRIPT, "solve", &file]));
    let solved: Value = serde_json::from_str(&solved).expect("JSON");
    assert_eq!(solved["tables"], lines.len());
    assert!(solved["numbers"].as_u64() > Some(1_000), "{solved}");
}

/// Returns the published counts together with the exact counts and the rule.
fn published_json(flows: &PublishedFlows<'_>, rule: &str) -> Value {
    let table = flows.table();
    let (rows, columns) = (table.registered.places.len(), table.resident.places.len());
    let rule: SuppressionRule = rule.parse().expect("a rule");
    let matrix = |cell: &dyn Fn(usize, usize) -> Option<u64>| -> Vec<Vec<Option<u64>>> {
        let row = |row| (0..columns).map(|column| cell(row, column)).collect();
        (0..rows).map(row).collect()
    };
    assert!(
        table
            .registered
            .places
            .iter()
            .any(|place| place.kind == FlowPlaceKind::NotKnown)
    );
    json!({
        "most": rule.largest_hidden(),
        "multiple": rule.rounded_to(),
        "matrix": matrix(&|row, column| flows.count(row, column)),
        "truth": matrix(&|row, column| Some(table.count(row, column))),
        "registered": (0..rows).map(|row| flows.registered_total(row)).collect::<Vec<_>>(),
        "resident": (0..columns).map(|column| flows.resident_total(column)).collect::<Vec<_>>(),
        "total": flows.total(),
    })
}
