//! Key tags: the 16-bit hint that says which DNSKEY may have made a signature.
//!
//! A tag narrows the search and proves nothing: keys with equal tags exist by chance and by malice,
//! so whoever iterates over candidates needs a bound of its own.

/// The key tag of a DNSKEY with this RDATA (flags, protocol, algorithm, public key).
///
/// RFC 4034 appendix B; the special rule of B.1 applies to algorithm 1. RDATA too short to hold
/// what a rule needs gives the value that its missing octets being zero would give.
pub fn key_tag(dnskey_rdata: &[u8]) -> u16 {
    // RFC 4034 appendix B.1: bits 8 to 23 of the modulus, which ends the RDATA.
    if dnskey_rdata.get(3) == Some(&1) {
        return match dnskey_rdata[4..] {
            [.., high, low, _] => u16::from_be_bytes([high, low]),
            [low, _] => u16::from(low),
            _ => 0,
        };
    }
    // At most 65,535 octets, each adding less than 2^16: a u32 cannot overflow before the fold;
    // longer input, which no RDATA is, wraps.
    let mut sum: u32 = 0;
    let mut pairs = dnskey_rdata.chunks_exact(2);
    for pair in &mut pairs {
        sum = sum.wrapping_add(u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    }
    if let [last] = pairs.remainder() {
        sum = sum.wrapping_add(u32::from(*last) << 8);
    }
    sum = sum.wrapping_add((sum >> 16) & 0xFFFF);
    (sum & 0xFFFF) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(algorithm: u8, flags: u16, key: &str) -> u16 {
        let mut rdata = flags.to_be_bytes().to_vec();
        rdata.extend([3, algorithm]);
        rdata.extend(domain::utils::base64::decode::<Vec<u8>>(key).unwrap());
        key_tag(&rdata)
    }

    #[test]
    fn published_tags() {
        // RFC 4034 §5.4.
        let key = "AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99W\
                   YwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DM\
                   BmADjFDc2w/rljwvFw==";
        assert_eq!(tag(5, 256, key), 60485);
        // The root zone's keys of 2017 and 2024.
        let key = "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExO\
                   LAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3E\
                   gVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6n\
                   WeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555\
                   KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";
        assert_eq!(tag(8, 257, key), 20326);
        assert_eq!(tag(15, 257, "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="), 3613);
    }

    #[test]
    fn algorithm_1_takes_the_tail_of_the_modulus() {
        let rdata = [1, 0, 3, 1, 1, 3, 0xAA, 0xBB, 0xCC, 0xDD];
        assert_eq!(key_tag(&rdata), 0xBBCC);
        assert_eq!(key_tag(&[1, 0, 3, 1]), 0);
        assert_eq!(key_tag(&[1, 0, 3, 1, 9]), 0);
        assert_eq!(key_tag(&[1, 0, 3, 1, 8, 9]), 8);
    }

    proptest! {
        /// Against the formula as the RFC writes it, one octet at a time.
        #[test]
        fn agrees_with_the_reference_formula(rdata in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assume!(rdata.get(3) != Some(&1));
            let mut ac: u64 = 0;
            for (i, octet) in rdata.iter().enumerate() {
                ac += if i & 1 == 1 { u64::from(*octet) } else { u64::from(*octet) << 8 };
            }
            ac += (ac >> 16) & 0xFFFF;
            prop_assert_eq!(u64::from(key_tag(&rdata)), ac & 0xFFFF);
        }
    }
}
