#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // The reader of workbooks panics at some that are damaged, and we catch that. The fuzzer's
        // own hook would end it all; what is not caught ends it still.
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| {
        catchment::fuzzing::epcn(bytes);
    }
);
