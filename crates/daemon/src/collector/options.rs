//! The command line of `kres-cache-gc`: options and exit statuses as those of Knot Resolver.

use std::path::PathBuf;

use clap::Parser;
use clap::error::ErrorKind;

/// Exit status without a cache to work on, with an unknown option, and after the help.
pub(super) const STATUS_NO_CACHE: u8 = 1;
/// Exit status for a number that is none.
const STATUS_NUMBER: u8 = 2;

/// What is printed for `-h` and after mistakes.
pub(super) const HELP: &str = "\
Usage: kres-cache-gc -c <resolver_cache> [ optional params... ]
Optional params:
 -d <garbage_interval(millis)>
 -l <deletes_per_txn>
 -L <reads_per_txn>
 -m <rw_txn_duration(usecs)>
 -u <cache_max_usage(percent)>
 -f <cache_to_be_freed(percent-of-current-usage)>
 -w <wait_next_rw_txn(usecs)>
 -t <temporary_memory(MBytes)>
 -n (= dry run)
 -v (= report each look at the cache)";

/// What was asked for.
#[derive(Parser, Debug, Clone, PartialEq, Eq)]
#[command(name = "kres-cache-gc", disable_help_flag = true, args_override_self = true)]
pub(super) struct Options {
    /// Directory with the cache.
    #[arg(short = 'c', value_name = "resolver_cache")]
    pub(super) cache: Option<PathBuf>,
    /// Milliseconds between looks; 0: one look.
    #[arg(short = 'd', default_value_t = 0, allow_hyphen_values = true)]
    pub(super) interval_ms: u64,
    /// Entries removed in one transaction; 0: as many as one can take.
    #[arg(short = 'l', default_value_t = 100, allow_hyphen_values = true)]
    pub(super) deletes: usize,
    /// Entries read in one transaction; 0: all.
    #[arg(short = 'L', default_value_t = 200, allow_hyphen_values = true)]
    pub(super) reads: usize,
    /// Microseconds that a writing transaction should not exceed; 0: any.
    #[arg(short = 'm', default_value_t = 0, allow_hyphen_values = true)]
    pub(super) write_us: u64,
    /// Microseconds between writing transactions.
    #[arg(short = 'w', default_value_t = 0, allow_hyphen_values = true)]
    pub(super) wait_us: u64,
    /// Percentage of the cache in use from which on entries are removed.
    #[arg(short = 'u', default_value_t = 80, allow_hyphen_values = true)]
    pub(super) usage_percent: u32,
    /// Percentage of the bytes in use that is freed then.
    #[arg(short = 'f', default_value_t = 10, allow_hyphen_values = true)]
    pub(super) free_percent: u64,
    /// Mebibytes for the keys that are to be removed; 0: as many as it takes.
    #[arg(short = 't', default_value_t = 0, allow_hyphen_values = true)]
    pub(super) memory_mib: usize,
    /// Report usage and remove nothing.
    #[arg(short = 'n')]
    pub(super) dry_run: bool,
    /// Report each look.
    #[arg(short = 'v')]
    pub(super) verbose: bool,
    #[arg(short = 'h')]
    help: bool,
}

/// Why the usage is to be printed, and with which status to end.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) status: u8,
    pub(super) reason: Option<String>,
}

impl Options {
    /// Reads the command line of the process.
    pub(super) fn parse() -> Result<Options, Usage> {
        Options::read(std::env::args_os())
    }

    fn read(
        words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> Result<Options, Usage> {
        match Options::try_parse_from(words) {
            Ok(options) if options.help => Err(Usage { status: STATUS_NO_CACHE, reason: None }),
            Ok(options) => Ok(options),
            Err(error) => {
                let number = matches!(error.kind(), ErrorKind::ValueValidation);
                let status = if number { STATUS_NUMBER } else { STATUS_NO_CACHE };
                let text = error.to_string();
                Err(Usage { status, reason: text.lines().next().map(str::to_owned) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Options, u8> {
        Options::read([&["kres-cache-gc"], words].concat()).map_err(|usage| usage.status)
    }

    #[test]
    fn values_stand_apart_or_attached() {
        let options =
            read(&["-l8", "-u50", "-f20", "-d1", "-c", "../x/", "-t", "3", "-n"]).unwrap();
        assert_eq!((options.deletes, options.usage_percent, options.free_percent), (8, 50, 20));
        assert_eq!((options.interval_ms, options.memory_mib, options.dry_run), (1, 3, true));
        assert_eq!(options.cache, Some("../x/".into()));
        let plain = read(&["-c", "x"]).unwrap();
        assert_eq!((plain.deletes, plain.reads, plain.interval_ms), (100, 200, 0));
        assert_eq!((plain.usage_percent, plain.free_percent), (80, 10));
    }

    #[test]
    fn statuses_of_mistakes() {
        for bad in ["x", "-1", "1.5", ""] {
            for option in ["-d", "-l", "-L", "-m", "-w", "-u", "-f", "-t"] {
                assert_eq!(read(&["-c", "x", option, bad]), Err(2), "{option} {bad}");
            }
        }
        assert_eq!(read(&["-x"]), Err(1));
        assert_eq!(read(&["-h"]), Err(1));
        assert_eq!(read(&["-c"]), Err(1));
    }
}
