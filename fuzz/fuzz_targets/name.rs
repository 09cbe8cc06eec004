//! Shell of `dns::fuzz::name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::name(data));
