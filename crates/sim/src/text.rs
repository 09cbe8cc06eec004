//! Messages and records as text, for traces and scripts.

use dns::rdata::text::{fmt_rdata, parse_rdata_text};
use dns::{Class, Header, Message, Name, RecordRef, Rtype, Section};

use crate::rpl::Record;

/// The bytes of an even number of hexadecimal digits.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Hexadecimal digits of bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The flags that are set, in the order of the wire.
pub fn flags(header: &Header) -> String {
    let flags = [
        (header.qr(), "QR"),
        (header.aa(), "AA"),
        (header.tc(), "TC"),
        (header.rd(), "RD"),
        (header.ra(), "RA"),
        (header.ad(), "AD"),
        (header.cd(), "CD"),
    ];
    let set: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    set.join(" ")
}

/// One line: question, flags, response code, counts.
pub fn summary(wire: &[u8]) -> String {
    let message = match Message::parse(wire) {
        Ok(message) => message,
        Err(fault) => return format!("{} bytes that are no message ({fault})", wire.len()),
    };
    let mut out = match message.question() {
        Some(question) => format!("{} {}", question.name, question.rtype),
        None => "(no question)".into(),
    };
    let header = message.header();
    out.push_str(&format!(" [{}]", flags(header)));
    if let Some(edns) = message.edns() {
        out.push_str(if edns.dnssec_ok { " DO" } else { " EDNS" });
    }
    if header.qr() {
        let counts = [Section::Answer, Section::Authority, Section::Additional]
            .map(|section| message.section(section).len());
        out.push_str(&format!(" {} {}/{}/{}", message.rcode(), counts[0], counts[1], counts[2]));
    }
    out
}

/// All of a message.
pub fn message(wire: &[u8]) -> String {
    let message = match Message::parse(wire) {
        Ok(message) => message,
        Err(_) => return to_hex(wire),
    };
    let header = message.header();
    let mut out = format!("id {} opcode {} [{}]", header.id, header.opcode().0, flags(header));
    out.push_str(&format!(" {}\n", message.rcode()));
    if let Some(edns) = message.edns() {
        let dnssec = if edns.dnssec_ok { " DO" } else { "" };
        out.push_str(&format!("EDNS {} {} bytes{dnssec}\n", edns.version, edns.udp_size));
        for option in edns.options() {
            out.push_str(&format!("option {} {}\n", option.code.0, to_hex(option.data)));
        }
    }
    if let Some(question) = message.question() {
        out.push_str(&format!(
            "question {} {} {}\n",
            question.name, question.class, question.rtype
        ));
    }
    for (section, name) in [
        (Section::Answer, "answer"),
        (Section::Authority, "authority"),
        (Section::Additional, "additional"),
    ] {
        for found in message.section(section) {
            out.push_str(&format!("{name} {}\n", record(&owned(&found))));
        }
    }
    out
}

/// A record of a message by value.
pub fn owned(record: &RecordRef<'_>) -> Record {
    Record {
        owner: record.owner(),
        rtype: record.rtype(),
        class: record.class(),
        ttl: record.ttl(),
        rdata: record.rdata(),
    }
}

/// A record as a zone file has it.
pub fn record(record: &Record) -> String {
    let Record { owner, rtype, class, ttl, rdata } = record;
    format!("{owner} {ttl} {class} {rtype} {}", rdata_to_text(*rtype, rdata))
}

/// Rdata as a zone file has it.
pub fn rdata_to_text(rtype: Rtype, rdata: &[u8]) -> String {
    let mut out = String::new();
    let _infallible = fmt_rdata(rtype, rdata, &mut out);
    out
}

/// Rdata from the text that a zone file has behind the type; names without a final dot end in
/// `origin`. A record without rdata has none.
pub fn rdata_from_text(
    rtype: Rtype,
    class: Class,
    text: &str,
    origin: &Name,
) -> Result<Vec<u8>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    parse_rdata_text(rtype, class, text.as_bytes(), origin)
        .map_err(|fault| format!("{rtype}: {fault}"))
}
