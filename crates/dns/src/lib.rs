//! DNS data and the bytes it travels as. Pure functions.
#![forbid(unsafe_code)]
