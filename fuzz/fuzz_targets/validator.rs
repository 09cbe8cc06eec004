//! Shell of `sim::fuzz::validator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim::fuzz::validator(data));
