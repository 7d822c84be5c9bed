#![no_main]

#[path = "../limit.rs"]
mod limit;

libfuzzer_sys::fuzz_target!(
    init: {
        // The readers of Arrow and Parquet panic at what is no such file, and we catch that. The fuzzer's
        // own hook would end it all; what is not caught ends it still.
        std::panic::set_hook(Box::new(|_| ()));
        // The dataset is loaded before memory is counted.
        catchment::fuzzing::columns(include_bytes!("../seeds/columns/arrow"));
        limit::start();
    },
    |bytes: &[u8]| {
        catchment::fuzzing::columns(bytes);
    }
);
