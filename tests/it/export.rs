//! `catchment export`: the look-up tables, whose rows have the cells of a batch on the same date,
//! and files of areas and tiles.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use catchment::batch::{
    self, BatchError, OutputColumn, Compression, DecodeLimits, BatchInput, ColumnOverrides, BatchProgress, BatchRequest,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::date_from_iso;
use catchment::export::{self, TableFormat};
use catchment::index::Index;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::programs::{printed, python};

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the dataset is read");
    Index::build(dataset).expect("the dataset is valid")
});

type Record = HashMap<String, String>;
/// The rows of each key, in order of time.
type Table = BTreeMap<String, Vec<Record>>;

type Export =
    fn(&Index, TableFormat, &mut Vec<u8>, NonZeroUsize, &BatchProgress) -> Result<(), BatchError>;

fn exported(export: Export, format: TableFormat, threads: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    export(&INDEX, format, &mut out, threads, &BatchProgress::default()).expect("the export succeeds");
    out
}

fn table(csv: &[u8], key: &str) -> Table {
    let mut table = Table::new();
    let mut reader = csv::Reader::from_reader(csv);
    for record in reader.deserialize() {
        let record: Record = record.expect("a record");
        table.entry(record[key].clone()).or_default().push(record);
    }
    table
}

static POSTCODES: LazyLock<Table> = LazyLock::new(|| {
    table(
        &exported(export::write_postcodes, TableFormat::Csv, 2),
        "postcode",
    )
});
static PRACTICES: LazyLock<Table> = LazyLock::new(|| {
    let csv = exported(export::write_practices, TableFormat::Csv, 2);
    table(&csv, "practice_code")
});

/// Returns the row that is valid on a date. There must be exactly one.
fn on<'t>(rows: &'t [Record], day: &str) -> &'t Record {
    let holds = |row: &&Record| {
        let (from, to) = (row["valid_from"].as_str(), row["valid_to"].as_str());
        from <= day && (to.is_empty() || day < to)
    };
    let mut holding = rows.iter().filter(holds);
    let row = holding.next().expect("a row for every date");
    assert!(holding.next().is_none(), "two rows are valid on {day}");
    row
}

/// Answers a batch with a row for each key and date.
fn answered(asked: &[(String, String)], column: &str) -> Vec<Record> {
    let mut list = format!("{column},day\n");
    for (key, day) in asked {
        list.push_str(&format!("{key},{day}\n"));
    }
    let request = BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides {
            as_of: Some("day".into()),
            registration_only: column == "practice_code",
            ..ColumnOverrides::default()
        },
        as_of: date_from_iso("2025-12-01").expect("a date"),
        output_columns: OutputColumn::with_defaults("all").expect("columns"),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
    };
    let intake = BatchInput::open(list.as_bytes(), &request).expect("a valid batch");
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(2).expect("two");
    let progress = BatchProgress::default();
    batch::run(&INDEX, intake, &request, &mut out, threads, &progress).expect("the batch succeeds");
    let mut reader = csv::Reader::from_reader(out.as_slice());
    reader
        .deserialize()
        .map(|it| it.expect("a record"))
        .collect()
}

/// Returns the dates on both sides of every change in the rows, and a few others.
fn days(rows: &[Record]) -> BTreeSet<String> {
    let mut days = BTreeSet::new();
    for row in rows {
        if let Ok(day) = date_from_iso(&row["valid_from"]) {
            days.insert(day.to_string());
            days.insert(day.yesterday().expect("not the first").to_string());
        }
    }
    for day in [
        "1975-01-01",
        "2013-06-30",
        "2021-12-31",
        "2023-03-31",
        "2026-11-22",
    ] {
        days.insert(day.into());
    }
    days
}

/// Returns every date in the files of the dataset, with the days before and after.
fn days_named() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lancashire-and-cumbria");
    let mut days = BTreeSet::new();
    let names = [
        "areas.csv",
        "assignments.csv",
        "memberships.csv",
        "practices.csv",
        "dataset.toml",
    ];
    for name in names {
        let text = fs::read_to_string(folder.join(name)).expect("a file of the dataset");
        for word in text.split(|it: char| !it.is_ascii_digit() && it != '-') {
            if let Ok(day) = date_from_iso(word) {
                let neighbours = [day.yesterday(), Ok(day), day.tomorrow()];
                days.extend(neighbours.map(|day| day.expect("neither the first nor the last date").to_string()));
            }
        }
    }
    assert!(days.len() > 50, "{}", days.len());
    days
}

