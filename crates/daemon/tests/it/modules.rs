//! Modules through the whole program: loaded by a configuration, seen by a client.

use crate::e2e::check_answers;

/// Nothing is validated.
const INSECURE: &str = "trust_anchors.remove('.')\n";

#[test]
fn hints_answer_for_names_of_the_operator() {
    let configuration = format!(
        "{INSECURE}modules = {{ 'hints > iterate' }}\n\
         hints['printer.plain.com'] = {{ '192.0.2.77', '2001:db8::77' }}\n\
         hints.set('www.plain.com 8.8.2.78')\n"
    );
    check_answers(
        &configuration,
        &[
            ("printer.plain.com A", "NOERROR\nprinter.plain.com. A 192.0.2.77"),
            ("printer.plain.com A", "NOERROR\nprinter.plain.com. A 192.0.2.77"),
            ("printer.plain.com AAAA", "NOERROR\nprinter.plain.com. AAAA 2001:db8::77"),
            ("printer.plain.com MX", "NOERROR"),
            ("-x 8.8.2.78", "NOERROR\n78.2.8.8.in-addr.arpa. PTR www.plain.com."),
            ("mail.plain.com AAAA", "NOERROR"),
        ],
    );
}

#[test]
fn questions_without_rd_are_refused_unless_the_module_is_gone() {
    let answer = "NOERROR\nwww.plain.com. A 192.0.2.2";
    check_answers(INSECURE, &[("+norec www.plain.com A", "REFUSED")]);
    let configuration = format!("{INSECURE}modules.unload('refuse_nord')\n");
    check_answers(&configuration, &[("+norec www.plain.com A", answer)]);
}
