//! Keys of the store: the lookup format of a name, a zero byte, and what is kept there.
//!
//! All data at or below a name shares its lookup format as a prefix, and keys sort in canonical
//! order of names, so subtrees and neighbours are found by walking. `docs/formats/cache.md` is
//! normative.

use dns::{Name, Rtype};

use crate::limits::KEY_BYTES_MAX;

/// What follows the name in a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// One type's records or their absence.
    Exact(Rtype),
    /// What ends or redirects a walk through the tree, in one place: NS, CNAME, DNAME and the
    /// absence of the name itself.
    Apex,
}

/// Which slot a type lives in.
pub const fn slot_of(rtype: Rtype) -> Slot {
    match rtype {
        Rtype::NS | Rtype::CNAME | Rtype::DNAME => Slot::Apex,
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

/// Ends a key that holds a lookup format.
pub(crate) fn finish(slot: Slot, key: &mut Vec<u8>) -> bool {
    key.push(0);
    match slot {
        Slot::Exact(rtype) => {
            key.push(b'E');
            key.extend_from_slice(&rtype.0.to_be_bytes());
        }
        Slot::Apex => key.push(b'N'),
    }
    key.len() <= KEY_BYTES_MAX
}

/// Takes a key apart; `None` for keys that are not data of names.
pub fn read(key: &[u8]) -> Option<(Name, Slot)> {
    let (lookup, slot) = match key {
        [lookup @ .., 0, b'E', high, low] => {
            (lookup, Slot::Exact(Rtype(u16::from_be_bytes([*high, *low]))))
        }
        [lookup @ .., 0, b'N'] => (lookup, Slot::Apex),
        _ => return None,
    };
    Name::from_lookup_format(lookup).map(|name| (name, slot))
}