/// Compares the rows of every `every`th key with batch output, on these dates, and returns the
/// number of cells that were compared.
fn check(
    table: &Table,
    every: usize,
    days: impl Fn(&[Record]) -> BTreeSet<String>,
    column: &str,
    half: &str,
) -> usize {
    let keys = table.keys().step_by(every);
    let asked: Vec<(String, String)> = keys
        .flat_map(|key| {
            days(&table[key])
                .into_iter()
                .map(move |day| (key.clone(), day))
        })
        .collect();
    let mut cells = 0;
    for ((key, day), answer) in asked.iter().zip(answered(&asked, column)) {
        let row = on(&table[key], day);
        for (name, cell) in row.iter().filter(|(name, _)| answer.contains_key(*name)) {
            if name != column {
                assert_eq!(cell, &answer[name], "{name} of {key} on {day}");
                cells += 1;
            }
        }
        let reasons = ["", "resilience_groups_"].map(|it| format!("catchment_{it}{half}_reason"));
        let reasons = reasons.iter().map(|name| row[name].as_str());
        let reasons: Vec<&str> = reasons.filter(|it| !it.is_empty()).collect();
        let given = answer["catchment_reason"].split(';');
        // A batch gives the reason for unknown groups by registration, instead of residence, only
        // if the practice belongs to a community.
        let mut given: Vec<&str> = given.filter(|it| !it.is_empty()).collect();
        if half == "registration"
            && row["catchment_icc_registration_id"].is_empty()
            && row["catchment_neighbourhood_team_registration"].is_empty()
        {
            given.retain(|it| !it.starts_with("resilience_groups:"));
            assert!(
                given.iter().all(|it| reasons.contains(it)),
                "{key} on {day}"
            );
        } else {
            assert_eq!(given, reasons, "{key} on {day}");
        }
    }
    cells
}

#[test]
fn the_row_of_a_day_holds_the_cells_that_a_list_gets() {
    assert!(POSTCODES.len() > 68_000);
    let cells = check(&POSTCODES, 41, days, "postcode", "residence");
    assert!(cells > 500_000, "{cells}");
    let cells = check(&PRACTICES, 1, days, "practice_code", "registration");
    assert!(cells > 20_000, "{cells}");
}

#[test]
fn no_change_is_missed_on_any_day_that_the_dataset_names() {
    let named = days_named();
    check(
        &POSTCODES,
        1_999,
        |_| named.clone(),
        "postcode",
        "residence",
    );
    check(
        &PRACTICES,
        3,
        |_| named.clone(),
        "practice_code",
        "registration",
    );
}

#[test]
fn neighbouring_periods_meet_and_differ() {
    for (key, rows) in POSTCODES.iter().chain(PRACTICES.iter()) {
        let (first, last) = (&rows[0], rows.last().expect("at least one row"));
        assert_eq!(
            (first["valid_from"].as_str(), last["valid_to"].as_str()),
            ("", ""),
            "{key}"
        );
        for pair in rows.windows(2) {
            assert_eq!(pair[0]["valid_to"], pair[1]["valid_from"], "{key}");
            let without_days = |row: &Record| {
                let mut row = row.clone();
                row.retain(|name, _| !name.starts_with("valid_"));
                row
            };
            assert_ne!(without_days(&pair[0]), without_days(&pair[1]), "{key}");
        }
    }
}

#[test]
fn every_postcode_and_practice_is_there_and_who_stands_in_their_place() {
    let directory = INDEX.postcodes().map(|it| it.postcode.to_string());
    assert!(
        directory.eq(POSTCODES
            .keys()
            .filter(|it| !it.starts_with("ZZ99"))
            .cloned())
    );
    let status =
        |postcode: &str| on(&POSTCODES[postcode], "2025-12-01")["catchment_status"].clone();
    assert_eq!(status("CA1 1EF"), "terminated");
    assert_eq!(status("ZZ99 3VZ"), "no_fixed_abode");
    assert_eq!(status("ZZ99 3WZ"), "address_not_known");
    for practice in INDEX.practices() {
        assert!(PRACTICES.contains_key(practice.code.as_str()));
    }
    let reason =
        |code: &str| on(&PRACTICES[code], "2025-12-01")["catchment_registration_reason"].clone();
    assert_eq!(reason("V81999"), "registration:default_code");
    for code in INDEX.not_gp_practices() {
        assert_eq!(reason(code.as_str()), "registration:not_a_gp_practice");
    }
}

#[test]
fn tables_are_the_same_on_any_number_of_threads_and_in_both_formats() {
    let csv = exported(export::write_practices, TableFormat::Csv, 1);
    let whole = exported(export::write_practices, TableFormat::Parquet, 1);
    for threads in [2, 5] {
        assert!(exported(export::write_practices, TableFormat::Csv, threads) == csv);
        assert!(exported(export::write_practices, TableFormat::Parquet, threads) == whole);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("practices.parquet");
    fs::write(&path, whole).expect("written");
    let file = fs::File::open(path).expect("the file exists");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let lines = csv.iter().filter(|byte| **byte == b'\n').count();
    let rows = reader.metadata().file_metadata().num_rows();
    assert_eq!(usize::try_from(rows).expect("some"), lines - 1);
    let digest = reader
        .schema()
        .metadata()
        .get("catchment.dataset_digest")
        .cloned();
    assert_eq!(digest.as_deref(), Some(INDEX.digest()));
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .current_dir(folder)
        .arg("export")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let told = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), told)
}

