//! From verdicts to what clients are told: the RCODE, the extended error (RFC 8914) and its tag, in
//! one table. A tag is four letters that appear nowhere else, so that one in a user's `dig` output
//! leads to one line of source.

use dns::{ExtendedErrorCode, Rcode};

/// Why a request did not get the answer it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// More work than one request may cause.
    BoundReached,
    /// A failure a moment ago (RFC 9520).
    FailedBefore,
    /// No server of the zone said anything useful.
    NoReachableAuthority,
    /// Our own code failed.
    OurFault,
    /// Nobody answered in time.
    TimeOut,
    /// Too many requests at once.
    TooBusy,
}

/// What the client is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    pub rcode: Rcode,
    pub code: ExtendedErrorCode,
    pub tag: &'static str,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 6] = [
        Verdict::BoundReached,
        Verdict::FailedBefore,
        Verdict::NoReachableAuthority,
        Verdict::OurFault,
        Verdict::TimeOut,
        Verdict::TooBusy,
    ];

    /// The row of the table.
    pub const fn told(self) -> Told {
        let (code, tag) = match self {
            Verdict::BoundReached => (ExtendedErrorCode::OTHER, "LIMR: too much work"),
            Verdict::FailedBefore => (ExtendedErrorCode::CACHED_ERROR, "FLBF: failed lately"),
            Verdict::NoReachableAuthority => (ExtendedErrorCode::NO_REACHABLE_AUTHORITY, "P3CD"),
            Verdict::OurFault => (ExtendedErrorCode::OTHER, "OURF: internal error"),
            Verdict::TimeOut => (ExtendedErrorCode::NO_REACHABLE_AUTHORITY, "TMOT: no reply"),
            Verdict::TooBusy => (ExtendedErrorCode::NOT_READY, "BUSY: too many requests"),
        };
        Told { rcode: Rcode::SERVFAIL, code, tag }
    }
}
