//! The path of a hit, and which finished answers are kept for it.

use dns::{Class, Rcode, Rtype};

use super::Resolver;
use crate::answer_cache::Kept;
use crate::client::{Client, ClientProtocol};
use crate::flags::QueryFlags;
use crate::layer::Hooks;
use crate::request::Request;
use crate::time::Now;

impl Resolver {
    /// The path of a hit: if the finished answer is at hand, writes it to `out` (cleared first) and
    /// returns true. Otherwise nothing happened, and the same bytes go to
    /// [`Resolver::handle_request`].
    #[inline]
    pub fn answer_cached(
        &mut self,
        now: Now,
        client: &Client,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.layers.is_transparent() {
            return false;
        }
        self.answers.set_generation(self.generation());
        let size = self.core.settings.udp_size_downstream;
        let Some(tag) = self.layers.client_tag(client) else { return false };
        let Some(hit) = self.answers.answer(now, client, tag, size, wire, out) else {
            return false;
        };
        let counters = &mut self.core.counters;
        counters.requests += 1;
        counters.responses += 1;
        counters.answered_from_cache += 1;
        match hit.rcode {
            Rcode::NOERROR if hit.no_data => counters.nodata += 1,
            Rcode::NOERROR => counters.noerror += 1,
            Rcode::NXDOMAIN => counters.nxdomain += 1,
            _ => {}
        }
        if self.layers.has(Hooks::HIT) {
            for (_, layer) in self.layers.with_hook(Hooks::HIT, 0) {
                layer.hit(now, client, &hit);
            }
        }
        true
    }

    /// Changes with the layers of this worker, and when any worker has taken something out of the
    /// store that they share. Both numbers only grow, so no sum comes twice.
    #[inline]
    fn generation(&self) -> u64 {
        self.layers.generation().wrapping_add(self.core.cache.kv().generation())
    }

    /// Keeps a response for later queries of the same kind, if it came from the store altogether
    /// and says nothing that was meant for this client only.
    pub(super) fn keep_answer(&mut self, now: Now, request: &mut Request, wire: &[u8]) {
        let response = &request.response;
        let question = &request.question;
        let plain = request.cached
            && !request.synthesized
            && request.shareable
            && matches!(response.rcode, Rcode::NOERROR | Rcode::NXDOMAIN)
            // Without a record nothing says how long it holds.
            && !(response.answer.is_empty() && response.authority.is_empty())
            && response.options.is_empty()
            && response.extended_errors.is_empty()
            && question.class == Class::IN
            && question.rtype != Rtype::ANY
            && request.client.protocol != ClientProtocol::Internal
            && !request.flags.intersects(QueryFlags::TRACE)
            && self.layers.is_transparent();
        if plain && let Some(tag) = self.layers.client_tag(&request.client) {
            self.answers.set_generation(self.generation());
            let tallies = std::mem::take(&mut request.tallies);
            let kept = Kept { tag, life: u32::MAX, tallies };
            self.answers.insert(now, &request.client, kept, &request.wire, wire);
        }
    }
}
