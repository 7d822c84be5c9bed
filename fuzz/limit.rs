//! An allocator that ends the fuzzer where an input costs too much memory. (`-malloc_limit_mb` of libFuzzer
//! needs a sanitizer, and these targets have none.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One allocation.
const ONE_BYTES_MAX: usize = 64_000_000;
/// All that are there at a time, beyond what was there at [`start`].
const ALL_BYTES_MAX: usize = 192_000_000;

static LIVE: AtomicUsize = AtomicUsize::new(0);
/// No limit until [`start`].
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// From now on the limits hold.
pub fn start() {
    MOST.store(LIVE.load(Ordering::Relaxed) + ALL_BYTES_MAX, Ordering::Relaxed);
}

struct Limited;

#[global_allocator]
static LIMITED: Limited = Limited;

impl Limited {
    fn add(&self, bytes: usize, largest: usize) {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let most = MOST.load(Ordering::Relaxed);
        if most != usize::MAX && (largest > ONE_BYTES_MAX || live > most) {
            // It ends in any case, and must not allocate before.
            MOST.store(usize::MAX, Ordering::Relaxed);
            let _ = std::io::stderr().write_all(b"more memory than an input may cost\n");
            std::process::abort();
        }
    }
}

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size(), layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size(), layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.add(size.saturating_sub(layout.size()), size);
        LIVE.fetch_sub(layout.size().saturating_sub(size), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}
