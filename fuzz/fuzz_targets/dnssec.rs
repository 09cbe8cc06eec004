//! Shell of `dns::fuzz::dnssec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::dnssec(data));
