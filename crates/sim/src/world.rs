//! Servers and what each of them says: zones, addresses, and ways to misbehave.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use dns::edns::{OptRecord, UDP_SIZE_MIN};
use dns::message::Question;
use dns::{Composer, Header, Message, Name, Opcode, Rcode, Rtype, Section};
use resolve::Via;

use crate::zone::{Zone, ZoneAnswer};

/// EDNS payload that servers announce and honour, in bytes.
const SERVER_UDP_SIZE: u16 = 1232;

/// How a server deals with questions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Manner {
    /// As the RFCs say.
    #[default]
    Proper,
    /// Never answers.
    Silent,
    /// Answers over TCP only.
    SilentOnUdp,
    /// Answers over UDP only.
    SilentOnTcp,
    /// Answers everything with this response code and nothing else.
    Says(Rcode),
    /// Refers upwards to the root, as some servers do for zones that they do not have.
    RefersUp,
    /// Answers FORMERR with a bare header when the question has EDNS.
    NoEdns,
    /// Answers as if the question had had no EDNS.
    IgnoresEdns,
    /// Sets TC on everything over UDP.
    AlwaysTruncates,
    /// Writes the question in lower case.
    FoldsCase,
    /// Answers empty and not authoritative.
    Empty,
    /// Sets TC on everything over UDP, and closes streams without an answer.
    ClosesStreams,
}

/// One server.
#[derive(Clone, Debug, Default)]
pub struct Server {
    pub zones: Vec<Arc<Zone>>,
    pub manner: Manner,
}

/// All servers of a world, by address.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub servers: BTreeMap<IpAddr, Server>,
    /// What resolvers know from the start: names and addresses of the root's servers.
    pub hints: Vec<(Name, Vec<IpAddr>)>,
}

impl World {
    /// Its servers with their zones, and in these what leads to others, for people.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut zones = BTreeMap::new();
        for (address, server) in &self.servers {
            text.push_str(&format!("{address} {:?}:", server.manner));
            for zone in &server.zones {
                text.push_str(&format!(" {}", zone.origin()));
                zones.insert(zone.origin().clone(), zone);
            }
            text.push('\n');
        }
        for (origin, zone) in zones {
            text.push_str(&format!("zone {origin}\n"));
            let sets = zone.nodes().flat_map(|(_, node)| node.sets());
            let leads = |set: &&dns::Rrset| {
                matches!(
                    set.rtype,
                    Rtype::NS | Rtype::A | Rtype::AAAA | Rtype::DS | Rtype::CNAME | Rtype::DNAME
                )
            };
            for set in sets.filter(leads) {
                text.push_str(&format!("{}\n", set.to_string().trim_end()));
            }
        }
        text
    }

    /// What the server at an address says to a question; nothing if it is silent.
    pub fn serve(&self, address: IpAddr, via: &Via, wire: &[u8]) -> Option<Vec<u8>> {
        let server = self.servers.get(&address)?;
        server.reply(matches!(via, Via::Udp), wire)
    }
}

impl Server {
    /// A server for some zones.
    pub fn new(zones: Vec<Arc<Zone>>) -> Server {
        Server { zones, manner: Manner::Proper }
    }

    /// The zone to answer from: the closest one above the name. A DS belongs to the parent
    /// (RFC 4035 §3.1.4.1).
    fn zone_for(&self, question: &Question) -> Option<&Zone> {
        let above = |zone: &&Arc<Zone>| question.name.is_at_or_below(zone.origin());
        let parent_side =
            |zone: &&Arc<Zone>| question.rtype == Rtype::DS && question.name == *zone.origin();
        let labels = |zone: &&Arc<Zone>| zone.origin().label_count();
        let best =
            self.zones.iter().filter(above).filter(|zone| !parent_side(zone)).max_by_key(labels);
        best.or_else(|| self.zones.iter().filter(above).max_by_key(labels)).map(Arc::as_ref)
    }

