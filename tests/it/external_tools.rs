//! External programs. A test that needs a program that is not installed reports that it is skipped.

use std::env;
use std::io::{self, Write as _};
use std::process::Command;

/// Returns the Python that `CATCHMENT_PYTHON` names, which must have the packages of
/// tests/requirements.txt. If the variable is not set, reports that `what` is skipped.
pub(crate) fn python(what: &str) -> Option<Command> {
    let python = env::var_os("CATCHMENT_PYTHON");
    if python.is_none() {
        report_skipped(&format!(
            "{what}: set CATCHMENT_PYTHON to a Python with tests/requirements.txt"
        ));
    }
    python.map(Command::new)
}

/// Runs a program, which must succeed, and returns its standard output.
#[track_caller]
pub(crate) fn stdout_of(program: &mut Command) -> String {
    let output = program.output().expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{errors}");
    stdout
}

/// Prints a note to standard error, bypassing the test harness, which hides the output of passing
/// tests.
pub(crate) fn report_skipped(what: &str) {
    let line = format!("SKIPPED {what}\n");
    let written = io::stderr().write_all(line.as_bytes());
    written.expect("standard error");
}
