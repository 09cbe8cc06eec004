//! Zones of three signers, with each algorithm and each form of denial: what clients get, and what
//! `delv` makes of the same answers when it checks them by itself.

use xtask::lab::world::{Denial, Signing, Zone, signers};
use xtask::lab::{Judgement, Lab};

use crate::e2e::program;

/// A question below the zone, the answer to it, whether opt-out makes it insecure, and whether `delv`
/// is to check it, too.
const QUESTIONS: &[(&str, &str, bool, bool)] = &[
    ("+dnssec www.ZONE A", "NOERROR ad\nwww.ZONE. A 192.0.2.41\nwww.ZONE. RRSIG A", false, true),
    ("+adflag www.ZONE MX", "NOERROR ad", false, true),
    ("+adflag ent.of.ZONE A", "NOERROR ad", false, false),
    ("+adflag gone.ZONE A", "NXDOMAIN ad", true, true),
    ("+adflag x.wild.ZONE A", "NOERROR ad\nx.wild.ZONE. A 192.0.2.42", true, true),
    ("+adflag y.wild.ZONE MX", "NOERROR ad", true, false),
    ("+adflag plain.ZONE DS", "NOERROR ad", true, false),
    ("+adflag ZONE DNSKEY", "", false, false),
];

/// Questions in flight at once: as many as there are threads.
const THREADS: usize = 4;

#[test]
fn zones_of_all_signers_are_validated_and_can_be_validated_again() {
    let lab = Lab::start_with(&signers()).expect("the lab starts");
    let resolver = lab.resolver(&program(), "").expect("the resolver starts");
    let zones: Vec<Zone> =
        signers().into_iter().filter(|zone| zone.name.contains('-')).filter(is_signed).collect();
    assert_eq!(zones.len(), 3 * (3 * 8 - 2));
    let each = zones.len().div_ceil(THREADS);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let (lab, chunks) = (&lab, zones.chunks(each));
        let threads: Vec<_> = chunks
            .map(|zones| scope.spawn(move || zones.iter().flat_map(|z| check(lab, z)).collect()))
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap_or_else(|_| vec!["panic".into()]))
            .collect()
    });
    assert!(wrong.is_empty(), "\n{}\n\nits log:\n{}", wrong.join("\n\n"), resolver.log());
}

fn is_signed(zone: &Zone) -> bool {
    zone.signing != Signing::Unsigned
}

/// What is wrong with the answers about one zone.
fn check(lab: &Lab, zone: &Zone) -> Vec<String> {
    let opt_out = matches!(
        zone.signing,
        Signing::Signed(_, Denial::Nsec3OptOut) | Signing::Presigned(_, _, Denial::Nsec3OptOut)
    );
    let mut wrong = Vec::new();
    for (question, expected, hidden, again) in QUESTIONS {
        // What ldns signs has the flag, but leaves no delegation out of the chain.
        let is_in_chain = zone.name.starts_with("ldns") && question.contains("plain.");
        let insecure = opt_out && *hidden && !is_in_chain;
        let question = question.replace("ZONE", zone.name);
        let mut expected = expected.replace("ZONE", zone.name);
        if insecure {
            expected = expected.replace(" ad", "");
        }
        match lab.ask(&question).map(|answer| answer.to_string()) {
            Ok(answer) if answer == expected => {}
            // The keys themselves are different each time.
            Ok(answer) if expected.is_empty() && answer.starts_with("NOERROR ad") => {}
            other => wrong.push(format!("{question}\n-- expected\n{expected}\n-- got\n{other:?}")),
        }
        if *again {
            let plain = question.split_once(' ').map_or("", |(_, plain)| plain);
            // BIND takes a span with opt-out for a proof that a name does not exist; RFC 5155 §9.2
            // does not.
            let is_proven = !insecure || expected == "NXDOMAIN";
            let expected = if is_proven { Judgement::Secure } else { Judgement::Insecure };
            match lab.judge(plain) {
                Ok(judged) if judged == expected => {}
                other => wrong.push(format!("delv {plain}: expected {expected:?}, got {other:?}")),
            }
        }
    }
    wrong
}
