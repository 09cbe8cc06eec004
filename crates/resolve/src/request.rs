//! What a client wants, from its first byte to our last: one owned value, suspended only between
//! steps of the driver.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use dns::message::Question;
use dns::{Edns, ExtendedErrorCode, Header, Name, Rcode, Rtype};
use smallvec::SmallVec;
use store::cache::entry::SignedSet;

use crate::answer_cache::Tally;
use crate::client::Client;
use crate::extended_error::Verdict;
use crate::flags::QueryFlags;
use crate::layer::validate::Chain;
use crate::limits::{EXTENDED_ERROR_TEXT_MAX, EXTENDED_ERRORS_MAX};
use crate::plan::Plan;
use crate::resolver::RoundKey;
use crate::settings::Forward;
use crate::time::Mono;
use crate::trace::RequestTrace;

/// A request as long as it lives. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct RequestId {
    pub(crate) slot: u32,
    /// Serial number of the request; also what the trace calls it.
    pub number: u32,
}

impl RequestId {
    /// The place of the request among those under way: small, and free for the next one when this
    /// one is over.
    pub fn slot(self) -> u32 {
        self.slot
    }
}

/// What the OPT record of the client said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientEdns {
    pub udp_size: u16,
    pub version: u8,
    pub dnssec_ok: bool,
}

impl From<&Edns<'_>> for ClientEdns {
    fn from(edns: &Edns<'_>) -> ClientEdns {
        ClientEdns {
            udp_size: edns.udp_size_effective(),
            version: edns.version,
            dnssec_ok: edns.dnssec_ok,
        }
    }
}

/// An extended error to be told to the client (RFC 8914).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExtendedError {
    pub code: ExtendedErrorCode,
    /// Begins with a tag of four letters that leads to one place in the source.
    pub text: String,
}

/// The response while it is being made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    pub rcode: Rcode,
    /// AA: the data is our own.
    pub authoritative: bool,
    /// TC although everything would fit (a policy sends clients to TCP).
    pub truncated: bool,
    /// AD, if the client can understand it and the data allows it.
    pub authentic: bool,
    /// Say nothing at all.
    pub silent: bool,
    pub answer: Vec<SignedSet>,
    pub authority: Vec<SignedSet>,
    pub additional: Vec<SignedSet>,
    pub extended_errors: SmallVec<[ExtendedError; 1]>,
    /// EDNS options to be sent if the client speaks EDNS.
    pub options: Vec<(dns::edns::OptionCode, Vec<u8>)>,
}

impl Default for Response {
    fn default() -> Response {
        Response {
            rcode: Rcode::NOERROR,
            authoritative: false,
            truncated: false,
            authentic: false,
            silent: false,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            extended_errors: SmallVec::new(),
            options: Vec::new(),
        }
    }
}

impl Response {
    /// Forgets all records.
    pub fn clear_records(&mut self) {
        self.answer.clear();
        self.authority.clear();
        self.additional.clear();
    }

    /// Adds an extended error unless its code is there already.
    pub fn add_extended_error(&mut self, code: ExtendedErrorCode, text: &str) {
        let known = self.extended_errors.iter().any(|error| error.code == code);
        if known || self.extended_errors.len() >= EXTENDED_ERRORS_MAX {
            return;
        }
        let end = text.floor_char_boundary(EXTENDED_ERROR_TEXT_MAX);
        self.extended_errors.push(ExtendedError { code, text: text[..end].to_owned() });
    }
}

/// What a request has used up. Nothing here ever goes down, except that look-ups that led to a
/// reply are no longer barren.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Budget {
    /// Steps of the driver.
    pub steps: u16,
    /// Messages sent upstream.
    pub messages: u16,
    /// Of these, those that the network could not deliver, by its own account.
    pub undelivered: u16,
    /// Bytes received from upstream.
    pub received: usize,
    /// Name server names looked up.
    pub address_lookups: u8,
    /// Of these, those that have not led to a reply.
    pub barren_lookups: u8,
}

/// What a client wants.
#[derive(Debug)]
pub struct Request {
    pub id: RequestId,
    pub client: Client,
    /// The message as it came.
    pub wire: Vec<u8>,
    /// Its header.
    pub header: Header,
    pub question: Question,
    pub edns: Option<ClientEdns>,
    /// Switches for all queries of this request.
    pub flags: QueryFlags,
    pub plan: Plan,
    pub response: Response,
    pub budget: Budget,
    pub began: Mono,
    /// No later than this it is answered.
    pub deadline: Mono,
    /// Did everything that went into the response come from the store or from local data?
    pub cached: bool,
    /// Does it rest on proofs that came with other names? Those who ask for names that do not exist
    /// mostly ask for each of them once.
    pub synthesized: bool,
    /// Has this request met a bound (then the failure says so)?
    pub bound: Option<&'static str>,
    /// What it knows about the trust of zones.
    pub chain: Chain,
    /// The last reply was bogus, for this reason, and no good one has come since.
    pub bogus: Option<Verdict>,
    /// The query whose reply was bogus last.
    pub bogus_query: Option<(Name, Rtype)>,
    /// Look at it again at this time even if nothing has happened: a layer has something to say
    /// then.
    pub wake_at: Option<Mono>,
    /// Servers that a rule names for this request instead of the usual ones.
    pub forward: Option<Arc<Forward>>,
    /// What layers want to have with the request; dropped with it.
    pub kept: Vec<Box<dyn Any>>,
    /// The name to look up instead of the one that was asked for: the response has an alias to it.
    pub redirected: Option<Name>,
    /// A rule has decided what becomes of the request, so that the built-in answers for
    /// special-use names do not apply.
    pub ruled: bool,
    /// May the answer be given to others who ask the same, without asking the layers? No, if a
    /// layer did something for this request alone.
    pub shareable: bool,
    /// To be counted again whenever the answer is given without asking the layers.
    pub tallies: Vec<Tally>,
    /// Addresses that get a copy of the message.
    pub mirrors: SmallVec<[SocketAddr; 1]>,
    /// What of it goes to the log.
    pub trace: RequestTrace,
    /// The round that it leads or follows.
    pub(crate) following: Option<RoundKey>,
    /// Its last round ended because nobody was left to ask.
    pub(crate) gave_up: bool,
    /// The number of its question among the suspects, once it is known; zero before.
    pub(crate) suspect: u64,
}

impl Request {
    /// Did the client set DO (RFC 3225)?
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Does the client understand the AD bit (RFC 6840 §5.7)?
    pub fn understands_ad(&self) -> bool {
        self.dnssec_ok() || self.header.ad()
    }

    /// Did the client disable checking (RFC 4035 §3.2.2)?
    pub fn checking_disabled(&self) -> bool {
        self.header.cd()
    }
}
