//! Keys of the store: the lookup format of a name, a zero byte, and what is kept there.
//!
//! All data at or below a name shares its lookup format as a prefix, and keys sort in canonical
//! order of names, so subtrees and neighbours are found by walking. `docs/formats/entries.md` is
//! normative.

use dns::dnssec::nsec3::HASH_LEN;
use dns::{Name, Rtype};

use super::denial::Nsec3Parameters;
use crate::limits::KEY_BYTES_MAX;

/// What follows the name in a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// One type's records or their absence.
    Exact(Rtype),
    /// What ends or redirects a walk through the tree, in one place: NS, DS, CNAME, DNAME and the
    /// absence of the name itself.
    Apex,
    /// An NSEC of the zone's chain, at its owner.
    Nsec,
    /// An NSEC3 of the zone's chain, at the zone.
    Nsec3,
}

/// Added to a type that is below [`SHORT_TYPES`]: nearly all types in use take one byte of a key.
const SHORT: u8 = 0x80;

/// Types that are written short.
const SHORT_TYPES: u16 = 0x80;

/// Which slot a type lives in.
pub const fn slot_of(rtype: Rtype) -> Slot {
    match rtype {
        Rtype::NS | Rtype::DS | Rtype::CNAME | Rtype::DNAME => Slot::Apex,
        other => Slot::Exact(other),
    }
}

/// Writes the key of a slot at a name; false if the name's key is too long for the store (names of
/// more than 250 bytes full of zero bytes), which then is not cached.
pub fn write(name: &Name, slot: Slot, key: &mut Vec<u8>) -> bool {
    key.clear();
    name.lookup_format(key);
    finish(slot, key)
}

/// The same for the name with this lookup format.
pub(crate) fn write_at(lookup: &[u8], slot: Slot, key: &mut Vec<u8>) -> bool {
    key.clear();
    key.extend_from_slice(lookup);
    finish(slot, key)
}

/// Ends a key that holds a lookup format.
pub(crate) fn finish(slot: Slot, key: &mut Vec<u8>) -> bool {
    key.push(0);
    match slot {
        Slot::Exact(Rtype(short)) if short < SHORT_TYPES => key.push(SHORT | short as u8),
        Slot::Exact(rtype) => {
            key.push(b'E');
            key.extend_from_slice(&rtype.0.to_be_bytes());
        }
        Slot::Apex => key.push(b'N'),
        Slot::Nsec => key.push(b'D'),
        Slot::Nsec3 => key.push(b'H'),
    }
    key.len() <= KEY_BYTES_MAX
}

/// Writes the key of the NSEC at the name with the lookup format `owner`, of which the zone's apex
/// has the first `apex` bytes. Returns the length of what all NSECs of the zone begin with; `None` if
/// the key is too long.
pub(crate) fn write_nsec(apex: usize, owner: &[u8], key: &mut Vec<u8>) -> Option<usize> {
    let (zone, below) = owner.split_at_checked(apex)?;
    key.clear();
    // The names of a zone sort behind its apex with what is left of their lookup format.
    key.extend_from_slice(zone);
    key.extend_from_slice(&[0, b'D']);
    key.extend_from_slice(below);
    (key.len() <= KEY_BYTES_MAX).then_some(apex + 2)
}

/// Writes what the keys of all NSEC3 of the zone with the lookup format `zone` with these parameters
/// begin with. Returns its length; `None` if the key is too long.
pub(crate) fn write_nsec3(
    zone: &[u8],
    parameters: &Nsec3Parameters<'_>,
    key: &mut Vec<u8>,
) -> Option<usize> {
    write_at(zone, Slot::Nsec3, key);
    key.extend_from_slice(&parameters.iterations.to_be_bytes());
    key.push(u8::try_from(parameters.salt.len()).ok()?);
    key.extend_from_slice(parameters.salt);
    (key.len() + HASH_LEN <= KEY_BYTES_MAX).then_some(key.len())
}

/// Takes a key apart into the name and what is kept there; `None` for keys that are not data of
/// names.
pub fn read(key: &[u8]) -> Option<(Name, Slot)> {
    // Two zero bytes in a row end a lookup format, and nothing else in it has them.
    let end = match key.first()? {
        0 => 0,
        _ => key.windows(2).position(|pair| pair == [0, 0])? + 1,
    };
    let (lookup, slot) = key.split_at_checked(end)?;
    let slot = match slot {
        [0, short] if *short >= SHORT => Slot::Exact(Rtype(u16::from(*short - SHORT))),
        [0, b'E', high, low] => Slot::Exact(Rtype(u16::from_be_bytes([*high, *low]))),
        [0, b'N'] => Slot::Apex,
        [0, b'D', below @ ..] => {
            let owner = Name::from_lookup_format(&[lookup, below].concat())?;
            return Some((owner, Slot::Nsec));
        }
        [0, b'H', ..] => Slot::Nsec3,
        _ => return None,
    };
    Name::from_lookup_format(lookup).map(|name| (name, slot))
}
