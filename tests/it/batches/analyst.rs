//! Tests of batch features for analysts: columns of places and reasons, the counts of the summary,
//! and the comparison with a previous run. The script `tests/oracle/batches.py` computes the
//! expected values with pandas and DuckDB.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use catchment::batch::{
    self, AnswerChange, BatchFormat, BatchInput, BatchProgress, BatchRequest, ColumnSet, KeyColumn,
    OutputColumn,
};
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::batch_http::post_batch;
use super::columnar::request;
use super::{run_program, run_successfully};
use crate::data::embedded_dataset;
use crate::support::external_tools::{python, stdout_of};
use crate::support::made_up_patients::Patients;

const SCRIPT: &str = "tests/oracle/batches.py";

/// Returns a CSV file. Each row contains a key, a postcode and a practice code, with errors such as
/// those in real exports. Some rows cannot be read.
fn patients(seed: u64, rows: usize) -> String {
    let csv = Patients::new(embedded_dataset::index(), seed).csv(rows);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&*csv);
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    let header = ["ref", "postcode", "gp_practice_code"];
    writer.write_record(header).expect("memory");
    for (number, row) in reader.records().enumerate() {
        let row = row.expect("a row");
        let reference = format!("r{number}");
        let (postcode, practice) = (row.get(7).unwrap_or(""), row.get(8).unwrap_or(""));
        let written = match number % 97 {
            96 => writer.write_record([&reference, postcode]),
            // Practice codes that are not in the data.
            7 => writer.write_record([&reference, postcode, "P81999"]),
            8 => writer.write_record([&reference, postcode, "B83014"]),
            9 => writer.write_record([&reference, postcode, "Y09999"]),
            10 => writer.write_record([&reference, postcode, "no code!"]),
            _ => writer.write_record([&reference, postcode, practice]),
        };
        written.expect("memory");
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("text")
}

