//! Ways to sign a zone wrongly, by name, and what a validator must make of each.

use dns::{Rrset, Rtype};

use crate::zone::{Denial, Zone};

/// What a validator concludes (RFC 4035 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Judgement {
    Secure,
    Insecure,
    Bogus,
}

/// What a judgement is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The zone's keys, and with them everything in it.
    Keys,
    /// Address, text and exchange records at their own name.
    Data,
    /// Any other set at its own name: SOA, NS, CNAME, DNAME, DS.
    Other,
    /// A set made from a wildcard; `data` as in [`Kind::Data`].
    Expansion { data: bool },
    /// The name has not the type.
    NoData {
        rtype: Rtype,
        /// The proof needs the types of a record that belongs to the name or its wildcard.
        bitmap: bool,
        /// The proof needs a gap between names.
        gap: bool,
    },
    /// The name does not exist.
    NoName,
    /// A delegation without DS; shown by a gap if it was left out of an opt-out chain.
    NoDs { gap: bool },
}

impl Kind {
    /// Is something said not to be there?
    pub fn is_negative(self) -> bool {
        matches!(self, Kind::NoData { .. } | Kind::NoName | Kind::NoDs { .. })
    }

    /// Does the proof need a gap between names?
    fn needs_gap(self) -> bool {
        matches!(
            self,
            Kind::NoName
                | Kind::Expansion { .. }
                | Kind::NoData { gap: true, .. }
                | Kind::NoDs { gap: true }
        )
    }

    /// Does the proof rest on a bitmap that does not have the type?
    fn needs_bitmap(self) -> bool {
        match self {
            Kind::NoData { rtype, bitmap: true, .. } => is_data(rtype),
            Kind::NoDs { gap } => !gap,
            _ => false,
        }
    }
}

/// Everything that can be done wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Wrong {
    // The keys do not hold.
    DsDigestWrong,
    DsTagWrong,
    KeyNotForZones,
    KeyProtocol,
    KeyRevoked,
    KeySignatureExpired,
    KeysMissing,
    KeysSignedByZoneKey,
    KeysUnsigned,
    // The signatures do not hold.
    AlgorithmWrong,
    KeyUnknown,
    LabelsTooFew,
    LabelsTooMany,
    SignatureBackwards,
    SignatureExpired,
    SignatureFromTheFuture,
    SignatureGarbled,
    SignerOther,
    TagWrong,
    TtlNotSigned,
    // Data do not fit their signatures.
    DataAltered,
    SignaturesMissing,
    // Proofs of absence do not hold.
    AbsenceGap,
    AbsenceLiesAboutTypes,
    AbsenceUnproved,
    AbsenceUnsigned,
    NextOutside,
    Nsec3OtherSalt,
    Nsec3UnknownHash,
    // Nothing that a validator could or would check: insecure.
    DsUnknownAlgorithm,
    DsUnknownDigest,
    Nsec3TooManyIterations,
}

use Wrong::{
    AbsenceGap, AbsenceLiesAboutTypes, AbsenceUnproved, AbsenceUnsigned, AlgorithmWrong,
    DataAltered, DsDigestWrong, DsTagWrong, DsUnknownAlgorithm, DsUnknownDigest, KeyNotForZones,
    KeyProtocol, KeyRevoked, KeySignatureExpired, KeyUnknown, KeysMissing, KeysSignedByZoneKey,
    KeysUnsigned, LabelsTooFew, LabelsTooMany, NextOutside, Nsec3OtherSalt, Nsec3TooManyIterations,
    Nsec3UnknownHash, SignatureBackwards, SignatureExpired, SignatureFromTheFuture,
    SignatureGarbled, SignaturesMissing, SignerOther, TagWrong, TtlNotSigned,
};

