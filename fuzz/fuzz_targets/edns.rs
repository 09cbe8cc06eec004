//! Shell of `dns::fuzz::edns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::edns(data));
