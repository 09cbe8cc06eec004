//! Tests of signature verification: published vectors, then laws that hold for every key.

mod laws;
mod vectors;

fn base64(text: &str) -> Vec<u8> {
    domain::utils::base64::decode(text).expect("a test vector in base64")
}
