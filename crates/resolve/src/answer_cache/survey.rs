//! What in a finished answer changes with time or from client to client: its TTLs, and addresses that
//! take turns. The answer was composed a moment ago, so nothing in it is checked again.

use dns::header::HEADER_BYTES;
use dns::{Header, Rcode, Rtype};
use smallvec::SmallVec;

/// Most TTL fields patched in one answer.
const TTLS_MAX: usize = 64;

/// What was found in a response.
pub(super) struct Survey {
    /// Where the TTLs are.
    pub(super) offsets: SmallVec<[u16; TTLS_MAX]>,
    /// The least of them, in seconds; the greatest number if there is none.
    pub(super) ttl: u32,
    /// The answer section is empty though the code is NOERROR.
    pub(super) no_data: bool,
    pub(super) ring: Option<Ring>,
}

impl Survey {
    /// Of a whole response to one question; `None` if it is cut off or has too many records.
    pub(super) fn of(response: &[u8]) -> Option<Survey> {
        let header = Header::parse(response)?;
        if header.tc() || header.qdcount != 1 {
            return None;
        }
        let [answers, authorities, others] =
            [header.ancount, header.nscount, header.arcount].map(usize::from);
        let mut offsets = SmallVec::new();
        let mut ttl = u32::MAX;
        let mut addresses = Addresses::default();
        // Behind the name there are type and class.
        let mut at = name_end(response, HEADER_BYTES)? + 4;
        for number in 0..answers + authorities + others {
            let fixed_at = name_end(response, at)?;
            let fixed: &[u8; 10] = response.get(fixed_at..)?.first_chunk()?;
            let [high, low, _, _, rest @ ..] = *fixed;
            let rtype = Rtype(u16::from_be_bytes([high, low]));
            let [a, b, c, d, high, low] = rest;
            let length = u16::from_be_bytes([high, low]);
            let rdata = fixed_at + fixed.len();
            at = rdata + usize::from(length);
            if rtype == Rtype::OPT {
                continue;
            }
            if offsets.len() == TTLS_MAX {
                return None;
            }
            // RFC 2181 §8: with the highest bit set it counts as zero.
            ttl = ttl.min(u32::from_be_bytes([a, b, c, d]).cast_signed().max(0).cast_unsigned());
            offsets.push(u16::try_from(fixed_at + 4).ok()?);
            match rtype {
                Rtype::A if number < answers => addresses.add(rdata, 4)?,
                Rtype::AAAA if number < answers => addresses.add(rdata, 16)?,
                _ => {}
            }
        }
        let no_data = answers == 0 && header.rcode_low() == Rcode::NOERROR;
        (at == response.len()).then(|| Survey { offsets, ttl, no_data, ring: addresses.ring() })
    }
}

/// The end of the name, compressed or not, that begins at `at`.
fn name_end(response: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *response.get(at)? {
            0 => return Some(at + 1),
            0xc0.. => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

/// The addresses of an answer section while they are looked through.
#[derive(Default)]
struct Addresses {
    ring: Option<Ring>,
    /// They do not lie at equal distances.
    is_uneven: bool,
}

impl Addresses {
    /// Another one, in this place and of this length; `None` if that lies beyond all messages.
    fn add(&mut self, at: usize, length: u8) -> Option<()> {
        let at = u16::try_from(at).ok()?;
        let ring = match self.ring {
            None => Some(Ring { first: at, stride: 0, length, count: 1 }),
            Some(old) if old.count == 1 => {
                let stride = at.checked_sub(old.first);
                stride.map(|stride| Ring { stride, count: 2, ..old })
            }
            Some(old) => old.followed_by(at, length),
        };
        self.is_uneven |= ring.is_none();
        self.ring = ring.or(self.ring);
        Some(())
    }

    /// They are a set of two or more whose records lie at equal distances: name pointer, fixed part
    /// and rdata, and nothing in between.
    fn ring(self) -> Option<Ring> {
        let is_close = |ring: &Ring| ring.count > 1 && ring.stride == 12 + u16::from(ring.length);
        self.ring.filter(|ring| !self.is_uneven && is_close(ring))
    }
}

/// Neighbouring records of one size that may change places: the addresses of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ring {
    /// Offset of the first record's rdata.
    pub(super) first: u16,
    /// Distance from one rdata to the next.
    pub(super) stride: u16,
    /// Length of each rdata: 4 or 16.
    pub(super) length: u8,
    pub(super) count: u8,
}

impl Ring {
    /// With one more address, if that lies and looks like the others.
    fn followed_by(self, at: u16, length: u8) -> Option<Ring> {
        let expected = self.first.checked_add(self.stride.checked_mul(self.count.into())?)?;
        let is_alike = at == expected && length == self.length;
        let count = self.count.checked_add(1)?;
        is_alike.then_some(Ring { count, ..self })
    }

    /// Moves each rdata `turn` places along the ring.
    pub(super) fn rotate(self, out: &mut [u8], turn: usize) {
        let (count, length) = (self.count as usize, self.length as usize);
        let shift = turn % count;
        if shift == 0 || count > 32 {
            return;
        }
        let place = |i: usize| self.first as usize + i * self.stride as usize;
        let mut copy = [[0u8; 16]; 32];
        for (i, kept) in copy.iter_mut().enumerate().take(count) {
            let Some(rdata) = out.get(place(i)..place(i) + length) else { return };
            kept[..length].copy_from_slice(rdata);
        }
        for (i, kept) in copy.iter().enumerate().take(count) {
            let at = place((i + shift) % count);
            out[at..at + length].copy_from_slice(&kept[..length]);
        }
    }
}
