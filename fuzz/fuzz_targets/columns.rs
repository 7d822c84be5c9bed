#![no_main]

#[path = "../limit.rs"]
mod limit;

libfuzzer_sys::fuzz_target!(
    init: {
        // The Arrow and Parquet readers panic on some invalid files, and the program catches these
        // panics. The fuzzer's own panic hook would abort the process on every panic. With an empty
        // hook instead, only a panic that is not caught aborts the process.
        std::panic::set_hook(Box::new(|_| ()));
        // Load the dataset before allocations are limited.
        catchment_fuzz::columns(include_bytes!("../seeds/columns/arrow"));
        limit::start();
    },
    |bytes: &[u8]| {
        catchment_fuzz::columns(bytes);
    }
);
