//! Rules of the configuration language as rules of the module: the same words, other types.

use std::sync::Arc;

use dns::{ExtendedErrorCode, Name, Rdatas};
use lua::flags::{QueryFlag, QueryFlags as LuaFlags};
use lua::policy::{Action, Client, Target};
use modules::policy::{self, AnswerRecords, FunctionId, Network};
use resolve::flags::QueryFlags;
use resolve::{Encryption, Forward, ForwardKind, Via};

/// A condition on the client.
pub(super) fn client(client: &Client) -> policy::Client {
    match client {
        Client::Source(address, length) => policy::Client::Source(Network::new(*address, *length)),
        Client::Destination(address, length) => {
            policy::Client::Destination(Network::new(*address, *length))
        }
        Client::Tsig(name) => policy::Client::Tsig(name.clone()),
    }
}

/// An action.
pub(crate) fn action(action: &Action) -> policy::Action {
    match action {
        Action::Pass => policy::Action::Pass,
        Action::Deny { message, extended_error } => policy::Action::Deny {
            message: message.clone(),
            extended_error: ExtendedErrorCode(*extended_error),
        },
        Action::Drop => policy::Action::Drop,
        Action::Refuse => policy::Action::Refuse,
        Action::NoAnswer => policy::Action::NoAnswer,
        Action::Truncate => policy::Action::Truncate,
        Action::Answer { records, nodata } => policy::Action::Answer {
            records: records.iter().map(answer_records).collect(),
            nodata: *nodata,
        },
        Action::Forward(targets) => forward(ForwardKind::Forward, targets),
        Action::Stub(targets) => forward(ForwardKind::Stub, targets),
        Action::Mirror(target) => policy::Action::Mirror(*target),
        Action::Flags { set, clear } => {
            policy::Action::Flags { set: flags(*set), clear: flags(*clear) }
        }
        Action::Reroute(map) => policy::Action::Reroute(
            map.iter()
                .map(|(network, length, target)| (Network::new(*network, *length), *target))
                .collect(),
        ),
        Action::DebugAlways => policy::Action::DebugAlways,
        Action::DebugCacheMiss => policy::Action::DebugCacheMiss,
        Action::DebugIf(function) => policy::Action::DebugIf(FunctionId(function.0)),
        Action::QTrace => policy::Action::QTrace,
        Action::ReqTrace => policy::Action::ReqTrace,
        Action::IpTrace => policy::Action::IpTrace,
        Action::Lua(function) => policy::Action::Function(FunctionId(function.0)),
    }
}

fn answer_records(records: &lua::policy::AnswerRecords) -> AnswerRecords {
    let mut rdatas = Rdatas::new();
    for rdata in &records.rdata {
        rdatas.push(rdata);
    }
    AnswerRecords { rtype: records.rr_type, ttl: records.ttl, rdatas }
}

fn forward(kind: ForwardKind, targets: &[Target]) -> policy::Action {
    let targets = targets.iter().map(|target| {
        let via = match &target.tls {
            None => Via::Udp,
            Some(tls) => Via::Tls(Arc::new(Encryption {
                hostnames: tls.hostname.iter().cloned().collect(),
                pins: tls.pins_sha256.clone(),
                ca_files: tls.ca_files.clone(),
                insecure: tls.insecure,
            })),
        };
        (target.address, via)
    });
    let targets = targets.collect();
    policy::Action::Forward(Arc::new(Forward { suffix: Name::root(), kind, targets }))
}

/// The switches that the resolver knows. The others are notes of the program itself about a query;
/// setting them has no meaning.
fn flags(flags: LuaFlags) -> QueryFlags {
    flags.iter().filter_map(flag).fold(QueryFlags::empty(), |all, flag| all | flag)
}

// Long because it is a table.
fn flag(flag: QueryFlag) -> Option<QueryFlags> {
    Some(match flag {
        QueryFlag::NoMinimize => QueryFlags::NO_MINIMIZE,
        QueryFlag::NoIpv6 => QueryFlags::NO_IPV6,
        QueryFlag::NoIpv4 => QueryFlags::NO_IPV4,
        QueryFlag::Tcp => QueryFlags::TCP,
        QueryFlag::NoAnswer => QueryFlags::NO_ANSWER,
        QueryFlag::NoEdns => QueryFlags::NO_EDNS,
        QueryFlag::NoCache => QueryFlags::NO_CACHE,
        QueryFlag::AllowLocal => QueryFlags::ALLOW_LOCAL,
        QueryFlag::AlwaysCut => QueryFlags::ALWAYS_CUT,
        QueryFlag::Permissive => QueryFlags::PERMISSIVE,
        QueryFlag::Strict => QueryFlags::STRICT,
        QueryFlag::ReorderRr => QueryFlags::REORDER_RR,
        QueryFlag::No0x20 => QueryFlags::NO_0X20,
        QueryFlag::Trace => QueryFlags::TRACE,
        QueryFlag::Stub => QueryFlags::STUB,
        QueryFlag::Forward => QueryFlags::FORWARD,
        QueryFlag::DnssecWant => QueryFlags::DNSSEC_WANT,
        QueryFlag::DnssecCd => QueryFlags::DNSSEC_CD,
        QueryFlag::DnssecBogus => QueryFlags::DNSSEC_BOGUS,
        QueryFlag::DnssecInsecure => QueryFlags::DNSSEC_INSECURE,
        QueryFlag::DnssecWexpand => QueryFlags::DNSSEC_WEXPAND,
        QueryFlag::Dns64Mark => QueryFlags::DNS64_MARK,
        QueryFlag::Dns64Disable => QueryFlags::DNS64_DISABLE,
        QueryFlag::Resolved
        | QueryFlag::AwaitIpv4
        | QueryFlag::AwaitIpv6
        | QueryFlag::AwaitCut
        | QueryFlag::Cached
        | QueryFlag::Expiring
        | QueryFlag::BadcookieAgain
        | QueryFlag::Cname
        | QueryFlag::DnssecNods
        | QueryFlag::DnssecOptout
        | QueryFlag::Nonauth
        | QueryFlag::CacheTried
        | QueryFlag::NoNsFound
        | QueryFlag::PktIsSane => return None,
    })
}
