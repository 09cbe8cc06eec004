//! DNSSEC primitives: what validation computes, without deciding when.
