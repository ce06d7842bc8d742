//! Feeds `stream` of the test kit.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| baton_tests::fuzz::stream(data));
