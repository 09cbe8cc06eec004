//! The command line of `kresd`.

use std::path::PathBuf;

use clap::{ArgAction, Parser};

/// Validating, caching DNS resolver, configured in Lua.
#[derive(Parser, Debug, Clone)]
#[command(
    name = "kresd",
    version,
    disable_version_flag = true,
    override_usage = "kresd [options] [rundir]"
)]
pub(crate) struct Options {
    /// Listen for DNS over UDP and TCP on this address; can be repeated (default: 127.0.0.1@53
    /// and ::1@53)
    #[arg(short = 'a', long = "addr", value_name = "ADDR[@PORT]")]
    pub addresses: Vec<String>,

    /// Listen for DNS over TLS on this address; can be repeated
    #[arg(short = 't', long = "tls", value_name = "ADDR[@PORT]")]
    pub tls: Vec<String>,

    /// Listen on a socket that the process was started with; KIND is dns (default), tls or control
    #[arg(short = 'S', long = "fd", value_name = "FD[:KIND]")]
    pub descriptors: Vec<String>,

    /// Configuration to run instead of 'config', relative to rundir; can be repeated; '-' runs
    /// none, not even the defaults
    #[arg(short = 'c', long = "config", value_name = "PATH")]
    pub configs: Vec<PathBuf>,

    /// Start a group of N worker processes; implies -n
    #[arg(short = 'f', long = "forks", value_name = "N")]
    pub forks: Option<String>,

    /// Do not read commands from standard input
    #[arg(short = 'n', long = "noninteractive")]
    pub noninteractive: bool,

    /// No banner and no prompt on standard output
    #[arg(short = 'q', long = "quiet")]
    pub quiet: bool,

    /// Log every step (log_level('debug'))
    #[arg(short = 'v', long = "verbose")]
    pub verbose: bool,

    /// Run the configuration as at start, but open nothing, and stop; the exit status says
    /// whether it is good
    #[arg(long = "check")]
    pub check: bool,

    /// With --check: the configuration can open files for reading only, and reaches neither the
    /// network nor other processes
    #[arg(long = "no-io", requires = "check")]
    pub no_io: bool,

    /// Print the version and stop
    #[arg(short = 'V', long = "version", action = ArgAction::SetTrue)]
    pub version: bool,

    /// Neither control sockets nor default endpoints are opened.
    #[arg(skip)]
    pub is_silent: bool,

    /// Directory for cache, control sockets and the file 'config'
    #[arg(value_name = "rundir", default_value = ".")]
    pub rundir: PathBuf,
}

/// What is printed for `-V`.
pub(crate) const VERSION_LINE: &str =
    concat!("Knot Resolver, version ", env!("CARGO_PKG_VERSION"), " (kres)");

/// How the configuration is to be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ConfigChoice {
    /// `config` in the working directory, if it is there.
    Automatic,
    /// These files, in this order.
    Files(Vec<PathBuf>),
    /// None, not even the defaults.
    Nothing,
}

impl Options {
    /// How the configuration is to be loaded.
    pub(crate) fn config(&self) -> ConfigChoice {
        if self.configs.is_empty() {
            ConfigChoice::Automatic
        } else if self.configs.iter().any(|path| path.as_os_str() == "-") {
            ConfigChoice::Nothing
        } else {
            ConfigChoice::Files(self.configs.clone())
        }
    }

    /// The number of workers.
    pub(crate) fn workers(&self) -> Result<u32, String> {
        let Some(text) = &self.forks else { return Ok(1) };
        match text.parse() {
            Ok(number @ 1..=WORKERS_MAX) => Ok(number),
            _ => Err(format!(
                "'-f' requires a number from 1 to {WORKERS_MAX}, not '{text}'; one worker for \
                 each processor core is a good choice"
            )),
        }
    }

    /// Are commands read from standard input?
    pub(crate) fn is_interactive(&self) -> bool {
        !self.noninteractive && self.forks.is_none() && !self.check
    }
}

/// More workers than any machine has cores.
const WORKERS_MAX: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Options {
        Options::try_parse_from([&["kresd"], words].concat()).unwrap()
    }

    #[test]
    fn configurations_in_order_or_none_at_all() {
        assert_eq!(parse(&[]).config(), ConfigChoice::Automatic);
        let two = ConfigChoice::Files(vec!["a".into(), "b".into()]);
        assert_eq!(parse(&["-c", "a", "--config=b"]).config(), two);
        assert_eq!(parse(&["-c", "a", "-c", "-"]).config(), ConfigChoice::Nothing);
    }

    #[test]
    fn forks_are_a_positive_number_and_end_interaction() {
        assert_eq!(parse(&[]).workers(), Ok(1));
        assert!(parse(&[]).is_interactive());
        assert_eq!(parse(&["-f", "3"]).workers(), Ok(3));
        assert!(!parse(&["-f", "1"]).is_interactive());
        for bad in ["0", "-1", "x", "99999"] {
            assert!(parse(&[&format!("-f{bad}")]).workers().is_err(), "{bad}");
        }
    }
}
