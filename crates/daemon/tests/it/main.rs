//! The program from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what failed by failing")]

mod e2e;
