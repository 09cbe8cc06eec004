//! QNAME minimisation (RFC 9156): servers see no more of the name than they need.
//!
//! As upstream, a step asks for NS one label below the zone cut; the first reply that is no referral
//! ends minimisation for this query, so that broken servers cost one message.

use dns::Rtype;

use crate::flags::QueryFlags;
use crate::limits::{MINIMISE_SINGLE_MAX, MINIMISE_STEPS_MAX};
use crate::query::{Ask, Query};
use crate::zone_cut::ZoneCut;

/// The next question to the servers of a zone.
pub(super) fn next_ask(query: &mut Query, cut: &ZoneCut) -> Ask {
    let full =
        Ask { name: query.name.clone(), rtype: query.rtype, class: query.class, minimised: false };
    if query.flags.contains(QueryFlags::NO_MINIMIZE)
        || query.minimise.off
        || query.minimise.steps >= MINIMISE_STEPS_MAX
        || cut.is_forward()
    {
        return full;
    }
    let labels = query.name.label_count();
    let known = cut.name.label_count();
    let mut next = known + 1;
    if query.minimise.steps >= MINIMISE_SINGLE_MAX {
        // RFC 9156 §2.3: spread what is left over the steps that are left.
        let steps_left = usize::from(MINIMISE_STEPS_MAX - query.minimise.steps);
        next = known + labels.saturating_sub(known).div_ceil(steps_left).max(1);
    }
    if next >= labels {
        return full;
    }
    query.minimise.steps += 1;
    Ask { name: query.name.suffix(next), rtype: Rtype::NS, class: query.class, minimised: true }
}
