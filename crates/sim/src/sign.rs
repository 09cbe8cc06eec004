//! Signs a zone in memory: keys from the zone's name, NSEC or NSEC3, signatures over every set.
//!
//! Done right it is what RFC 4034 and RFC 5155 ask for. It can also be done wrong, in the ways
//! that [`Wrong`] names, and says what a validator must make of each.

use std::collections::BTreeMap;

use dns::canonical::signed_data;
use dns::dnssec::crypto::digest;
use dns::dnssec::crypto::sign::{KeyPair, SignFault};
use dns::dnssec::{Algorithm, DigestType, key_tag};
use dns::rdata::view::{DnskeyView, RrsigView};
use dns::{Name, Rrset, Rtype};

use crate::zone::{TTL, Zone};

mod absence;
#[cfg(test)]
mod tests;
mod wrong;

pub use wrong::{Judgement, Kind, Wrong, is_data};

/// Protocol field of a DNSKEY (RFC 4034 §2.1.2).
const PROTOCOL: u8 = 3;

/// How absence is to be proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Absence {
    Nsec,
    Nsec3 {
        salt: Vec<u8>,
        iterations: u16,
        /// Unsigned delegations are left out of the chain (RFC 5155 §6).
        opt_out: bool,
    },
}

/// How to sign a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    pub algorithm: Algorithm,
    /// Bits of the modulus and the exponent of RSA keys, if not the usual ones.
    pub rsa: Option<(usize, Vec<u8>)>,
    pub absence: Absence,
    /// Seconds since 1970 between which signatures are valid.
    pub inception: u32,
    pub expiration: u32,
    pub wrong: Option<Wrong>,
}

impl Plan {
    /// Ed25519 and NSEC, valid for a month around a moment in seconds since 1970.
    pub fn around(now: u32) -> Plan {
        const HALF_A_MONTH: u32 = 15 * 86_400;
        Plan {
            algorithm: Algorithm::ED25519,
            rsa: None,
            absence: Absence::Nsec,
            inception: now.saturating_sub(HALF_A_MONTH),
            expiration: now.saturating_add(HALF_A_MONTH),
            wrong: None,
        }
    }
}

/// How the zones of a world are signed.
#[derive(Clone, Debug, Default)]
pub struct Signing {
    /// Plans by origin; the others are not signed.
    pub plans: BTreeMap<Name, Plan>,
    /// DNSKEY rdata of the root for validators; nothing if there is nothing to validate.
    pub anchor: Option<Vec<u8>>,
}

/// The keys of a zone. They follow from its name and the plan.
#[derive(Clone, Debug)]
pub struct Keys {
    origin: Name,
    key_signing: KeyPair,
    zone_signing: KeyPair,
    /// In no DNSKEY set.
    stranger: KeyPair,
    /// The rdata of the key that DS records point to.
    entry: Vec<u8>,
    wrong: Option<Wrong>,
}

impl Keys {
    /// The keys of a zone.
    pub fn new(origin: &Name, plan: &Plan) -> Result<Keys, SignFault> {
        let seed = |role: &str| [origin.to_lowercase().as_wire(), role.as_bytes()].concat();
        let pair = |role: &str| match &plan.rsa {
            Some((bits, exponent)) => {
                KeyPair::rsa_from_seed(plan.algorithm, *bits, exponent, &seed(role))
            }
            None => KeyPair::from_seed(plan.algorithm, &seed(role)),
        };
        let key_signing = pair("key signing")?;
        let mut flags = DnskeyView::ZONE | DnskeyView::SEP;
        let mut protocol = PROTOCOL;
        match plan.wrong {
            Some(Wrong::KeyNotForZones) => flags = DnskeyView::SEP,
            Some(Wrong::KeyRevoked) => flags |= DnskeyView::REVOKE,
            Some(Wrong::KeyProtocol) => protocol = PROTOCOL + 1,
            _ => {}
        }
        let mut entry = key_signing.dnskey_rdata(flags);
        entry[2] = protocol;
        Ok(Keys {
            origin: origin.clone(),
            key_signing,
            zone_signing: pair("zone signing")?,
            stranger: pair("stranger")?,
            entry,
            wrong: plan.wrong,
        })
    }

    /// The rdata of the key that signs the keys: what a trust anchor may be.
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// The rdata of the DS that the parent has to publish.
    pub fn ds(&self, digest_type: DigestType) -> Vec<u8> {
        let owner = self.origin.to_lowercase();
        let mut bytes = digest(digest_type, &[owner.as_wire(), &self.entry])
            .map_or_else(Vec::new, |digest| digest.to_vec());
        let mut tag = key_tag(&self.entry);
        let (mut algorithm, mut kind) = (self.key_signing.algorithm().0, digest_type.0);
        match self.wrong {
            Some(Wrong::DsDigestWrong) => bytes[0] ^= 1,
            Some(Wrong::DsTagWrong) => tag ^= 1,
            // Nothing that anybody implements.
            Some(Wrong::DsUnknownAlgorithm) => algorithm = 251,
            Some(Wrong::DsUnknownDigest) => kind = 250,
            _ => {}
        }
        let mut out = tag.to_be_bytes().to_vec();
        out.extend([algorithm, kind]);
        out.extend(bytes);
        out
    }
}

