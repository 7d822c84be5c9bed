#![no_main]

#[path = "../limit.rs"]
mod limit;

libfuzzer_sys::fuzz_target!(
    init: {
        // Load the dataset before allocations are limited.
        catchment_fuzz::batch_file(include_bytes!("../seeds/batch_file/csv"));
        limit::start();
    },
    |bytes: &[u8]| {
        catchment_fuzz::batch_file(bytes);
    }
);
