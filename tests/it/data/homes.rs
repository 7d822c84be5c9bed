//! Homes: the shares of divided postcodes, and look-ups by UPRN. tests/oracle/homes.py makes the sources, and
//! counts the homes with pandas and shapely.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};

use catchment::builder::build;
use catchment::dataset::{self, DatasetSource};
use catchment::domain::{Certainty, LookupStatus, Postcode, Uprn, date_from_iso};
use catchment::http::{App, ServerLimits};
use catchment::index::{Index, LocateQuery, Locator, areas_of_layer};
use catchment::ops::dataset_store::DatasetStore;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::external_tools::{python, stdout_of};
use crate::support::layer;
use crate::support::server::{Server, encode_fields};

const SCRIPT: &str = "tests/oracle/homes.py";
/// The day on which the zones change.
const CHANGE: &str = "2026-04-01";

/// The folder with the sources and the dataset that was built from them; `None` if Python is not
/// available.
static BUILT: LazyLock<Option<TempDir>> = LazyLock::new(|| {
    let mut make = python("homes")?;
    let folder = TempDir::new().expect("a folder");
    stdout_of(make.arg(SCRIPT).arg("make").arg(folder.path()));
    build(&folder.path().join("build.toml"), None).expect("the dataset is built");
    Some(folder)
});

fn path_of(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn index(folder: &TempDir) -> Index {
    let source = DatasetSource::Folder(path_of(folder, "dataset"));
    let dataset = dataset::read(&source).expect("a dataset");
    Index::build(dataset).expect("an index")
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).expect("a table");
    let rows = reader.deserialize();
    rows.map(|row| row.expect("a row")).collect()
}

fn catchment(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command
        .args(arguments)
        .output()
        .expect("the program starts")
}

#[test]
fn homes_are_counted_as_pandas_and_shapely_count_them() {
    let Some(folder) = &*BUILT else { return };
    let mut compare = python("homes").expect("Python");
    compare.arg(SCRIPT).arg("compare").arg(folder.path());
    compare
        .arg(path_of(folder, "dataset"))
        .arg(path_of(folder, "uprn.csv"));
    let compared = stdout_of(&mut compare);
    assert!(compared.contains("rows are equal"), "{compared}");
}

