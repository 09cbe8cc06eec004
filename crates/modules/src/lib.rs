//! Behaviour one can load, unload and reorder.
#![forbid(unsafe_code)]
