//! The meaning of single EDNS options: cookies, client subnet, keepalive, padding and the rest.
//!
//! Each type has `parse` from an option's data, `None` if it is malformed (the RFCs want FORMERR
//! then), and `to_bytes` or a `push_…` on [`OptRecord`]. Options without structure (NSID, DAU, DHU,
//! N3U) are their bytes.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use siphasher::sip::SipHasher24;

use super::{OptRecord, OptionCode};
use crate::name::Name;

/// Length of a client cookie (RFC 7873 §4).
pub const CLIENT_COOKIE_BYTES: usize = 8;
/// Lengths of a server cookie (RFC 7873 §4).
const SERVER_COOKIE_BYTES: std::ops::RangeInclusive<usize> = 8..=32;

/// A cookie option (RFC 7873 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cookie<'a> {
    pub client: [u8; CLIENT_COOKIE_BYTES],
    /// Empty if the client has none yet, else 8 to 32 bytes.
    pub server: &'a [u8],
}

impl<'a> Cookie<'a> {
    /// `None` unless there are 8, or 16 to 40 bytes (RFC 7873 §5.2.2).
    pub fn parse(data: &'a [u8]) -> Option<Cookie<'a>> {
        let (client, server) = data.split_first_chunk()?;
        let fits = server.is_empty() || SERVER_COOKIE_BYTES.contains(&server.len());
        fits.then_some(Cookie { client: *client, server })
    }
}

/// A server cookie in the interoperable form (RFC 9018 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerCookie {
    /// Zero in our own; signed but not looked at in others (RFC 9018 §4.2).
    reserved: [u8; 3],
    /// Seconds since 1970 modulo 2³², when it was made.
    timestamp: u32,
    hash: [u8; 8],
}

impl ServerCookie {
    const VERSION: u8 = 1;

    /// `None` if it is of another length or version.
    pub fn parse(server: &[u8]) -> Option<ServerCookie> {
        let [Self::VERSION, r1, r2, r3, rest @ ..] = server else { return None };
        let (timestamp, hash) = rest.split_first_chunk()?;
        let timestamp = u32::from_be_bytes(*timestamp);
        Some(ServerCookie { reserved: [*r1, *r2, *r3], timestamp, hash: hash.try_into().ok()? })
    }

    /// The cookie for a client, signed with the server's secret (RFC 9018 §4.4).
    pub fn new(
        secret: &[u8; 16],
        client: &[u8; CLIENT_COOKIE_BYTES],
        timestamp: u32,
        address: IpAddr,
    ) -> ServerCookie {
        let unsigned = ServerCookie { reserved: [0; 3], timestamp, hash: [0; 8] };
        ServerCookie { hash: unsigned.sign(secret, client, address), ..unsigned }
    }

    fn sign(
        &self,
        secret: &[u8; 16],
        client: &[u8; CLIENT_COOKIE_BYTES],
        address: IpAddr,
    ) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(secret);
        hasher.write(client);
        hasher.write(&self.to_bytes()[..8]);
        match address {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        hasher.finish().to_le_bytes()
    }

    /// When it was made: seconds since 1970 modulo 2³², to be compared by serial-number arithmetic
    /// (RFC 9018 §4.3).
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Was it made with this secret for this client?
    pub fn is_authentic(
        &self,
        secret: &[u8; 16],
        client: &[u8; CLIENT_COOKIE_BYTES],
        address: IpAddr,
    ) -> bool {
        let expected = self.sign(secret, client, address);
        // All bytes are looked at, so that timing does not tell how many were right.
        let differences = self.hash.iter().zip(expected).fold(0, |d, (a, b)| d | (a ^ b));
        differences == 0
    }

    /// The sixteen bytes that follow the client cookie.
    pub fn to_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0] = Self::VERSION;
        bytes[1..4].copy_from_slice(&self.reserved);
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }
}

/// A client subnet option (RFC 7871 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientSubnet {
    /// The address with all bits behind the source prefix zero. `None` for family 0, with which
    /// clients ask that nothing be told about them.
    pub address: Option<IpAddr>,
    /// Bits of the address that the client tells.
    pub source_prefix: u8,
    /// Bits of the address that an answer is for; zero in queries.
    pub scope_prefix: u8,
}

impl ClientSubnet {
    /// A query's option: `address` cut to `source_prefix` bits (no more than it has).
    pub fn new(address: IpAddr, source_prefix: u8) -> ClientSubnet {
        let (address, source_prefix) = match address {
            IpAddr::V4(address) => {
                let prefix = source_prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                (Ipv4Addr::from_bits(address.to_bits() & mask).into(), prefix)
            }
            IpAddr::V6(address) => {
                let prefix = source_prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                (Ipv6Addr::from_bits(address.to_bits() & mask).into(), prefix)
            }
        };
        ClientSubnet { address: Some(address), source_prefix, scope_prefix: 0 }
    }

