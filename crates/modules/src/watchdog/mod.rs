//! `watchdog`: shows the service manager that the process is alive, and if wanted that it can
//! resolve a name. When it cannot, the process ends, to be started again.

#[cfg(test)]
mod tests;

use std::time::Duration;

use dns::{Message, Name, Rcode, Rtype};
use resolve::{Layer, Mono};

use crate::environment::Level;
use crate::{CONFIG, Command, Environment, Module, Question, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "watchdog";

/// Time between two signs of life if the service manager names none.
const INTERVAL: Duration = Duration::from_secs(10);
/// Longest such time.
const INTERVAL_MS_MAX: f64 = 24.0 * 3600.0 * 1000.0;
/// The log group.
const GROUP: &str = "wtchdg";

const COMMANDS: &[Command] = &[Command {
    name: CONFIG,
    usage: "config({ qname = 'example.com', qtype = kres.type.A, interval = 10000 })",
    doc: "resolve this name before each sign of life",
}];

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Watchdog::default())
}

#[derive(Default)]
struct Watchdog {
    interval: Option<Duration>,
    due: Option<Mono>,
    question: Option<(Name, Rtype)>,
    /// The question that is waited for.
    asked: Option<u16>,
    number: u16,
}

impl Watchdog {
    fn configure(&mut self, env: &dyn Environment, config: &Value) -> Result<(), Refusal> {
        if config.is_nil() {
            return Ok(());
        }
        let interval = match config.get("interval") {
            None => self.interval.unwrap_or(INTERVAL),
            Some(interval) => interval
                .as_number()
                .filter(|ms| (1.0..=INTERVAL_MS_MAX).contains(ms))
                .map(|ms| Duration::from_millis(ms as u64))
                .ok_or_else(|| Refusal::new("[watchdog] interval must be >= 1 ms"))?,
        };
        let question = match config.get("qname") {
            None => None,
            Some(name) => {
                let text = name.as_text().unwrap_or_default();
                let parsed = Name::from_text(text.as_bytes(), &Name::root());
                let name = parsed
                    .map_err(|_| Refusal::new(format!("[watchdog] '{text}' is not a name")))?;
                Some((name, read_type(config.get("qtype"))?))
            }
        };
        self.question = question;
        self.interval = Some(interval);
        self.due = Some(env.now().mono);
        Ok(())
    }

    fn state(&self) -> Value {
        let mut parts = Vec::new();
        if let Some(interval) = self.interval {
            parts.push(("interval", Value::Number(interval.as_millis() as f64)));
        }
        if let Some((name, rtype)) = &self.question {
            parts.push(("qname", Value::text(name.to_string())));
            parts.push(("qtype", Value::Number(rtype.0.into())));
        }
        parts.into_iter().collect()
    }
}

/// A type by its number or its name.
fn read_type(value: Option<&Value>) -> Result<Rtype, Refusal> {
    let wrong = || Refusal::new("[watchdog] qtype is not a type");
    match value {
        None => Ok(Rtype::A),
        Some(Value::Number(number)) if (1.0..=65_535.0).contains(number) => {
            Ok(Rtype(*number as u16))
        }
        Some(text) => text.as_text().and_then(|text| text.parse().ok()).ok_or_else(wrong),
    }
}

impl Module for Watchdog {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        None
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        // Half the time that the service manager waits, so as never to be late.
        if let Some(timeout) = env.watchdog_timeout() {
            self.interval = Some(timeout / 2);
            self.due = Some(env.now().mono);
        }
        Ok(())
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        env: &dyn Environment,
        _command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        self.configure(env, arguments.first().unwrap_or(&Value::Nil))?;
        Ok(self.state())
    }

    fn deadline(&self) -> Option<Mono> {
        self.due
    }

    fn handle_deadline(&mut self, env: &dyn Environment) {
        self.due = self.interval.map(|interval| env.now().mono + interval);
        match &self.question {
            None => env.feed_watchdog(),
            // The last one is still under way; its answer decides.
            Some(_) if self.asked.is_some() => {}
            Some((name, rtype)) => {
                self.number = self.number.wrapping_add(1);
                self.asked = Some(self.number);
                env.ask(Question { number: self.number, name: name.clone(), rtype: *rtype });
            }
        }
    }

    fn handle_answer(&mut self, env: &dyn Environment, number: u16, answer: Option<&[u8]>) {
        if self.asked.take_if(|asked| *asked == number).is_none() {
            return;
        }
        let rcode = answer.and_then(|wire| Message::parse(wire).ok()).map(|m| m.rcode());
        match rcode {
            Some(Rcode::NOERROR | Rcode::NXDOMAIN) => env.feed_watchdog(),
            _ => {
                let shown = rcode.map_or("no answer".to_owned(), |rcode| rcode.to_string());
                let text = format!("the watchdog's query ended with {shown}: aborting");
                env.log(GROUP, Level::Error, &text);
                env.abort();
            }
        }
    }
}
