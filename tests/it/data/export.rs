//! Tests of `catchment export`. The cells of the look-up tables must equal the cells of a batch for
//! the same date, and GDAL must be able to read the files of areas and tiles.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use catchment::batch::lookup_export::{self, TableFormat};
use catchment::batch::{
    self, BatchInput, BatchProgress, BatchRequest, ColumnOverrides, Compression, DecodeLimits,
    HeaderOptions, OutputColumn, TabularError, WorkbookOptions,
};
use catchment::dataset::{self, DatasetSource};
use catchment::domain::date_from_iso;
use catchment::index::Index;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::external_tools::{python, stdout_of};

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the dataset is read");
    Index::build(dataset).expect("the dataset is valid")
});

type Record = HashMap<String, String>;
/// The rows of each key, in order of the first dates on which they are valid.
type Table = BTreeMap<String, Vec<Record>>;

type ExportFunction =
    fn(&Index, TableFormat, &mut Vec<u8>, NonZeroUsize, &BatchProgress) -> Result<(), TabularError>;

fn export_bytes(export: ExportFunction, format: TableFormat, threads: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(threads).expect("at least one thread");
    export(&INDEX, format, &mut out, threads, &BatchProgress::default())
        .expect("the export succeeds");
    out
}

fn parse_table(csv: &[u8], key: &str) -> Table {
    let mut table = Table::new();
    let mut reader = csv::Reader::from_reader(csv);
    for record in reader.deserialize() {
        let record: Record = record.expect("a record");
        table.entry(record[key].clone()).or_default().push(record);
    }
    table
}

static POSTCODES: LazyLock<Table> = LazyLock::new(|| {
    parse_table(
        &export_bytes(lookup_export::write_postcodes, TableFormat::Csv, 2),
        "postcode",
    )
});
static PRACTICES: LazyLock<Table> = LazyLock::new(|| {
    let csv = export_bytes(lookup_export::write_practices, TableFormat::Csv, 2);
    parse_table(&csv, "practice_code")
});

/// Returns the row that is valid on a date. There must be exactly one such row.
fn row_on<'t>(rows: &'t [Record], day: &str) -> &'t Record {
    let is_valid = |row: &&Record| {
        let (from, to) = (row["valid_from"].as_str(), row["valid_to"].as_str());
        from <= day && (to.is_empty() || day < to)
    };
    let mut valid_rows = rows.iter().filter(is_valid);
    let row = valid_rows.next().expect("a row for every date");
    assert!(valid_rows.next().is_none(), "two rows are valid on {day}");
    row
}

/// Runs a batch with a row for each key and date, and returns the output rows.
fn batch_records(queries: &[(String, String)], column: &str) -> Vec<Record> {
    let mut csv = format!("{column},day\n");
    for (key, day) in queries {
        csv.push_str(&format!("{key},{day}\n"));
    }
    let request = BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides {
            as_of: Some("day".into()),
            registration_only: column == "practice_code",
            ..ColumnOverrides::default()
        },
        header: HeaderOptions::default(),
        as_of: date_from_iso("2025-12-01").expect("a date"),
        output_columns: OutputColumn::with_defaults("all", INDEX.manifest()).expect("columns"),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    };
    let batch_input = BatchInput::open(csv.as_bytes(), &request).expect("a valid batch");
    let mut out = Vec::new();
    let threads = NonZeroUsize::new(2).expect("two");
    let progress = BatchProgress::default();
    batch::run(&INDEX, batch_input, &request, &mut out, threads, &progress)
        .expect("the batch succeeds");
    let mut reader = csv::Reader::from_reader(out.as_slice());
    reader
        .deserialize()
        .map(|result| result.expect("a record"))
        .collect()
}

/// Returns the date of every change in the rows, the day before each change, and a few other dates.
fn dates_around_changes(rows: &[Record]) -> BTreeSet<String> {
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
fn dates_in_dataset() -> BTreeSet<String> {
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
        for word in text.split(|c: char| !c.is_ascii_digit() && c != '-') {
            if let Ok(day) = date_from_iso(word) {
                let neighbours = [day.yesterday(), Ok(day), day.tomorrow()];
                days.extend(neighbours.map(|day| {
                    day.expect("neither the first nor the last date")
                        .to_string()
                }));
            }
        }
    }
    assert!(days.len() > 50, "{}", days.len());
    days
}

