//! One message to one server: how it is written, and which bytes are its reply.
//!
//! Nothing is believed before everything matches (RFC 5452 §9.1): the id, the QR bit, the opcode,
//! the question with the letter case that was sent. The address and port match already, since
//! sockets are connected. A datagram that does not match changes nothing but a counter and the
//! protocol of the next attempt; over a stream, which cannot be forged blindly, only the letter
//! case may differ.

use dns::edns::OptRecord;
use dns::edns::options::PADDING_BLOCK_QUERY;
use dns::{Composer, Header, Message, MessageFault, Opcode};

use crate::action::Via;
use crate::chance::Chance;
use crate::query::{Ask, Sent};

/// Why bytes are not the reply to a message of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyFault {
    /// Not QUERY.
    BadOpcode,
    /// Same name, other letters: the server does not copy, or somebody guesses.
    CaseMismatch,
    IdMismatch,
    /// Not a DNS message.
    Malformed(MessageFault),
    /// Without the question nothing says what it answers.
    NoQuestion,
    /// QR=0.
    NotAReply,
    /// More sets or larger ones than any honest server sends.
    Oversized,
    QuestionMismatch,
}

/// How a message is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    pub recursion_desired: bool,
    pub checking_disabled: bool,
    /// Vary the letter case of the name.
    pub vary_case: bool,
    /// OPT record: UDP size and DO bit.
    pub edns: Option<(u16, bool)>,
    /// The pipe is encrypted: the length shall not tell the name (RFC 8467 §4.1).
    pub padded: bool,
}

/// Writes a question. Returns the bytes, the message id and the name as sent.
pub fn compose(ask: &Ask, manner: Manner, chance: &mut Chance) -> (Vec<u8>, u16, dns::Name) {
    let mut header = Header { id: chance.id(), ..Header::default() };
    header.set_rd(manner.recursion_desired);
    header.set_cd(manner.checking_disabled);
    // Where the case must not vary, it must not vary by client either.
    let name = if manner.vary_case {
        ask.name.with_case(|| chance.coin())
    } else {
        ask.name.to_lowercase()
    };
    let mut wire = Vec::with_capacity(name.len() + 28);
    let mut composer = Composer::new(&mut wire, header, dns::limits::MESSAGE_BYTES_MAX);
    let _always_fits = composer.question(&name, ask.rtype, ask.class);
    let mut opt = manner.edns.map(|(size, dnssec_ok)| OptRecord::new(size, dnssec_ok));
    if let Some(opt) = opt.as_mut().filter(|_| manner.padded) {
        opt.push_padding(composer.len(), PADDING_BLOCK_QUERY, dns::limits::MESSAGE_BYTES_MAX);
    }
    composer.finish(opt.as_ref());
    (wire, header.id, name)
}

/// Checks that bytes may be the reply to a message, as far as the header tells.
pub fn match_header(sent: &Sent, bytes: &[u8]) -> Result<(), ReplyFault> {
    let header = Header::parse(bytes).ok_or(ReplyFault::Malformed(MessageFault::Short))?;
    if header.id != sent.id {
        return Err(ReplyFault::IdMismatch);
    }
    if !header.qr() {
        return Err(ReplyFault::NotAReply);
    }
    if header.opcode() != Opcode::QUERY {
        return Err(ReplyFault::BadOpcode);
    }
    Ok(())
}

/// Checks that a message with such a header is the reply to a message.
pub fn match_question(sent: &Sent, ask: &Ask, message: &Message<'_>) -> Result<(), ReplyFault> {
    let Some(question) = message.question() else {
        // RFC 6891 §7: a server that knows no EDNS may send a bare FORMERR. Over a stream it is
        // believed, a datagram like that is easy to forge.
        let bare = message.rcode() == dns::Rcode::FORMERR && sent.target.via != Via::Udp;
        return if bare { Ok(()) } else { Err(ReplyFault::NoQuestion) };
    };
    if question.rtype != ask.rtype || question.class != ask.class || question.name != ask.name {
        return Err(ReplyFault::QuestionMismatch);
    }
    if sent.target.via == Via::Udp && !question.name.eq_exact(&sent.name) {
        return Err(ReplyFault::CaseMismatch);
    }
    Ok(())
}
