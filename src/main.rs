//! The program: take the arguments, call one function.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    catchment::cli::run(&given)
}
