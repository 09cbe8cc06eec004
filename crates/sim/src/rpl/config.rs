//! The configuration part of a scenario, and what it means for the resolver's settings: the same
//! that Deckard's template for kresd makes of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use dns::Name;
use modules::policy::Rules;
use modules::policy::names::Seed;
use resolve::trust_anchors::file::{self, AnchorFault};
use resolve::trust_anchors::keeper::Upkeep;
use resolve::{GlueMode, Now, Settings};

use super::rules;
use crate::anchors::Anchors;

/// EDNS payload in scenarios, both ways.
const UDP_SIZE: u16 = 4096;

/// Key of the hashes of lists of names; nobody attacks a scenario.
const RULES_SEED: Seed = (1, 2);

/// What a scenario wants of the resolver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Address of the root server.
    pub stub_addr: Option<IpAddr>,
    /// Name of the root server.
    pub stub_name: String,
    /// All questions go to this address.
    pub forward_addr: Option<IpAddr>,
    /// Whether query names are minimised; both ways are tried if it is not said.
    pub query_minimization: Option<bool>,
    pub do_not_query_localhost: bool,
    pub harden_glue: bool,
    pub do_ip4: bool,
    pub do_ip6: bool,
    /// Trust anchors as zone-file lines (`DS` or `DNSKEY`).
    pub trust_anchors: Vec<String>,
    /// Names below which nothing is validated.
    pub insecure: Vec<String>,
    /// Wall time at the start, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// Further features, key and value, in order.
    pub features: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            stub_addr: None,
            stub_name: "k.root-servers.net".into(),
            forward_addr: None,
            query_minimization: None,
            do_not_query_localhost: true,
            harden_glue: true,
            do_ip4: true,
            do_ip6: true,
            trust_anchors: Vec::new(),
            insecure: Vec::new(),
            timestamp: None,
            features: Vec::new(),
        }
    }
}