#[test]
fn answers_have_the_shares_of_the_table() {
    let Some(folder) = &*BUILT else { return };
    let index = index(folder);
    let table = rows(&path_of(folder, "dataset/postcode_homes.csv"));
    let mut compared = 0;
    for day in ["2026-03-31", CHANGE] {
        let as_of = date_from_iso(day).expect("a day");
        let is_valid = |row: &&BTreeMap<String, String>| {
            (row["from"].is_empty() || row["from"].as_str() <= day)
                && (row["to"].is_empty() || day < row["to"].as_str())
        };
        // The homes of each postcode and layer, by the id of the area.
        let mut homes: BTreeMap<(String, String), BTreeMap<String, f64>> = BTreeMap::new();
        for row in table.iter().filter(is_valid) {
            let key = (row["postcode"].clone(), row["layer"].clone());
            let number = row["homes"].parse().expect("a number");
            homes
                .entry(key)
                .or_default()
                .insert(row["area"].clone(), number);
        }
        for entry in index.postcodes() {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(entry.postcode)),
                practice: None,
                as_of,
            };
            let answer = index.locate(&query);
            for id in ["zone", "district"] {
                let key = (entry.postcode.to_string(), id.to_string());
                let [found] = areas_of_layer(&answer.residence, layer(id)) else {
                    continue;
                };
                let is_split = found.certainty() == Some(Certainty::Split);
                let Some(homes) = homes.get(&key) else {
                    assert!(!is_split && found.shares.is_none(), "{key:?}");
                    continue;
                };
                compared += 1;
                assert!(is_split, "{key:?}");
                let total: f64 = homes.values().sum();
                let share_of = |id: &str| homes.get(id).copied().unwrap_or(0.0) / total;
                let shares = found.shares.as_ref().expect("shares");
                assert_eq!(shares.share, share_of(&found.area.id));
                let others = found.other_areas();
                let sum: f64 = others.iter().filter_map(|other| other.share).sum();
                assert!((shares.share + sum - 1.0).abs() < 1e-9, "{key:?}");
                assert!(others.is_sorted_by(|a, b| a.share >= b.share), "{key:?}");
                for other in others {
                    let id = other.area.map_or("", |area| &area.id);
                    assert_eq!(other.share, Some(share_of(id)), "{key:?}");
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Returns a postcode of the zones that is divided on every day, and its row.
fn divided_postcode(folder: &TempDir) -> String {
    let table = rows(&path_of(folder, "dataset/postcode_homes.csv"));
    let mut divided = table.iter().filter(|row| {
        row["layer"] == "zone"
            && row["from"].is_empty()
            && row["to"].is_empty()
            && row["area"] == "east"
    });
    divided.next().expect("a divided postcode")["postcode"].clone()
}

#[test]
fn every_interface_gives_the_shares() {
    let Some(folder) = &*BUILT else { return };
    let data = path_of(folder, "dataset");
    let data = data.to_str().expect("UTF-8");
    let postcode = divided_postcode(folder);
    let source = DatasetSource::Folder(path_of(folder, "dataset"));
    let dataset = dataset::read(&source).expect("a dataset");
    let server = Server::with(dataset, ServerLimits::default());
    let body = json!({ "postcode": postcode }).to_string();
    let body = server
        .post("/api/v1/locate", "application/json", &body)
        .json();
    let zone = &body["residence"]["zone"][0];
    assert_eq!(zone["certainty"], "split");
    let share = zone["share"].as_f64().expect("a share");
    let other = &zone["alternatives"][0];
    let other_share = other["share"].as_f64().expect("a share");
    assert!(other["distance_m"].is_number() || other["distance_m"].is_null());
    assert!(share > 0.0 && other_share > 0.0);
    assert_eq!(body["data"]["homes"], "2026-06");

    let text = catchment(&["locate", "--data", data, &postcode]);
    let text = String::from_utf8(text.stdout).expect("UTF-8");
    assert!(
        text.contains(&format!("split: {share:.2} of its homes; ")),
        "{text}"
    );

    let input = path_of(folder, "patients.csv");
    fs::write(&input, format!("postcode\n{postcode}\n")).expect("written");
    let input = input.to_str().expect("UTF-8");
    let columns = "default,alternatives,residence_share,alternatives_shares";
    let output = catchment(&[
        "batch",
        input,
        "--data",
        data,
        "--columns",
        columns,
        "--quiet",
    ]);
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let mut reader = csv::Reader::from_reader(output.as_bytes());
    let row: BTreeMap<String, String> = reader.deserialize().next().expect("a row").expect("a row");
    assert_eq!(row["catchment_certainty"], "split");
    let cell: f64 = row["catchment_residence_share"].parse().expect("a number");
    assert!((cell - share).abs() < 1e-4, "{row:?}");
    let shares = &row["catchment_alternatives_shares"];
    assert!(shares.starts_with(&format!("{other_share:.4}")), "{row:?}");
    assert_eq!(
        row["catchment_alternatives"].split(';').count(),
        shares.split(';').count()
    );

    let form = encode_fields(&[("place", &postcode)]);
    let page = server.post("/", "application/x-www-form-urlencoded", &form);
    let page = page.text();
    assert!(page.contains("of the homes of"), "{page}");
    assert!(
        page.contains("Ask for the address if this matters."),
        "{page}"
    );
}

#[test]
fn the_static_look_up_has_the_same_answers() {
    let Some(folder) = &*BUILT else { return };
    let data = path_of(folder, "dataset");
    let data = data.to_str().expect("UTF-8");
    let site = path_of(folder, "site");
    let site = site.to_str().expect("UTF-8");
    let day = "2026-03-01";
    let exported = catchment(&["export", "--static", site, "--data", data, "--as-of", day]);
    assert!(
        exported.status.success(),
        "{}",
        String::from_utf8_lossy(&exported.stderr)
    );
    let mut node = Command::new("node");
    node.args(["tests/static/compare.mjs", site])
        .arg(env!("CARGO_BIN_EXE_catchment"))
        .arg(path_of(folder, "dataset/postcodes.csv"))
        .args([day, CHANGE])
        .env("CATCHMENT_DATA", data);
    let compared = stdout_of(&mut node);
    assert!(compared.contains("answers are equal"), "{compared}");
}

#[test]
fn the_exported_look_up_has_the_shares() {
    let Some(folder) = &*BUILT else { return };
    let data = path_of(folder, "dataset");
    let data = data.to_str().expect("UTF-8");
    let lookup = path_of(folder, "lookup.csv");
    let output = lookup.to_str().expect("UTF-8");
    let exported = catchment(&["export", "--lookup", output, "--data", data]);
    let errors = String::from_utf8_lossy(&exported.stderr);
    assert!(exported.status.success(), "{errors}");
    let with = fs::read_to_string(&lookup).expect("text");
    let header = with.lines().next().expect("a header");
    assert!(header.contains("catchment_residence_share"), "{header}");
    let postcode = divided_postcode(folder);
    // The postcode has a row for each period in which its answers are the same.
    let mut rows = with.lines().filter(|line| line.starts_with(&postcode));
    assert!(rows.any(|row| row.contains(",split,")), "{with}");
}

#[test]
fn uprns_are_answered_by_their_position() {
    let Some(folder) = &*BUILT else { return };
    let table = catchment::uprns::UprnTable::open(&path_of(folder, "uprn.csv")).expect("a table");
    let count = table.rows();
    let index = index(folder).with_uprns(Arc::new(table));
    let as_of = date_from_iso("2026-06-01").expect("a day");
    let ask = |locator| {
        let query = LocateQuery {
            locator: Some(locator),
            practice: None,
            as_of,
        };
        index.locate(&query)
    };
    let addresses = rows(&path_of(folder, "uprn.csv"));
    assert_eq!(addresses.len() as u64, count);
    for row in addresses.iter().step_by(7) {
        let uprn: Uprn = row["uprn"].parse().expect("a UPRN");
        let answer = ask(Locator::Uprn(uprn));
        let location = answer.location.expect("a location");
        let grid = location.grid.expect("a position");
        assert_eq!(format!("{:010.2}", grid.easting_m()), row["easting"]);
        assert_eq!(format!("{:010.2}", grid.northing_m()), row["northing"]);
        let postcode = location.postcode().map(|postcode| postcode.to_string());
        assert_eq!(postcode.unwrap_or_default(), row["postcode"].trim());
        // The zones have their own boundaries, so the position determines the answer.
        let by_position = ask(Locator::Grid(grid));
        let zone = |answer: &catchment::index::LocateAnswer<'_>| {
            let areas = areas_of_layer(&answer.residence, layer("zone"));
            areas
                .iter()
                .map(|found| found.area.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(zone(&answer), zone(&by_position), "{uprn}");
    }
    let unknown: Uprn = "999999999999".parse().expect("a UPRN");
    assert_eq!(
        ask(Locator::Uprn(unknown)).status,
        LookupStatus::UnknownUprn
    );
    let postcode: Postcode = "LA1 1AA".parse().expect("a postcode");
    assert_eq!(
        ask(Locator::Postcode(postcode)).status,
        LookupStatus::Located
    );
}

#[test]
fn uprns_are_looked_up_by_http_by_the_command_line_and_in_batches() {
    let Some(folder) = &*BUILT else { return };
    let path = |name: &str| path_of(folder, name).to_str().expect("UTF-8").to_string();
    let (data, table) = (path("dataset"), path("uprn.csv"));
    let first = &rows(Path::new(&table))[0];
    let uprn = first["uprn"].trim_start_matches('0');

    let arguments = ["locate", "--data", &data, "--uprn-table", &table];
    let one = |place: &str| catchment(&[&arguments[..], &[place, "--json"]].concat());
    let answer: Value = serde_json::from_slice(&one(&format!("uprn={uprn}")).stdout).expect("JSON");
    assert_eq!(answer["status"], "located");
    assert_eq!(answer["location"]["source"], "uprn");
    assert_eq!(answer["location"]["uprn"], uprn);
    for (place, code) in [
        ("uprn=999999999999", "unknown_uprn"),
        ("uprn=1.00023E+11", "invalid_uprn"),
        ("uprn=", "missing_uprn"),
    ] {
        let problem: Value = serde_json::from_slice(&one(place).stdout).expect("JSON");
        assert_eq!(problem["code"], code, "{place}");
    }
    let without = catchment(&["locate", "--data", &data, "--json", &format!("uprn={uprn}")]);
    let problem: Value = serde_json::from_slice(&without.stdout).expect("JSON");
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("uprn_unavailable"), &json!(404))
    );

    let input = path("addresses.csv");
    let text = format!("name,UPRN\nA,{uprn}\nB,000{uprn}\nC,{uprn}.0\nD,999999999999\nE,x\nF,\n");
    fs::write(&input, text).expect("written");
    let batch = [
        "batch",
        &input,
        "--data",
        &data,
        "--uprn-table",
        &table,
        "--quiet",
    ];
    let output = catchment(&batch);
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let mut reader = csv::Reader::from_reader(output.as_bytes());
    let statuses: Vec<String> = reader
        .deserialize::<BTreeMap<String, String>>()
        .map(|row| row.expect("a row")["catchment_status"].clone())
        .collect();
    let expected = [
        "located",
        "located",
        "located",
        "unknown_uprn",
        "malformed",
        "missing",
    ];
    assert_eq!(statuses, expected);
    let refused = catchment(&[
        "batch",
        &input,
        "--data",
        &data,
        "--uprn-column",
        "UPRN",
        "--quiet",
    ]);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        errors.contains("--uprn-column needs --uprn-table"),
        "{errors}"
    );

    // A damaged table is refused by the service, without its path.
    let damaged = path("damaged.csv");
    fs::write(&damaged, "uprn\n1\n").expect("written");
    let refused = catchment(&[
        "serve",
        "--data",
        &data,
        "--uprn-table",
        &damaged,
        "--check-config",
    ]);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && errors.contains("the first line should be"),
        "{errors}"
    );
}

