//! One request over HTTP and its response: which DNS message it carries, and what stands around the
//! answer (RFC 8484 §4, §5.1).

use dns::rdata::text::decode_base64;
use dns::{Message, Rcode, Rtype};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::limits::DOH_SERVFAIL_AGE;
use crate::worker::Headers;

/// The media type of a DNS message (RFC 8484 §6).
pub(super) const MEDIA_TYPE: &str = "application/dns-message";

/// The paths that are served, those of Knot Resolver.
const PATHS: [&str; 2] = ["/dns-query", "/doh"];

/// Where the message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In the address of a GET, and this is it.
    Address(Vec<u8>),
    /// In the body of a POST.
    Body,
}

/// Looks at the head of a request. Errors are the status to answer with.
pub(super) fn carrier(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Carrier, StatusCode> {
    if !PATHS.contains(&uri.path()) {
        return Err(StatusCode::NOT_FOUND);
    }
    match *method {
        Method::GET => message_of(uri.query().unwrap_or_default()).map(Carrier::Address),
        Method::POST => {
            let media_type = headers.get(http::header::CONTENT_TYPE);
            let is_dns = media_type.is_some_and(|value| {
                // Parameters may follow (RFC 9110 §8.3.1).
                let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
                kind.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
            });
            is_dns.then_some(Carrier::Body).ok_or(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
        _ => Err(StatusCode::NOT_IMPLEMENTED),
    }
}

/// The message in the parameter `dns`, base64url without padding (RFC 8484 §4.1).
fn message_of(parameters: &str) -> Result<Vec<u8>, StatusCode> {
    let text = parameters
        .split('&')
        .find_map(|parameter| parameter.strip_prefix("dns="))
        .ok_or(StatusCode::BAD_REQUEST)?;
    let mut plain = Vec::with_capacity(text.len() + 3);
    for byte in text.bytes() {
        plain.push(match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte if byte.is_ascii_alphanumeric() => byte,
            _ => return Err(StatusCode::BAD_REQUEST),
        });
    }
    plain.resize(plain.len().next_multiple_of(4), b'=');
    decode_base64(&plain).ok_or(StatusCode::BAD_REQUEST)
}

/// The headers of a request that have one of these names, in lower case. Those that HTTP/2 begins with
/// a colon come first (RFC 9113 §8.3.1).
pub(super) fn shown_headers(head: &Parts, names: &[String]) -> Headers {
    if names.is_empty() {
        return Headers::new();
    }
    let (method, uri) = (head.method.as_str(), &head.uri);
    let authority = uri.authority().map(|authority| authority.as_str());
    let path = uri.path_and_query().map(|path| path.as_str());
    let first = [
        (":method", Some(method)),
        (":scheme", uri.scheme_str()),
        (":authority", authority),
        (":path", path),
    ];
    let first = first.into_iter().filter_map(|(name, value)| Some((name, value?.as_bytes())));
    let others = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    first
        .chain(others)
        .filter(|(name, _)| names.iter().any(|wanted| wanted == name))
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect()
}

/// Is it a query that can be answered at all?
pub(super) fn is_query(message: &[u8]) -> bool {
    Message::parse(message)
        .is_ok_and(|message| !message.header().qr() && message.question().is_some())
}

/// How long caches may keep a response, in seconds: as long as its shortest-lived record (RFC 8484
/// §5.1). Failures are not to be repeated at once.
pub(super) fn max_age(answer: &[u8]) -> u32 {
    let Ok(message) = Message::parse(answer) else { return 0 };
    let records = message.answer().chain(message.authority()).chain(message.additional());
    let shortest = records.filter(|record| record.rtype() != Rtype::OPT).map(|r| r.ttl()).min();
    match message.rcode() {
        Rcode::SERVFAIL => shortest.unwrap_or(DOH_SERVFAIL_AGE).min(DOH_SERVFAIL_AGE),
        _ => shortest.unwrap_or(0),
    }
}

/// What a client is told whose query was dropped: a stream can be answered, and it waits.
pub(super) fn failure(query: &[u8]) -> Vec<u8> {
    let question = Message::parse(query).map(|message| message.question_wire().to_vec());
    let Some(header) = query.first_chunk::<4>() else { return Vec::new() };
    let [id_high, id_low, flags, _] = *header;
    // QR, the opcode and RD as they came; RA and SERVFAIL.
    let mut answer = vec![id_high, id_low, flags & 0x79 | 0x80, 0x82, 0, 1, 0, 0, 0, 0, 0, 0];
    answer.extend(question.unwrap_or_default());
    answer
}

#[cfg(test)]
mod tests;
