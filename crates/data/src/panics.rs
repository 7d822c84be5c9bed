//! Panics of libraries on corrupt files, which are caught and not reported.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and catches a panic without reporting it, for libraries that panic on a corrupt
/// file.
pub fn catch_expected<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    let was_expected = EXPECTED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(was_expected);
    result
}

/// Returns whether a panic on this thread is expected, so that a panic hook must not report it.
pub fn is_expected() -> bool {
    EXPECTED.get()
}
