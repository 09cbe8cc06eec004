//! The native modules that a scenario asks for by its features, as the public template loads them,
//! and the one of the defaults that changes answers.
//!
//! The process around them is nobody: what they want of it beyond the resolver is refused.

use std::time::Duration;

use modules::environment::{Environment, Level, Manner, Question};
use modules::{Home, Module, Refusal, Value};
use resolve::layer::stack::{LayerStack, Place};
use resolve::{Mono, Now, Settings, UnixTime};

use super::Config;

/// Loads them. Their layers stay; nothing else of them is needed afterwards.
pub(super) fn load(config: &Config, layers: &mut LayerStack) -> Result<(), String> {
    put(layers, "ta_sentinel")?;
    let mut hints = put(layers, "hints")?;
    if let (Some(name), Some(address)) =
        (config.feature("static_hint_name"), config.feature("static_hint_addr"))
    {
        let said = hints.set(&Nobody, name, &Value::text(address));
        said.unwrap_or(Ok(())).map_err(|refusal| refusal.to_string())?;
    }
    if let Some(prefix) = config.feature("dns64_prefix") {
        configure(&mut *put(layers, "dns64")?, Value::text(prefix))?;
    }
    if let (Some(from), Some(to)) = (config.feature("renumber_src"), config.feature("renumber_dst"))
    {
        let rule = Value::List(vec![Value::text(from), Value::text(to)]);
        configure(&mut *put(layers, "renumber")?, Value::List(vec![rule]))?;
    }
    if config.feature("workarounds").is_some() {
        put(layers, "workarounds")?;
    }
    Ok(())
}

/// Puts the layer of a module at its home.
fn put(layers: &mut LayerStack, name: &str) -> Result<Box<dyn Module>, String> {
    let entry = modules::find(name).ok_or_else(|| format!("there is no module '{name}'"))?;
    let mut module = (entry.make)();
    let place = match entry.home {
        Home::Last => Place::Last,
        Home::Before(other) => Place::Before(other),
        Home::After(other) => Place::After(other),
    };
    if let Some(layer) = module.layer() {
        layers.insert(layer, place).map_err(|fault| format!("{name}: {fault}"))?;
    }
    module.start(&Nobody).map_err(|refusal| refusal.to_string())?;
    Ok(module)
}

fn configure(module: &mut dyn Module, value: Value) -> Result<(), String> {
    let said = module.call(&Nobody, modules::CONFIG, &[value]);
    said.map(drop).map_err(|refusal| refusal.to_string())
}

/// A process that does nothing. It is asked before the first question only, when there is no finished
/// answer to forget.
struct Nobody;

impl Environment for Nobody {
    fn now(&self) -> Now {
        Now { mono: Mono::default(), unix: UnixTime::from_seconds(0) }
    }

    fn random(&self) -> u64 {
        0
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        Err(Refusal::new(format!("'{path}': a scenario has no files")))
    }

    fn with_settings(&self, read: &mut dyn FnMut(&Settings)) {
        read(&Settings::default());
    }

    fn change_settings(&self, _change: &mut dyn FnMut(&mut Settings)) {}

    fn forget_answers(&self) {}

    fn ask_with(&self, _question: Question, _manner: Manner) {}

    fn clear_cache(&self) {}

    fn watchdog_timeout(&self) -> Option<Duration> {
        None
    }

    fn feed_watchdog(&self) {}

    fn abort(&self) {}

    fn log(&self, _group: &'static str, _level: Level, _text: &str) {}
}
