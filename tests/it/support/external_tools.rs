//! Runs external programs. If a program is not installed, the test that needs it is skipped and
//! prints a note.

use std::env;
use std::io::{self, Write as _};
use std::process::Command;

/// Returns a command that runs the Python interpreter that `CATCHMENT_PYTHON` specifies. The
/// interpreter must have the packages in tests/requirements.txt. If the variable is not set, prints
/// that `what` is skipped.
pub(crate) fn python(what: &str) -> Option<Command> {
    let python = env::var_os("CATCHMENT_PYTHON");
    if python.is_none() {
        report_skipped(&format!(
            "{what}: set CATCHMENT_PYTHON to a Python with the packages of tests/requirements.txt"
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

/// Writes a note directly to standard error, because the test harness hides the captured output of
/// tests that pass.
pub(crate) fn report_skipped(what: &str) {
    let line = format!("SKIPPED {what}\n");
    let written = io::stderr().write_all(line.as_bytes());
    written.expect("standard error");
}
