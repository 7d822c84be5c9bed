//! Batches of rows on the command line and over HTTP.

mod analyst;
mod batch;
mod batch_http;
pub(crate) mod columnar;
mod flows;
mod hostile_batches;
mod input_files;
mod statistical_areas;
mod three_analysts;
mod workbooks;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::server::AS_OF;

/// Runs `catchment batch` in a folder, for the date `AS_OF`.
fn run_program(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catchment"))
        .current_dir(folder)
        .args(["batch", "--as-of", AS_OF])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// Runs `catchment batch` as [`run_program`] does. The batch must succeed, but rows may be bad.
#[track_caller]
fn run_successfully(folder: &Path, arguments: &[&str]) -> Output {
    let output = run_program(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{arguments:?}: {errors}"
    );
    output
}
