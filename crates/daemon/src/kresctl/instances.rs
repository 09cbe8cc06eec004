//! The processes that work in a run directory, found by their control sockets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::control::client::Client;
use crate::control::{DIRECTORY, sockets};

/// How long a process may take for a command. Some walk through the whole cache.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A process that answers.
pub(super) struct Instance {
    client: Client,
    /// The name of the unit's instance, or the number of the process.
    name: String,
    process: String,
}

/// All of them.
pub(super) struct Instances(Vec<Instance>);

impl Instances {
    /// Connects to all processes of a run directory, or to one. The error says who was looked for
    /// and what to do.
    pub(super) fn find(directory: &Path, wanted: Option<&str>) -> Result<Instances, String> {
        let place = directory.join(DIRECTORY);
        let paths = sockets(&place).map_err(|error| {
            format!(
                "no control sockets in '{}': {error}; name the run directory of a running kresd \
                 with -r",
                place.display()
            )
        })?;
        let (mut found, mut silent, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for path in paths {
            match Instance::connect(&path) {
                // A process may have several sockets.
                Ok(instance) if !seen.insert(instance.process.clone()) => {}
                Ok(instance) => found.push(instance),
                Err(text) => silent.push(text),
            }
        }
        let known: Vec<&str> = found.iter().map(Instance::name).collect();
        let known = known.join(", ");
        found.retain(|instance| {
            wanted.is_none_or(|wanted| wanted == instance.name || wanted == instance.process)
        });
        match (found.is_empty(), wanted) {
            (false, _) => Ok(Instances(found)),
            (true, Some(wanted)) if !known.is_empty() => {
                Err(format!("there is no instance {wanted}; those that run are {known}"))
            }
            (true, _) if silent.is_empty() => Err(format!(
                "nothing runs in '{}'; start kresd there, or name another run directory with -r",
                directory.display()
            )),
            (true, _) => Err(format!("nobody answers: {}", silent.join("; "))),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Runs a command on one of them; the text of the answer, or that of the error.
    pub(super) fn ask(&mut self, index: usize, command: &str) -> Result<String, String> {
        match self.0.get_mut(index) {
            Some(instance) => instance.ask(command),
            None => Err("there is no such process".to_owned()),
        }
    }

    /// The name of one of them.
    pub(super) fn name(&self, index: usize) -> &str {
        self.0.get(index).map_or("", Instance::name)
    }

    /// Does something with each.
    pub(super) fn each(&mut self, mut act: impl FnMut(&mut Instance)) {
        self.0.iter_mut().for_each(&mut act);
    }

    /// Have all of them ended? Their sockets are closed then.
    pub(super) fn are_gone(&mut self) -> bool {
        self.0.iter_mut().all(|instance| {
            let process = PathBuf::from("/proc").join(&instance.process);
            !process.exists() || is_over(&process)
        })
    }
}

/// A process that has ended and whose parent has not looked yet.
fn is_over(process: &Path) -> bool {
    let status = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    status.rsplit(") ").next().is_none_or(|rest| rest.starts_with('Z'))
}

impl Instance {
    fn connect(path: &Path) -> Result<Instance, String> {
        let failed = |error: std::io::Error| format!("'{}': {error}", path.display());
        let mut client = Client::connect(path, TIMEOUT).map_err(failed)?;
        let reply = client.ask(b"return worker.pid .. ' ' .. worker.id").map_err(failed)?;
        let text = String::from_utf8_lossy(&reply.unwrap_or_default()).into_owned();
        let (process, name) = text
            .split_once(' ')
            .ok_or_else(|| format!("'{}' does not say who it is", path.display()))?;
        Ok(Instance { client, name: name.to_owned(), process: process.to_owned() })
    }

    /// Its name: that of the unit's instance, or the number of the process.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command; the text of the answer, or that of the error.
    pub(super) fn ask(&mut self, command: &str) -> Result<String, String> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        match self.client.ask(command.as_bytes()) {
            Ok(Ok(reply)) => Ok(text(reply)),
            Ok(Err(error)) => Err(text(error)),
            Err(error) => Err(error.to_string()),
        }
    }
}