/// Signs a zone that has its SOA, its delegations and their DS records already.
pub fn sign(zone: &mut Zone, keys: &Keys, plan: &Plan) -> Result<(), SignFault> {
    let origin = zone.origin().clone();
    if plan.wrong != Some(Wrong::KeysMissing) {
        zone.add(&origin, Rtype::DNSKEY, TTL, keys.entry());
        let zone_key = keys.zone_signing.dnskey_rdata(DnskeyView::ZONE);
        zone.add(&origin, Rtype::DNSKEY, TTL, &zone_key);
    }
    absence::build(zone, plan);
    let mut signer = Signer { keys, plan, zone: &origin };
    for (set, signed) in signer.signatures(zone)? {
        zone.add(&set.owner, Rtype::RRSIG, set.ttl, &signed);
    }
    absence::sign(zone, &mut signer)?;
    wrong::spoil(zone, plan.wrong);
    Ok(())
}

/// Makes signatures for one zone.
struct Signer<'k> {
    keys: &'k Keys,
    plan: &'k Plan,
    zone: &'k Name,
}

impl Signer<'_> {
    /// Signatures over all sets that the zone is the authority for: not over what lies at and
    /// below cuts, except DS and NSEC (RFC 4035 §2.2).
    fn signatures(&mut self, zone: &Zone) -> Result<Vec<(Rrset, Vec<u8>)>, SignFault> {
        let mut out = Vec::new();
        for (owner, node) in zone.nodes() {
            let cut = zone.cut(owner);
            for set in node.sets() {
                let parents = matches!(set.rtype, Rtype::DS | Rtype::NSEC);
                if cut.is_some_and(|cut| cut != owner || !parents) {
                    continue;
                }
                for rdata in self.sign(set)? {
                    out.push((set.clone(), rdata));
                }
            }
        }
        Ok(out)
    }

    /// The RRSIG rdata for a set.
    fn sign(&self, set: &Rrset) -> Result<Vec<Vec<u8>>, SignFault> {
        let pairs: &[&KeyPair] = match (set.rtype, self.plan.wrong) {
            (Rtype::DNSKEY, Some(Wrong::KeysUnsigned)) => &[],
            (Rtype::DNSKEY, Some(Wrong::KeysSignedByZoneKey)) => &[&self.keys.zone_signing],
            (Rtype::DNSKEY, _) => &[&self.keys.key_signing],
            (_, Some(Wrong::KeyUnknown)) => &[&self.keys.stranger],
            _ => &[&self.keys.zone_signing],
        };
        pairs.iter().map(|pair| self.sign_with(set, pair)).collect()
    }

    fn sign_with(&self, set: &Rrset, pair: &KeyPair) -> Result<Vec<u8>, SignFault> {
        let for_keys = set.rtype == Rtype::DNSKEY;
        let wrong = self.plan.wrong.filter(|wrong| wrong.is_about_signatures(for_keys));
        let (mut inception, mut expiration) = (self.plan.inception, self.plan.expiration);
        let life = expiration.wrapping_sub(inception);
        let mut labels = set.owner.label_count() - usize::from(set.owner.is_wildcard());
        let mut signer = self.zone.clone();
        match wrong {
            Some(Wrong::SignatureExpired | Wrong::KeySignatureExpired) => {
                (inception, expiration) = (inception.wrapping_sub(life), inception);
            }
            Some(Wrong::SignatureFromTheFuture) => {
                (inception, expiration) = (expiration, expiration.wrapping_add(life));
            }
            Some(Wrong::SignatureBackwards) => (inception, expiration) = (expiration, inception),
            Some(Wrong::LabelsTooMany) => labels += 1,
            Some(Wrong::LabelsTooFew) => labels = labels.saturating_sub(1),
            Some(Wrong::SignerOther) => {
                signer = signer.prepend(b"other").unwrap_or_else(|_| Name::root());
            }
            _ => {}
        }
        let flags = if for_keys && pair.public_key() == self.keys.key_signing.public_key() {
            key_tag(&self.keys.entry)
        } else {
            pair.key_tag(DnskeyView::ZONE)
        };
        let mut rdata = set.rtype.0.to_be_bytes().to_vec();
        rdata.extend([pair.algorithm().0, labels as u8]);
        for number in [set.ttl, expiration, inception] {
            rdata.extend(number.to_be_bytes());
        }
        rdata.extend(flags.to_be_bytes());
        rdata.extend(signer.to_lowercase().as_wire());
        // More labels than there are cannot be signed over; the fields are there all the same.
        let mut data = Vec::new();
        let unsigned = [rdata.as_slice(), &[0]].concat();
        if let Some(view) = RrsigView::new(&unsigned) {
            let _nothing_to_sign = signed_data(&view, set, &mut data);
        }
        let mut signature = pair.sign(&data)?;
        match wrong {
            Some(Wrong::SignatureGarbled) => signature[0] ^= 1,
            Some(Wrong::TtlNotSigned) => rdata[4..8].copy_from_slice(&(set.ttl + 1).to_be_bytes()),
            Some(Wrong::TagWrong) => rdata[17] ^= 1,
            // Another algorithm than the key's.
            Some(Wrong::AlgorithmWrong) => {
                let own = pair.algorithm() == Algorithm::ECDSAP256SHA256;
                let other = if own { Algorithm::ED25519 } else { Algorithm::ECDSAP256SHA256 };
                rdata[2] = other.0;
            }
            _ => {}
        }
        rdata.extend(signature);
        Ok(rdata)
    }
}
