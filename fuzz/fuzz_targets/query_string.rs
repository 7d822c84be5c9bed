#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    catchment::fuzzing::query_string(bytes);
});
