//! Two neighbouring cache lines with the entries of a few names, all that most look-ups touch.
//!
//! The first octet tells which names may be lacking; seven tags follow, one for each name that is here and 0
//! where there is none; then a word with the ends of their entries; then the entries, one behind the other.

/// Octets of a bucket.
pub(super) const BUCKET_BYTES: usize = 128;
/// Names of a bucket, at most.
const NAMES_MAX: usize = 7;
/// Where entries begin.
const ENTRIES: usize = 16;
/// Octets for entries.
pub(super) const ENTRIES_BYTES: usize = BUCKET_BYTES - ENTRIES;
/// One in each octet of a tag.
const ONES: u64 = 0x0101_0101_0101_0100;

/// Entries of names whose hashes lie in one range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket<'m>(pub(super) &'m [u8; BUCKET_BYTES]);

/// The tag of a name: never 0.
#[inline]
fn tag(hash: u64) -> u64 {
    (hash & 0xff).max(1)
}

/// The bit in the first octet for a name that is lacking, by bits of the hash that neither its place nor its
/// tag comes from.
#[inline]
fn lacking(hash: u64) -> u64 {
    1 << (hash >> 40 & 7)
}

/// Adds the entry of a name to a bucket, its value and its octets; false if there is no room. There is none
/// for an equal one after that either, so of equal names the first one is found.
pub(super) fn add(bucket: &mut [u8; BUCKET_BYTES], hash: u64, entry: &[u8]) -> bool {
    let (head, entries) = bucket.split_at_mut(ENTRIES);
    let (tags, ends) = head.split_at_mut(ENTRIES / 2);
    let free = (1..=NAMES_MAX).find(|name| tags[*name] == 0);
    let place = free.map(|name| (name, usize::from(ends[name - 1])));
    if let Some((name, start)) = place
        && let Some(room) = entries.get_mut(start..start + entry.len())
    {
        room.copy_from_slice(entry);
        tags[name] = tag(hash) as u8;
        ends[name] = (start + entry.len()) as u8;
        return true;
    }
    tags[0] |= lacking(hash) as u8;
    false
}

impl Bucket<'_> {
    #[inline]
    fn tags(self) -> u64 {
        let tags = self.0.first_chunk::<8>();
        u64::from_le_bytes(tags.copied().unwrap_or_default())
    }

    /// Where a name begins, and where it ends.
    #[inline]
    fn bounds(self, name: u32) -> (usize, usize) {
        let ends = self.0[..ENTRIES].last_chunk::<8>();
        // Octet 0 is 0: the first name begins there.
        let bounds = u64::from_le_bytes(ends.copied().unwrap_or_default()) >> (8 * (name - 1));
        (ENTRIES + (bounds & 0xff) as usize, ENTRIES + (bounds >> 8 & 0xff) as usize)
    }

    /// Something of the other cache line, so that it comes from memory with the first.
    #[inline]
    pub(super) fn other_line(self) -> u8 {
        self.0[BUCKET_BYTES / 2 + 8]
    }

    /// May the name be here, or among those that did not fit? No branches: several of these wait for
    /// memory together.
    #[inline]
    pub(super) fn may_have(self, hash: u64) -> bool {
        (self.matches(hash) | self.tags() & lacking(hash)) != 0
    }

    /// The upper bit of each octet whose tag is that of the name, and perhaps of more.
    #[inline]
    fn matches(self, hash: u64) -> u64 {
        let differ = self.tags() ^ (ONES * tag(hash));
        differ.wrapping_sub(ONES) & !differ & (ONES << 7)
    }

    /// May the name be one that did not fit?
    #[inline]
    pub(super) fn may_lack(self, hash: u64) -> bool {
        self.tags() & lacking(hash) != 0
    }

    /// Did some name not fit?
    #[cfg(test)]
    pub(super) fn is_full(self) -> bool {
        self.0[0] != 0
    }

    /// The value of a name.
    #[inline]
    pub(super) fn find<const V: usize>(self, wire: &[u8], hash: u64) -> Option<[u8; V]> {
        let mut matches = self.matches(hash);
        while matches != 0 {
            let (start, end) = self.bounds(matches.trailing_zeros() / 8);
            matches &= matches - 1;
            let (value, found) = self.0.get(start..end)?.split_first_chunk::<V>()?;
            if found == wire {
                return Some(*value);
            }
        }
        None
    }
}
