//! Type bitmaps of NSEC, NSEC3 and CSYNC: window blocks of present types (RFC 4034 §4.1.2).

use crate::rtype::Rtype;

/// Most bytes of one window block's map: 256 types.
const BLOCK_BYTES_MAX: usize = 32;

/// A checked type bitmap: windows in rising order, each of 1 to 32 bytes, nothing left over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TypeBitmap<'a> {
    wire: &'a [u8],
}

impl<'a> TypeBitmap<'a> {
    /// Checks `wire`; an empty bitmap is well formed (NSEC3 of an empty non-terminal).
    pub fn new(wire: &'a [u8]) -> Option<TypeBitmap<'a>> {
        let mut rest = wire;
        let mut least = 0u16;
        while !rest.is_empty() {
            let (window, _, tail) = block(rest)?;
            if u16::from(window) < least {
                return None;
            }
            least = u16::from(window) + 1;
            rest = tail;
        }
        Some(TypeBitmap { wire })
    }

    /// The bytes.
    pub fn as_wire(&self) -> &'a [u8] {
        self.wire
    }

    /// Is no type present? (A block of zeros only is tolerated and counts as nothing.)
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Has no block trailing zeros or nothing but zeros (RFC 4034 §4.1.2)? All that is written by
    /// the rules is minimal.
    pub fn is_minimal(&self) -> bool {
        let mut rest = self.wire;
        while let Some((_, map, tail)) = block(rest) {
            if map.last() == Some(&0) {
                return false;
            }
            rest = tail;
        }
        true
    }

    /// Is the bit of this type set?
    pub fn contains(&self, rtype: Rtype) -> bool {
        let [wanted, low] = rtype.0.to_be_bytes();
        let mut rest = self.wire;
        while let Some((window, map, tail)) = block(rest) {
            if window >= wanted {
                let byte = map.get(low as usize / 8).copied().unwrap_or(0);
                return window == wanted && byte & (0x80 >> (low % 8)) != 0;
            }
            rest = tail;
        }
        false
    }

    /// The types that are present, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Rtype> + use<'a> {
        let mut rest = self.wire;
        std::iter::from_fn(move || {
            let (window, map, tail) = block(rest)?;
            rest = tail;
            Some((window, map))
        })
        .flat_map(|(window, map)| {
            (0..map.len() * 8)
                .filter(|bit| map[bit / 8] & (0x80 >> (bit % 8)) != 0)
                .map(move |bit| Rtype(u16::from(window) << 8 | bit as u16))
        })
    }

    /// Appends the bitmap of `types`, which may be in any order and repeat.
    pub fn write(types: impl IntoIterator<Item = Rtype>, out: &mut Vec<u8>) {
        let mut types: Vec<u16> = types.into_iter().map(|t| t.0).collect();
        types.sort_unstable();
        for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
            let mut map = [0u8; BLOCK_BYTES_MAX];
            let mut length = 0;
            for rtype in window {
                let low = (rtype & 0xff) as usize;
                map[low / 8] |= 0x80 >> (low % 8);
                length = low / 8 + 1;
            }
            out.extend_from_slice(&[(window[0] >> 8) as u8, length as u8]);
            out.extend_from_slice(&map[..length]);
        }
    }
}

/// The first block: window number, map, and what follows.
fn block(wire: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, tail) = wire.split_first_chunk::<2>()?;
    let length = head[1] as usize;
    if length == 0 || length > BLOCK_BYTES_MAX {
        return None;
    }
    let (map, tail) = tail.split_at_checked(length)?;
    Some((head[0], map, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_4034_section_4_3() {
        let wire = b"\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b\x00\x00\x00\x00\x00\x00\
            \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x20";
        let types = [Rtype::A, Rtype::MX, Rtype::RRSIG, Rtype::NSEC, Rtype(1234)];
        let bitmap = TypeBitmap::new(wire).unwrap();
        assert!(bitmap.iter().eq(types));
        assert!(types.iter().all(|t| bitmap.contains(*t)));
        assert!(
            ![Rtype::NS, Rtype(257), Rtype(1233), Rtype(1235), Rtype(65535), Rtype(0)]
                .iter()
                .any(|t| bitmap.contains(*t))
        );
        let mut out = Vec::new();
        TypeBitmap::write(types.into_iter().rev(), &mut out);
        assert_eq!(out, wire);
    }

    #[test]
    fn malformed_bitmaps_are_refused() {
        for wire in
            [&[0][..], &[0, 0], &[0, 1], &[0, 2, 1], &[1, 1, 1, 0, 1, 1], &[0, 1, 1, 0, 1, 1]]
        {
            assert_eq!(TypeBitmap::new(wire), None, "{wire:?}");
        }
        let mut long = vec![0, 33];
        long.resize(35, 1);
        assert_eq!(TypeBitmap::new(&long), None);
        assert!(TypeBitmap::new(&[]).unwrap().is_empty());
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(types in proptest::collection::btree_set(0u16.., 0..40)) {
            let mut out = Vec::new();
            TypeBitmap::write(types.iter().map(|t| Rtype(*t)), &mut out);
            let bitmap = TypeBitmap::new(&out).unwrap();
            proptest::prop_assert!(bitmap.iter().map(|t| t.0).eq(types.iter().copied()));
            for probe in types.iter().flat_map(|t| [*t, t.wrapping_add(1), t.wrapping_sub(1)]) {
                proptest::prop_assert_eq!(bitmap.contains(Rtype(probe)), types.contains(&probe));
            }
        }
    }
}
