//! The program from outside.

mod e2e;
