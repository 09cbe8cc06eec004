//! `detect_time_skew`: compares the clock with the signatures over the root's NS set once, soon
//! after the start, and says in one line of the log if it must be wrong.
//!
//! The signatures are taken as they come: a clock that is wrong is just what makes them bogus.

use dns::rdata::view::RrsigView;
use dns::{Message, Name, Rcode, Rtype};
use resolve::{Layer, Mono};

use crate::{Environment, Level, Manner, Module, Question, Refusal};

/// The name of the module.
pub const NAME: &str = "detect_time_skew";

/// Log group.
const GROUP: &str = "timesk";

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(DetectTimeSkew { due: None })
}

struct DetectTimeSkew {
    due: Option<Mono>,
}

impl Module for DetectTimeSkew {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        None
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        self.due = Some(env.now().mono);
        Ok(())
    }

    fn deadline(&self) -> Option<Mono> {
        self.due
    }

    fn handle_deadline(&mut self, env: &dyn Environment) {
        self.due = None;
        let manner = Manner { uncached: true, unchecked: true, dnssec: true };
        env.ask_with(Question { number: 0, name: Name::root(), rtype: Rtype::NS }, manner);
    }

    fn handle_answer(&mut self, env: &dyn Environment, _number: u16, answer: Option<&[u8]>) {
        let message = answer.and_then(|wire| Message::parse(wire).ok());
        let Some(message) = message.filter(|message| message.rcode() == Rcode::NOERROR) else {
            env.log(GROUP, Level::Warning, "cannot resolve '.' NS");
            return;
        };
        let now = env.now().unix.seconds();
        let time = date(now);
        match judge(&message, now) {
            Clock::Unknown => env.log(
                GROUP,
                Level::Info,
                "No RRSIGs received! You really should configure DNSSEC trust anchor for the root.",
            ),
            Clock::Fits => env.log(
                GROUP,
                Level::Info,
                &format!("Local system time {time} is within the time of valid signatures."),
            ),
            Clock::Wrong { seconds, ahead } => {
                let (where_to, when) = if ahead { ("future", "anymore") } else { ("past", "yet") };
                env.log(
                    GROUP,
                    Level::Warning,
                    &format!(
                        "Local system time {time} seems to be at least {seconds} seconds in the \
                         {where_to}. DNSSEC signatures for '.' NS are not valid {when}. Please \
                         check your system clock!"
                    ),
                );
            }
        }
    }
}

/// What signatures say about the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Clock {
    /// There are none.
    Unknown,
    Fits,
    Wrong {
        seconds: u64,
        ahead: bool,
    },
}

/// One signature that is valid now is enough for the clock to be right.
fn judge(message: &Message<'_>, now: u64) -> Clock {
    let mut clock = Clock::Unknown;
    for record in message.answer().filter(|record| record.rtype() == Rtype::RRSIG) {
        let rdata = record.rdata();
        let Some(rrsig) = RrsigView::new(&rdata) else { continue };
        // Serial numbers (RFC 4034 §3.1.5).
        let after = |a: u32, b: u32| i64::from(a.wrapping_sub(b) as i32);
        let late = after(now as u32, rrsig.expiration());
        let early = after(rrsig.inception(), now as u32);
        let (seconds, ahead) = match (late, early) {
            (1.., _) => (late, true),
            (_, 1..) => (early, false),
            _ => return Clock::Fits,
        };
        clock = Clock::Wrong { seconds: seconds.unsigned_abs(), ahead };
    }
    clock
}

/// A time in seconds since 1970 for people (the civil calendar from the number of days).
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that the leap day comes last; eras of 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, year) = (day - (153 * month + 2) / 5 + 1, era * 400 + year + u64::from(month > 9));
    let month = if month < 10 { month + 3 } else { month - 9 };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use dns::{Class, Composer, Header, Section};

    use super::*;
    use crate::testing::World;

    const INCEPTION: u32 = 999_000;
    const EXPIRATION: u32 = 1_001_000;

    /// An answer with signatures over such times.
    fn answer(windows: &[(u32, u32)]) -> Vec<u8> {
        let mut header = Header::default();
        header.set_qr(true);
        let mut wire = Vec::new();
        let mut composer = Composer::new(&mut wire, header, 4096);
        composer.question(&Name::root(), Rtype::NS, Class::IN).unwrap();
        for (inception, expiration) in windows {
            let mut rdata = vec![0, 2, 8, 0, 0, 0, 0, 1];
            rdata.extend(expiration.to_be_bytes());
            rdata.extend(inception.to_be_bytes());
            rdata.extend([0, 7, 0, 1, 2, 3]);
            let records = std::iter::once(rdata.as_slice());
            let section = Section::Answer;
            composer.records(section, &Name::root(), Rtype::RRSIG, Class::IN, 1, records).unwrap();
        }
        composer.finish(None);
        wire
    }

    /// What the log says of an answer; the clock stands at 1,000,000.
    fn said(answer: Option<&[u8]>) -> String {
        let mut world = World::silent();
        world.load(NAME);
        world.pass(std::time::Duration::ZERO);
        let asked = world.process.asked.take();
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].name.is_root(), asked[0].rtype), (true, Rtype::NS));
        let (_, module) = &mut world.modules[0];
        assert_eq!(module.deadline(), None, "once is enough");
        module.handle_answer(&world.process, 0, answer);
        world.process.log.take().remove(0)
    }

    #[test]
    fn a_wrong_clock_is_told_in_one_line() {
        let fits = (INCEPTION, EXPIRATION);
        assert!(
            said(Some(&answer(&[fits]))).starts_with("timesk Info Local system time 1970-01-12")
        );
        assert!(said(Some(&answer(&[(1, 2), fits]))).contains("is within"));
        let past = said(Some(&answer(&[(1_000_500, 1_001_000)])));
        assert!(past.starts_with("timesk Warning Local system time 1970-01-12 13:46:40 UTC seems"));
        assert!(past.contains("at least 500 seconds in the past"), "{past}");
        assert!(past.contains("not valid yet"));
        let future = said(Some(&answer(&[(1, 999_000)])));
        assert!(future.contains("at least 1000 seconds in the future"), "{future}");
        assert!(said(Some(&answer(&[]))).contains("No RRSIGs received!"));
        assert_eq!(said(None), "timesk Warning cannot resolve '.' NS");
        assert_eq!(said(Some(&[1, 2, 3])), "timesk Warning cannot resolve '.' NS");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }
}
