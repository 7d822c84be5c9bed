//! The program: parse arguments, call one function.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    catchment::cli::run(catchment::cli::Arguments::parse())
}
