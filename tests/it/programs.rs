//! Programs of others, which are asked; where one is not there, the test says that it is skipped.

use std::env;
use std::io::{self, Write as _};
use std::process::Command;

/// The Python that `CATCHMENT_PYTHON` names, which has what tests/requirements.txt asks for. Where it names
/// none, it is said that `what` is skipped.
pub(crate) fn python(what: &str) -> Option<Command> {
    let python = env::var_os("CATCHMENT_PYTHON");
    if python.is_none() {
        tell_skipped(&format!(
            "{what}: set CATCHMENT_PYTHON to a Python with tests/requirements.txt"
        ));
    }
    python.map(Command::new)
}

/// What a program prints that ends well, as it has to.
#[track_caller]
pub(crate) fn printed(program: &mut Command) -> String {
    let output = program.output().expect("it is there");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{errors}");
    printed
}

/// Past the test harness, which keeps what a test that passes prints to itself.
pub(crate) fn tell_skipped(what: &str) {
    let words = format!("SKIPPED {what}\n");
    let told = io::stderr().write_all(words.as_bytes());
    told.expect("standard error");
}
