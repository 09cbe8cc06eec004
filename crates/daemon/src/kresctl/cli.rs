//! The command line of `kresctl`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::cache::CacheCommand;

/// Controls the processes of kresd that work in a run directory.
#[derive(Parser, Debug)]
#[command(name = "kresctl", version, after_help = EXIT_STATUS)]
pub(super) struct Options {
    /// Run directory of the processes; by default that of KRES_RUNDIR in the environment, else the
    /// present directory if it has control sockets, else /run/knot-resolver
    #[arg(short = 'r', long = "rundir", value_name = "DIR", global = true)]
    pub rundir: Option<PathBuf>,

    /// Only the process of this name: the instance of systemd, or the number of the process
    #[arg(short = 'i', long = "instance", value_name = "ID", global = true)]
    pub instance: Option<String>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_STATUS: &str = "\
Exit status: 0 if all went well, 1 if something failed, 2 if the command line is wrong, 3 if no \
process runs there.";

/// What is to be done.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Run Lua code on every process and print what each answers
    Run {
        /// Print the values as JSON, by process
        #[arg(long)]
        json: bool,
        /// The code, as on the console; '-' reads it from standard input
        #[arg(value_name = "CODE", required = true)]
        code: Vec<String>,
    },
    /// Show what every process is and does
    Status {
        /// As JSON, by process
        #[arg(long)]
        json: bool,
    },
    /// Run a configuration as at start, but open nothing, and say whether it is good
    Check {
        /// The configuration may neither write files nor use the network
        #[arg(long = "no-io")]
        no_io: bool,
        /// The configuration; by default the one of the run directory
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Read the configuration anew: every process loads and tries it beside the one that serves, and
    /// all take it over if all find it good
    Reload,
    /// Print, fill and look into the cache, as lines of JSON
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// End every process in good order and wait for that
    Stop,
}
