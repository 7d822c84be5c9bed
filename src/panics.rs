//! A panic hook that reports where a panic happened but not its message, which may quote a request.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::log;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Installs a panic hook that reports only the location of a panic, as a log line, or on standard
/// error if logging has not been started. With `RUST_BACKTRACE` and symbols in the program it adds
/// the backtrace.
pub fn tell_only_where() {
    panic::set_hook(Box::new(tell));
}

/// Returns the number of panics in this process since [`install_redacting_hook`], except for those
/// in `catch_expected`.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Runs `work` and catches a panic without reporting it, for libraries that panic on a corrupt
/// file.
pub(crate) fn expected<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    let before = EXPECTED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    done
}

fn tell(panic: &PanicHookInfo<'_>) {
    if EXPECTED.get() {
        return;
    }
    COUNT.fetch_add(1, Ordering::Relaxed);
    let place = panic.location().map(ToString::to_string);
    let place = place.as_deref().unwrap_or("an unknown location");
    let backtrace = Backtrace::capture();
    let through = match backtrace.status() {
        BacktraceStatus::Captured => backtrace.to_string(),
        _ => String::new(),
    };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(place, through, "panicked");
    } else {
        log::message(format_args!(
            "internal error: panicked at {place}\n{through}"
        ));
    }
}
