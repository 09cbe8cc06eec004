//! The nearest known name to a mistyped one.

/// At most a third of the letters may be wrong, and no more than this.
const EDITS_MAX: usize = 3;
/// Longer words are not compared.
const WORD_BYTES_MAX: usize = 64;

/// Shorter words are near to too many.
const WORD_BYTES_MIN: usize = 3;

/// The known name with the fewest edits from `word`, if it is near enough to be meant; of several the
/// one with the most letters in common, as letters are left out more often than they are taken for
/// others.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() < WORD_BYTES_MIN {
        return None;
    }
    let limit = (word.len() / 3).clamp(1, EDITS_MAX);
    known
        .into_iter()
        .filter(|name| name.len().abs_diff(word.len()) <= limit && *name != word)
        .map(|name| {
            (edits(word.as_bytes(), name.as_bytes()), usize::MAX - shared(word, name), name)
        })
        .filter(|(edits, ..)| *edits <= limit)
        .min()
        .map(|(.., name)| name)
}

/// How many letters of the word the name has, each taken once.
fn shared(word: &str, name: &str) -> usize {
    let mut letters: Vec<u8> = name.bytes().take(WORD_BYTES_MAX).collect();
    let mut is_there = |letter: &u8| {
        let found = letters.iter().position(|other| other.eq_ignore_ascii_case(letter));
        found.map(|at| letters.swap_remove(at)).is_some()
    };
    word.bytes().filter(|letter| is_there(letter)).count()
}

/// The number of insertions, deletions, substitutions and swaps of neighbours between two words.
fn edits(a: &[u8], b: &[u8]) -> usize {
    if a.len() > WORD_BYTES_MAX || b.len() > WORD_BYTES_MAX {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut rows = vec![0usize; (a.len() + 1) * width];
    for (at, cell) in rows.iter_mut().enumerate().take(width) {
        *cell = at;
    }
    for i in 1..=a.len() {
        rows[i * width] = i;
        for j in 1..=b.len() {
            let same = usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
            let mut best = (rows[(i - 1) * width + j] + 1)
                .min(rows[i * width + j - 1] + 1)
                .min(rows[(i - 1) * width + j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[(i - 2) * width + j - 2] + 1);
            }
            rows[i * width + j] = best;
        }
    }
    rows[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name() {
        let known = ["listen", "list", "close", "interfaces"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("lsiten", known), Some("listen"));
        assert_eq!(nearest("colse", known), Some("close"));
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("frobnicate", known), None);
        assert_eq!(nearest("li", known), None);
        assert_eq!(nearest("adr", ["add", "addr"]), Some("addr"));
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