#[test]
fn a_table_is_written_whole_beside_its_manifest_and_replaces_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, told) = run(folder.path(), &["--practices", "p.csv"]);
    assert_eq!(code, Some(0), "{told}");
    let written = fs::read(folder.path().join("p.csv")).expect("an output file");
    let manifest = fs::read(folder.path().join("p.csv.manifest.json")).expect("an output file");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let sha256: String = Sha256::digest(&written)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(manifest["output"]["sha256"], sha256);
    assert_eq!(manifest["content"], "practices");
    let rows: usize = PRACTICES.values().map(Vec::len).sum();
    assert_eq!(manifest["rows"], rows);
    let refused = |arguments: &[&str], words: &str| {
        let (code, told) = run(folder.path(), arguments);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(words), "{told}");
    };
    refused(&["--practices", "p.csv"], "--force");
    refused(&["--practices", "p.xlsx"], ".parquet or .csv");
    refused(&["--practices", "a.csv", "--lookup", "a.csv"], "the same name");
    refused(&[], "--lookup");
    let (code, _) = run(
        folder.path(),
        &["--practices", "p.csv", "--force", "--quiet"],
    );
    assert_eq!(code, Some(0));
    assert!(fs::read(folder.path().join("p.csv")).expect("an output file") == written);
}

#[test]
fn the_examples_of_the_page_run_and_give_what_a_list_gets() {
    let Some(mut python) = python("the examples of docs/lookup.md") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let list = crate::patients::Patients::new(&INDEX, 11).list(2_000);
    // Only rows of the right width: other readers treat bad rows differently.
    let mut reader = csv::Reader::from_reader(list.as_slice());
    let mut writer = csv::Writer::from_path(folder.path().join("patients.csv")).expect("a file");
    writer
        .write_record(reader.headers().expect("names"))
        .expect("written");
    for record in reader.records().filter_map(Result::ok) {
        writer.write_record(&record).expect("written");
    }
    writer.flush().expect("written");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/columns/lookup_examples.py"
    );
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lookup.md");
    python.args([script, env!("CARGO_BIN_EXE_catchment"), page]);
    printed(python.current_dir(folder.path()));
}

#[test]
fn gis_programs_open_the_areas_and_the_tiles() {
    let folder = tempfile::tempdir().expect("a folder");
    let day = [
        "--as-of",
        "2025-12-01",
        "--layers",
        "neighbourhood-team,icc",
    ];
    let names = [
        "--areas",
        "areas.gpkg",
        "--tiles",
        "areas.pmtiles",
        "--max-zoom",
        "8",
    ];
    let (code, told) = run(folder.path(), &[&names[..], &day].concat());
    assert_eq!(code, Some(0), "{told}");
    let again = [
        "--areas",
        "again.gpkg",
        "--tiles",
        "again.pmtiles",
        "--max-zoom",
        "8",
    ];
    let (code, told) = run(folder.path(), &[&again[..], &day].concat());
    assert_eq!(code, Some(0), "{told}");
    let bytes = |name: &str| fs::read(folder.path().join(name)).expect("an output file");
    for ending in ["geojson", "topojson", "zip", "fgb"] {
        let names = ["areas", "again"].map(|name| format!("{name}.{ending}"));
        for name in &names {
            let asked = [&["--areas", name.as_str()][..], &day].concat();
            let (code, told) = run(folder.path(), &asked);
            assert_eq!(code, Some(0), "{told}");
        }
        let [one, other] = names.map(|name| bytes(&name));
        assert!(one == other, "{ending}: the files differ");
    }
    assert!(
        bytes("areas.gpkg") == bytes("again.gpkg"),
        "the files differ"
    );
    assert!(
        bytes("areas.pmtiles") == bytes("again.pmtiles"),
        "the files differ"
    );
    let manifest: Value = serde_json::from_slice(&bytes("areas.gpkg.manifest.json")).expect("JSON");
    assert_eq!(manifest["areas"], 29);
    for (arguments, words) in [
        (["--areas", "areas.shp"], ".zip (Shapefiles)"),
        (["--tiles", "areas.mbtiles"], ".pmtiles"),
        (["--areas", "areas.gpkg"], "--force"),
    ] {
        let (code, told) = run(folder.path(), &arguments);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(words), "{told}");
    }
    let before = [
        "--areas",
        "before.gpkg",
        "--as-of",
        "1999-01-01",
        "--layers",
        "icc",
    ];
    let (code, told) = run(folder.path(), &before);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("no boundaries of layer icc on 1999-01-01"),
        "{told}"
    );
    assert!(!folder.path().join("before.gpkg").exists());
    let Some(mut python) = python("exported files in GDAL") else {
        return;
    };
    printed(python.arg("tests/clients/files.py").arg(folder.path()));
}
