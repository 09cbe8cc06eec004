//! RRsets by value: one owner, type, class and TTL, and a packed list of uncompressed rdata.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

use crate::message::RecordRef;
use crate::name::Name;
use crate::rdata::text::fmt_rdata_of;
use crate::rtype::{Class, Rtype};

/// A list of rdata, each as sixteen bits of length and the bytes, one after another. The form is
/// also that of the store's entries, so that writing and reading is copying.
#[derive(Default)]
pub struct Rdatas {
    packed: Vec<u8>,
    count: u16,
    known: Option<Box<Known>>,
}

/// What is in a list, kept while a long list grows: finding duplicates must not take quadratic
/// time. An ordered set, since a stranger chooses what is in it.
struct Known {
    items: BTreeSet<Box<[u8]>>,
}

/// Lists up to this length are searched from end to end, which is faster than any index.
const SEARCHED_MAX: usize = 32;

impl Rdatas {
    /// An empty list.
    pub const fn new() -> Rdatas {
        Rdatas { packed: Vec::new(), count: 0, known: None }
    }

    /// A list of one; `None` if it is longer than 65,535 bytes.
    pub fn lone(rdata: &[u8]) -> Option<Rdatas> {
        let length = u16::try_from(rdata.len()).ok()?;
        let mut packed = Vec::with_capacity(2 + rdata.len());
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(rdata);
        Some(Rdatas { packed, count: 1, known: None })
    }

    /// Takes over packed bytes; `None` if lengths and bytes do not fit.
    pub fn from_packed(packed: &[u8]) -> Option<Rdatas> {
        let mut rest = packed;
        let mut count = 0u16;
        while !rest.is_empty() {
            let (length, tail) = rest.split_first_chunk::<2>()?;
            rest = tail.get(u16::from_be_bytes(*length) as usize..)?;
            count = count.checked_add(1)?;
        }
        Some(Rdatas { packed: packed.to_vec(), count, known: None })
    }

    /// The packed bytes.
    pub fn as_packed(&self) -> &[u8] {
        &self.packed
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one unless the same bytes are there already (RFC 2181 §5: an RRset has no duplicates).
    /// Returns whether it was added; what is longer than 65,535 bytes is not.
    pub fn push(&mut self, rdata: &[u8]) -> bool {
        self.push_with(|out| out.extend_from_slice(rdata))
    }

    /// [`Rdatas::push`] of what `write` appends to the buffer it is given.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let start = self.packed.len();
        self.packed.extend_from_slice(&[0, 0]);
        write(&mut self.packed);
        let (before, own) = self.packed.split_at(start);
        let rdata = &own[2..];
        let length = match u16::try_from(rdata.len()) {
            Ok(length) if self.count < u16::MAX => length,
            _ => {
                self.packed.truncate(start);
                return false;
            }
        };
        let is_new = if self.len() < SEARCHED_MAX {
            !RdataIter::new(before).any(|known| known == rdata)
        } else {
            let all = || Box::new(Known { items: RdataIter::new(before).map(Box::from).collect() });
            self.known.get_or_insert_with(all).items.insert(rdata.into())
        };
        if is_new {
            self.packed[start..start + 2].copy_from_slice(&length.to_be_bytes());
            self.count += 1;
        } else {
            self.packed.truncate(start);
        }
        is_new
    }

    /// The rdata in order.
    pub fn iter(&self) -> RdataIter<'_> {
        RdataIter { rest: &self.packed }
    }

    /// Puts them into canonical order (RFC 4034 §6.3) as they are; callers lower-case embedded
    /// names first where the canonical form is wanted.
    pub fn sort(&mut self) {
        let mut list: Vec<&[u8]> = self.iter().collect();
        list.sort_unstable();
        let mut packed = Vec::with_capacity(self.packed.len());
        for rdata in list {
            packed.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            packed.extend_from_slice(rdata);
        }
        self.packed = packed;
    }
}

// The index is no part of the value: it can be made again at any time.
impl Clone for Rdatas {
    fn clone(&self) -> Rdatas {
        Rdatas { packed: self.packed.clone(), count: self.count, known: None }
    }
}

impl PartialEq for Rdatas {
    fn eq(&self, other: &Rdatas) -> bool {
        self.packed == other.packed
    }
}

impl Eq for Rdatas {}

impl Hash for Rdatas {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.packed.hash(state);
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Rdatas {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Rdatas {
        let mut out = Rdatas::new();
        for rdata in iter {
            out.push(rdata.as_ref());
        }
        out
    }
}

impl fmt::Debug for Rdatas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over packed rdata.
#[derive(Clone)]
pub struct RdataIter<'a> {
    rest: &'a [u8],
}

impl<'a> RdataIter<'a> {
    /// Walks packed bytes in place (for instance those of a store entry).
    pub fn new(packed: &'a [u8]) -> RdataIter<'a> {
        RdataIter { rest: packed }
    }
}

impl<'a> Iterator for RdataIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, tail) = self.rest.split_first_chunk::<2>()?;
        let (rdata, rest) = tail.split_at_checked(u16::from_be_bytes(*length) as usize)?;
        self.rest = rest;
        Some(rdata)
    }
}

