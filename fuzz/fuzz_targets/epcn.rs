#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // The workbook reader panics on some damaged files, and the program catches these panics.
        // The fuzzer's own panic hook would abort the process on every panic. With an empty hook
        // instead, only a panic that is not caught aborts the process.
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| {
        catchment_fuzz::epcn(bytes);
    }
);
