//! What `dns64` is told: the prefix, which addresses count as none, and the TTL of reverse names.

use std::net::Ipv6Addr;

use dns::Name;

use crate::subnet::Subnet;
use crate::{Refusal, Value};

/// What a configuration may say.
const KEYS: [&str; 3] = ["prefix", "rev_ttl", "exclude_subnets"];
/// The prefix that is kept for this purpose (RFC 6052 §2.1).
const WELL_KNOWN: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
/// Octets of the prefix; the IPv4 address fills the rest (RFC 6052 §2.2).
const PREFIX_OCTETS: usize = 12;
/// TTL of reverse names, in seconds.
const REVERSE_TTL: u32 = 60;
/// Addresses that count as none: IPv4 addresses mapped into IPv6 (RFC 6147 §5.1.4).
const EXCLUDED: &str = "::ffff:0:0/96";
/// How the manual of 5.x writes that, which by the letter is another range.
const EXCLUDED_SHORT: &str = "::ffff/96";
/// Ranges that may be excluded.
const EXCLUDED_MAX: usize = 256;

/// What it is told.
pub(super) struct Config {
    prefix: [u8; PREFIX_OCTETS],
    /// The tree of reverse names below the prefix.
    pub(super) reverse: Name,
    pub(super) reverse_ttl: u32,
    pub(super) excluded: Vec<Subnet>,
}

impl Default for Config {
    fn default() -> Config {
        Config::new(WELL_KNOWN, REVERSE_TTL, Subnet::parse(EXCLUDED).into_iter().collect())
    }
}

impl Config {
    fn new(prefix: Ipv6Addr, reverse_ttl: u32, excluded: Vec<Subnet>) -> Config {
        let mut octets = [0; PREFIX_OCTETS];
        octets.copy_from_slice(&prefix.octets()[..PREFIX_OCTETS]);
        let nibbles: String = octets
            .iter()
            .rev()
            .map(|octet| format!("{:x}.{:x}.", octet & 0xf, octet >> 4))
            .collect();
        // Such a name is always well-formed.
        let reverse = format!("{nibbles}ip6.arpa.").parse().unwrap_or_else(|_| Name::root());
        Config { prefix: octets, reverse, reverse_ttl, excluded }
    }

    /// Reads a prefix, or a table.
    pub(super) fn read(value: &Value) -> Result<Config, Refusal> {
        if let Value::Map(map) = value
            && let Some(other) = map.keys().find(|key| !KEYS.contains(&key.as_str()))
        {
            let known = KEYS.join(", ");
            return Err(Refusal::new(format!("[dns64] .{other} is not known; known are {known}")));
        }
        let part = |key: &str| value.get(key).filter(|part| !part.is_nil());
        let prefix = match value {
            Value::Nil => None,
            Value::Map(_) => part("prefix"),
            Value::List(items) if items.is_empty() => None,
            text => Some(text),
        };
        let prefix = match prefix {
            None => WELL_KNOWN,
            Some(prefix) => {
                let text = prefix.as_text().unwrap_or("value");
                text.parse().map_err(|_| {
                    Refusal::new(format!("[dns64] \"{text}\" is not a valid IPv6 address"))
                })?
            }
        };
        let reverse_ttl = match part("rev_ttl") {
            None => REVERSE_TTL,
            Some(ttl) => ttl
                .as_number()
                .filter(|ttl| (0.0..=f64::from(i32::MAX)).contains(ttl))
                .map(|ttl| ttl as u32)
                .ok_or_else(|| Refusal::new("[dns64] .rev_ttl is not a number of seconds"))?,
        };
        let excluded = match part("exclude_subnets") {
            None => Subnet::parse(EXCLUDED).into_iter().collect(),
            Some(list) => read_subnets(list)?,
        };
        Ok(Config::new(prefix, reverse_ttl, excluded))
    }

    /// The IPv6 address for an IPv4 address (RFC 6052 §2.2).
    pub(super) fn map(&self, octets: &[u8]) -> Option<[u8; 16]> {
        let octets: &[u8; 4] = octets.try_into().ok()?;
        let mut mapped = [0; 16];
        mapped[..PREFIX_OCTETS].copy_from_slice(&self.prefix);
        mapped[PREFIX_OCTETS..].copy_from_slice(octets);
        Some(mapped)
    }
}

fn read_subnets(value: &Value) -> Result<Vec<Subnet>, Refusal> {
    let items = value
        .as_list()
        .filter(|items| items.len() <= EXCLUDED_MAX)
        .ok_or_else(|| Refusal::new("[dns64] .exclude_subnets is not a table"))?;
    items
        .iter()
        .map(|item| {
            let text = item.as_text().unwrap_or_default();
            let text = if text == EXCLUDED_SHORT { EXCLUDED } else { text };
            Subnet::parse(text).filter(|subnet| !subnet.is_ipv4()).ok_or_else(|| {
                Refusal::new(format!("[dns64] failed to parse IPv6 subnet: \"{text}\""))
            })
        })
        .collect()
}
