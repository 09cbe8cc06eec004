//! Shell of `dns::fuzz::dnssec_records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::dnssec_records(data));
