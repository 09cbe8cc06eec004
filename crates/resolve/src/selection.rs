//! Whom to ask: measured round-trip times, exploration, and patience with servers that fail.
//!
//! [`Servers`] remembers what each address was like, in bounded memory; [`choose()`] picks among the
//! addresses of a zone for one round. Only matched replies and our own time-outs teach anything: a
//! forged datagram cannot (TuDoor, IEEE S&P 2024). Workers tell each other through the store.

mod choose;
mod families;
mod rtt;
mod shared;
mod table;
#[cfg(test)]
mod tests;

pub use choose::{Candidate, Choice, Scope, choose, is_usable_address};
pub use families::Families;
pub use rtt::Rtt;
pub use table::{ServerState, Servers};
