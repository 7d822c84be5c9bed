//! Tests with files of the NHS and the ONS in which users have found problems. Each case is a
//! folder in `tests/cases/field`, with a configuration and its files. The table
//! `tests/cases/field/nhs_and_ons_files.csv` contains the expected results.
//!
//! Questions:
//!
//! - `build`: if `field` is `line`, a line of the report must contain `expected`. If `field` is
//!   `error`, the error must contain `expected`.
//! - `locate`: the question contains the parameters of `/api/v1/locate` after `locate `.
//! - Any other question is a path below `/api/v1/`. `field` is a JSON pointer, and `expected` is
//!   the value as text.

use std::fs;
use std::path::Path;

use catchment::builder::build;
use catchment::dataset::{self, DatasetSource};
use catchment::http::ServerLimits;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::server::Server;

/// A row of the table.
#[derive(Deserialize)]
struct Question {
    case: String,
    question: String,
    field: String,
    expected: String,
}

/// The result of the build of a case.
struct BuiltCase {
    lines: Vec<String>,
    error: String,
    /// The service with the resulting dataset, if the build succeeded.
    server: Option<Server>,
    _output: TempDir,
}

impl BuiltCase {
    fn new(cases: &Path, case: &str) -> BuiltCase {
        let output = TempDir::new().expect("a folder");
        let folder = output.path().join("out");
        let built = build(&cases.join(case).join("build.toml"), Some(&folder));
        let (lines, error) = match built {
            Ok(report) => (report.lines, String::new()),
            Err(error) => (Vec::new(), format!("{error:#}")),
        };
        let server = error.is_empty().then(|| {
            let dataset = dataset::read(&DatasetSource::Folder(folder)).expect("a dataset");
            Server::with(dataset, ServerLimits::default())
        });
        BuiltCase {
            lines,
            error,
            server,
            _output: output,
        }
    }

    /// Returns the reason why the answer differs from the expected answer.
    fn check(&self, question: &Question) -> Result<(), String> {
        let (field, expected) = (question.field.as_str(), question.expected.as_str());
        if question.question == "build" {
            let found = match field {
                "error" => self.error.clone(),
                _ => self.lines.join("\n"),
            };
            return match found.contains(expected) {
                true => Ok(()),
                false => Err(format!("{found}{}", self.error)),
            };
        }
        let server = self.server.as_ref().ok_or_else(|| self.error.clone())?;
        let reply = match question.question.strip_prefix("locate ") {
            Some(parameters) => server.get(&format!("/api/v1/locate?{parameters}")),
            None => server.get(&format!("/api/v1/{}", question.question)),
        };
        let body: Value = reply.json();
        let found = match body.pointer(field) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => return Err(format!("no {field} in {body}")),
        };
        match found == expected {
            true => Ok(()),
            false => Err(format!("{found} in {body}")),
        }
    }
}

#[test]
fn files_of_nhs_and_ons_are_read_or_refused_with_the_reason() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/field");
    let table = fs::read(cases.join("nhs_and_ons_files.csv")).expect("the table");
    let questions: Vec<Question> = csv::Reader::from_reader(&table[..])
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("the columns of the table");
    let mut failures = Vec::new();
    for questions in questions.chunk_by(|one, next| one.case == next.case) {
        let built = BuiltCase::new(&cases, &questions[0].case);
        for question in questions {
            if let Err(found) = built.check(question) {
                failures.push(format!(
                    "{}: {} {}: expected {}, found {found}",
                    question.case, question.question, question.field, question.expected
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
