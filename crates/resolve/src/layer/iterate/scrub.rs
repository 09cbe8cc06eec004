//! What a server may not tell us: records outside its zone (RFC 5452 §6, RFC 2181 §5.4.1).

use dns::Name;

use crate::reply::Reply;

/// Removes everything that the servers of `apex` have no authority over, and what is of another
/// class. Glue for names elsewhere is judged by [`super::referral`] before.
pub(super) fn scrub(reply: &mut Reply, apex: &Name, class: dns::Class) {
    for section in [&mut reply.answer, &mut reply.authority] {
        section.retain(|signed| signed.set.class == class && signed.set.owner.is_at_or_below(apex));
    }
    reply.additional.retain(|signed| signed.set.class == class);
}