/// A set of records with one owner, type and class (RFC 2181 §5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rrset {
    pub owner: Name,
    pub rtype: Rtype,
    pub class: Class,
    /// Seconds; the least of the records' TTLs (RFC 2181 §5.2).
    pub ttl: u32,
    pub rdatas: Rdatas,
}

impl Rrset {
    /// A set without records yet.
    pub fn new(owner: Name, rtype: Rtype, class: Class, ttl: u32) -> Rrset {
        Rrset { owner, rtype, class, ttl, rdatas: Rdatas::new() }
    }

    /// A set of one record of a message.
    pub fn from_record(record: &RecordRef<'_>) -> Rrset {
        let mut set = Rrset::new(record.owner(), record.rtype(), record.class(), record.ttl());
        set.add(record);
        set
    }

    /// Does the record belong into this set? Signatures belong together only if they cover the
    /// same type.
    pub fn admits(&self, record: &RecordRef<'_>) -> bool {
        self.rtype == record.rtype()
            && self.class == record.class()
            && record.is_owned_by(&self.owner)
            && (self.rtype != Rtype::RRSIG || self.covers() == covered(record.rdata_wire()))
    }

    /// Adds a record's rdata and lowers the TTL to the record's.
    pub fn add(&mut self, record: &RecordRef<'_>) {
        self.ttl = self.ttl.min(record.ttl());
        self.rdatas.push_with(|out| record.rdata_into(out));
    }

    /// The type that a set of RRSIGs covers.
    pub fn covers(&self) -> Option<Rtype> {
        if self.rtype == Rtype::RRSIG { self.rdatas.iter().next().and_then(covered) } else { None }
    }
}

/// One line a record: owner, TTL, class, type and rdata with single blanks, no newline at the end.
impl fmt::Display for Rrset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, rdata) in self.rdatas.iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{} {} {} {} ", self.owner, self.ttl, self.class, self.rtype)?;
            fmt_rdata_of(self.class, self.rtype, rdata, f)?;
        }
        Ok(())
    }
}

/// An RRset as libknot dumps it and users of kresd know it: aligned columns with tabs, no class,
/// each record's line ended by a newline.
pub struct Dump<'a>(pub &'a Rrset);

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.0.owner.to_string();
        for rdata in self.0.rdatas.iter() {
            write!(f, "{owner:<20}\t{}\t{}\t", self.0.ttl, self.0.rtype)?;
            fmt_rdata_of(self.0.class, self.0.rtype, rdata, f)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

/// The Type Covered field of an RRSIG rdata (RFC 4034 §3.1.1).
pub fn covered(rrsig: &[u8]) -> Option<Rtype> {
    rrsig.first_chunk().map(|bytes| Rtype(u16::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn lists_have_no_duplicates_however_long(
            items in proptest::collection::vec(proptest::collection::vec(0u8..8, 0..4), 0..200),
        ) {
            let mut list = Rdatas::new();
            let mut seen: Vec<&[u8]> = Vec::new();
            for item in &items {
                let is_new = !seen.contains(&item.as_slice());
                proptest::prop_assert_eq!(list.push(item), is_new);
                if is_new {
                    seen.push(item);
                }
                if seen.len().is_multiple_of(50) {
                    list = list.clone();
                }
            }
            proptest::prop_assert!(list.iter().eq(seen.iter().copied()));
            proptest::prop_assert_eq!(list.len(), seen.len());
            proptest::prop_assert_eq!(Rdatas::from_packed(list.as_packed()), Some(list.clone()));
            list.sort();
            seen.sort();
            proptest::prop_assert!(list.iter().eq(seen));
        }
    }

    #[test]
    fn what_is_too_long_is_not_added() {
        let mut list = Rdatas::new();
        assert!(list.push(&[1; 65_535]));
        assert!(!list.push(&[1; 65_536]));
        assert_eq!(list.len(), 1);
        assert_eq!(list.as_packed().len(), 65_537);
        assert_eq!(Rdatas::lone(&[1; 65_535]), Some(list));
        assert_eq!(Rdatas::lone(&[1; 65_536]), None);
    }

    #[test]
    fn text_of_sets() {
        let mut set = Rrset::new("example".parse().unwrap(), Rtype::MX, Class::IN, 3600);
        set.rdatas.push(b"\x00\x0a\x01a\x00");
        set.rdatas.push(b"\x00\x14\x01b\x00");
        assert_eq!(set.to_string(), "example. 3600 IN MX 10 a.\nexample. 3600 IN MX 20 b.");
        assert_eq!(
            Dump(&set).to_string(),
            "example.            \t3600\tMX\t10 a.\nexample.            \t3600\tMX\t20 b.\n"
        );
        set.owner = "a-name-of-more-than-twenty-characters".parse().unwrap();
        set.rtype = Rtype(65280);
        assert!(Dump(&set).to_string().starts_with(
            "a-name-of-more-than-twenty-characters.\t3600\tTYPE65280\t\\# 5 000A016100\n"
        ));
    }
}
