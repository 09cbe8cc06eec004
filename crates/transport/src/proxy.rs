//! The header that a load balancer puts in front to say who really asks: PROXY protocol, version 2
//! (HAProxy's `proxy-protocol.txt` §2.2). In front of each datagram, and once in front of a stream.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What every header begins with; no DNS query does, since it would have thirteen questions.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Octets before the addresses.
const FIXED_BYTES: usize = 16;

/// Longest header that is taken. Addresses need 36 octets; the rest is for what senders add about
/// certificates and the like.
pub const HEADER_BYTES_MAX: usize = 2048;

/// Additional field: how the client's connection was encrypted.
const TLV_SSL: u8 = 0x20;
/// Its bit for "it was".
const CLIENT_SSL: u8 = 1;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// The client and the address it asked; none if the sender speaks for itself (`LOCAL`), or of
    /// something that is not IP.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// The client asked over TLS.
    pub encrypted: bool,
    /// Octets of the header.
    pub length: usize,
}

/// Octets that begin with the signature and are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed PROXY header")]
pub struct ProxyFault;

/// May a header stand at the beginning of these octets, as far as they go?
pub fn may_begin(octets: &[u8]) -> bool {
    let known = octets.len().min(SIGNATURE.len());
    octets.get(..known) == SIGNATURE.get(..known)
}

/// Reads the header at the beginning; nothing if some of it is still to come. Errors: another
/// version or command, addresses that do not fit, more than [`HEADER_BYTES_MAX`].
pub fn parse(octets: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    if !may_begin(octets) {
        return Err(ProxyFault);
    }
    let Some(fixed) = octets.first_chunk::<FIXED_BYTES>() else { return Ok(None) };
    let [.., version_command, family, high, low] = *fixed;
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if version_command >> 4 != 2 || length > HEADER_BYTES_MAX {
        return Err(ProxyFault);
    }
    let Some(body) = octets.get(FIXED_BYTES..length) else { return Ok(None) };
    let is_local = match version_command & 0xf {
        0 => true,
        1 => false,
        _ => return Err(ProxyFault),
    };
    let (addresses, rest) = match family >> 4 {
        1 => with_rest(addresses(body, |octets: [u8; 4]| Ipv4Addr::from(octets).into()), body, 12)?,
        2 => {
            with_rest(addresses(body, |octets: [u8; 16]| Ipv6Addr::from(octets).into()), body, 36)?
        }
        // Nothing, or sockets of a file system: whatever stands there does not concern us.
        0 | 3 => (None, &[][..]),
        _ => return Err(ProxyFault),
    };
    let encrypted = !is_local && was_encrypted(rest)?;
    Ok(Some(ProxyHeader { addresses: addresses.filter(|_| !is_local), encrypted, length }))
}

type Addresses = Option<(SocketAddr, SocketAddr)>;

/// Addresses have to be there where the family promises them.
fn with_rest(
    found: Addresses,
    body: &[u8],
    length: usize,
) -> Result<(Addresses, &[u8]), ProxyFault> {
    match (found, body.get(length..)) {
        (Some(found), Some(rest)) => Ok((Some(found), rest)),
        _ => Err(ProxyFault),
    }
}

/// Source address, destination address, source port, destination port.
fn addresses<const N: usize>(body: &[u8], ip: impl Fn([u8; N]) -> IpAddr) -> Addresses {
    let (source, body) = body.split_first_chunk::<N>()?;
    let (destination, body) = body.split_first_chunk::<N>()?;
    let (source_port, body) = body.split_first_chunk::<2>()?;
    let destination_port = body.first_chunk::<2>()?;
    Some((
        SocketAddr::new(ip(*source), u16::from_be_bytes(*source_port)),
        SocketAddr::new(ip(*destination), u16::from_be_bytes(*destination_port)),
    ))
}

/// Looks through the additional fields: type, length of two octets, value.
fn was_encrypted(mut fields: &[u8]) -> Result<bool, ProxyFault> {
    let mut encrypted = false;
    while let Some((&[kind, high, low], rest)) = fields.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(ProxyFault)?;
        if kind == TLV_SSL {
            encrypted = value.first().is_some_and(|flags| flags & CLIENT_SSL != 0);
        }
        fields = rest;
    }
    if fields.is_empty() { Ok(encrypted) } else { Err(ProxyFault) }
}

#[cfg(test)]
mod tests;