impl Wrong {
    /// All of them.
    pub const ALL: &'static [Wrong] = &[
        DsDigestWrong,
        DsTagWrong,
        KeyNotForZones,
        KeyProtocol,
        KeyRevoked,
        KeySignatureExpired,
        KeysMissing,
        KeysSignedByZoneKey,
        KeysUnsigned,
        AlgorithmWrong,
        KeyUnknown,
        LabelsTooFew,
        LabelsTooMany,
        SignatureBackwards,
        SignatureExpired,
        SignatureFromTheFuture,
        SignatureGarbled,
        SignerOther,
        TagWrong,
        TtlNotSigned,
        DataAltered,
        SignaturesMissing,
        AbsenceGap,
        AbsenceLiesAboutTypes,
        AbsenceUnproved,
        AbsenceUnsigned,
        NextOutside,
        Nsec3OtherSalt,
        Nsec3UnknownHash,
        DsUnknownAlgorithm,
        DsUnknownDigest,
        Nsec3TooManyIterations,
    ];

    /// Does it only make sense with NSEC3?
    pub fn needs_nsec3(self) -> bool {
        matches!(self, Nsec3OtherSalt | Nsec3TooManyIterations | Nsec3UnknownHash)
    }

    /// Does it only make sense with NSEC?
    pub fn needs_nsec(self) -> bool {
        self == NextOutside
    }

    /// Does it change how signatures are made: those over keys, or those over all else?
    pub(super) fn is_about_signatures(self, over_keys: bool) -> bool {
        match self {
            KeySignatureExpired => over_keys,
            AlgorithmWrong
            | LabelsTooFew
            | LabelsTooMany
            | SignatureBackwards
            | SignatureExpired
            | SignatureFromTheFuture
            | SignatureGarbled
            | SignerOther
            | TagWrong
            | TtlNotSigned => !over_keys,
            _ => false,
        }
    }

    /// What a validator must make of something in a zone that is signed in this way, in a chain of
    /// trust that is sound otherwise.
    pub fn judge(self, kind: Kind) -> Judgement {
        let proof = kind.is_negative() || matches!(kind, Kind::Expansion { .. });
        let data = matches!(kind, Kind::Data | Kind::Expansion { data: true });
        let bogus_if = |condition| match condition {
            true => Judgement::Bogus,
            false => Judgement::Secure,
        };
        match self {
            DsUnknownAlgorithm | DsUnknownDigest => Judgement::Insecure,
            DsDigestWrong | DsTagWrong | KeyNotForZones | KeyProtocol | KeyRevoked
            | KeySignatureExpired | KeysMissing | KeysSignedByZoneKey | KeysUnsigned => {
                Judgement::Bogus
            }
            AlgorithmWrong
            | KeyUnknown
            | LabelsTooFew
            | LabelsTooMany
            | SignatureBackwards
            | SignatureExpired
            | SignatureFromTheFuture
            | SignatureGarbled
            | SignerOther
            | TagWrong
            | TtlNotSigned => bogus_if(kind != Kind::Keys),
            DataAltered | SignaturesMissing => bogus_if(data),
            AbsenceUnproved | AbsenceUnsigned | NextOutside | Nsec3UnknownHash | Nsec3OtherSalt => {
                bogus_if(proof)
            }
            // The record of the name itself is right; what lies between names is not covered.
            AbsenceGap => bogus_if(kind.needs_gap()),
            AbsenceLiesAboutTypes => bogus_if(kind.needs_bitmap()),
            Nsec3TooManyIterations if proof => Judgement::Insecure,
            Nsec3TooManyIterations => Judgement::Secure,
        }
    }
}

/// Types that count as data here.
pub fn is_data(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::A | Rtype::AAAA | Rtype::TXT | Rtype::MX)
}

/// Damage that is done to a zone when it has been signed.
pub(super) fn spoil(zone: &mut Zone, wrong: Option<Wrong>) {
    match wrong {
        Some(DataAltered) => each_data(zone, |zone, set| {
            let altered: Vec<Vec<u8>> = set
                .rdatas
                .iter()
                .map(|rdata| {
                    let mut rdata = rdata.to_vec();
                    // The last byte of an address or a text; the preference of an exchange.
                    let at = if set.rtype == Rtype::MX { 1 } else { rdata.len() - 1 };
                    rdata[at] ^= 1;
                    rdata
                })
                .collect();
            if let Some(kept) = zone.node_mut(&set.owner).and_then(|node| node.set_mut(set.rtype)) {
                kept.rdatas = altered.into_iter().collect();
            }
        }),
        Some(SignaturesMissing) => each_data(zone, |zone, set| {
            if let Some(node) = zone.node_mut(&set.owner) {
                node.remove_signatures(set.rtype);
            }
        }),
        Some(AbsenceUnproved) => {
            each(
                zone,
                |rtype| rtype == Rtype::NSEC,
                |zone, set| zone.remove(&set.owner, set.rtype),
            );
            if let Denial::Nsec3(chain) = zone.denial_mut() {
                chain.records.clear();
            }
        }
        Some(AbsenceUnsigned) => {
            each(
                zone,
                |rtype| rtype == Rtype::NSEC,
                |zone, set| {
                    if let Some(node) = zone.node_mut(&set.owner) {
                        node.remove_signatures(set.rtype);
                    }
                },
            );
            if let Denial::Nsec3(chain) = zone.denial_mut() {
                chain.records.values_mut().for_each(|(_, signatures)| *signatures = None);
            }
        }
        _ => {}
    }
}

fn each_data(zone: &mut Zone, change: impl Fn(&mut Zone, &Rrset)) {
    each(zone, is_data, change);
}

/// Does something to each set of some types that the zone is the authority for.
fn each(zone: &mut Zone, wanted: impl Fn(Rtype) -> bool, change: impl Fn(&mut Zone, &Rrset)) {
    let sets: Vec<Rrset> = zone
        .nodes()
        .flat_map(|(owner, node)| {
            let cut = zone.cut(owner);
            let ours =
                move |set: &&Rrset| cut.is_none_or(|cut| cut == owner && !is_data(set.rtype));
            node.sets().filter(ours).filter(|set| wanted(set.rtype)).cloned()
        })
        .collect();
    for set in sets {
        change(zone, &set);
    }
}
