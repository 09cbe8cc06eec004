//! A world small enough to be certain about: virtual network, zones, oracle, scenario replay.
#![forbid(unsafe_code)]
