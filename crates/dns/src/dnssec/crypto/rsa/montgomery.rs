//! Powers modulo an odd number (Montgomery, "Modular multiplication without trial division", 1985).
//!
//! Whoever publishes a key chooses what a verification with it costs, so the cost of the dearest
//! ones is what bounds an attack: squares take three quarters of a product, the exponent is read in
//! windows, and products are taken in two rows at a time and in blocks, so that the processor has
//! two carries to follow at once. Only public values come here, so nothing needs to take the same
//! time for each of them.

use num_bigint::BigUint;

/// Bits of a word.
pub(super) const WORD_BITS: usize = 64;
/// Words of a row whose products are taken in one go. With twice as many registers run out.
const BLOCK: usize = 4;
/// Bits of the exponent that are taken together, beginning and ending with a one …
const WINDOW_BITS: u64 = 4;
/// … and how many of an exponent with more than this many bits, which is worth more preparation.
const LONG_WINDOW_BITS: u64 = 5;
const LONG_EXPONENT_BITS: u64 = 128;

/// An odd modulus, and what arithmetic modulo it needs.
pub(super) struct Modulus {
    /// The lowest one first; whole blocks.
    words: Vec<u64>,
    /// What makes the lowest word of a number zero: minus the inverse of the modulus' lowest word.
    inverse: u64,
    /// The square of what numbers are multiplied by on entering.
    entrance: Vec<u64>,
}

impl Modulus {
    /// `modulus` is odd.
    pub(super) fn new(modulus: &BigUint) -> Modulus {
        let words = modulus.to_u64_digits();
        let size = words.len().next_multiple_of(BLOCK);
        let words = padded(modulus, size);
        let lowest = words.first().copied().unwrap_or(1);
        // Each turn doubles the bits that are right; an odd number is its own inverse modulo eight.
        let inverse = (0..5).fold(lowest, |known, _| {
            known.wrapping_mul(2u64.wrapping_sub(lowest.wrapping_mul(known)))
        });
        let entrance = (BigUint::from(1u8) << (2 * WORD_BITS * size)) % modulus;
        let entrance = padded(&entrance, size);
        Modulus { words, inverse: inverse.wrapping_neg(), entrance }
    }

    /// `base` to the power of `exponent`. The base is below the modulus, the exponent above zero.
    pub(super) fn power(&self, base: &BigUint, exponent: &BigUint) -> BigUint {
        let size = self.words.len();
        let mut wide = vec![0; 2 * size];
        let mut first = vec![0; size];
        self.product(&padded(base, size), &self.entrance, &mut wide, &mut first);
        let long = exponent.bits() > LONG_EXPONENT_BITS;
        let window_bits = if long { LONG_WINDOW_BITS } else { WINDOW_BITS };
        // Odd powers: the base, its third, fifth … power.
        let mut square = vec![0; size];
        self.square(&first, &mut wide, &mut square);
        let mut odd = vec![first];
        while odd.len() < 1 << (window_bits - 1) {
            let mut next = vec![0; size];
            self.product(odd.last().unwrap_or(&square), &square, &mut wide, &mut next);
            odd.push(next);
        }
        let (first, bits) = window(exponent, exponent.bits(), window_bits);
        let mut power = odd.get(first / 2).cloned().unwrap_or_default();
        let mut next = square;
        let mut left = exponent.bits() - bits;
        while left > 0 {
            let (window, bits) = window(exponent, left, window_bits);
            left -= bits;
            for _ in 0..bits {
                self.square(&power, &mut wide, &mut next);
                std::mem::swap(&mut power, &mut next);
            }
            if let Some(factor) = odd.get(window / 2).filter(|_| window > 0) {
                self.product(&power, factor, &mut wide, &mut next);
                std::mem::swap(&mut power, &mut next);
            }
        }
        let mut one = vec![0; size];
        one[0] = 1;
        self.product(&power, &one, &mut wide, &mut next);
        number(&next)
    }

    /// Numbers below the modulus in Montgomery form, as long as it; `wide` is room for two of them.
    fn product(&self, one: &[u64], other: &[u64], wide: &mut [u64], result: &mut [u64]) {
        wide.fill(0);
        let (pairs, _) = other.as_chunks::<2>();
        for (at, factors) in pairs.iter().enumerate() {
            add_rows(&mut wide[2 * at..], one, *factors);
        }
        self.leave(wide, result);
    }

    fn square(&self, root: &[u64], wide: &mut [u64], result: &mut [u64]) {
        wide.fill(0);
        // What is beside the blocks on the diagonal, once …
        for at in (0..root.len()).step_by(2) {
            let right = (at / BLOCK + 1) * BLOCK;
            add_rows(&mut wide[at + right..], &root[right..], [root[at], root[at + 1]]);
        }
        // … doubled, and those blocks.
        let (mut shifted, mut carry) = (0, false);
        let (double_blocks, _) = wide.as_chunks_mut::<{ 2 * BLOCK }>();
        for (wide, root) in double_blocks.iter_mut().zip(root.as_chunks::<BLOCK>().0) {
            let mut square = [0; 2 * BLOCK];
            for at in (0..BLOCK).step_by(2) {
                add_rows(&mut square[at..], root, [root[at], root[at + 1]]);
            }
            for (word, more) in wide.iter_mut().zip(square) {
                let doubled = (*word << 1) | shifted;
                shifted = *word >> (WORD_BITS - 1);
                let (sum, first) = doubled.overflowing_add(more);
                let (sum, second) = sum.overflowing_add(u64::from(carry));
                (*word, carry) = (sum, first || second);
            }
        }
        self.leave(wide, result);
    }

