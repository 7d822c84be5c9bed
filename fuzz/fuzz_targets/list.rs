#![no_main]

#[path = "../limit.rs"]
mod limit;

libfuzzer_sys::fuzz_target!(
    init: {
        // Load the dataset before allocations are limited.
        catchment::fuzzing::list(include_bytes!("../seeds/list/csv"));
        limit::start();
    },
    |bytes: &[u8]| {
        catchment::fuzzing::list(bytes);
    }
);