/// Runs a batch, which must succeed, and returns its standard output.
#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = run_successfully(folder, arguments);
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a batch, which must fail with a message that contains these words, without writing any
/// output.
#[track_caller]
fn check_rejected(folder: &Path, arguments: &[&str], words: &[&str]) {
    let output = run_program(folder, &[arguments, &["-o", "rejected.csv"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in {errors}");
    }
    assert!(!folder.join("rejected.csv").exists());
}

/// Runs the script `batches.py` in a folder.
#[track_caller]
fn script(folder: &Path, arguments: &[&str]) -> Option<Value> {
    let mut python = python("columns, summary and comparison of batches")?;
    let script = fs::canonicalize(SCRIPT).expect("the script");
    let text = stdout_of(python.current_dir(folder).arg(script).args(arguments));
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn folder_with(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(name), text).expect("written");
    folder
}

/// Parses the output of a batch.
fn records(text: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records = reader.deserialize();
    records.map(|record| record.expect("a record")).collect()
}

#[test]
fn places_and_counts_agree_with_pandas_and_duckdb() {
    let folder = folder_with("patients.csv", &patients(23, 4_000));
    let arguments = [
        "patients.csv",
        "-o",
        "answered.csv",
        "--columns",
        "all",
        "--summary",
        "summary.json",
    ];
    let text = run(folder.path(), &arguments);
    assert!(text.contains(" more\n"), "long lists are cut: {text}");
    let Some(places) = script(folder.path(), &["places", "answered.csv"]) else {
        return;
    };
    for (what, at_least) in [
        ("distances", 2_000),
        ("nearest", 2_000),
        ("in_area", 2_000),
        ("shares", 1_000),
        ("out_of_area", 100),
        ("unknown", 100),
    ] {
        assert!(places[what].as_i64() > Some(at_least), "{what}: {places}");
    }
    let counted = script(folder.path(), &["summary", "answered.csv", "summary.json"]);
    let counted = counted.expect("there is Python");
    for (what, at_least) in [
        ("icc", 16),
        ("council", 10),
        ("practices", 100),
        ("residence reasons", 8),
        ("registration reasons", 6),
    ] {
        assert!(
            counted[what].as_i64() >= Some(at_least),
            "{what}: {counted}"
        );
    }
}

#[test]
fn comparisons_agree_with_pandas() {
    let folder = folder_with("patients.csv", &patients(7, 1_500));
    // The result must be the same with and without the column that shows successions.
    for columns in ["practice_successors", "practice_successors,practice"] {
        let path = folder.path();
        let answer = ["--columns", columns, "--force", "-q"];
        run(
            path,
            &[&["patients.csv", "-o", "answered.csv"][..], &answer].concat(),
        );
        let change = ["change", "answered.csv", "old.csv", "next.csv"];
        if script(path, &change).is_none() {
            return;
        }
        let compare = [
            "--previous",
            "old.csv",
            "--key",
            "ref",
            "--summary",
            "summary.json",
        ];
        let arguments = [&["next.csv", "-o", "new.csv"][..], &answer, &compare].concat();
        run(path, &arguments);
        let previous = ["previous", "old.csv", "new.csv", "summary.json", "ref"];
        let found = script(path, &previous).expect("there is Python");
        for cause in ["postcode", "boundary", "directory"] {
            assert!(
                found["residence"][cause].as_i64() > Some(0),
                "{cause}: {found}"
            );
        }
        assert!(
            found["registration"]["practice"].as_i64() > Some(0),
            "{found}"
        );
        let registration = found["registration"].as_object().expect("causes");
        let has_practices = columns.ends_with(",practice");
        assert_eq!(
            registration.contains_key("succession"),
            has_practices,
            "{found}"
        );
        // The output does not depend on the number of threads.
        let before = fs::read(path.join("new.csv")).expect("an output");
        let summary = fs::read(path.join("summary.json")).expect("a summary");
        run(path, &[&arguments[..], &["--threads", "5"]].concat());
        assert!(fs::read(path.join("new.csv")).expect("an output") == before);
        assert!(fs::read(path.join("summary.json")).expect("a summary") == summary);
    }
}

const APRIL: &str =
    "ref,postcode,gp_practice_code\n1,LA18 4DB,A82033\n2,LA1 1PN,P81002\n3,LA9 4QL,A82608\n";

#[test]
fn a_comparison_names_lines_and_not_keys() {
    let folder = folder_with("april.csv", APRIL);
    let path = folder.path();
    run(path, &["april.csv", "-o", "old.csv"]);
    let may = "ref,postcode,gp_practice_code\n2,LA18 4DB,P81002\nZq7Mark,LA1 1PN,P81002\n,LA1 1PN,P81002\n2,LA1 1PN,A82033\n";
    fs::write(path.join("may.csv"), may).expect("written");
    let text = run(path, &["may.csv", "-o", "new.csv", "--previous", "old.csv"]);
    for words in [
        "compared with the previous run, by `ref`",
        "new rows: 1 (at 3)",
        "rows without a key: 1 (at 4)",
        "rows with a repeated key: 1 (at 5)",
        "previous rows that are gone: 2 (at 2, 4)",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    assert!(!text.contains("Zq7Mark"), "{text}");
    let output = fs::read_to_string(path.join("new.csv")).expect("an output");
    let found = records(&output);
    let cells = |name: &str| -> Vec<&str> {
        let name = format!("catchment_{name}");
        found.iter().map(|record| record[&name].as_str()).collect()
    };
    let residence = ["postcode", "new_row", "no_key", "unchanged"];
    assert_eq!(cells("residence_change"), residence);
    let registration = ["unchanged", "new_row", "no_key", "practice"];
    assert_eq!(cells("registration_change"), registration);
    let previous = ["mb-lancaster", "", "", "mb-lancaster"];
    assert_eq!(cells("previous_icc_residence_id"), previous);
    // The manifest states the file with which rows were compared. Suppressed counts have no line
    // numbers.
    let manifest = fs::read_to_string(path.join("new.csv.manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["previous"]["name"], "old.csv");
    let arguments = [
        "may.csv",
        "--previous",
        "old.csv",
        "--suppress",
        "below:8",
        "--summary",
        "hidden.json",
    ];
    let text = run(path, &arguments);
    assert!(
        text.contains("new rows: *") && !text.contains("(at"),
        "{text}"
    );
    let hidden = fs::read_to_string(path.join("hidden.json")).expect("a summary");
    let hidden: Value = serde_json::from_str(&hidden).expect("JSON");
    assert_eq!(hidden["previous"]["new"], json!({ "rows": null }));
    assert_eq!(hidden.get("malformed_lines"), None);
    // The previous answers may be replaced by the new answers.
    let update = [
        "may.csv",
        "-o",
        "old.csv",
        "--previous",
        "old.csv",
        "--force",
        "-q",
    ];
    run(path, &update);
    let arguments = ["may.csv", "-o", "newer.csv", "--previous", "old.csv"];
    let again = run(path, &arguments);
    let words = "previous rows with a repeated key: 2 (at 2, 5)";
    assert!(again.contains(words), "{again}");
}

/// Returns a request that compares rows with previous answers, based on this key.
fn compared_request(key: KeyColumn) -> BatchRequest {
    let mut request = request("");
    let compared = OutputColumn::of_comparison(embedded_dataset::index().manifest());
    request.output_columns.extend(compared);
    request.column_overrides.key = Some(key);
    request
}

/// Returns the answers for a file, in the format of the file or as a workbook.
fn answers(input: &str, output_format: Option<BatchFormat>) -> Vec<u8> {
    let mut request = request("");
    request.workbook.output_format = output_format;
    let opened = BatchInput::open(input.as_bytes(), &request).expect("a valid file");
    let (index, mut out) = (embedded_dataset::index(), Vec::new());
    let progress = BatchProgress::default();
    let threads = NonZeroUsize::MIN;
    batch::run(index, opened, &request, &mut out, threads, &progress).expect("answers");
    out
}

#[test]
fn answers_in_every_text_format_are_compared() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let tsv = APRIL.replace(',', "\t");
    let ndjson = "{\"ref\":1,\"postcode\":\"LA18 4DB\",\"gp_practice_code\":\"A82033\"}\n";
    for (input, rows) in [(APRIL, 3), (&tsv, 3), (ndjson, 1)] {
        let answered = answers(input, None);
        for previous in [answered.clone(), gzip(&answered)] {
            let mut request = compared_request(KeyColumn::First);
            let opened = BatchInput::open(input.as_bytes(), &request).expect("a valid file");
            let index = embedded_dataset::index();
            let read = batch::read_previous(&*previous, index, &request, opened.detected());
            request.previous = Some(Arc::new(read.expect("previous answers")));
            let progress = BatchProgress::default();
            let mut out = Vec::new();
            let threads = NonZeroUsize::MIN;
            let summary = batch::run(index, opened, &request, &mut out, threads, &progress);
            let comparison = summary.expect("answers").comparison;
            let comparison = comparison.expect("it is compared");
            let gone = comparison.gone.expect("known").rows;
            assert_eq!((comparison.compared, gone), (rows, 0));
            let unchanged = [(AnswerChange::Unchanged, rows)];
            assert_eq!(comparison.residence, unchanged);
            assert_eq!(comparison.registration, unchanged);
        }
    }
}

/// Checks the error for an input file or for the previous answers with which it is compared.
#[track_caller]
fn check_previous(previous: &[u8], key: KeyColumn, words: &str) {
    let request = compared_request(key);
    let error = match BatchInput::open(APRIL.as_bytes(), &request) {
        Err(error) => error,
        Ok(input) => {
            let index = embedded_dataset::index();
            let read = batch::read_previous(previous, index, &request, input.detected());
            read.expect_err("the previous answers are rejected")
        }
    };
    let error = error.to_string();
    assert!(error.contains(words), "{words:?} is not in {error}");
}

#[test]
fn unsuitable_previous_answers_are_rejected_by_name() {
    let old = String::from_utf8(answers(APRIL, None)).expect("text");
    let first = || KeyColumn::First;
    let named = |name: &str| KeyColumn::Named(name.into());
    let no_status = "it has no column `catchment_status`";
    check_previous(APRIL.as_bytes(), first(), no_status);
    check_previous(b"", first(), "it is empty");
    let other_key = old.replace("ref", "id");
    let no_key = "--key `ref`: no column has that name";
    check_previous(other_key.as_bytes(), first(), no_key);
    let other_home = old.replace("postcode,gp", "home,gp");
    let no_home = "--postcode-column `postcode`: no column";
    check_previous(other_home.as_bytes(), first(), no_home);
    let of_teams = old.replace("catchment_icc_", "catchment_team_");
    let no_icc = "it has no column `catchment_icc_residence_id`";
    check_previous(of_teams.as_bytes(), first(), no_icc);
    let words = "the postcode column cannot be the key";
    check_previous(old.as_bytes(), named("postcode"), words);
    let words = "--key `nhs`: no column has that name";
    check_previous(old.as_bytes(), named("nhs"), words);
    let workbook = answers(APRIL, Some(BatchFormat::Xlsx));
    let words = "give the previous answers as CSV, TSV or NDJSON";
    check_previous(&workbook, first(), words);
    let parquet = [&b"PAR1\x15\x00"[..], &[0; 64]].concat();
    check_previous(&parquet, first(), "its format is Parquet");
    // A file with output columns cannot be the input of a batch.
    let error = BatchInput::open(old.as_bytes(), &compared_request(first()));
    let error = error.err().expect("it has been answered").to_string();
    assert!(error.contains("already has a column"), "{error}");
    let folder = folder_with("april.csv", APRIL);
    for (arguments, words) in [
        (
            &["--previous", "none.csv"][..],
            "--previous none.csv: No such file",
        ),
        (
            &["--previous", "april.csv"],
            "--previous april.csv: it has no column",
        ),
        (&["--previous", "old.csv", "--no-header"], "--no-header"),
        (&["--key", "ref"], "--previous"),
    ] {
        let arguments = [&["april.csv"], arguments].concat();
        check_rejected(folder.path(), &arguments, &[words]);
    }
}

#[test]
fn columns_and_sets_are_the_same_over_http() {
    let folder = folder_with("april.csv", APRIL);
    let columns = "default,distances,in_area,reasons,council.name";
    run(
        folder.path(),
        &["april.csv", "-o", "out.csv", "--columns", columns, "-q"],
    );
    let expected = fs::read_to_string(folder.path().join("out.csv")).expect("an output");
    let input = APRIL.as_bytes();
    let answer = post_batch("text/csv", &format!("&columns={columns}"), input);
    let body = String::from_utf8(answer.complete_body()).expect("text");
    assert_eq!(body, expected);
    let problem = post_batch("text/csv", "&columns=default,iccs", input).json();
    let detail = problem["detail"].as_str().expect("a detail");
    for set in ColumnSet::ALL {
        assert!(detail.contains(set.as_str()), "{detail}");
    }
    assert!(!detail.contains("iccs"), "{detail}");
}

#[test]
fn only_requested_columns_of_both_halves_are_written() {
    let output = |columns: &str, input: &str| {
        let folder = folder_with("list.csv", input);
        let arguments = ["list.csv", "-o", "out.csv", "--columns", columns, "-q"];
        run(folder.path(), &arguments);
        records(&fs::read_to_string(folder.path().join("out.csv")).expect("an output"))
    };
    let columns = "in_area,in_area_share,out_of_area,practice_distance_m,nearest_practice";
    // Without practice codes, the columns about a practice are empty.
    let found = output(columns, "postcode\nLA18 4DB\n");
    for name in [
        "in_area",
        "in_area_share",
        "out_of_area",
        "practice_distance_m",
    ] {
        assert_eq!(found[0][&format!("catchment_{name}")], "", "{name}");
    }
    assert_eq!(found[0]["catchment_nearest_practice"], "A82033");
    // A neighbouring practice has a position but no area.
    let found = output(columns, "postcode,practice_code\nLA18 4DB,B82007\n");
    assert_eq!(found[0]["catchment_in_area"], "unknown");
    assert!(!found[0]["catchment_practice_distance_m"].is_empty());
    let found = output(
        "reasons",
        "postcode,practice_code\nLA1O 5DL,V81998\nLA1 1PN,P81109\n",
    );
    let reasons = |row: usize| {
        let half = |half: &str| found[row][&format!("catchment_reason_{half}")].clone();
        (half("residence"), half("registration"), half("groups"))
    };
    let text = |words: [&str; 3]| (words[0].into(), words[1].into(), words[2].into());
    assert_eq!(reasons(0), text(["malformed", "default_code", ""]));
    // The practice closed in 2016, before the first date of the memberships.
    assert_eq!(reasons(1), text(["", "closed_before_data", "none_named"]));
}
