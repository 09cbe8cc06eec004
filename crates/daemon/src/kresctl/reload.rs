//! `reload`: all processes prepare the configuration, then all take it over, or none does.

use std::time::Duration;

use anyhow::Result;

use super::instances::Instances;
use super::{STATUS_FAILED, complain, say};

/// How often it is looked whether a process has come to an end with it, and how many times.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: usize = 12_000;

/// How far a process is.
enum State {
    Preparing,
    Prepared,
    Idle,
    Failed(String),
}

/// Asks a process how far it is; failure to answer is a failure.
fn state(instances: &mut Instances, index: usize) -> State {
    match instances.ask(index, "return __control.reload_state()") {
        Err(text) => State::Failed(text),
        Ok(text) => match text.split_once('\n') {
            Some(("preparing", _)) => State::Preparing,
            Some(("prepared", _)) => State::Prepared,
            Some(("idle", _)) => State::Idle,
            Some((_, fault)) => State::Failed(fault.to_owned()),
            None => State::Failed(text),
        },
    }
}

/// Waits until a process is no longer busy with it.
fn settled(instances: &mut Instances, index: usize) -> State {
    for _ in 0..LOOKS {
        match state(instances, index) {
            State::Preparing => std::thread::sleep(LOOK),
            other => return other,
        }
    }
    State::Failed("it has not come to an end with it".to_owned())
}

/// All or none.
pub(super) fn reload(instances: &mut Instances) -> Result<u8> {
    let count = instances.len();
    let mut faults: Vec<Option<String>> =
        (0..count).map(|index| instances.ask(index, "__control.reload('prepare')").err()).collect();
    let mut prepared = Vec::new();
    for (index, fault) in faults.iter_mut().enumerate() {
        if fault.is_some() {
            continue;
        }
        match settled(instances, index) {
            State::Prepared => prepared.push(index),
            State::Failed(text) => *fault = Some(text),
            State::Preparing | State::Idle => *fault = Some("it was given up".to_owned()),
        }
    }
    if faults.iter().any(Option::is_some) {
        for index in prepared {
            // Who does not hear it gives up after a while.
            let _told = instances.ask(index, "__control.reload('abandon')");
        }
        tell(instances, &faults);
        complain("nothing has changed: all go on with the configuration that they had");
        return Ok(STATUS_FAILED);
    }
    for index in prepared {
        faults[index] = instances.ask(index, "__control.reload('commit')").err();
    }
    for (index, fault) in faults.iter_mut().enumerate() {
        if fault.is_some() {
            continue;
        }
        // It takes over in the next turn of its loop.
        *fault = match (0..LOOKS).find_map(|_| match state(instances, index) {
            State::Prepared => {
                std::thread::sleep(LOOK);
                None
            }
            other => Some(other),
        }) {
            Some(State::Idle) => None,
            Some(State::Failed(text)) => Some(text),
            Some(State::Preparing | State::Prepared) | None => {
                Some("it has not taken the configuration over".to_owned())
            }
        };
    }
    let failed = faults.iter().flatten().count();
    if failed > 0 {
        tell(instances, &faults);
        complain(format_args!(
            "{failed} of {count} processes go on with the configuration that they had"
        ));
        return Ok(STATUS_FAILED);
    }
    let who = if count == 1 { "1 process serves" } else { &format!("{count} processes serve") };
    say(format_args!("{who} with the configuration as it is now"));
    Ok(0)
}

/// Says what went wrong; the same on several processes once.
fn tell(instances: &mut Instances, faults: &[Option<String>]) {
    let mut told: Vec<&str> = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        let Some(fault) = fault else { continue };
        if !told.contains(&fault.as_str()) {
            complain(format_args!("instance {}: {fault}", instances.name(index)));
            told.push(fault);
        }
    }
}
