//! Borrowed views of the rdata that resolver, cache and validator look into.
//!
//! A constructor checks the bytes once and returns `None` if they are not of the form; after it no
//! accessor can fail or panic. The bytes are uncompressed rdata ([`crate::RecordRef::rdata`], the
//! items of [`crate::Rdatas`]).

use super::bitmap::TypeBitmap;
use crate::name::{Name, NameKey, uncompressed_end};
use crate::rtype::Rtype;

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u16::from_be_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u32::from_be_bytes(*b))
}

fn owned(wire: &[u8]) -> Name {
    // Constructors checked the name; the root is what a mistake here would show.
    Name::from_wire(wire).unwrap_or_else(|_| Name::root())
}

/// RRSIG and SIG (RFC 4034 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RrsigView<'a> {
    rdata: &'a [u8],
    signer_end: usize,
}

impl<'a> RrsigView<'a> {
    const FIXED: usize = 18;

    /// `None` if there is no signer name or nothing behind it.
    pub fn new(rdata: &'a [u8]) -> Option<RrsigView<'a>> {
        let signer_end = uncompressed_end(rdata, Self::FIXED)?;
        (signer_end < rdata.len()).then_some(RrsigView { rdata, signer_end })
    }

    /// The type of the set that is signed.
    pub fn type_covered(&self) -> Rtype {
        Rtype(u16_at(self.rdata, 0))
    }

    /// Algorithm number of the signing key.
    pub fn algorithm(&self) -> u8 {
        self.rdata[2]
    }

    /// Labels of the original owner, neither the root nor a leftmost asterisk counted.
    pub fn labels(&self) -> u8 {
        self.rdata[3]
    }

    /// TTL of the set at its source, in seconds.
    pub fn original_ttl(&self) -> u32 {
        u32_at(self.rdata, 4)
    }

    /// Not valid after this time: seconds since 1970 modulo 2³², to be compared by serial-number
    /// arithmetic (RFC 4034 §3.1.5).
    pub fn expiration(&self) -> u32 {
        u32_at(self.rdata, 8)
    }

    /// Not valid before this time, like [`RrsigView::expiration`].
    pub fn inception(&self) -> u32 {
        u32_at(self.rdata, 12)
    }

    /// Tag of the signing key.
    pub fn key_tag(&self) -> u16 {
        u16_at(self.rdata, 16)
    }

    /// The zone whose key signed.
    pub fn signer(&self) -> Name {
        owned(self.signer_wire())
    }

    /// The signer's name in wire form, case as received.
    pub fn signer_wire(&self) -> &'a [u8] {
        &self.rdata[Self::FIXED..self.signer_end]
    }

    /// Everything before the signature: what is signed in front of the records, but for the case
    /// of the signer's name.
    pub fn unsigned_part(&self) -> &'a [u8] {
        &self.rdata[..self.signer_end]
    }

    /// The signature; at least one byte.
    pub fn signature(&self) -> &'a [u8] {
        &self.rdata[self.signer_end..]
    }
}

/// DNSKEY, CDNSKEY and KEY (RFC 4034 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DnskeyView<'a> {
    rdata: &'a [u8],
}

impl<'a> DnskeyView<'a> {
    /// Zone Key flag (RFC 4034 §2.1.1).
    pub const ZONE: u16 = 0x0100;
    /// Revoked (RFC 5011 §7).
    pub const REVOKE: u16 = 0x0080;
    /// Secure Entry Point (RFC 4034 §2.1.1).
    pub const SEP: u16 = 0x0001;

