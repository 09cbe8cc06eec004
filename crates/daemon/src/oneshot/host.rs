//! The program `kresd-host`: looks a name up and prints what is found in words, as `host` does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser};

use super::{Task, parse, quoted, run};

const TOOL: &str = "kresd-host";

/// Looks a name up: its addresses and where its mail goes, or what is asked for.
#[derive(Parser, Debug)]
#[command(name = TOOL, version, after_help = EXIT_STATUS)]
struct Line {
    /// Type to look for; can be repeated (default: A, AAAA and MX; PTR for an address)
    #[arg(short = 't', value_name = "TYPE")]
    rtypes: Vec<String>,

    /// Class to look in
    #[arg(short = 'c', value_name = "CLASS", default_value = "IN")]
    class: String,

    /// Configuration to run before, as in the file of kresd; can be repeated
    #[arg(short = 'C', value_name = "CONFIG", allow_hyphen_values = true)]
    configuration: Vec<String>,

    /// Validate with the trust anchor of the root that comes with the program
    #[arg(short = 'D')]
    default_anchors: bool,

    /// Validate with the trust anchors in this file; can be repeated
    #[arg(short = 'f', value_name = "KEYFILE")]
    keyfiles: Vec<PathBuf>,

    /// Say what is not there, too, and whether answers are secure
    #[arg(short = 'v')]
    verbose: bool,

    /// Log every step; implies -v
    #[arg(short = 'd', action = ArgAction::Count)]
    debug: u8,

    /// Ask servers over IPv4 only
    #[arg(short = '4', conflicts_with = "only_ipv6")]
    only_ipv4: bool,

    /// Ask servers over IPv6 only
    #[arg(short = '6')]
    only_ipv6: bool,

    /// The name, or an address whose name is looked for
    #[arg(value_name = "NAME")]
    name: String,
}

const EXIT_STATUS: &str = "\
Exit status: 0 if something was found, 1 if not or if something failed, 2 if the command line is wrong.";

/// The program `kresd-host`.
pub fn host_main() -> ExitCode {
    let line: Line = match parse() {
        Ok(line) => line,
        Err(status) => return status,
    };
    let mut configuration = Vec::new();
    for file in &line.keyfiles {
        let file = quoted(&file.to_string_lossy());
        // A look-up is no reason to change the file.
        configuration.push(format!("trust_anchors.add_file({file}, true)"));
    }
    if line.only_ipv4 {
        configuration.push("net.ipv6 = false".to_owned());
    }
    if line.only_ipv6 {
        configuration.push("net.ipv4 = false".to_owned());
    }
    configuration.extend(line.configuration);
    let debug = line.debug > 0;
    let verbose = if line.verbose || debug { "verbose" } else { "" };
    let mut arguments = vec![line.name, line.class.to_uppercase(), verbose.to_owned()];
    arguments.extend(line.rtypes.iter().map(|rtype| rtype.to_uppercase()));
    let task = Task {
        configuration: &configuration,
        chunk: include_str!("host.lua"),
        arguments,
        default_anchors: line.default_anchors,
        debug,
    };
    run(TOOL, &task)
}
