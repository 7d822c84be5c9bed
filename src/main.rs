//! The program `catchment`, which runs the command line.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    catchment::cli::run(&args)
}
