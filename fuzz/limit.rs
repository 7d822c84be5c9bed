//! An allocator that aborts the fuzzer when an input uses too much memory. (libFuzzer's
//! `-malloc_limit_mb` needs a sanitizer, but the fuzz targets are built without sanitizers.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The maximum size of one allocation.
const ALLOCATION_BYTES_MAX: usize = 64_000_000;
/// The maximum number of bytes allocated at the same time, in addition to the bytes that were
/// already allocated when [`start`] was called.
const TOTAL_BYTES_MAX: usize = 192_000_000;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);
/// The limit on allocated bytes. There is no limit until [`start`] is called.
static LIMIT_BYTES: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Starts to enforce the memory limits.
pub fn start() {
    LIMIT_BYTES.store(
        ALLOCATED_BYTES.load(Ordering::Relaxed) + TOTAL_BYTES_MAX,
        Ordering::Relaxed,
    );
}

struct LimitedAllocator;

#[global_allocator]
static ALLOCATOR: LimitedAllocator = LimitedAllocator;

impl LimitedAllocator {
    fn count_allocation(&self, bytes: usize, largest: usize) {
        let live = ALLOCATED_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let most = LIMIT_BYTES.load(Ordering::Relaxed);
        if most != usize::MAX && (largest > ALLOCATION_BYTES_MAX || live > most) {
            // The process aborts in any case, but printing the message must not trigger the limit
            // again.
            LIMIT_BYTES.store(usize::MAX, Ordering::Relaxed);
            let _ = std::io::stderr().write_all(b"an input exceeded the memory limit\n");
            std::process::abort();
        }
    }
}

// SAFETY: every call is forwarded to the system allocator.
unsafe impl GlobalAlloc for LimitedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count_allocation(layout.size(), layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count_allocation(layout.size(), layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.count_allocation(size.saturating_sub(layout.size()), size);
        ALLOCATED_BYTES.fetch_sub(layout.size().saturating_sub(size), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}
