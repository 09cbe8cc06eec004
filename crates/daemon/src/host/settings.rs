//! `mode`, `option`, `hints.root`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use dns::Name;
use lua::flags::QueryFlag;
use lua::host::{HostError, Mode, Settings};
use resolve::GlueMode;

use super::DaemonHost;
use crate::logging::log;

impl Settings for DaemonHost {
    fn mode(&self) -> Mode {
        self.worker.with_settings(|settings| match settings.glue_mode {
            GlueMode::Strict => Mode::Strict,
            GlueMode::Normal => Mode::Normal,
            GlueMode::Permissive => Mode::Permissive,
        })
    }

    fn set_mode(&self, mode: Mode) {
        self.worker.change_settings(|settings| {
            settings.glue_mode = match mode {
                Mode::Strict => GlueMode::Strict,
                Mode::Normal => GlueMode::Normal,
                Mode::Permissive => GlueMode::Permissive,
            }
        });
    }

    fn flag(&self, flag: QueryFlag) -> bool {
        match flag {
            QueryFlag::Strict => self.mode() == Mode::Strict,
            QueryFlag::Permissive => self.mode() == Mode::Permissive,
            _ => self
                .worker
                .with_settings(|settings| {
                    Some(match flag {
                        QueryFlag::NoMinimize => settings.no_minimize,
                        QueryFlag::NoIpv4 => !settings.ipv4,
                        QueryFlag::NoIpv6 => !settings.ipv6,
                        QueryFlag::AllowLocal => settings.allow_local,
                        QueryFlag::No0x20 => settings.no_0x20,
                        QueryFlag::AlwaysCut => settings.always_cut,
                        QueryFlag::ReorderRr => settings.reorder_rr,
                        _ => return None,
                    })
                })
                .unwrap_or_else(|| self.flags.get().has(flag)),
        }
    }

    fn set_flag(&self, flag: QueryFlag, on: bool) {
        match flag {
            QueryFlag::Strict => self.set_mode(if on { Mode::Strict } else { Mode::Normal }),
            QueryFlag::Permissive => {
                self.set_mode(if on { Mode::Permissive } else { Mode::Normal });
            }
            _ => self.worker.change_settings(|settings| match flag {
                QueryFlag::NoMinimize => settings.no_minimize = on,
                QueryFlag::NoIpv4 => settings.ipv4 = !on,
                QueryFlag::NoIpv6 => settings.ipv6 = !on,
                QueryFlag::AllowLocal => settings.allow_local = on,
                QueryFlag::No0x20 => settings.no_0x20 = on,
                QueryFlag::AlwaysCut => settings.always_cut = on,
                QueryFlag::ReorderRr => settings.reorder_rr = on,
                _ => {
                    let flags = self.flags.get().with(flag, on);
                    self.flags.set(flags);
                    settings.flags = flags.switches();
                }
            }),
        }
    }

    fn root_hints(&self) -> Vec<(Name, Vec<IpAddr>)> {
        let configured = self.worker.with_settings(|settings| settings.root_hints.to_vec());
        if configured.is_empty() { resolve::root_hints::builtin().to_vec() } else { configured }
    }

    fn set_root_hints(&self, hints: &[(Name, Vec<IpAddr>)]) -> Result<(), HostError> {
        self.worker.change_settings(|settings| settings.root_hints = Arc::new(hints.to_vec()));
        Ok(())
    }

    fn set_root_hints_file(&self, path: Option<&Path>) -> Result<(), HostError> {
        let Some(path) = path else {
            let built_in = resolve::Settings::default().root_hints;
            self.worker.change_settings(|settings| settings.root_hints = built_in);
            return Ok(());
        };
        let text = std::fs::read(path).map_err(|source| HostError::System {
            action: format!("root hints '{}'", path.display()),
            source,
        })?;
        let hints = addresses_of(&text);
        if hints.is_empty() {
            log!(
                Warning,
                "hint",
                "root hints '{}': there is no A or AAAA record of a root server in it; the \
                 addresses stay as they are",
                path.display()
            );
            return Ok(());
        }
        self.set_root_hints(&hints)
    }
}

/// The names and addresses of the A and AAAA records of a hints file, in their order.
fn addresses_of(text: &[u8]) -> Vec<(Name, Vec<IpAddr>)> {
    let mut hints: Vec<(Name, Vec<IpAddr>)> = Vec::new();
    let mut owner = None;
    for line in text.split(|octet| *octet == b'\n') {
        let line = line.split(|octet| *octet == b';').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if !line.first().is_some_and(u8::is_ascii_whitespace) {
            let Some(word) = words.next() else { continue };
            owner = Name::from_text(word, &Name::root()).ok();
        }
        let words: Vec<&[u8]> = words.collect();
        let [.., kind, address] = words.as_slice() else { continue };
        if !kind.eq_ignore_ascii_case(b"A") && !kind.eq_ignore_ascii_case(b"AAAA") {
            continue;
        }
        let address = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
        let (Some(name), Some(address)) = (&owner, address) else { continue };
        match hints.iter_mut().find(|(known, _)| known == name) {
            Some((_, addresses)) => addresses.push(address),
            None => hints.push((name.clone(), vec![address])),
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hints_file_as_it_is_published() {
        let text = b";  formerly NS.INTERNIC.NET\n\
            .                        3600000      NS    A.ROOT-SERVERS.NET.\n\
            A.ROOT-SERVERS.NET.      3600000      A     198.41.0.4\n\
            A.ROOT-SERVERS.NET.      3600000  IN  AAAA  2001:503:ba3e::2:30 ; comment\n\
            B.ROOT-SERVERS.NET.      A 170.247.170.2\n\
            \t\t\t\tAAAA bad\n";
        let hints = addresses_of(text);
        let shown: Vec<String> =
            hints.iter().map(|(name, addresses)| format!("{name} {addresses:?}")).collect();
        assert_eq!(
            shown,
            [
                "A.ROOT-SERVERS.NET. [198.41.0.4, 2001:503:ba3e::2:30]",
                "B.ROOT-SERVERS.NET. [170.247.170.2]"
            ]
        );
    }
}
