//! The program `kresd-query`: resolves a name once and runs a script on what came of it.

use std::process::ExitCode;

use clap::Parser;

use super::{Task, parse, run};

const TOOL: &str = "kresd-query";

/// Resolves a name once and runs a Lua script on the answer.
///
/// The script has two variables: 'pkt', the answer, and 'req', the request. If it raises an error the
/// exit status is 1.
#[derive(Parser, Debug)]
#[command(name = TOOL, version, after_help = EXAMPLES)]
struct Line {
    /// Type that is asked for
    #[arg(short = 't', value_name = "TYPE", default_value = "A")]
    rtype: String,

    /// Class that is asked for
    #[arg(short = 'c', value_name = "CLASS", default_value = "IN")]
    class: String,

    /// Configuration to run before, as in the file of kresd; can be repeated
    #[arg(short = 'C', value_name = "CONFIG", allow_hyphen_values = true)]
    configuration: Vec<String>,

    /// The name
    #[arg(value_name = "NAME")]
    name: String,

    /// The script; several words are one script
    #[arg(value_name = "SCRIPT", required = true, allow_hyphen_values = true)]
    script: Vec<String>,
}

const EXAMPLES: &str = "\
Without a configuration nothing is validated and no cache file is used.

Exit status: 0 if the script came to its end, 1 if it or the configuration failed, 2 if the command \
line is wrong.

Example: kresd-query -t SOA example.com 'print(pkt:rcode() == kres.rcode.NOERROR)'";

/// The program `kresd-query`.
pub fn query_main() -> ExitCode {
    let line: Line = match parse() {
        Ok(line) => line,
        Err(status) => return status,
    };
    let task = Task {
        configuration: &line.configuration,
        chunk: include_str!("query.lua"),
        arguments: vec![
            line.name,
            line.rtype.to_uppercase(),
            line.class.to_uppercase(),
            line.script.join(" "),
        ],
        default_anchors: false,
        debug: false,
    };
    run(TOOL, &task)
}
