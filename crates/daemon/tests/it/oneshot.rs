//! `kresd-host` and `kresd-query`: one look-up in the lab, what is printed, and how it ends.

use std::process::Output;

use xtask::lab::Lab;

const HOST: &str = env!("CARGO_BIN_EXE_kresd-host");
const QUERY: &str = env!("CARGO_BIN_EXE_kresd-query");

/// Where the lab's Internet begins.
const WORLD: &str = "modules = { 'hints > iterate' } hints.root({ \
    ['a.root-servers.net.'] = '127.1.0.1', ['b.root-servers.net.'] = '127.1.0.2' }) \
    option('ALLOW_LOCAL', true) net.ipv6 = false";

/// A tool with these words, in an empty directory, which stays empty.
fn run(lab: &Lab, tool: &str, words: &[&str]) -> (i32, String) {
    let place = tempfile::tempdir().unwrap();
    let output: Output =
        lab.command(tool).args(words).current_dir(place.path()).output().expect("the tool starts");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "{words:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().expect("no signal"), said)
}

#[track_caller]
fn check(lab: &Lab, tool: &str, words: &[&str], expected: (i32, &str)) {
    let words = [&["-C", WORLD], words].concat();
    let (status, said) = run(lab, tool, &words);
    assert_eq!((status, said.as_str()), expected, "{words:?}");
}

#[test]
fn names_are_looked_up_in_words() {
    let lab = Lab::start().expect("the lab starts");
    let host = |words: &[&str], status: i32, lines: &str| check(&lab, HOST, words, (status, lines));
    host(
        &["plain.com"],
        0,
        "plain.com. has address 192.0.2.1\nplain.com. has IPv6 address 2001:db8::1\n\
         plain.com. mail is handled by 10 mail.plain.com.\n",
    );
    host(
        &["alias.plain.com"],
        0,
        "alias.plain.com. is an alias for www.plain.com.\nwww.plain.com. has address 192.0.2.2\n\
         www.plain.com. has IPv6 address 2001:db8::2\n",
    );
    host(&["-t", "txt", "plain.com"], 0, "plain.com. has TXT record \"one\" \"two\"\n");
    host(&["93.184.216.34"], 0, "34.216.184.93.in-addr.arpa. has PTR record www.plain.com.\n");
    host(&["gone.plain.com"], 1, "Host gone.plain.com not found: 3(NXDOMAIN)\n");
    host(&["www.lame.net"], 1, "Host www.lame.net not found: 2(SERVFAIL)\n");
    host(&["-t", "MX", "www.plain.com"], 1, "www.plain.com has no mail handler record\n");
    host(
        &["-v", "-t", "A", "-t", "MX", "www.plain.com"],
        0,
        "www.plain.com. has address 192.0.2.2 (insecure)\n\
         www.plain.com has no mail handler record (insecure)\n",
    );
}

#[test]
fn it_is_told_whether_answers_are_secure() {
    let lab = Lab::start().expect("the lab starts");
    let keys = tempfile::tempdir().unwrap();
    let keyfile = keys.path().join("root.keys");
    std::fs::write(&keyfile, format!("{}\n", lab.root_ds())).unwrap();
    let keyfile = keyfile.to_str().unwrap();
    let host = |words: &[&str], status: i32, lines: &str| {
        check(&lab, HOST, &[&["-v", "-f", keyfile, "-t", "A"], words].concat(), (status, lines));
    };
    host(&["www.nsec.com"], 0, "www.nsec.com. has address 192.0.2.41 (secure)\n");
    host(&["www.plain.com"], 0, "www.plain.com. has address 192.0.2.2 (insecure)\n");
    host(&["www.bogus.cz"], 1, "Host www.bogus.cz not found: 2(SERVFAIL) (insecure)\n");
    host(&["gone.nsec.com"], 1, "Host gone.nsec.com not found: 3(NXDOMAIN) (secure)\n");
    assert_eq!(std::fs::read_dir(keys.path()).unwrap().count(), 1);
    // Without anchors nothing is.
    check(
        &lab,
        HOST,
        &["-v", "-t", "A", "www.nsec.com"],
        (0, "www.nsec.com. has address 192.0.2.41 (insecure)\n"),
    );
    let (status, said) = run(&lab, HOST, &["-f", "/no/such", "-C", WORLD, "www.nsec.com"]);
    assert!(status == 1 && said.contains("'/no/such'") && said.contains("No such file"), "{said}");
}

