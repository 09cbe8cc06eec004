//! Messages and clients as text in the log, for the rules that ask for them.

use std::fmt::Write;

use dns::message::Question;
use dns::rdata::text::fmt_rdata;
use dns::{ExtendedErrorCode, Message, Rcode, Rtype};
use resolve::reply::{Reply, Source};
use resolve::trace::Group;
use resolve::{ClientProtocol, QueryContext, RequestContext};
use store::cache::entry::SignedSet;

/// Writes the client's message.
pub(super) fn request(ctx: &mut RequestContext<'_>) {
    let mut text = String::new();
    // A message that was taken in can be parsed.
    if let Ok(message) = Message::parse(&ctx.request.wire) {
        let header = message.header();
        let flags = flags(&[("rd", header.rd()), ("ad", header.ad()), ("cd", header.cd())]);
        let _fits = write_head(&mut text, message.rcode(), header.id, &flags);
        if let Some(edns) = message.edns() {
            let secure = if edns.dnssec_ok { "do" } else { "" };
            let (version, size) = (edns.version, edns.udp_size);
            let _fits = write!(text, "\n;; EDNS: version {version}; flags: {secure}; udp: {size}");
        }
    }
    let _fits = write_question(&mut text, &ctx.request.question);
    ctx.write_trace(Group::Policy, format_args!("request packet:\n{text}"));
}

/// Writes how the request came.
pub(super) fn client(ctx: &mut RequestContext<'_>) {
    let client = ctx.request.client;
    let protocol = match client.protocol {
        ClientProtocol::Udp => "UDP",
        ClientProtocol::Tcp => "TCP",
        ClientProtocol::Tls => "TCP + TLS",
        ClientProtocol::Https => "TCP + TLS + HTTP",
        ClientProtocol::Quic => "QUIC",
        ClientProtocol::Internal => {
            ctx.write_trace(Group::Policy, format_args!("request packet arrived internally"));
            return;
        }
    };
    let (peer, local) = (client.peer, client.local);
    ctx.write_trace(
        Group::Policy,
        format_args!(
            "request packet arrived from {}#{:05} to {}#{:05} ({protocol})",
            peer.ip().to_canonical(),
            peer.port(),
            local.ip().to_canonical(),
            local.port(),
        ),
    );
}

/// Writes what a query was told.
pub(super) fn reply(ctx: &mut QueryContext<'_>) {
    let Some(reply) = &ctx.query.reply else { return };
    let text = reply_text(reply, ctx);
    ctx.write_trace(Group::Iterate, format_args!("{text}"));
}

fn reply_text(reply: &Reply, ctx: &QueryContext<'_>) -> String {
    let from = match &reply.source {
        Source::Upstream { address, .. } => format!("answer from {address}"),
        Source::Cache | Source::Proofs => "answer from the cache".to_owned(),
        Source::Local => "local answer".to_owned(),
    };
    let mut text = format!("<= {from}:\n");
    let flags = flags(&[("aa", reply.authoritative), ("ra", reply.recursion_available)]);
    let _fits = write_head(&mut text, reply.rcode, 0, &flags);
    let question =
        Question { name: ctx.query.name.clone(), rtype: ctx.query.rtype, class: ctx.query.class };
    let _fits = write_question(&mut text, &question);
    let _fits = write_sections(&mut text, [&reply.answer, &reply.authority, &reply.additional]);
    text
}

/// Writes the response as it is at the end.
pub(super) fn response(ctx: &mut RequestContext<'_>) {
    let response = &ctx.request.response;
    let mut text = String::new();
    let flags = flags(&[
        ("qr", true),
        ("aa", response.authoritative),
        ("tc", response.truncated),
        ("rd", ctx.request.header.rd()),
        ("ra", true),
        ("ad", response.authentic && ctx.request.understands_ad()),
        ("cd", ctx.request.header.cd()),
    ]);
    let _fits = write_head(&mut text, response.rcode, ctx.request.header.id, &flags);
    for error in &response.extended_errors {
        let ExtendedErrorCode(code) = error.code;
        let _fits = write!(text, "\n;; EDE: {code} ({}): {:?}", error.code, error.text);
    }
    let _fits = write_question(&mut text, &ctx.request.question);
    let sections = [&response.answer, &response.authority, &response.additional];
    let _fits = write_sections(&mut text, sections);
    ctx.write_trace(Group::Policy, format_args!("answer packet:\n{text}"));
}

fn flags(flags: &[(&str, bool)]) -> String {
    let set: Vec<&str> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    set.join(" ")
}

fn write_head(text: &mut String, rcode: Rcode, id: u16, flags: &str) -> std::fmt::Result {
    write!(text, ";; ->>HEADER<<- opcode: QUERY; status: {rcode}; id: {id}\n;; Flags: {flags}")
}

fn write_question(text: &mut String, question: &Question) -> std::fmt::Result {
    write!(text, "\n;; QUESTION SECTION\n{}\t\t{}", question.name, question.rtype)
}

fn write_sections(text: &mut String, sections: [&Vec<SignedSet>; 3]) -> std::fmt::Result {
    for (title, sets) in ["ANSWER", "AUTHORITY", "ADDITIONAL"].iter().zip(sections) {
        if sets.is_empty() {
            continue;
        }
        write!(text, "\n;; {title} SECTION")?;
        for signed in sets {
            let set = &signed.set;
            let lists = [(set.rtype, &set.rdatas), (Rtype::RRSIG, &signed.signatures)];
            for (rtype, rdatas) in lists {
                for rdata in rdatas.iter() {
                    write!(text, "\n{}\t{}\t{rtype}\t", set.owner, set.ttl)?;
                    fmt_rdata(rtype, rdata, text)?;
                }
            }
        }
    }
    Ok(())
}
