//! The log of the service on standard error.

use std::fmt;
use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::LogFormat;
use crate::http;
use crate::ops::log;

/// Starts logging. Only this crate writes to the log, because log lines of other crates might quote
/// a request.
///
/// Strings are quoted, and control characters in them are escaped, so that no value can forge a log
/// line. Audit lines are written at every level.
///
/// # Errors
/// If the thread that writes the log cannot be started.
pub(super) fn start_log(format: LogFormat, level: Level) -> Result<()> {
    let targets = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(http::AUDIT_TARGET, level.max(Level::INFO));
    let line_layer = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        // Otherwise the layer would report its own errors with `eprintln!`, which panics if
        // standard error is closed.
        .log_internal_errors(false)
        .with_writer(log::start().context("starting the log")?);
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        LogFormat::Text => registry.with(line_layer).init(),
        LogFormat::Json => registry.with(line_layer.json()).init(),
    }
    Ok(())
}

/// Prints a message for the person who started the service. With `--log-format json`, prints
/// nothing, because all output must be JSON. With JSON output, the log line `listening` contains
/// the address.
pub(super) fn print_ready(format: LogFormat, message: fmt::Arguments<'_>) {
    if matches!(format, LogFormat::Text) {
        log::message(message);
    }
}
