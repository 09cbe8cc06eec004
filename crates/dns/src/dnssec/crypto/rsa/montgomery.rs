//! Powers modulo an odd number (Montgomery, "Modular multiplication without trial division", 1985).
//!
//! Whoever publishes a key chooses what a verification with it costs, so the cost of the dearest
//! ones is what bounds an attack: squares take three quarters of a product, the exponent is read in
//! windows, and rows of products are taken in blocks that the compiler unrolls. Only public values
//! come here, so nothing needs to take the same time for each of them.

use num_bigint::BigUint;

/// Bits of a word.
pub(super) const WORD_BITS: usize = 64;
/// Words of a row whose products are taken in one go; with twice as many registers run out.
const BLOCK: usize = 8;
/// Bits of the exponent that are taken together, beginning and ending with a one.
const WINDOW_BITS: u64 = 4;

/// An odd modulus, and what arithmetic modulo it needs.
pub(super) struct Modulus {
    words: Vec<u64>,
    /// What makes the lowest word of a number zero: minus the inverse of the modulus' lowest word.
    inverse: u64,
    /// The square of what numbers are multiplied by on entering.
    entrance: Vec<u64>,
}

/// A number below the modulus in Montgomery form, as many words as the modulus.
type Residue = Vec<u64>;

impl Modulus {
    /// `modulus` is odd.
    pub(super) fn new(modulus: &BigUint) -> Modulus {
        let words = modulus.to_u64_digits();
        let lowest = words.first().copied().unwrap_or(1);
        // Each turn doubles the bits that are right; an odd number is its own inverse modulo eight.
        let inverse = (0..5).fold(lowest, |known, _| {
            known.wrapping_mul(2u64.wrapping_sub(lowest.wrapping_mul(known)))
        });
        let entrance = (BigUint::from(1u8) << (2 * WORD_BITS * words.len())) % modulus;
        let entrance = padded(&entrance, words.len());
        Modulus { words, inverse: inverse.wrapping_neg(), entrance }
    }

    /// `base` to the power of `exponent`. The base is below the modulus, the exponent above zero.
    pub(super) fn power(&self, base: &BigUint, exponent: &BigUint) -> BigUint {
        let size = self.words.len();
        let mut wide = vec![0; 2 * size];
        let base = self.product(&padded(base, size), &self.entrance, &mut wide);
        // Odd powers: the base, its third, fifth … power.
        let square = self.square(&base, &mut wide);
        let mut odd = vec![base];
        while odd.len() < 1 << (WINDOW_BITS - 1) {
            let last = odd.last().unwrap_or(&square);
            odd.push(self.product(last, &square, &mut wide));
        }
        let mut power: Option<Residue> = None;
        let mut left = exponent.bits();
        while left > 0 {
            let (window, bits) = window(exponent, left);
            left -= bits;
            let Some(mut result) = power.take() else {
                // The first window begins with a one.
                let zeros = window.trailing_zeros();
                let mut result = odd.get(window >> (zeros + 1)).cloned().unwrap_or_default();
                for _ in 0..zeros {
                    result = self.square(&result, &mut wide);
                }
                power = Some(result);
                continue;
            };
            for _ in 0..bits {
                result = self.square(&result, &mut wide);
            }
            if let Some(factor) = odd.get(window / 2).filter(|_| window > 0) {
                result = self.product(&result, factor, &mut wide);
            }
            power = Some(result);
        }
        let mut one = vec![0; size];
        one[0] = 1;
        let left = self.product(&power.unwrap_or_default(), &one, &mut wide);
        number(&left)
    }

    /// `wide` is room for two residues.
    fn product(&self, one: &[u64], other: &[u64], wide: &mut [u64]) -> Residue {
        wide.fill(0);
        for (at, &word) in other.iter().enumerate() {
            wide[at + one.len()] = add_row(&mut wide[at..at + one.len()], one, word);
        }
        self.leave(wide)
    }

    fn square(&self, root: &[u64], wide: &mut [u64]) -> Residue {
        let size = root.len();
        wide.fill(0);
        // What is above the diagonal, once …
        for (at, &word) in root.iter().enumerate() {
            let row = &mut wide[2 * at + 1..at + size];
            wide[at + size] = add_row(row, &root[at + 1..], word);
        }
        // … doubled, and the diagonal.
        let (mut shifted, mut carry) = (0, 0);
        let (pairs, _) = wide.as_chunks_mut::<2>();
        for ([low, high], &word) in pairs.iter_mut().zip(root) {
            let (sum, over) = multiply_add(word, word, (*low << 1) | shifted, carry);
            let doubled = (*high << 1) | (*low >> (WORD_BITS - 1));
            shifted = *high >> (WORD_BITS - 1);
            let (upper, overflows) = doubled.overflowing_add(over);
            (*low, *high, carry) = (sum, upper, u64::from(overflows));
        }
        self.leave(wide)
    }

    /// Divides by what numbers are multiplied by on entering.
    fn leave(&self, wide: &mut [u64]) -> Residue {
        let size = self.words.len();
        let mut carry = 0;
        for at in 0..size {
            let factor = wide[at].wrapping_mul(self.inverse);
            let over = add_row(&mut wide[at..at + size], &self.words, factor);
            let sum = u128::from(wide[at + size]) + u128::from(over) + u128::from(carry);
            (wide[at + size], carry) = (sum as u64, (sum >> WORD_BITS) as u64);
        }
        let mut result = wide[size..].to_vec();
        // Below twice the modulus.
        if carry > 0 || result.iter().rev().cmp(self.words.iter().rev()).is_ge() {
            let mut borrow = false;
            for (word, &minus) in result.iter_mut().zip(&self.words) {
                let (less, first) = word.overflowing_sub(minus);
                let (less, second) = less.overflowing_sub(u64::from(borrow));
                (*word, borrow) = (less, first || second);
            }
        }
        result
    }
}

/// The bits of `exponent` below the bit number `left` that are taken together, and how many those
/// are: a zero alone, or a one up to the last one of a window.
fn window(exponent: &BigUint, left: u64) -> (usize, u64) {
    if !exponent.bit(left - 1) {
        return (0, 1);
    }
    let mut end = left.saturating_sub(WINDOW_BITS);
    while !exponent.bit(end) {
        end += 1;
    }
    let value = (end..left).rev().fold(0, |value, bit| 2 * value + usize::from(exponent.bit(bit)));
    (value, left - end)
}

/// Adds `row` times `factor` to as many words of `sum`; what does not fit.
#[inline(always)]
fn add_row(sum: &mut [u64], row: &[u64], factor: u64) -> u64 {
    let mut carry = 0;
    let (sum_blocks, sum_rest) = sum.as_chunks_mut::<BLOCK>();
    let (row_blocks, row_rest) = row.as_chunks::<BLOCK>();
    for (sum, row) in sum_blocks.iter_mut().zip(row_blocks) {
        for at in 0..BLOCK {
            (sum[at], carry) = multiply_add(row[at], factor, sum[at], carry);
        }
    }
    for (sum, &word) in sum_rest.iter_mut().zip(row_rest) {
        (*sum, carry) = multiply_add(word, factor, *sum, carry);
    }
    carry
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
