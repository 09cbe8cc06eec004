//! Referrals: does the parent vouch for the child zone, or prove that it does not
//! (RFC 4035 §5.2, RFC 5155 §8.9)?

use std::sync::Arc;

use dns::dnssec::{DenialFault, NoDs, Voucher, denial};
use dns::rdata::view::RrsigView;
use dns::{Name, Rtype};
use store::cache::Rank;

use super::chain::{self, Delegation, Trust};
use super::negative::{has_costly_nsec3, refuse_many, secure_denials};
use super::sets::{self, Basis};
use super::{MESSAGE_BUDGET, Stop, spend};
use crate::extended_error::Verdict;
use crate::layer::QueryContext;
use crate::reply::{Reply, find};
use crate::trace;

/// Finds out what a referral from the servers of `parent` to `child` says about the child's trust.
pub(super) fn validate(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    parent: &Name,
    child: &Name,
) -> Result<(), Stop> {
    let settings = ctx.core.settings.clone();
    let anchors = &settings.trust_anchors;
    if anchors.closest(child).is_none() {
        return Ok(());
    }
    if anchors.vouchers(child).is_some() || ctx.request.chain.delegation(child).is_some() {
        return settled(ctx, child);
    }
    let parent = &speaker(reply, parent, child);
    let keys = match chain::trust(ctx, parent)? {
        Trust::Secure(keys) => keys,
        Trust::Insecure => {
            ctx.request.chain.set_delegation(child, Delegation::Insecure);
            return Ok(());
        }
        Trust::NotACut => return Ok(()),
        Trust::Broken(verdict) => return Err(Stop::Broken(verdict)),
    };
    let has_ds = find(&reply.authority, child, Rtype::DS).is_some();
    refuse_many(&reply.authority)?;
    let mut budget = MESSAGE_BUDGET.min(ctx.request.chain.budget);
    let share = budget;
    let basis = Basis::Keys(keys);
    let mut fault = None;
    for signed in &mut reply.authority {
        let is_wanted = match signed.set.rtype {
            Rtype::DS => signed.set.owner == *child,
            rtype => !has_ds && rtype.is_denial(),
        };
        if !is_wanted || signed.signatures.is_empty() {
            continue;
        }
        if let Err(stop) = sets::verify(ctx, signed, &basis, &mut budget) {
            fault.get_or_insert(stop);
        }
    }
    spend(ctx, share, budget);
    if let Some(stop) = fault {
        return Err(stop);
    }
    let ds = find(&reply.authority, child, Rtype::DS).filter(|signed| signed.rank.is_secure());
    let delegation = if let Some(ds) = ds {
        let vouchers = ds.set.rdatas.iter().map(|rdata| Voucher::Ds(rdata.to_vec()));
        reply.rank = Rank::SECURE;
        Delegation::Vouched(Arc::new(vouchers.collect()))
    } else {
        match absence(ctx, reply, parent, child)? {
            Some(delegation) => delegation,
            // RFC 4035 §5.2: the parent has to be asked.
            None => return ask(ctx, child),
        }
    };
    trace!(ctx, Validate, "<= delegation of '{child}': {}", describe(&delegation));
    ctx.request.chain.set_delegation(child, delegation);
    Ok(())
}

/// The zone that refers to the child: the one that was asked, or, where its servers also serve zones
/// in between, the deepest of those that signed something about the child.
fn speaker(reply: &Reply, asked: &Name, child: &Name) -> Name {
    let about_child = reply.authority.iter().filter(|signed| {
        signed.set.rtype.is_denial()
            || (signed.set.rtype == Rtype::DS && signed.set.owner == *child)
    });
    let signers = about_child
        .flat_map(|signed| signed.signatures.iter().filter_map(RrsigView::new))
        .map(|rrsig| rrsig.signer())
        .filter(|signer| signer.is_below(asked) && child.is_below(signer));
    signers.max_by_key(Name::label_count).unwrap_or_else(|| asked.clone())
}

/// What the proofs of a referral say, if there are any.
fn absence(
    ctx: &mut QueryContext<'_>,
    reply: &mut Reply,
    parent: &Name,
    child: &Name,
) -> Result<Option<Delegation>, Stop> {
    if has_costly_nsec3(&reply.authority) {
        let told = Verdict::Nsec3Iterations.told();
        ctx.request.response.add_extended_error(told.code, told.tag);
        return Ok(Some(Delegation::Insecure));
    }
    let proofs = secure_denials(&reply.authority);
    let mut budget = MESSAGE_BUDGET.min(ctx.request.chain.budget);
    let share = budget;
    let found = denial::prove_no_ds(parent, &proofs, child, &mut budget);
    spend(ctx, share, budget);
    match found {
        Ok(found @ (NoDs::Unsigned | NoDs::OptOut)) => {
            let opt_out = found == NoDs::OptOut;
            reply.rank = if opt_out { Rank::INSECURE.with_auth() } else { Rank::SECURE };
            Ok(Some(Delegation::Insecure))
        }
        Ok(NoDs::NotACut | NoDs::NoName) => Err(Stop::Bogus(Verdict::DelegationDenied)),
        Err(DenialFault::Budget) => Err(Stop::Bogus(Verdict::TooMuchCrypto)),
        Err(DenialFault::Iterations) => Ok(Some(Delegation::Insecure)),
        Err(DenialFault::Missing) => Ok(None),
    }
}

fn ask(ctx: &mut QueryContext<'_>, child: &Name) -> Result<(), Stop> {
    trace!(ctx, Validate, "<= no DS and no proof, asking for DS");
    chain::delegation(ctx, child)?;
    settled(ctx, child)
}

/// What was found out by asking.
fn settled(ctx: &mut QueryContext<'_>, child: &Name) -> Result<(), Stop> {
    match chain::delegation(ctx, child)? {
        Delegation::Vouched(_) | Delegation::Insecure => Ok(()),
        Delegation::NotACut => Err(Stop::Bogus(Verdict::ReferralUnproven)),
        Delegation::Broken(verdict) => Err(Stop::Broken(verdict)),
    }
}

fn describe(delegation: &Delegation) -> &'static str {
    match delegation {
        Delegation::Vouched(_) => "signed",
        Delegation::Insecure => "unsigned",
        Delegation::NotACut => "none",
        Delegation::Broken(_) => "broken",
    }
}
