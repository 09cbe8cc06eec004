//! Shell of `dns::fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dns::fuzz::message(data));
