//! Tests of input files from users and other programs. The cases are in
//! `tests/cases/field/input_files.csv`. For each row of the table, the test runs `catchment batch`
//! or `catchment locate -` with the file in the folder of the case.
//!
//! - `arguments` contains the arguments, separated by spaces. `~` represents a space in an
//!   argument.
//! - `expected` contains the cells of the output column `column` (without the prefix `catchment_`),
//!   separated by `|`. If `column` is empty, the output must contain the text in `expected`, in
//!   which `␍␊` represents a line ending.
//! - `message` is a part of the program's output to standard error.
//!
//! A batch over HTTP must produce the same output.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use crate::support::server::{AS_OF, SERVER, encode_fields};

const FOLDER: &str = "tests/cases/field";

/// A row of the table.
#[derive(Deserialize)]
struct Case {
    case: String,
    command: String,
    arguments: String,
    exit: i32,
    column: String,
    expected: String,
    message: String,
}

impl Case {
    fn arguments(&self) -> Vec<String> {
        let words = self.arguments.split_whitespace();
        words.map(|word| word.replace('~', " ")).collect()
    }

    /// Returns the arguments as parameters of the API. The header `Content-Type` replaces
    /// `--format`.
    fn parameters(&self) -> Vec<(String, String)> {
        let arguments = self.arguments();
        let mut words = arguments.iter().peekable();
        let mut parameters = vec![("as_of".to_string(), AS_OF.to_string())];
        while let Some(name) = words.next() {
            let name = name.trim_start_matches("--").replace('-', "_");
            let value = words.next_if(|word| !word.starts_with("--"));
            let value = value.map_or("true", String::as_str).to_string();
            if name != "format" {
                parameters.push((name, value));
            }
        }
        parameters
    }
}

fn run(case: &Case) -> Output {
    let (command, file) = match case.command.as_str() {
        "locate" => ("locate", "in.txt"),
        _ => ("batch", "in.csv"),
    };
    let path = format!("{FOLDER}/{}/{file}", case.case);
    let input = if command == "locate" { "-" } else { &path };
    let mut child = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args([command, input, "--as-of", AS_OF])
        .args(case.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    if command == "locate" {
        stdin
            .write_all(&fs::read(&path).expect("the file of the case"))
            .expect("the program reads its input");
    }
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// Returns the cells of a column. Lines above the header row are skipped.
fn cells(case: &Case, output: &str) -> Vec<String> {
    let (marker, name) = match case.command.as_str() {
        "locate" => ("line\t", case.column.clone()),
        _ => ("catchment_status", format!("catchment_{}", case.column)),
    };
    let header = output.lines().find(|line| line.contains(marker));
    let header = header.expect("the output has a header row");
    let start = output.find(header).expect("a line of the output");
    let delimiter = [b'\t', b';', b',']
        .into_iter()
        .find(|byte| header.contains(char::from(*byte)));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter.expect("several columns"))
        .from_reader(&output.as_bytes()[start..]);
    let headers = reader.headers().expect("a header row").clone();
    let index = headers
        .iter()
        .position(|header| header == name)
        .expect("the column exists");
    let records = reader.records();
    records
        .map(|record| record.expect("a record of the right width")[index].to_string())
        .collect()
}

fn cases() -> Vec<Case> {
    let mut reader =
        csv::Reader::from_path(format!("{FOLDER}/input_files.csv")).expect("the table");
    reader
        .deserialize()
        .map(|case| case.expect("a case"))
        .collect()
}

/// Checks that a batch over HTTP produces the same output as the command line, or is rejected if
/// the command line rejects the input.
#[track_caller]
fn check_over_http(case: &Case, stdout: &str) {
    let path = format!("{FOLDER}/{}/in.csv", case.case);
    let input = fs::read_to_string(path).expect("the file of the case");
    let parameters = case.parameters();
    let pairs = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let url = format!("/api/v1/batch?{}", encode_fields(&pairs));
    let reply = SERVER.post(&url, "text/csv", &input);
    if case.exit == 2 {
        assert!([415, 422].contains(&reply.status), "{} {reply}", case.case);
    } else {
        assert_eq!(reply.status, 200, "{} {reply}", case.case);
        assert_eq!(reply.text(), stdout, "{}", case.case);
    }
}

#[test]
fn files_as_users_write_them_are_answered_or_explained() {
    let mut outputs: BTreeMap<(String, String), Output> = BTreeMap::new();
    for case in cases() {
        let key = (case.case.clone(), case.arguments.clone());
        let output = outputs.entry(key).or_insert_with(|| run(&case));
        let stdout = String::from_utf8(output.stdout.clone()).expect("text");
        let stderr = String::from_utf8(output.stderr.clone()).expect("text");
        let context = format!("{} {}\n{stdout}\n{stderr}", case.case, case.arguments);
        assert_eq!(output.status.code(), Some(case.exit), "{context}");
        assert!(stderr.contains(&case.message), "{context}");
        if case.column.is_empty() {
            let expected = case.expected.replace('␍', "\r").replace('␊', "\n");
            assert!(stdout.contains(&expected), "{context}");
        } else {
            assert_eq!(cells(&case, &stdout).join("|"), case.expected, "{context}");
        }
        if case.command == "batch" {
            check_over_http(&case, &stdout);
        }
    }
}

#[test]
fn csv_with_the_media_type_of_excel_is_answered() {
    let input = fs::read_to_string(format!("{FOLDER}/85-content-type-excel/in.csv"));
    let input = input.expect("the file of the case");
    let post = |body: &str| SERVER.post("/api/v1/batch", "application/vnd.ms-excel", body);
    let reply = post(&input);
    assert_eq!(reply.status, 200, "{reply}");
    assert_eq!(reply.header("content-type"), "text/csv");
    assert!(reply.text().contains("LA18 4DB,located,"), "{reply}");
    post("PK\u{3}\u{4}\u{14}\0").expect_problem(415, "unsupported_file");
}

#[test]
fn an_error_over_http_does_not_name_the_columns() {
    let reply = SERVER.post("/api/v1/batch", "text/csv", "Zq7Mark,pst\n1,LA18 4DB\n");
    let reply = reply.expect_problem(422, "missing_column");
    assert!(!reply.text().contains("Zq7Mark"), "{reply}");
}