    /// `None` if there are fewer than four bytes.
    pub fn new(rdata: &'a [u8]) -> Option<DnskeyView<'a>> {
        (rdata.len() >= 4).then_some(DnskeyView { rdata })
    }

    /// All flags.
    pub fn flags(&self) -> u16 {
        u16_at(self.rdata, 0)
    }

    /// May this key sign records of its zone?
    pub fn is_zone_key(&self) -> bool {
        self.flags() & Self::ZONE != 0
    }

    /// Is it meant to be pointed at from outside the zone?
    pub fn is_secure_entry_point(&self) -> bool {
        self.flags() & Self::SEP != 0
    }

    /// Was it revoked (RFC 5011 §2.1)?
    pub fn is_revoked(&self) -> bool {
        self.flags() & Self::REVOKE != 0
    }

    /// Must be 3 (RFC 4034 §2.1.2).
    pub fn protocol(&self) -> u8 {
        self.rdata[2]
    }

    /// Algorithm number.
    pub fn algorithm(&self) -> u8 {
        self.rdata[3]
    }

    /// The key in the form of its algorithm; may be empty.
    pub fn public_key(&self) -> &'a [u8] {
        &self.rdata[4..]
    }

    /// The whole rdata.
    pub fn as_rdata(&self) -> &'a [u8] {
        self.rdata
    }
}

/// DS, CDS and DLV (RFC 4034 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DsView<'a> {
    rdata: &'a [u8],
}

impl<'a> DsView<'a> {
    /// `None` if there are fewer than four bytes.
    pub fn new(rdata: &'a [u8]) -> Option<DsView<'a>> {
        (rdata.len() >= 4).then_some(DsView { rdata })
    }

    /// Tag of the key that it points at.
    pub fn key_tag(&self) -> u16 {
        u16_at(self.rdata, 0)
    }

    /// Algorithm number of that key.
    pub fn algorithm(&self) -> u8 {
        self.rdata[2]
    }

    /// Digest type number.
    pub fn digest_type(&self) -> u8 {
        self.rdata[3]
    }

    /// The digest; may be of any length.
    pub fn digest(&self) -> &'a [u8] {
        &self.rdata[4..]
    }
}

/// NSEC (RFC 4034 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsecView<'a> {
    next: &'a [u8],
    types: TypeBitmap<'a>,
}

impl<'a> NsecView<'a> {
    /// `None` if next name or bitmap are malformed.
    pub fn new(rdata: &'a [u8]) -> Option<NsecView<'a>> {
        let (next, bitmap) = rdata.split_at_checked(uncompressed_end(rdata, 0)?)?;
        Some(NsecView { next, types: TypeBitmap::new(bitmap)? })
    }

    /// The next owner in canonical order, or the apex.
    pub fn next(&self) -> Name {
        owned(self.next_wire())
    }

    /// The same as a key.
    pub fn next_key(&self) -> NameKey {
        NameKey::of_checked_wire(self.next)
    }

    /// The next owner in wire form, case as received.
    pub fn next_wire(&self) -> &'a [u8] {
        self.next
    }

    /// The types at the owner.
    pub fn types(&self) -> TypeBitmap<'a> {
        self.types
    }

    /// Is the type present at the owner?
    pub fn has_type(&self, rtype: Rtype) -> bool {
        self.types.contains(rtype)
    }
}

/// NSEC3 (RFC 5155 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nsec3View<'a> {
    parameters: Nsec3ParamView<'a>,
    next: &'a [u8],
    types: TypeBitmap<'a>,
}

impl<'a> Nsec3View<'a> {
    /// Opt-Out flag (RFC 5155 §3.1.2.1).
    pub const OPT_OUT: u8 = 0x01;

    /// `None` if a length runs over the end, the next hash is empty or the bitmap is malformed.
    pub fn new(rdata: &'a [u8]) -> Option<Nsec3View<'a>> {
        let (parameters, rest) = Nsec3ParamView::split(rdata)?;
        let (length, rest) = rest.split_first()?;
        let (next, bitmap) = rest.split_at_checked(*length as usize)?;
        if next.is_empty() {
            return None;
        }
        Some(Nsec3View { parameters, next, types: TypeBitmap::new(bitmap)? })
    }

    /// Hash algorithm, iterations and salt.
    pub fn parameters(&self) -> Nsec3ParamView<'a> {
        self.parameters
    }

    /// Hash algorithm number; 1 is SHA-1.
    pub fn hash_algorithm(&self) -> u8 {
        self.parameters.hash_algorithm()
    }

    /// All flags.
    pub fn flags(&self) -> u8 {
        self.parameters.flags()
    }

