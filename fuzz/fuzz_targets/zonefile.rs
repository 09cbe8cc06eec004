//! Shell of `dns::fuzz::zone`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::zone(data));
