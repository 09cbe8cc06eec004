//! A look at a query's bytes, just enough for a key: no parsing, no allocation.

use dns::edns::{OptionCode, UDP_SIZE_MIN};
use dns::header::HEADER_BYTES;
use dns::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

use crate::client::ClientProtocol;

/// Bits of a key.
const BIT_EDNS: u32 = 1;
const BIT_DO: u32 = 2;
const BIT_CD: u32 = 4;
/// The client understands AD without DO (RFC 6840 §5.7).
const BIT_AD: u32 = 8;
/// Stream clients may get what datagrams cannot hold.
const BIT_STREAM: u32 = 16;
/// Answers that nobody on the way can read are padded.
const BIT_ENCRYPTED: u32 = 32;

/// Name, type and class of a question.
const QUESTION_BYTES_MAX: usize = NAME_BYTES_MAX + 4;

/// Most options looked at before a query counts as out of the ordinary.
const OPTIONS_MAX: usize = 4;

/// Room for the question of a query, kept from one to the next.
pub(super) struct Folded([u8; QUESTION_BYTES_MAX]);

impl Folded {
    pub(super) const fn new() -> Folded {
        Folded([0; QUESTION_BYTES_MAX])
    }
}

/// What matters of a query.
pub(super) struct Scan<'a> {
    /// Name in lower case, type and class.
    question: &'a [u8],
    /// Length of the name on the wire.
    pub(super) name_length: usize,
    pub(super) key_bits: u32,
    pub(super) udp_size: u16,
    pub(super) edns: bool,
}

impl<'a> Scan<'a> {
    /// Looks at `wire`; `None` if it is not a plain query that an answer can be copied for.
    #[inline]
    pub(super) fn new(
        wire: &[u8],
        protocol: ClientProtocol,
        room: &'a mut Folded,
    ) -> Option<Scan<'a>> {
        let header: &[u8; HEADER_BYTES] = wire.first_chunk()?;
        // QR=0, opcode QUERY, AA and TC clear, RD set; RA, Z and RCODE clear.
        if header[2] != 1 || header[3] & !0x30 != 0 {
            return None;
        }
        let additional = match header[4..] {
            [0, 1, 0, 0, 0, 0, 0, additional @ (0 | 1)] => additional,
            _ => return None,
        };
        let rest = &wire[HEADER_BYTES..];
        let mut name_length = 0;
        loop {
            let length = *rest.get(name_length)? as usize;
            name_length += 1 + length;
            if length > LABEL_BYTES_MAX || name_length > NAME_BYTES_MAX {
                return None;
            }
            if length == 0 {
                break;
            }
        }
        let question_length = name_length + 4;
        let (asked, rest) = rest.split_at_checked(question_length)?;
        let question = room.0.get_mut(..question_length)?;
        question.copy_from_slice(asked);
        // Length bytes are below 64 and never letters; type and class must not be folded.
        question[..name_length].make_ascii_lowercase();
        let mut scan =
            Scan { question, name_length, key_bits: 0, udp_size: UDP_SIZE_MIN, edns: false };
        if header[3] & 0x10 != 0 {
            scan.key_bits |= BIT_CD;
        }
        if header[3] & 0x20 != 0 {
            scan.key_bits |= BIT_AD;
        }
        if !protocol.is_datagram() {
            scan.key_bits |= BIT_STREAM;
        }
        if protocol.is_encrypted() {
            scan.key_bits |= BIT_ENCRYPTED;
        }
        match additional {
            0 if rest.is_empty() => Some(scan),
            1 => scan.opt(rest),
            _ => None,
        }
    }

    /// Reads the OPT record that must fill `rest`.
    fn opt(mut self, rest: &[u8]) -> Option<Scan<'a>> {
        let (fixed, options) = rest.split_first_chunk::<11>()?;
        // Root, OPT, any size, extended RCODE and version zero, no flags but DO.
        let [0, 0, 41, size_high, size_low, 0, 0, flags @ (0 | 0x80), 0, high, low] = *fixed else {
            return None;
        };
        if options.len() != usize::from(u16::from_be_bytes([high, low])) {
            return None;
        }
        if !options.is_empty() && !options_are_ordinary(options) {
            return None;
        }
        self.edns = true;
        self.udp_size = u16::from_be_bytes([size_high, size_low]).max(UDP_SIZE_MIN);
        self.key_bits |= BIT_EDNS;
        if flags != 0 {
            self.key_bits |= BIT_DO;
        }
        Some(self)
    }

    /// Name in lower case, type and class.
    #[inline]
    pub(super) fn folded_question(&self) -> &[u8] {
        self.question
    }

    pub(super) fn dnssec_ok(&self) -> bool {
        self.key_bits & BIT_DO != 0
    }
}

/// Options to which there is no answer of its own: cookies of clients (ignored by servers that do not
/// use them, RFC 7873 §5.2), client subnets, and padding: answers over encrypted pipes are padded
/// whether or not the query is, others never.
fn options_are_ordinary(mut options: &[u8]) -> bool {
    for _ in 0..OPTIONS_MAX {
        let Some((head, rest)) = options.split_first_chunk::<4>() else { return false };
        let code = OptionCode(u16::from_be_bytes([head[0], head[1]]));
        if !matches!(code, OptionCode::COOKIE | OptionCode::CLIENT_SUBNET | OptionCode::PADDING) {
            return false;
        }
        match rest.get(usize::from(u16::from_be_bytes([head[2], head[3]]))..) {
            Some([]) => return true,
            Some(more) => options = more,
            None => return false,
        }
    }
    false
}

/// Would the answer cache look at this query at all?
pub fn is_plain_query(wire: &[u8], protocol: ClientProtocol) -> bool {
    Scan::new(wire, protocol, &mut Folded::new()).is_some()
}
