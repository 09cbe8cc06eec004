//! Switches of a query, under the names that configurations and Lua modules know (`option()`,
//! `policy.FLAGS`, `resolve{options=…}`).

bitflags::bitflags! {
    /// A set of switches. What the program itself notes about a query is not here but in the
    /// types of [`crate::query`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct QueryFlags: u32 {
        /// Ask with the full name at once (no RFC 9156).
        const NO_MINIMIZE = 1 << 0;
        /// Do not contact IPv6 addresses.
        const NO_IPV6 = 1 << 1;
        /// Do not contact IPv4 addresses.
        const NO_IPV4 = 1 << 2;
        /// Ask over TCP.
        const TCP = 1 << 3;
        /// Do not send a response.
        const NO_ANSWER = 1 << 4;
        /// Do not use EDNS.
        const NO_EDNS = 1 << 5;
        /// Do not answer from the cache; what is learnt is stored all the same.
        const NO_CACHE = 1 << 6;
        /// Contact addresses of the loopback range that glue or address records name.
        const ALLOW_LOCAL = 1 << 7;
        /// Layers want to know the zone cut of every query, also of one that the cache answers.
        const ALWAYS_CUT = 1 << 8;
        /// Believe glue from anywhere, and answers without AA.
        const PERMISSIVE = 1 << 9;
        /// Believe mandatory glue only, and ask again for each alias.
        const STRICT = 1 << 10;
        /// Rotate the records of each set of the answer.
        const REORDER_RR = 1 << 11;
        /// Do not vary the case of names in questions.
        const NO_0X20 = 1 << 12;
        /// Trace each step.
        const TRACE = 1 << 13;
        /// Forward without validating.
        const STUB = 1 << 14;
        /// Forward and validate.
        const FORWARD = 1 << 15;
        /// Validate.
        const DNSSEC_WANT = 1 << 16;
        /// The client validates itself: serve data that failed here (CD bit).
        const DNSSEC_CD = 1 << 17;
        /// Validation has failed.
        const DNSSEC_BOGUS = 1 << 18;
        /// The data is provably unsigned.
        const DNSSEC_INSECURE = 1 << 19;
        /// The answer was expanded from a wildcard.
        const DNSSEC_WEXPAND = 1 << 20;
        /// DNS64 made the answer.
        const DNS64_MARK = 1 << 21;
        /// DNS64 is not to be applied.
        const DNS64_DISABLE = 1 << 22;
    }
}