    /// The reply to a question; nothing if the server is silent.
    pub fn reply(&self, udp: bool, wire: &[u8]) -> Option<Vec<u8>> {
        let query = Message::parse(wire).ok()?;
        match self.manner {
            Manner::Silent => return None,
            Manner::SilentOnUdp if udp => return None,
            Manner::SilentOnTcp | Manner::ClosesStreams if !udp => return None,
            _ => {}
        }
        let edns = query.edns().filter(|_| self.manner != Manner::IgnoresEdns);
        if edns.is_some() && self.manner == Manner::NoEdns {
            let mut header = Header { id: query.header().id, ..Header::default() };
            header.set_qr(true);
            header.set_rcode_low(Rcode::FORMERR);
            return Some(header.to_bytes().to_vec());
        }
        let mut question = query.question()?;
        if self.manner == Manner::FoldsCase {
            question.name.make_lowercase();
        }
        let dnssec = edns.is_some_and(|edns| edns.dnssec_ok);
        let answer = self.answer(&query, &question, dnssec);
        let limit = match edns {
            _ if !udp => usize::from(u16::MAX),
            Some(edns) => usize::from(edns.udp_size_effective().min(SERVER_UDP_SIZE)),
            None => usize::from(UDP_SIZE_MIN),
        };
        let opt = edns.map(|edns| OptRecord::new(SERVER_UDP_SIZE, edns.dnssec_ok));
        let truncates = matches!(self.manner, Manner::AlwaysTruncates | Manner::ClosesStreams);
        let truncate = udp && truncates;
        Some(compose(&query, &question, &answer, opt.as_ref(), limit, truncate))
    }

    fn answer(&self, query: &Message<'_>, question: &Question, dnssec: bool) -> ZoneAnswer {
        let plain = |rcode| ZoneAnswer { rcode: Some(rcode), ..ZoneAnswer::default() };
        if query.header().opcode() != Opcode::QUERY {
            return plain(Rcode::NOTIMP);
        }
        match self.manner {
            Manner::Says(rcode) => plain(rcode),
            Manner::Empty => plain(Rcode::NOERROR),
            Manner::RefersUp => {
                let mut answer = plain(Rcode::NOERROR);
                let mut servers =
                    dns::Rrset::new(Name::root(), Rtype::NS, dns::Class::IN, crate::zone::TTL);
                if let Ok(name) = Name::from_text(b"a.root-servers.net.", &Name::root()) {
                    servers.rdatas.push(name.as_wire());
                }
                answer.authority.push(servers);
                answer
            }
            _ => match self.zone_for(question) {
                Some(zone) => zone.answer(question, dnssec),
                None => plain(Rcode::REFUSED),
            },
        }
    }
}

/// The bytes of an answer over a stream, for servers that make their answers up.
pub fn compose_whole(query: &Message<'_>, answer: &ZoneAnswer) -> Option<Vec<u8>> {
    let question = query.question()?;
    let opt = query.edns().map(|edns| OptRecord::new(SERVER_UDP_SIZE, edns.dnssec_ok));
    Some(compose(query, &question, answer, opt.as_ref(), usize::from(u16::MAX), false))
}

fn compose(
    query: &Message<'_>,
    question: &Question,
    answer: &ZoneAnswer,
    opt: Option<&OptRecord>,
    limit: usize,
    truncate: bool,
) -> Vec<u8> {
    let mut header = Header { id: query.header().id, ..Header::default() };
    header.set_qr(true);
    header.set_opcode(query.header().opcode());
    header.set_rd(query.header().rd());
    header.set_cd(query.header().cd());
    header.set_aa(answer.authoritative);
    header.set_rcode_low(answer.rcode.unwrap_or(Rcode::NOERROR));
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, header, limit);
    composer.reserve(opt.map_or(0, OptRecord::wire_length));
    let _fits = composer.question(&question.name, question.rtype, question.class);
    let needed = [(Section::Answer, &answer.answer), (Section::Authority, &answer.authority)];
    let mut full = truncate;
    for (section, sets) in needed {
        for set in sets {
            full = full || composer.rrset(section, set).is_err();
        }
    }
    for set in &answer.additional {
        // What does not fit here is no loss (RFC 2181 §9), except that glue in a referral should
        // not vanish silently (RFC 9471 §3.1).
        let lost = composer.rrset(Section::Additional, set).is_err();
        full = full || lost && !answer.authoritative;
    }
    composer.header_mut().set_tc(full);
    composer.finish(opt);
    out
}
