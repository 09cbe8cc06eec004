//! The tree itself, held against the rules.

use super::*;

#[test]
fn the_house_is_tidy() {
    let found = complaints(&crate::tree::root()).expect("the tree can be read");
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
