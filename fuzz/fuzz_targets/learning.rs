#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| aso_guard_fuzz::learning::check(input));
