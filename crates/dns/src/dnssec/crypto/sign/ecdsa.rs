//! Deterministic ECDSA (RFC 6979): aws-lc multiplies the point, big integers do the rest.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384};
use aws_lc_rs::digest::{self, SHA256, SHA384};
use aws_lc_rs::hmac;
use num_bigint::BigUint;

use super::SignFault;
use super::seeded::Stream;
use crate::dnssec::Algorithm;

/// RFC 6979 §3.2 step h: the first nonce is unsuitable once in 2^32 signatures on P-256.
const N_NONCES_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    pub(super) fn of(algorithm: Algorithm) -> Option<Curve> {
        match algorithm {
            Algorithm::ECDSAP256SHA256 => Some(Curve::P256),
            Algorithm::ECDSAP384SHA384 => Some(Curve::P384),
            _ => None,
        }
    }

    /// Octets of a scalar, of a coordinate and of the hash alike.
    fn len(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
        }
    }

    /// The order of the group, FIPS 186-5 / SP 800-186 §3.2.1.
    fn order(self) -> BigUint {
        let hex: &[u8] = match self {
            Curve::P256 => b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            Curve::P384 => {
                b"ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77\
                  aecec196accc52973"
            }
        };
        BigUint::parse_bytes(hex, 16).unwrap_or_default()
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Curve::P256 => &SHA256,
            Curve::P384 => &SHA384,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }

    fn hmac(self, key: &[u8], chunks: &[&[u8]]) -> Vec<u8> {
        let algorithm = match self {
            Curve::P256 => hmac::HMAC_SHA256,
            Curve::P384 => hmac::HMAC_SHA384,
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        chunks.iter().for_each(|chunk| context.update(chunk));
        context.sign().as_ref().to_vec()
    }

    /// The coordinates, x then y, of the generator multiplied by a scalar in 1..order.
    fn multiply_generator(self, scalar: &BigUint) -> Result<Vec<u8>, SignFault> {
        let algorithm = match self {
            Curve::P256 => &ECDH_P256,
            Curve::P384 => &ECDH_P384,
        };
        let octets = to_octets(scalar, self.len());
        let key = agreement::PrivateKey::from_private_key(algorithm, &octets)
            .map_err(|_| SignFault::Library)?;
        let point = key.compute_public_key().map_err(|_| SignFault::Library)?;
        // The first octet says "uncompressed".
        point.as_ref().get(1..).map(<[u8]>::to_vec).ok_or(SignFault::Library)
    }
}

#[derive(Clone)]
pub(super) struct PrivateKey {
    curve: Curve,
    scalar: BigUint,
}

impl PrivateKey {
    /// A private key and the public key field of its DNSKEY (RFC 6605 §4).
    pub(super) fn generate(
        curve: Curve,
        stream: &mut Stream,
    ) -> Result<(PrivateKey, Vec<u8>), SignFault> {
        // Twice the length makes the bias of the remainder vanish.
        let scalar = stream.number(curve.len() * 16) % (curve.order() - 1u8) + 1u8;
        let public_key = curve.multiply_generator(&scalar)?;
        Ok((PrivateKey { curve, scalar }, public_key))
    }

    /// r then s, each as long as a coordinate.
    pub(super) fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignFault> {
        let order = self.curve.order();
        let len = self.curve.len();
        let hash = BigUint::from_bytes_be(&self.curve.hash(data)) % &order;
        let mut nonces = Nonces::new(self, &hash);
        for _ in 0..N_NONCES_MAX {
            let nonce = nonces.draw();
            if nonce == BigUint::ZERO || nonce >= order {
                continue;
            }
            let point = self.curve.multiply_generator(&nonce)?;
            let r = BigUint::from_bytes_be(&point[..len]) % &order;
            let inverse = nonce.modinv(&order).ok_or(SignFault::Library)?;
            let s = inverse * (&hash + &r * &self.scalar) % &order;
            if r != BigUint::ZERO && s != BigUint::ZERO {
                return Ok([to_octets(&r, len), to_octets(&s, len)].concat());
            }
        }
        Err(SignFault::Exhausted)
    }
}

/// The generator of RFC 6979 §3.2, for curves whose order is as long as the hash.
struct Nonces {
    curve: Curve,
    key: Vec<u8>,
    value: Vec<u8>,
    is_first: bool,
}

impl Nonces {
    fn new(private: &PrivateKey, hash: &BigUint) -> Nonces {
        let curve = private.curve;
        let len = curve.len();
        let scalar = to_octets(&private.scalar, len);
        let hash = to_octets(hash, len);
        let mut key = vec![0; len];
        let mut value = vec![1; len];
        for step in [0, 1] {
            key = curve.hmac(&key, &[&value, &[step], &scalar, &hash]);
            value = curve.hmac(&key, &[&value]);
        }
        Nonces { curve, key, value, is_first: true }
    }

    fn draw(&mut self) -> BigUint {
        if !self.is_first {
            self.key = self.curve.hmac(&self.key, &[&self.value, &[0]]);
            self.value = self.curve.hmac(&self.key, &[&self.value]);
        }
        self.is_first = false;
        self.value = self.curve.hmac(&self.key, &[&self.value]);
        BigUint::from_bytes_be(&self.value)
    }
}

/// Big-endian, padded with zeros to `len` octets, which the number does not exceed.
fn to_octets(number: &BigUint, len: usize) -> Vec<u8> {
    let octets = number.to_bytes_be();
    let mut padded = vec![0; len.saturating_sub(octets.len())];
    padded.extend(octets);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(number: &str) -> BigUint {
        BigUint::parse_bytes(number.as_bytes(), 16).unwrap()
    }

    fn check(curve: Curve, scalar: &str, data: &str, r: &str, s: &str) {
        let key = PrivateKey { curve, scalar: hex(scalar) };
        let signature = key.sign(data.as_bytes()).unwrap();
        assert_eq!(BigUint::from_bytes_be(&signature[..curve.len()]), hex(r), "{data}");
        assert_eq!(BigUint::from_bytes_be(&signature[curve.len()..]), hex(s), "{data}");
    }

    /// RFC 6979 appendix A.2.5.
    #[test]
    fn rfc_6979_p256() {
        let scalar = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
        check(
            Curve::P256,
            scalar,
            "sample",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        );
        check(
            Curve::P256,
            scalar,
            "test",
            "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
            "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
        );
    }

    /// RFC 6979 appendix A.2.6.
    #[test]
    fn rfc_6979_p384() {
        check(
            Curve::P384,
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872\
             C9EA60D2EDF5",
            "sample",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36\
             DD1E80FABE46",
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82\
             C71A38628AC8",
        );
    }
}