    /// Divides by what numbers are multiplied by on entering.
    fn leave(&self, wide: &mut [u64], result: &mut [u64]) {
        let size = self.words.len();
        let mut carry = false;
        for at in (0..size).step_by(2) {
            // What makes the two lowest words zero.
            let one = wide[at].wrapping_mul(self.inverse);
            let (_, over) = multiply_add(self.words[0], one, wide[at], 0);
            let next = self.words[1].wrapping_mul(one).wrapping_add(wide[at + 1]);
            let other = next.wrapping_add(over).wrapping_mul(self.inverse);
            let (low, high) = rows(&mut wide[at..at + size], &self.words, [one, other]);
            let added = [low, high].into_iter().zip(&mut wide[at + size..]);
            for (more, word) in added {
                let (sum, first) = word.overflowing_add(more);
                let (sum, second) = sum.overflowing_add(u64::from(carry));
                (*word, carry) = (sum, first || second);
            }
        }
        result.copy_from_slice(&wide[size..]);
        // Below twice the modulus.
        if carry || result.iter().rev().cmp(self.words.iter().rev()).is_ge() {
            let mut borrow = false;
            for (word, &minus) in result.iter_mut().zip(&self.words) {
                let (less, first) = word.overflowing_sub(minus);
                let (less, second) = less.overflowing_sub(u64::from(borrow));
                (*word, borrow) = (less, first || second);
            }
        }
    }
}

/// The bits of `exponent` below the bit number `left` that are taken together, and how many those
/// are: a zero alone, or a one up to the last one of a window.
fn window(exponent: &BigUint, left: u64, window_bits: u64) -> (usize, u64) {
    if !exponent.bit(left - 1) {
        return (0, 1);
    }
    let mut end = left.saturating_sub(window_bits);
    while !exponent.bit(end) {
        end += 1;
    }
    let value = (end..left).rev().fold(0, |value, bit| 2 * value + usize::from(exponent.bit(bit)));
    (value, left - end)
}

/// Adds `row`, which has whole blocks, times a factor of two words to `sum`, where the two words
/// behind the row's length have room for what does not fit before.
#[inline(always)]
fn add_rows(sum: &mut [u64], row: &[u64], factors: [u64; 2]) {
    let (low, high) = rows(&mut sum[..row.len()], row, factors);
    let (word, carries) = sum[row.len()].overflowing_add(low);
    sum[row.len()] = word;
    sum[row.len() + 1] = high + u64::from(carries);
}

/// The same; returns what did not fit.
#[inline(always)]
fn rows(sum: &mut [u64], row: &[u64], [one, other]: [u64; 2]) -> (u64, u64) {
    let (mut carry, mut other_carry, mut before) = (0, 0, 0);
    let (sum_blocks, _) = sum.as_chunks_mut::<BLOCK>();
    let (row_blocks, _) = row.as_chunks::<BLOCK>();
    for (sum, row) in sum_blocks.iter_mut().zip(row_blocks) {
        for at in 0..BLOCK {
            let (word, over) = multiply_add(row[at], one, sum[at], carry);
            (sum[at], other_carry) = multiply_add(before, other, word, other_carry);
            (carry, before) = (over, row[at]);
        }
    }
    multiply_add(before, other, carry, other_carry)
}

/// One product and two sums, which two words always hold: the lower one and the upper one.
#[inline(always)]
fn multiply_add(one: u64, other: u64, sum: u64, carry: u64) -> (u64, u64) {
    let all = u128::from(one) * u128::from(other) + u128::from(sum) + u128::from(carry);
    (all as u64, (all >> WORD_BITS) as u64)
}

fn padded(number: &BigUint, size: usize) -> Vec<u64> {
    let mut words = number.to_u64_digits();
    words.resize(size, 0);
    words
}

fn number(words: &[u64]) -> BigUint {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    BigUint::from_bytes_le(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes of all kinds, with many whose words are full or empty, where carries go wrong.
    fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        let one = prop_oneof![any::<u8>(), Just(0), Just(0xff)];
        prop_oneof![
            proptest::collection::vec(one, 1..most),
            proptest::collection::vec(Just(0xff), 1..most),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn powers_are_those_of_the_library(
            modulus in bytes(140),
            base in bytes(160),
            exponent in bytes(20),
        ) {
            let modulus = BigUint::from_bytes_be(&modulus) | BigUint::from(3u8);
            let base = BigUint::from_bytes_be(&base) % &modulus;
            let exponent = BigUint::from_bytes_be(&exponent) | BigUint::from(1u8);
            let expected = base.modpow(&exponent, &modulus);
            prop_assert_eq!(Modulus::new(&modulus).power(&base, &exponent), expected);
        }
    }

    #[test]
    fn the_longest_numbers_carry_everywhere() {
        for bits in [512, 1024, 2048, 4096] {
            let modulus = (BigUint::from(1u8) << bits) - BigUint::from(1u8);
            let base: BigUint = &modulus - 2u8;
            for exponent in [1u64, 2, 3, 16, 17, 0x8000_0000_0000_0001, u64::MAX] {
                let exponent = BigUint::from(exponent);
                let expected = base.modpow(&exponent, &modulus);
                assert_eq!(Modulus::new(&modulus).power(&base, &exponent), expected);
            }
        }
    }
}
