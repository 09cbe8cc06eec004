//! Entries as people and files see them: what a key and its value say, and taking it back in.

use dns::{Name, Rdatas, Rtype};

use super::entry::{Body, Entry, Head, KIND_CHAIN};
use super::key::{self, Slot};
use super::{Cache, NX, Rank, apex_parts};
use crate::kv::StoreError;

/// What an entry says about one type at a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exported {
    pub name: Name,
    /// The type; nothing for the absence of the name.
    pub rtype: Option<Rtype>,
    pub rank: Rank,
    /// Seconds left, negative when it is over.
    pub ttl_left: i64,
    /// The records; none for an absence.
    pub rdatas: Rdatas,
    pub signatures: Rdatas,
}

/// What a key and its value say. Nothing for what is no data of a name: servers, chains.
pub fn export(key: &[u8], value: &[u8], now: u64) -> Vec<Exported> {
    let Some((name, slot)) = key::read(key) else { return Vec::new() };
    let one = |rtype: Rtype, bytes: &[u8]| {
        let entry = Entry::decode(bytes)?;
        let ttl_left = Head::read(bytes)?.left(now);
        let (rdatas, signatures) = match entry.body {
            Body::Records { rdatas, signatures, .. } => (rdatas, signatures),
            Body::NoData { .. } | Body::NxDomain { .. } => (Rdatas::new(), Rdatas::new()),
        };
        let rtype = Some(rtype).filter(|rtype| *rtype != NX);
        Some(Exported { name: name.clone(), rtype, rank: entry.rank, ttl_left, rdatas, signatures })
    };
    match slot {
        Slot::Exact(rtype) => one(rtype, value).into_iter().collect(),
        Slot::Apex => apex_parts(value).filter_map(|(rtype, part)| one(rtype, part)).collect(),
        Slot::Nsec | Slot::Nsec3 => Vec::new(),
    }
}

/// What became of an entry that was to be taken back in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loaded {
    Taken,
    /// Its time is over, or what is there is better.
    Passed,
    /// It is none.
    Refused,
}

impl Cache {
    /// Takes an entry back in that was read from this store or another one: whoever calls this vouches
    /// for it.
    pub fn load(&mut self, now: u64, key: &[u8], value: &[u8]) -> Result<Loaded, StoreError> {
        let Some((name, slot)) = key::read(key) else { return Ok(Loaded::Refused) };
        let parts: Vec<(Rtype, &[u8])> = match slot {
            Slot::Exact(rtype) => vec![(rtype, value)],
            Slot::Apex => apex_parts(value).collect(),
            // They are of use with the rest of their chain only, and are soon learnt again.
            Slot::Nsec | Slot::Nsec3 => return Ok(Loaded::Passed),
        };
        if parts.is_empty() {
            return Ok(Loaded::Refused);
        }
        let mut result = Loaded::Passed;
        for (rtype, bytes) in parts {
            let Some(head) = Head::read(bytes) else { return Ok(Loaded::Refused) };
            if head.kind == KIND_CHAIN || head.left(now) <= 0 {
                continue;
            }
            let Some(entry) = Entry::decode(bytes) else { return Ok(Loaded::Refused) };
            if self.put_quietly(now, &name, rtype, &entry.draft())? {
                result = Loaded::Taken;
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use dns::{Class, Rrset};

    use super::super::TtlBounds;
    use super::*;
    use crate::kv::memory;

    const NOW: u64 = 1_700_000_000;

    fn cache() -> Cache {
        Cache::new(Box::new(memory::new(1 << 20).unwrap()), TtlBounds::default())
    }

    #[test]
    fn what_is_exported_can_be_loaded_elsewhere() {
        let mut one = cache();
        let name: Name = "www.example.test".parse().unwrap();
        for (rtype, rdata) in [(Rtype::A, &[192, 0, 2, 1][..]), (Rtype::NS, b"\x02ns\x04test\0")] {
            let mut set = Rrset::new(name.clone(), rtype, Class::IN, 300);
            set.rdatas.push(rdata);
            one.stash(NOW, &set, &Rdatas::new(), Rank::SECURE, &[]).unwrap();
        }
        one.stash_nxdomain(NOW, &"gone.test".parse().unwrap(), 60, Rank::SECURE, &[]).unwrap();
        let mut entries = Vec::new();
        one.kv().scan_prefix(b"", None, 10, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        });
        let mut other = cache();
        let mut said = Vec::new();
        for (key, value) in &entries {
            said.extend(export(key, value, NOW + 10));
            assert_eq!(other.load(NOW + 10, key, value).unwrap(), Loaded::Taken);
            assert_eq!(other.load(NOW + 400, key, value).unwrap(), Loaded::Passed);
        }
        assert_eq!(said.len(), 3);
        let of = |rtype| said.iter().find(|exported| exported.rtype == rtype).unwrap();
        assert_eq!(of(Some(Rtype::A)).rdatas.iter().next(), Some(&[192, 0, 2, 1][..]));
        assert_eq!((of(None).ttl_left, of(None).rank), (50, Rank::SECURE));
        let hit = other.peek(NOW + 10, &name, Rtype::A).unwrap();
        assert_eq!((hit.ttl_left, hit.rank), (290, Rank::SECURE));
        assert_eq!(other.load(NOW, b"nonsense", b"x").unwrap(), Loaded::Refused);
        assert_eq!(other.load(NOW, &entries[0].0, b"x").unwrap(), Loaded::Refused);
    }
}