/// Compares the rows of every `step`-th key with batch output on these dates. Returns the number of
/// cells that were compared.
fn check_against_batch(
    table: &Table,
    step: usize,
    days: impl Fn(&[Record]) -> BTreeSet<String>,
    column: &str,
    part: &str,
) -> usize {
    let keys = table.keys().step_by(step);
    let queries: Vec<(String, String)> = keys
        .flat_map(|key| {
            days(&table[key])
                .into_iter()
                .map(move |day| (key.clone(), day))
        })
        .collect();
    let mut cells = 0;
    for ((key, day), answer) in queries.iter().zip(batch_records(&queries, column)) {
        let row = row_on(&table[key], day);
        for (name, cell) in row.iter().filter(|(name, _)| answer.contains_key(*name)) {
            if name != column {
                assert_eq!(cell, &answer[name], "{name} of {key} on {day}");
                cells += 1;
            }
        }
        let reasons =
            ["", "resilience_groups_"].map(|text| format!("catchment_{text}{part}_reason"));
        let reasons = reasons.iter().map(|name| row[name].as_str());
        let reasons: Vec<&str> = reasons.filter(|reason| !reason.is_empty()).collect();
        let batch_reasons = answer["catchment_reason"].split(';');
        // If the practice belongs to no community, the batch states the reason why the groups of
        // residence are unknown, instead of the reason why the groups of registration are unknown.
        let mut batch_reasons: Vec<&str> = batch_reasons
            .filter(|batch_reason| !batch_reason.is_empty())
            .collect();
        if part == "registration"
            && row["catchment_icc_registration_id"].is_empty()
            && row["catchment_neighbourhood_team_registration"].is_empty()
        {
            batch_reasons.retain(|batch_reason| !batch_reason.starts_with("resilience_groups:"));
            assert!(
                batch_reasons.iter().all(|text| reasons.contains(text)),
                "{key} on {day}"
            );
        } else {
            assert_eq!(batch_reasons, reasons, "{key} on {day}");
        }
    }
    cells
}

#[test]
fn lookup_rows_match_batch_output_on_each_date() {
    assert!(POSTCODES.len() > 68_000);
    let cells = check_against_batch(
        &POSTCODES,
        41,
        dates_around_changes,
        "postcode",
        "residence",
    );
    assert!(cells > 500_000, "{cells}");
    let cells = check_against_batch(
        &PRACTICES,
        1,
        dates_around_changes,
        "practice_code",
        "registration",
    );
    assert!(cells > 20_000, "{cells}");
}

#[test]
fn lookup_rows_match_batch_output_on_every_date_in_the_dataset() {
    let named = dates_in_dataset();
    check_against_batch(
        &POSTCODES,
        1_999,
        |_| named.clone(),
        "postcode",
        "residence",
    );
    check_against_batch(
        &PRACTICES,
        3,
        |_| named.clone(),
        "practice_code",
        "registration",
    );
}