impl Config {
    /// Takes in one line of the configuration.
    pub fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with(';') {
            return Ok(());
        }
        let line = line.split('#').next().unwrap_or_default();
        let Some((key, value)) = line.split_once(':') else { return Ok(()) };
        let (key, value) = (key.trim(), value.trim());
        let bare = value.trim_matches(['"', '\'']);
        let address = || bare.parse().map_err(|_| format!("{key}: `{bare}` is no address"));
        match key {
            "stub-addr" => self.stub_addr = Some(address()?),
            "stub-name" => self.stub_name = value.into(),
            "forward-addr" => self.forward_addr = Some(address()?),
            "query-minimization" => self.query_minimization = Some(truth(value)),
            "do-not-query-localhost" => self.do_not_query_localhost = truth(value),
            "harden-glue" => self.harden_glue = truth(value),
            "do-ip4" => self.do_ip4 = truth(value),
            "do-ip6" => self.do_ip6 = truth(value),
            "trust-anchor" => self.trust_anchors.push(bare.into()),
            "domain-insecure" => self.insecure.push(bare.into()),
            "val-override-timestamp" => {
                let seconds = bare.parse().map_err(|_| format!("{key}: `{bare}` is no number"))?;
                self.timestamp = Some(seconds);
            }
            "val-override-date" => {
                let seconds = date(bare).ok_or_else(|| format!("{key}: `{bare}` is no date"))?;
                self.timestamp = Some(seconds);
            }
            "features" => {
                for item in value.split(';') {
                    let (key, value) = item.split_once('=').unwrap_or((item, ""));
                    self.features.push((key.trim().into(), value.trim().into()));
                }
            }
            "feature-list" => {
                let (key, value) = value.split_once('=').ok_or("feature-list without a value")?;
                self.features.push((key.trim().into(), value.trim().into()));
            }
            // Only says which family the client uses, which does not matter here.
            "force-ipv6" => {}
            _ => return Err(format!("unknown configuration key `{key}`")),
        }
        Ok(())
    }

    /// The last value of a feature.
    pub fn feature(&self, key: &str) -> Option<&str> {
        self.features.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Settings of a resolver for this scenario.
    pub fn settings(&self, minimize: bool) -> Result<Settings, String> {
        let mut settings = Settings {
            glue_mode: if self.harden_glue { GlueMode::Normal } else { GlueMode::Permissive },
            ipv4: self.do_ip4,
            ipv6: self.do_ip6,
            no_minimize: !minimize,
            allow_local: !self.do_not_query_localhost,
            udp_size_downstream: UDP_SIZE,
            udp_size_upstream: UDP_SIZE,
            ..Settings::default()
        };
        if let Some(address) = self.stub_addr {
            let name = Name::from_text(self.stub_name.as_bytes(), &Name::root())
                .map_err(|fault| format!("stub-name: {fault}"))?;
            settings.root_hints = Arc::new(vec![(name, vec![address])]);
        }
        for (key, slot) in [("min_ttl", &mut settings.ttl_min), ("max_ttl", &mut settings.ttl_max)]
        {
            if let Some(value) = self.feature(key) {
                *slot = value.parse().map_err(|_| format!("{key}: `{value}` is no number"))?;
            }
        }
        Ok(settings)
    }

    /// The rules in the order of the public template: names below `test.` pass, everything is
    /// forwarded if the scenario says so, then come its own.
    pub fn rules(&self) -> Result<Rules, String> {
        let rules = Rules::new(RULES_SEED);
        let mut statements =
            vec!["policy.add(policy.suffix(policy.PASS, {todname('test.')}))".to_owned()];
        if let Some(address) = self.forward_addr {
            statements.push(format!("policy.add(policy.all(policy.FORWARD('{address}')))"));
        }
        for wanted in ["policy", "view"] {
            let own = self.features.iter().filter(|(key, _)| key == wanted);
            statements.extend(own.map(|(_, statement)| statement.clone()));
        }
        for (id, statement) in (0..).zip(&statements) {
            rules::add(&rules, id, statement).map_err(|fault| format!("{statement}: {fault}"))?;
        }
        Ok(rules)
    }

    /// The trust anchors, positive and negative.
    pub fn anchors(&self, now: Now, upkeep: Upkeep) -> Result<Anchors, String> {
        let fault = |fault: AnchorFault| format!("trust-anchor: {fault}");
        let mut by_zone: BTreeMap<Name, String> = BTreeMap::new();
        for line in &self.trust_anchors {
            let zone = file::read_set(line).map_err(fault)?.zone;
            by_zone.entry(zone).or_default().push_str(&format!("{line}\n"));
        }
        let mut anchors = Anchors::default();
        for text in by_zone.values() {
            anchors.keeper.put(now, file::read_set(text).map_err(fault)?, upkeep);
        }
        let name = |text: &String| {
            Name::from_text(text.as_bytes(), &Name::root())
                .map_err(|fault| format!("domain-insecure: {fault}"))
        };
        let insecure = self.insecure.iter().map(name).collect::<Result<Vec<_>, _>>()?;
        anchors.keeper.set_negative(insecure);
        Ok(anchors)
    }
}

fn truth(value: &str) -> bool {
    ["yes", "true", "on", "1"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Seconds since 1970 of `YYYYMMDDhhmmss`.
fn date(text: &str) -> Option<u64> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months: u64 = lengths.iter().take(month as usize - 1).sum();
    Some(((years + months + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() {
        assert_eq!(date("19700101000000"), Some(0));
        assert_eq!(date("20070916134150"), Some(1_189_950_110));
        assert_eq!(date("20240301000000"), Some(1_709_251_200));
        assert_eq!(date("2007091613415"), None);
        assert_eq!(date("20071316134150"), None);
    }

    #[test]
    fn lines_become_settings() {
        let mut config = Config::default();
        for line in [
            "; a remark: not a key",
            "stub-addr: 193.0.14.129 \t# K.ROOT-SERVERS.NET.",
            "query-minimization: on",
            "do-ip6: no",
            "features: min_ttl = 300; max_ttl=600",
        ] {
            config.line(line).unwrap();
        }
        let settings = config.settings(true).unwrap();
        assert!(settings.ipv4 && !settings.ipv6 && !settings.no_minimize && !settings.allow_local);
        assert_eq!((settings.ttl_min, settings.ttl_max), (300, 600));
        assert_eq!(settings.root_hints[0].1[0].to_string(), "193.0.14.129");
        assert!(config.line("no-such-key: 1").is_err());
        assert!(config.line("stub-addr: nowhere").is_err());
    }
}
