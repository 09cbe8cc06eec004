//! The flags of a query by the names that `option()`, `policy.FLAGS` and `resolve()` use.

/// Declares the flags once: variant, Lua name, meaning.
macro_rules! query_flags {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One switch of a query.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum QueryFlag {
            $($(#[$doc])* $variant,)*
        }

        impl QueryFlag {
            /// All flags in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that Lua uses.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

query_flags! {
    /// Ask with the full name at once (no RFC 9156).
    NoMinimize = "NO_MINIMIZE",
    /// Do not contact IPv6 addresses.
    NoIpv6 = "NO_IPV6",
    /// Do not contact IPv4 addresses.
    NoIpv4 = "NO_IPV4",
    /// Ask over TCP.
    Tcp = "TCP",
    /// Do not send the answer.
    NoAnswer = "NO_ANSWER",
    /// The query is resolved (read by layers).
    Resolved = "RESOLVED",
    /// The query waits for an IPv4 address of a server.
    AwaitIpv4 = "AWAIT_IPV4",
    /// The query waits for an IPv6 address of a server.
    AwaitIpv6 = "AWAIT_IPV6",
    /// The query waits for a zone cut.
    AwaitCut = "AWAIT_CUT",
    /// Do not use EDNS.
    NoEdns = "NO_EDNS",
    /// The answer came from the cache.
    Cached = "CACHED",
    /// Do not answer from the cache (the answer is stored all the same).
    NoCache = "NO_CACHE",
    /// The answer came from the cache and expires soon.
    Expiring = "EXPIRING",
    /// Addresses of loopback and the like may be contacted.
    AllowLocal = "ALLOW_LOCAL",
    /// The answer is to be validated.
    DnssecWant = "DNSSEC_WANT",
    /// Validation has failed.
    DnssecBogus = "DNSSEC_BOGUS",
    /// The answer is provably unsigned.
    DnssecInsecure = "DNSSEC_INSECURE",
    /// The client validates itself (CD bit).
    DnssecCd = "DNSSEC_CD",
    /// Forward without validation.
    Stub = "STUB",
    /// Always look up the zone cut.
    AlwaysCut = "ALWAYS_CUT",
    /// The answer comes from a wildcard.
    DnssecWexpand = "DNSSEC_WEXPAND",
    /// Accept any glue.
    Permissive = "PERMISSIVE",
    /// Accept mandatory glue only.
    Strict = "STRICT",
    /// Ask again, the server's cookie was not accepted.
    BadcookieAgain = "BADCOOKIE_AGAIN",
    /// Unused; kept because configurations name it.
    Cname = "CNAME",
    /// Vary the order of records within an RRset.
    ReorderRr = "REORDER_RR",
    /// Log every step of this request.
    Trace = "TRACE",
    /// Do not vary the case of the name.
    No0x20 = "NO_0X20",
    /// The unsigned delegation has been proven.
    DnssecNods = "DNSSEC_NODS",
    /// The denial rests on an opt-out span.
    DnssecOptout = "DNSSEC_OPTOUT",
    /// The answer is not authoritative.
    Nonauth = "NONAUTH",
    /// Forward, and validate.
    Forward = "FORWARD",
    /// Answers are synthesised by DNS64.
    Dns64Mark = "DNS64_MARK",
    /// The cache has been asked.
    CacheTried = "CACHE_TRIED",
    /// No server of the zone could be reached.
    NoNsFound = "NO_NS_FOUND",
    /// The message has been judged usable.
    PktIsSane = "PKT_IS_SANE",
    /// DNS64 does not apply to this request.
    Dns64Disable = "DNS64_DISABLE",
}

impl QueryFlag {
    /// The flag of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.name().eq_ignore_ascii_case(name))
    }
}

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueryFlags(u64);

impl QueryFlags {
    /// Those of them that are switches of the resolver. The others tell what became of a query;
    /// setting them changes nothing.
    pub fn switches(self) -> resolve::flags::QueryFlags {
        let known = |flag: &QueryFlag| resolve::flags::QueryFlags::from_name(flag.name());
        QueryFlag::ALL.iter().filter(|flag| self.has(**flag)).filter_map(known).collect()
    }

    /// The empty set.
    pub const NONE: Self = Self(0);

    /// With this flag in it, or taken out.
    #[must_use]
    pub fn with(self, flag: QueryFlag, on: bool) -> Self {
        let bit = 1 << flag as u8;
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// Whether the flag is in the set.
    pub fn has(self, flag: QueryFlag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    /// The flags of the set in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = QueryFlag> {
        QueryFlag::ALL.iter().copied().filter(move |flag| self.has(*flag))
    }
}

impl FromIterator<QueryFlag> for QueryFlags {
    fn from_iter<I: IntoIterator<Item = QueryFlag>>(flags: I) -> Self {
        flags.into_iter().fold(Self::NONE, |set, flag| set.with(flag, true))
    }
}
