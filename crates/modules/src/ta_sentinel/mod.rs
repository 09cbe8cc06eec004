//! `ta_sentinel`: lets clients find out which keys of the root are trusted (RFC 8509).
//!
//! What a name gets depends on the trust anchors only, and whoever changes those has finished
//! answers forgotten, so the layer is transparent.

use dns::dnssec::{Voucher, key_tag};
use dns::rdata::view::DsView;
use dns::{Name, Rcode, Rtype};
use resolve::{Hooks, Layer, RequestContext, State, TrustAnchors};

use crate::Module;

/// The name of the module.
pub const NAME: &str = "ta_sentinel";

/// What the first label of such names begins with (RFC 8509 §2).
const IS_TA: &[u8] = b"root-key-sentinel-is-ta-";
const NOT_TA: &[u8] = b"root-key-sentinel-not-ta-";
/// Digits of a key tag in a name (RFC 8509 §2).
const DIGITS: usize = 5;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(TaSentinel)
}

struct TaSentinel;

impl Module for TaSentinel {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(Sentinel))
    }
}

/// What a name asks: is the key with this tag trusted, or is it not?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Test {
    tag: u16,
    /// The name is to be resolved if the key is trusted, rather than if it is not.
    wants_trust: bool,
}

impl Test {
    /// The test that a name stands for by its first label (RFC 8509 §3.1).
    fn of(name: &Name) -> Option<Test> {
        let label = name.labels().next()?;
        // The hot path: hardly any name gets further.
        let (prefix, wants_trust) = match label.len() {
            length if length == IS_TA.len() + DIGITS => (IS_TA, true),
            length if length == NOT_TA.len() + DIGITS => (NOT_TA, false),
            _ => return None,
        };
        let (head, digits) = label.split_at_checked(prefix.len())?;
        if !head.eq_ignore_ascii_case(prefix) || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let tag = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Test { tag, wants_trust })
    }
}

/// Is a key with this tag an anchor of the root?
fn is_trusted(anchors: &TrustAnchors, tag: u16) -> bool {
    let has_tag = |voucher: &Voucher| match voucher {
        Voucher::Ds(rdata) => DsView::new(rdata).is_some_and(|ds| ds.key_tag() == tag),
        Voucher::Key(rdata) => key_tag(rdata) == tag,
    };
    anchors.vouchers(&Name::root()).is_some_and(|vouchers| vouchers.iter().any(has_tag))
}

struct Sentinel;

impl Layer for Sentinel {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::ANSWER_FINALIZE | Hooks::FINISH
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        let Some(test) = asked(ctx) else { return state };
        let trusted = is_trusted(&ctx.core.settings.trust_anchors, test.tag);
        let response = &mut ctx.request.response;
        if !response.authentic || trusted == test.wants_trust {
            return state;
        }
        response.clear_records();
        response.rcode = Rcode::SERVFAIL;
        response.authentic = false;
        state
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if asked(ctx).is_some() {
            // That was no failure to be remembered: those who disable checking get the answer.
            let question = &ctx.request.question;
            ctx.core.failures.forget(&question.name, question.rtype);
        }
        state
    }
}

/// The test that the request is.
fn asked(ctx: &RequestContext<'_>) -> Option<Test> {
    let question = &ctx.request.question;
    if !matches!(question.rtype, Rtype::A | Rtype::AAAA) || ctx.request.checking_disabled() {
        return None;
    }
    Test::of(&question.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_tests() {
        let of = |name: &str| Test::of(&name.parse().unwrap());
        let test = |tag, wants_trust| Some(Test { tag, wants_trust });
        assert_eq!(of("root-key-sentinel-is-ta-20326.example."), test(20326, true));
        assert_eq!(of("ROOT-KEY-sentinel-not-TA-00007."), test(7, false));
        for name in [
            ".",
            "root-key-sentinel-is-ta-2032.example.",
            "root-key-sentinel-is-ta-0x4f6.example.",
            "root-key-sentinel-is-ta-99999.example.",
            "root-key-sentinel-is-ta-+2032.example.",
            "root-key-sentinel-was-ta-20326.example.",
            "www.root-key-sentinel-is-ta-20326.example.",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn the_keys_of_the_root_count_and_no_others() {
        let ds = |tag: u16| [&tag.to_be_bytes()[..], &[8, 2, 0]].concat();
        let mut anchors = TrustAnchors::new();
        assert!(!is_trusted(&anchors, 7));
        anchors.add(&Name::root(), Voucher::Ds(ds(7)));
        anchors.add(&"example.".parse().unwrap(), Voucher::Ds(ds(8)));
        let key = [1, 1, 3, 15, 1, 2, 3, 4];
        anchors.add(&Name::root(), Voucher::Key(key.to_vec()));
        assert!(is_trusted(&anchors, 7));
        assert!(!is_trusted(&anchors, 8));
        assert!(is_trusted(&anchors, key_tag(&key)));
    }
}
