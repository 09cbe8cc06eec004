//! The project's own tool, as a library: what `cargo xtask` does, and what tests of other rooms
//! borrow from it (`lab`: a small Internet on loopback; `counts`: instruction counting).
//!
//! It knows the tree by its files only and depends on no room, so that it builds in seconds.

pub mod bench;
pub mod ci;
pub mod counts;
pub mod differential;
pub mod docs;
pub mod lab;
pub mod licences;
pub mod scaffold;
pub mod setup;
pub mod step;
pub mod tidy;
pub mod tree;
