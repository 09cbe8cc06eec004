//! The twelve bytes at the start of each message (RFC 1035 §4.1.1, RFC 4035 §3.2.3 for AD and CD).

use std::fmt;

/// Length of a header in bytes.
pub const HEADER_BYTES: usize = 12;

/// What a query asks to be done (RFC 1035 §4.1.1; only the four bits of the wire).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Opcode(pub u8);

impl Opcode {
    pub const QUERY: Opcode = Opcode(0);
    pub const STATUS: Opcode = Opcode(2);
    pub const NOTIFY: Opcode = Opcode(4);
    pub const UPDATE: Opcode = Opcode(5);
}

/// Response code; with EDNS it has twelve bits (RFC 6891 §6.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rcode(pub u16);

impl Rcode {
    pub const NOERROR: Rcode = Rcode(0);
    pub const FORMERR: Rcode = Rcode(1);
    pub const SERVFAIL: Rcode = Rcode(2);
    pub const NXDOMAIN: Rcode = Rcode(3);
    pub const NOTIMP: Rcode = Rcode(4);
    pub const REFUSED: Rcode = Rcode(5);
    pub const YXDOMAIN: Rcode = Rcode(6);
    pub const NOTAUTH: Rcode = Rcode(9);
    pub const BADVERS: Rcode = Rcode(16);
    pub const BADCOOKIE: Rcode = Rcode(23);
    /// Mnemonics by number.
    pub const NAMES: &'static [(u16, &'static str)] = &[
        (0, "NOERROR"),
        (1, "FORMERR"),
        (2, "SERVFAIL"),
        (3, "NXDOMAIN"),
        (4, "NOTIMPL"),
        (5, "REFUSED"),
        (6, "YXDOMAIN"),
        (7, "YXRRSET"),
        (8, "NXRRSET"),
        (9, "NOTAUTH"),
        (10, "NOTZONE"),
        (16, "BADVERS"),
        (17, "BADKEY"),
        (18, "BADTIME"),
        (19, "BADMODE"),
        (20, "BADNAME"),
        (21, "BADALG"),
        (22, "BADTRUNC"),
        (23, "BADCOOKIE"),
    ];
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Rcode::NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, text)) => f.pad(text),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

impl fmt::Debug for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A header by value: id, the flag word as on the wire, and the four counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    pub id: u16,
    /// The sixteen bits after the id, as on the wire.
    pub flags: u16,
    pub qdcount: u16,
    pub ancount: u16,
    pub nscount: u16,
    pub arcount: u16,
}

macro_rules! flag {
    ($(#[$meta:meta])* $get:ident, $set:ident, $bit:literal) => {
        $(#[$meta])*
        pub const fn $get(&self) -> bool {
            self.flags & $bit != 0
        }
        /// Sets or clears the flag.
        pub const fn $set(&mut self, on: bool) {
            if on { self.flags |= $bit } else { self.flags &= !$bit }
        }
    };
}

impl Header {
    flag!(/** Response (1) or query (0). */ qr, set_qr, 0x8000);
    flag!(/** Authoritative answer. */ aa, set_aa, 0x0400);
    flag!(/** Truncated. */ tc, set_tc, 0x0200);
    flag!(/** Recursion desired. */ rd, set_rd, 0x0100);
    flag!(/** Recursion available. */ ra, set_ra, 0x0080);
    flag!(/** The reserved bit, which must be zero. */ z, set_z, 0x0040);
    flag!(/** Authentic data (RFC 4035 §3.2.3, RFC 6840 §5.7). */ ad, set_ad, 0x0020);
    flag!(/** Checking disabled (RFC 4035 §3.2.2). */ cd, set_cd, 0x0010);

    /// Reads the header of a message; `None` if there are fewer than twelve bytes.
    pub fn parse(wire: &[u8]) -> Option<Header> {
        let b: &[u8; HEADER_BYTES] = wire.first_chunk()?;
        let word = |i: usize| u16::from_be_bytes([b[i], b[i + 1]]);
        Some(Header {
            id: word(0),
            flags: word(2),
            qdcount: word(4),
            ancount: word(6),
            nscount: word(8),
            arcount: word(10),
        })
    }

    /// The twelve bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        for (chunk, word) in out.chunks_exact_mut(2).zip([
            self.id,
            self.flags,
            self.qdcount,
            self.ancount,
            self.nscount,
            self.arcount,
        ]) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    /// The operation.
    pub const fn opcode(&self) -> Opcode {
        Opcode((self.flags >> 11 & 0xf) as u8)
    }

    /// Sets the operation (four bits).
    pub const fn set_opcode(&mut self, opcode: Opcode) {
        self.flags = self.flags & !0x7800 | (opcode.0 as u16 & 0xf) << 11;
    }

    /// The lower four bits of the response code; [`crate::Message::rcode`] adds those of EDNS.
    pub const fn rcode_low(&self) -> Rcode {
        Rcode(self.flags & 0xf)
    }

    /// Sets the lower four bits of the response code.
    pub const fn set_rcode_low(&mut self, rcode: Rcode) {
        self.flags = self.flags & !0xf | rcode.0 & 0xf;
    }
}
