//! Catches panics without reporting them, for libraries that panic on corrupt files.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which calls a library that panics on a corrupt file. Catches the panic without
/// reporting it.
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