#[test]
fn consecutive_periods_are_adjacent_and_differ() {
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
fn tables_have_every_postcode_practice_and_default_code() {
    let directory = INDEX.postcodes().map(|entry| entry.postcode.to_string());
    assert!(
        directory.eq(POSTCODES
            .keys()
            .filter(|text| !text.starts_with("ZZ99"))
            .cloned())
    );
    let status =
        |postcode: &str| row_on(&POSTCODES[postcode], "2025-12-01")["catchment_status"].clone();
    assert_eq!(status("CA1 1EF"), "terminated");
    assert_eq!(status("ZZ99 3VZ"), "no_fixed_abode");
    assert_eq!(status("ZZ99 3WZ"), "address_not_known");
    for practice in INDEX.practices() {
        assert!(PRACTICES.contains_key(practice.code.as_str()));
    }
    let reason = |code: &str| {
        row_on(&PRACTICES[code], "2025-12-01")["catchment_registration_reason"].clone()
    };
    assert_eq!(reason("V81999"), "registration:default_code");
    for code in INDEX.not_gp_practices() {
        assert_eq!(reason(code.as_str()), "registration:not_a_gp_practice");
    }
}

#[test]
fn tables_do_not_depend_on_threads_or_format() {
    let csv = export_bytes(lookup_export::write_practices, TableFormat::Csv, 1);
    let parquet = export_bytes(lookup_export::write_practices, TableFormat::Parquet, 1);
    for threads in [2, 5] {
        assert!(export_bytes(lookup_export::write_practices, TableFormat::Csv, threads) == csv);
        assert!(
            export_bytes(
                lookup_export::write_practices,
                TableFormat::Parquet,
                threads
            ) == parquet
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("practices.parquet");
    fs::write(&path, parquet).expect("written");
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
    let stderr = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), stderr)
}

#[test]
fn tables_have_a_manifest_and_replace_nothing_without_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, stderr) = run(folder.path(), &["--practices", "p.csv"]);
    assert_eq!(code, Some(0), "{stderr}");
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
        let (code, stderr) = run(folder.path(), arguments);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    };
    refused(&["--practices", "p.csv"], "--force");
    refused(&["--practices", "p.xlsx"], ".parquet or .csv");
    refused(
        &["--practices", "a.csv", "--lookup", "a.csv"],
        "the same name",
    );
    refused(&[], "--lookup");
    let (code, _) = run(
        folder.path(),
        &["--practices", "p.csv", "--force", "--quiet"],
    );
    assert_eq!(code, Some(0));
    assert!(fs::read(folder.path().join("p.csv")).expect("an output file") == written);
}

#[test]
fn examples_in_lookup_md_match_batch_output() {
    let Some(mut python) = python("the examples of docs/users/lookup.md") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let csv = crate::support::made_up_patients::Patients::new(&INDEX, 11).csv(2_000);
    // Writes only rows with the right number of fields, because other readers treat bad rows
    // differently.
    let mut reader = csv::Reader::from_reader(csv.as_slice());
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
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/users/lookup.md");
    python.args([script, env!("CARGO_BIN_EXE_catchment"), page]);
    stdout_of(python.current_dir(folder.path()));
}

#[test]
fn gdal_reads_exported_areas_and_tiles() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = [
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
    let (code, stderr) = run(folder.path(), &[&names[..], &options].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let again = [
        "--areas",
        "again.gpkg",
        "--tiles",
        "again.pmtiles",
        "--max-zoom",
        "8",
    ];
    let (code, stderr) = run(folder.path(), &[&again[..], &options].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let bytes = |name: &str| fs::read(folder.path().join(name)).expect("an output file");
    for ending in ["geojson", "topojson", "zip", "fgb"] {
        let names = ["areas", "again"].map(|name| format!("{name}.{ending}"));
        for name in &names {
            let arguments = [&["--areas", name.as_str()][..], &options].concat();
            let (code, stderr) = run(folder.path(), &arguments);
            assert_eq!(code, Some(0), "{stderr}");
        }
        let [first, second] = names.map(|name| bytes(&name));
        assert!(first == second, "{ending}: the files differ");
    }
    assert!(
        bytes("areas.gpkg") == bytes("again.gpkg"),
        "the GeoPackage files differ"
    );
    assert!(
        bytes("areas.pmtiles") == bytes("again.pmtiles"),
        "the PMTiles files differ"
    );
    let manifest: Value = serde_json::from_slice(&bytes("areas.gpkg.manifest.json")).expect("JSON");
    assert_eq!(manifest["areas"], 29);
    for (arguments, words) in [
        (["--areas", "areas.shp"], ".zip (Shapefiles)"),
        (["--tiles", "areas.mbtiles"], ".pmtiles"),
        (["--areas", "areas.gpkg"], "--force"),
    ] {
        let (code, stderr) = run(folder.path(), &arguments);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    let before = [
        "--areas",
        "before.gpkg",
        "--as-of",
        "1999-01-01",
        "--layers",
        "icc",
    ];
    let (code, stderr) = run(folder.path(), &before);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("no boundaries of layer icc on 1999-01-01"),
        "{stderr}"
    );
    assert!(!folder.path().join("before.gpkg").exists());
    let Some(mut python) = python("exported files in GDAL") else {
        return;
    };
    stdout_of(python.arg("tests/clients/files.py").arg(folder.path()));
}
