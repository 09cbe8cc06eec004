//! How far a stored set may be trusted: its place in RFC 2181 §5.4.1 and its security status.
//!
//! The numbers are those that Lua code in the field knows as `KR_RANK_*`; they are also bytes of
//! the store's format.

use std::fmt;

/// A security status (lower bits) and whether an authority of the zone said it ([`Rank::AUTH`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rank(u8);

impl Rank {
    /// Nothing is known yet; data of additional sections that is not glue.
    pub const OMIT: Rank = Rank(0);
    /// To be validated.
    pub const TRY: Rank = Rank(1);
    /// Status cannot be told (RFC 4033 §5).
    pub const INDETERMINATE: Rank = Rank(4);
    /// Validation failed.
    pub const BOGUS: Rank = Rank(5);
    /// A signature that does not match.
    pub const MISMATCH: Rank = Rank(6);
    /// Signatures are missing where there should be some.
    pub const MISSING: Rank = Rank(7);
    /// Proven to be unsigned, or no trust anchor covers it.
    pub const INSECURE: Rank = Rank(8);
    /// Added to a status: from the answer section of an authoritative reply.
    pub const AUTH: Rank = Rank(16);
    /// Validated. Implies that it came from an authority.
    pub const SECURE: Rank = Rank(32);

    /// From the byte of an entry; `None` if it is none of ours.
    pub const fn from_byte(byte: u8) -> Option<Rank> {
        match byte & !16 {
            0 | 1 | 4..=8 | 32 => Some(Rank(byte)),
            _ => None,
        }
    }

    /// The byte.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// The same status, said by an authority.
    #[must_use]
    pub const fn with_auth(self) -> Rank {
        Rank(self.0 | 16)
    }

    /// The status alone.
    #[must_use]
    pub const fn status(self) -> Rank {
        Rank(self.0 & !16)
    }

    /// Did an authority say it?
    pub const fn is_auth(self) -> bool {
        self.0 & (16 | 32) != 0
    }

    /// Was it validated?
    pub const fn is_secure(self) -> bool {
        self.0 & 32 != 0
    }

    /// Is the status insecure?
    pub const fn is_insecure(self) -> bool {
        self.0 & !16 == 8
    }

    /// Did validation fail?
    pub const fn is_bogus(self) -> bool {
        matches!(self.0 & !16, 5..=7)
    }

    /// Order of trust: validated data, then what authorities say, then glue and referrals; data
    /// that failed validation comes last (RFC 2181 §5.4.1).
    pub const fn trust(self) -> u8 {
        match (self.is_secure(), self.is_bogus(), self.is_auth()) {
            (true, _, _) => 3,
            (false, true, _) => 0,
            (false, false, true) => 2,
            (false, false, false) => 1,
        }
    }
}

impl fmt::Debug for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.0 & !16 {
            0 => "omit",
            1 => "try",
            4 => "indeterminate",
            5 => "bogus",
            6 => "mismatch",
            7 => "missing",
            8 => "insecure",
            _ => "secure",
        };
        write!(f, "{status}{}", if self.0 & 16 != 0 { "+auth" } else { "" })
    }
}
