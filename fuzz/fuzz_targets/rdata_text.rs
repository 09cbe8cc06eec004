//! Shell of `dns::fuzz::rdata_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::rdata_text(data));