    /// `None` if family, lengths and bytes do not fit, or bits behind the prefix are set (RFC 7871
    /// §6 and §7.1.2).
    pub fn parse(data: &[u8]) -> Option<ClientSubnet> {
        let (head, bytes) = data.split_first_chunk::<4>()?;
        let [_, family, source_prefix, scope_prefix] = *head;
        if bytes.len() != usize::from(source_prefix).div_ceil(8) {
            return None;
        }
        let address: IpAddr = match u16::from_be_bytes([head[0], family]) {
            0 if source_prefix == 0 && scope_prefix == 0 => {
                return Some(ClientSubnet { address: None, source_prefix, scope_prefix });
            }
            1 if source_prefix <= 32 && scope_prefix <= 32 => {
                let mut octets = [0; 4];
                octets[..bytes.len()].copy_from_slice(bytes);
                octets.into()
            }
            2 if source_prefix <= 128 && scope_prefix <= 128 => {
                let mut octets = [0; 16];
                octets[..bytes.len()].copy_from_slice(bytes);
                octets.into()
            }
            _ => return None,
        };
        let cut = ClientSubnet { scope_prefix, ..ClientSubnet::new(address, source_prefix) };
        (cut.address == Some(address)).then_some(cut)
    }

    /// The option's data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (family, octets) = match self.address {
            None => (0, Vec::new()),
            Some(IpAddr::V4(address)) => (1, address.octets().to_vec()),
            Some(IpAddr::V6(address)) => (2, address.octets().to_vec()),
        };
        let mut out = vec![0, family, self.source_prefix, self.scope_prefix];
        let told = usize::from(self.source_prefix).div_ceil(8).min(octets.len());
        out.extend_from_slice(&octets[..told]);
        out
    }
}

/// A keepalive option (RFC 7828 §3.1): a client sends it empty, a server with how long a
/// connection may be idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpKeepalive {
    pub timeout: Option<Duration>,
}

impl TcpKeepalive {
    /// `None` unless there are no or two bytes.
    pub fn parse(data: &[u8]) -> Option<TcpKeepalive> {
        if data.is_empty() {
            return Some(TcpKeepalive { timeout: None });
        }
        let tenths = u16::from_be_bytes(data.try_into().ok()?);
        Some(TcpKeepalive { timeout: Some(Duration::from_millis(u64::from(tenths) * 100)) })
    }

    /// The option's data; times are cut to tenths of a second and to at most 6553.5 seconds.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Some(timeout) = self.timeout else { return Vec::new() };
        u16::try_from(timeout.as_millis() / 100).unwrap_or(u16::MAX).to_be_bytes().to_vec()
    }
}

/// The tags of trust anchors that a validator has (RFC 8145 §4.1); `None` if there is none or half
/// a one.
pub fn parse_key_tags(data: &[u8]) -> Option<impl Iterator<Item = u16>> {
    let (tags, rest) = data.as_chunks::<2>();
    let well_formed = !tags.is_empty() && rest.is_empty();
    well_formed.then(|| tags.iter().map(|tag| u16::from_be_bytes(*tag)))
}

/// The agent domain of a report-channel option (RFC 9567 §5); `None` unless it is one uncompressed
/// name that is not the root.
pub fn parse_report_channel(data: &[u8]) -> Option<Name> {
    Name::from_wire(data).ok().filter(|agent| !agent.is_root())
}

/// Block sizes of the recommended padding policy (RFC 8467 §4.1), in bytes.
pub const PADDING_BLOCK_QUERY: usize = 128;
/// See [`PADDING_BLOCK_QUERY`].
pub const PADDING_BLOCK_RESPONSE: usize = 468;

impl OptRecord {
    /// Adds a cookie (RFC 7873 §4).
    pub fn push_cookie(&mut self, client: &[u8; CLIENT_COOKIE_BYTES], server: &[u8]) {
        let mut data = Vec::with_capacity(CLIENT_COOKIE_BYTES + server.len());
        data.extend_from_slice(client);
        data.extend_from_slice(server);
        self.push(OptionCode::COOKIE, &data);
    }

    /// Adds the tags of the trust anchors at hand (RFC 8145 §4.1).
    pub fn push_key_tags(&mut self, tags: impl IntoIterator<Item = u16>) {
        let data: Vec<u8> = tags.into_iter().flat_map(u16::to_be_bytes).collect();
        self.push(OptionCode::KEY_TAG, &data);
    }

    /// Adds padding so that a message, which without this OPT record has `rest` bytes, comes to a
    /// multiple of `block` bytes, or to `limit` if that is less (RFC 7830 §3, RFC 8467 §4). It
    /// must be the last option. Nothing is added where not even an empty option fits.
    pub fn push_padding(&mut self, rest: usize, block: usize, limit: usize) {
        /// Code and length of an option.
        const HEAD: usize = 4;
        let length = rest + self.wire_length() + HEAD;
        if block == 0 || length > limit {
            return;
        }
        let padded = length.next_multiple_of(block).min(limit);
        self.push(OptionCode::PADDING, &vec![0; padded - length]);
    }
}

#[cfg(test)]
mod tests;
