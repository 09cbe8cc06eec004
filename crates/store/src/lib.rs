//! Everything that outlives a request and is shared between processes, and the exact bytes it is kept in.
