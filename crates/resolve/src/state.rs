//! What a layer says about the work: the five states that pass from hook to hook.

/// State of a query (or, in `begin`, of a request) as one hook hands it to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum State {
    /// A reply is there and is being looked at.
    Consume,
    /// Something has to be found out: from the cache, locally, or by asking.
    Produce,
    /// The query is resolved.
    Done,
    /// The query cannot be resolved.
    Fail,
    /// Child queries have to be resolved first; the hook is called again after them.
    Yield,
}