#[test]
fn the_service_answers_uprns_with_the_table_of_its_operator() {
    let Some(folder) = &*BUILT else { return };
    let source = DatasetSource::Folder(path_of(folder, "dataset"));
    let start = |table: Option<PathBuf>| {
        let store = DatasetStore::load_with_uprns(vec![source.clone()], table).expect("loaded");
        store.reload().expect("reloaded");
        Server::for_app(App::new(Arc::new(store)), ServerLimits::default())
    };
    let first = &rows(&path_of(folder, "uprn.csv"))[0];
    let uprn = first["uprn"].trim_start_matches('0');
    let number: u64 = uprn.parse().expect("a number");
    let server = start(Some(path_of(folder, "uprn.csv")));
    let post = |server: &Server, body: Value| {
        server.post("/api/v1/locate", "application/json", &body.to_string())
    };
    for body in [json!({ "uprn": uprn }), json!({ "uprn": number })] {
        let answer = post(&server, body).expect(200).json();
        assert_eq!(answer["location"]["uprn"], uprn);
        assert_eq!(
            answer["location"]["easting"],
            first["easting"].parse::<f64>().expect("metres")
        );
        assert_eq!(answer["location"]["postcode_status"], Value::Null);
    }
    let query = format!("/api/v1/locate?uprn={uprn}");
    assert_eq!(
        server.get(&query).expect(200).header("cache-control"),
        "no-store"
    );
    post(&server, json!({ "uprn": "999999999999" })).expect_problem(404, "unknown_uprn");
    post(&server, json!({ "uprn": "LA1 1AA" })).expect_problem(400, "invalid_uprn");
    post(&server, json!({ "uprn": "1", "postcode": "LA1 1AA" }))
        .expect_problem(400, "ambiguous_location");
    let file = format!("uprn\n{uprn}\n");
    let batch = server.post("/api/v1/batch?uprn_column=uprn", "text/csv", &file);
    assert!(batch.expect(200).text().contains("located"));

    let server = start(None);
    post(&server, json!({ "uprn": uprn })).expect_problem(404, "uprn_unavailable");
    let batch = server.post("/api/v1/batch?uprn_column=uprn", "text/csv", &file);
    batch.expect_problem(404, "uprn_unavailable");
}

#[test]
fn a_dataset_without_homes_still_loads() {
    let Some(folder) = &*BUILT else { return };
    let copy = TempDir::new().expect("a folder");
    for name in [
        "build.toml",
        "postcodes.csv",
        "lsoas.geojson",
        "zones.geojson",
        "zones_before.geojson",
        "districts.csv",
    ] {
        fs::copy(path_of(folder, name), copy.path().join(name)).expect("copied");
    }
    let config = fs::read_to_string(copy.path().join("build.toml")).expect("text");
    let (before, rest) = config.split_once("[uprn]").expect("the table");
    let (_, after) = rest.split_once("[[layers]]").expect("layers");
    fs::write(
        copy.path().join("build.toml"),
        format!("{before}[[layers]]{after}"),
    )
    .expect("written");
    build(&copy.path().join("build.toml"), None).expect("built");
    let index = index(&copy);
    assert!(!index.manifest().has_homes());
    assert!(!copy.path().join("dataset/postcode_homes.csv").exists());
    assert!(
        !fs::read_to_string(copy.path().join("dataset/dataset.toml"))
            .expect("text")
            .contains("[homes]")
    );
}