    /// May unsigned delegations lie between the owner and the next hash?
    pub fn is_opt_out(&self) -> bool {
        self.flags() & Self::OPT_OUT != 0
    }

    /// Additional iterations.
    pub fn iterations(&self) -> u16 {
        self.parameters.iterations()
    }

    /// The salt; may be empty.
    pub fn salt(&self) -> &'a [u8] {
        self.parameters.salt()
    }

    /// The next hashed owner, raw bytes (20 for SHA-1); never empty.
    pub fn next_hash(&self) -> &'a [u8] {
        self.next
    }

    /// The types at the original owner.
    pub fn types(&self) -> TypeBitmap<'a> {
        self.types
    }

    /// Is the type present at the original owner?
    pub fn has_type(&self, rtype: Rtype) -> bool {
        self.types.contains(rtype)
    }
}

/// NSEC3PARAM, and the same fields at the start of NSEC3 (RFC 5155 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nsec3ParamView<'a> {
    rdata: &'a [u8],
}

impl<'a> Nsec3ParamView<'a> {
    const FIXED: usize = 5;

    /// `None` if the salt does not end the rdata exactly.
    pub fn new(rdata: &'a [u8]) -> Option<Nsec3ParamView<'a>> {
        let (view, rest) = Self::split(rdata)?;
        rest.is_empty().then_some(view)
    }

    fn split(rdata: &'a [u8]) -> Option<(Nsec3ParamView<'a>, &'a [u8])> {
        let length = *rdata.get(Self::FIXED - 1)? as usize;
        let (own, rest) = rdata.split_at_checked(Self::FIXED + length)?;
        Some((Nsec3ParamView { rdata: own }, rest))
    }

    /// Hash algorithm number; 1 is SHA-1.
    pub fn hash_algorithm(&self) -> u8 {
        self.rdata[0]
    }

    /// All flags; zero in NSEC3PARAM.
    pub fn flags(&self) -> u8 {
        self.rdata[1]
    }

    /// Additional iterations.
    pub fn iterations(&self) -> u16 {
        u16_at(self.rdata, 2)
    }

    /// The salt; may be empty.
    pub fn salt(&self) -> &'a [u8] {
        &self.rdata[Self::FIXED..]
    }
}

/// SOA (RFC 1035 §3.3.13).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SoaView<'a> {
    rdata: &'a [u8],
    mname_end: usize,
    rname_end: usize,
}

impl<'a> SoaView<'a> {
    /// `None` unless two names and twenty bytes make up the rdata.
    pub fn new(rdata: &'a [u8]) -> Option<SoaView<'a>> {
        let mname_end = uncompressed_end(rdata, 0)?;
        let rname_end = uncompressed_end(rdata, mname_end)?;
        (rdata.len() == rname_end + 20).then_some(SoaView { rdata, mname_end, rname_end })
    }

    /// The primary server.
    pub fn mname(&self) -> Name {
        owned(&self.rdata[..self.mname_end])
    }

    /// The mailbox of those responsible.
    pub fn rname(&self) -> Name {
        owned(&self.rdata[self.mname_end..self.rname_end])
    }

    /// Version of the zone (RFC 1982 arithmetic).
    pub fn serial(&self) -> u32 {
        u32_at(self.rdata, self.rname_end)
    }

    /// Seconds between checks by secondaries.
    pub fn refresh(&self) -> u32 {
        u32_at(self.rdata, self.rname_end + 4)
    }

    /// Seconds until a failed check is repeated.
    pub fn retry(&self) -> u32 {
        u32_at(self.rdata, self.rname_end + 8)
    }

    /// Seconds after which an unreachable primary's data are given up.
    pub fn expire(&self) -> u32 {
        u32_at(self.rdata, self.rname_end + 12)
    }

    /// The MINIMUM field, in seconds: with the SOA's own TTL the bound on negative answers
    /// (RFC 2308 §5).
    pub fn minimum(&self) -> u32 {
        u32_at(self.rdata, self.rname_end + 16)
    }
}

#[cfg(test)]
mod tests;