#[test]
fn a_script_sees_answer_and_request_and_decides_how_it_ends() {
    let lab = Lab::start().expect("the lab starts");
    let query =
        |words: &[&str], status: i32, lines: &str| check(&lab, QUERY, words, (status, lines));
    let cut = "assert(kres.dname2str(req:resolved().zone_cut.name) == \"plain.com.\")";
    query(&["www.plain.com", cut], 0, "");
    let deep = cut.replace("plain", "deep.sub.plain");
    query(&["a.b.c.d.e.f.deep.sub.plain.com", &deep], 0, "");
    query(&["-t", "MX", "plain.com", "print(pkt:rcode(),", "#pkt:section(0))"], 0, "0\t1\n");
    query(&["-t", "TYPE65280", "unknown.plain.com", "assert(pkt:qtype() == 65280)"], 0, "");
    query(&["gone.plain.com", "assert(pkt:rcode() == kres.rcode.NXDOMAIN)"], 0, "");
    query(
        &["www.plain.com", "assert(false, 'it is not')"],
        1,
        "kresd-query: script:1: it is not\n",
    );
    let signed = "assert(req:resolved().flags.DNSSEC_WANT)";
    let (status, _) = run(&lab, QUERY, &["-C", WORLD, "www.nsec.com", signed]);
    assert_eq!(status, 1, "nothing is validated without anchors");
    let anchors: String =
        lab.root_ds().lines().map(|line| format!("trust_anchors.add('{line}')\n")).collect();
    query(&["-C", &anchors, "www.nsec.com", signed], 0, "");
    // What is wrong before anything is asked.
    query(&["www.plain.com", "1 +"], 1, "kresd-query: script:1: unexpected symbol near '1'\n");
    query(&["-t", "NONE", "www.plain.com", "x()"], 1, "kresd-query: unknown type 'NONE'\n");
    let (status, said) = run(&lab, QUERY, &["-C", "net.lisen('::1')", "a.test", "x()"]);
    assert!(status == 1 && said.contains("did you mean 'listen'?"), "{said}");
}

#[test]
fn a_wrong_command_line_is_told_apart() {
    let lab = Lab::start().expect("the lab starts");
    for (tool, words, status, expected) in [
        (HOST, &[][..], 2, "Usage: kresd-host"),
        (HOST, &["--bogus", "x"], 2, "Usage: kresd-host"),
        (HOST, &["-4", "-6", "x"], 2, "cannot be used with"),
        (HOST, &["-h"], 0, "-f <KEYFILE>"),
        (QUERY, &["name.test"], 2, "Usage: kresd-query"),
        (QUERY, &["-h"], 0, "-C <CONFIG>"),
        (QUERY, &["-V"], 0, "kresd-query "),
    ] {
        let (ended, said) = run(&lab, tool, words);
        assert!(ended == status && said.contains(expected), "{words:?}: {ended} {said}");
    }
}

#[test]
fn the_manual_pages_know_every_option() {
    let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    for (tool, page) in [(HOST, "kresd-host.1"), (QUERY, "kresd-query.1")] {
        let output = std::process::Command::new(tool).arg("-h").output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        let manual = std::fs::read_to_string(pages.join(page)).unwrap();
        let options = help.lines().filter_map(|line| line.trim_start().strip_prefix('-'));
        let letters: Vec<char> = options.filter_map(|option| option.chars().next()).collect();
        assert!(letters.len() >= 5, "{help}");
        for letter in letters {
            assert!(manual.contains(&format!("\\-{letter}")), "{page}: -{letter}");
        }
    }
}
