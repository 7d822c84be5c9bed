//! What is told of a fault of the program itself: where it is, never what the program was at, for the
//! words of a panic may quote what was asked.

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

/// From now on, a panic tells its place alone: as a line of the log where there is one, on standard
/// error where not. Where `RUST_BACKTRACE` asks for it and the program has their
/// names, the functions that led there are told too.
pub fn tell_only_where() {
    panic::set_hook(Box::new(tell));
}

/// How many there have been in this process since [`tell_only_where`].
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Does what panics where a file of somebody else's is damaged; that is no fault of ours, and not told.
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
    let place = place.as_deref().unwrap_or("a place that is not known");
    let backtrace = Backtrace::capture();
    let through = match backtrace.status() {
        BacktraceStatus::Captured => backtrace.to_string(),
        _ => String::new(),
    };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(place, through, "panicked");
    } else {
        log::message(format_args!("a fault of the program at {place}\n{through}"));
    }
}
