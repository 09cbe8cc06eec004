//! What to ask next, and what to conclude. Knows everything about resolution and nothing about how bytes travel.
#![forbid(unsafe_code)]
