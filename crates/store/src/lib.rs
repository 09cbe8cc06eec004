//! Everything that outlives a request and is shared between processes, and the exact bytes it is kept in.

pub mod cache;
pub mod collect;
pub mod kv;
pub mod limits;

pub use cache::Cache;
