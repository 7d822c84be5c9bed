//! A panic hook that reports where a panic happened but not its message, which may quote a request.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};

use super::log;
use catchment_data::panics;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Installs a panic hook that reports only the location of a panic. The report is a log line or, if
/// logging has not been started, text on standard error. If `RUST_BACKTRACE` is set and the program
/// has symbols, the hook also reports the backtrace.
pub fn install_redacting_hook() {
    panic::set_hook(Box::new(report_panic));
}

/// Returns the number of panics in this process since [`install_redacting_hook`], except for
/// expected panics.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    if panics::is_expected() {
        return;
    }
    COUNT.fetch_add(1, Ordering::Relaxed);
    let location = panic.location().map(ToString::to_string);
    let location = location.as_deref().unwrap_or("an unknown location");
    let backtrace = Backtrace::capture();
    let frames = match backtrace.status() {
        BacktraceStatus::Captured => backtrace.to_string(),
        _ => String::new(),
    };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(location, frames, "panicked");
    } else {
        log::message(format_args!(
            "internal error: panicked at {location}\n{frames}"
        ));
    }
}
