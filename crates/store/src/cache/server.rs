//! What workers tell each other about servers: how long they take to answer, and since when they do
//! not. `docs/formats/entries.md` is normative.
//!
//! ```text
//! key    = 00 'A' address:(4 or 16) port:u16
//! server = at:u64 smoothed:u32 variation:u32 silences:u8 flags:u8 rest:u16     (big-endian)
//! ```
//!
//! Nobody's data depends on such an entry: one that is lost or old costs a time-out.

use std::net::{IpAddr, SocketAddr};

use super::Cache;
use crate::kv::StoreError;

/// What is shared about one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ServerEntry {
    /// Wall clock of the last reply or silence, in milliseconds since 1970.
    pub at: u64,
    /// Round-trip time and its variation in microseconds, if it has ever answered.
    pub rtt: Option<(u32, u32)>,
    /// Time-outs since it last answered.
    pub silences: u8,
    /// Was one of them over a stream?
    pub silent_over_stream: bool,
    /// It is to be left alone for so many hundredths of a second, counted from `at`.
    pub rest: u16,
}

/// Length of an entry.
const SERVER_BYTES: usize = 20;
/// What stands in front of the address: as the first label of a name is never empty, this is no
/// key of a name, and it sorts before all of those.
const PREFIX: [u8; 2] = [0, b'A'];
/// Entries older than this are as good as none, in milliseconds: routes change.
const AGE_MAX: u64 = 3600 * 1000;
/// A clock may be ahead of ours by so many milliseconds.
const AHEAD_MAX: u64 = 1000;

const RTT_KNOWN: u8 = 1;
const SILENT_OVER_STREAM: u8 = 2;

impl ServerEntry {
    /// The bytes.
    pub fn encode(&self) -> [u8; SERVER_BYTES] {
        let (smoothed, variation) = self.rtt.unwrap_or_default();
        let mut flags = 0;
        if self.rtt.is_some() {
            flags |= RTT_KNOWN;
        }
        if self.silent_over_stream {
            flags |= SILENT_OVER_STREAM;
        }
        let mut out = [0; SERVER_BYTES];
        out[..8].copy_from_slice(&self.at.to_be_bytes());
        out[8..12].copy_from_slice(&smoothed.to_be_bytes());
        out[12..16].copy_from_slice(&variation.to_be_bytes());
        out[16] = self.silences;
        out[17] = flags;
        out[18..].copy_from_slice(&self.rest.to_be_bytes());
        out
    }

    /// Reads the bytes; `None` for anything that is not exactly an entry.
    pub fn decode(bytes: &[u8]) -> Option<ServerEntry> {
        let (at, rest) = bytes.split_first_chunk()?;
        let (smoothed, rest) = rest.split_first_chunk()?;
        let (variation, rest) = rest.split_first_chunk()?;
        let &[silences, flags, high, low] = rest else { return None };
        if flags & !(RTT_KNOWN | SILENT_OVER_STREAM) != 0 {
            return None;
        }
        let rtt = (u32::from_be_bytes(*smoothed), u32::from_be_bytes(*variation));
        Some(ServerEntry {
            at: u64::from_be_bytes(*at),
            rtt: (flags & RTT_KNOWN != 0).then_some(rtt),
            silences,
            silent_over_stream: flags & SILENT_OVER_STREAM != 0,
            rest: u16::from_be_bytes([high, low]),
        })
    }

    /// Is it young enough to be believed at `now`, in milliseconds since 1970?
    pub fn is_alive(&self, now: u64) -> bool {
        self.at <= now + AHEAD_MAX && now.saturating_sub(self.at) <= AGE_MAX
    }
}

/// Writes the key of a server.
fn write_key(address: SocketAddr, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&PREFIX);
    match address.ip() {
        IpAddr::V4(v4) => key.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => key.extend_from_slice(&v6.octets()),
    }
    key.extend_from_slice(&address.port().to_be_bytes());
}

/// Is this the key of a server (and not of data at a name)?
pub fn is_server_key(key: &[u8]) -> bool {
    key.starts_with(&PREFIX) && matches!(key.len(), 8 | 20)
}

impl Cache {
    /// What was last shared about a server, if that is not too old at `now` (milliseconds since
    /// 1970).
    pub fn peek_server(&mut self, now: u64, address: SocketAddr) -> Option<ServerEntry> {
        write_key(address, &mut self.key);
        ServerEntry::decode(self.kv.get(&self.key)?).filter(|entry| entry.is_alive(now))
    }

    /// Shares what is known about a server.
    pub fn stash_server(
        &mut self,
        address: SocketAddr,
        entry: &ServerEntry,
    ) -> Result<(), StoreError> {
        write_key(address, &mut self.key);
        self.kv.put(&self.key, &entry.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::super::key;
    use super::*;

    #[test]
    fn keys_of_servers_are_no_keys_of_names_and_sort_before_them() {
        let mut server = Vec::new();
        let mut root = Vec::new();
        assert!(key::write(&dns::Name::root(), key::Slot::Exact(dns::Rtype::A), &mut root));
        for address in
            ["192.0.2.1:53", "0.0.0.69:78", "255.0.0.78:53", "10.0.69.0:1", "[::45:0:1]:78"]
        {
            write_key(address.parse().unwrap(), &mut server);
            assert!(is_server_key(&server));
            assert_eq!(key::read(&server), None, "{address}");
            assert!(server < root, "{address}");
        }
        assert!(!is_server_key(&root));
    }

    #[test]
    fn bytes_that_are_no_entry_are_none() {
        let entry = ServerEntry { rtt: Some((1, 2)), ..ServerEntry::default() };
        let bytes = entry.encode();
        assert_eq!(ServerEntry::decode(&bytes), Some(entry));
        assert_eq!(ServerEntry::decode(&bytes[1..]), None);
        assert_eq!(ServerEntry::decode(&[&bytes[..], &[0]].concat()), None);
        let mut unknown = bytes;
        unknown[17] = 0x80;
        assert_eq!(ServerEntry::decode(&unknown), None);
    }
}
