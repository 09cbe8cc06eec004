//! The groups of log messages: their tags and the constants by which Lua names them.
//!
//! The position in the table, counted from 1, is the number of the group in Lua.

/// All groups: (the constant that `ffi.C` knows, the tag printed in `[tag   ]`).
pub const LOG_GROUPS: [(&str, &str); 45] = [
    ("LOG_GRP_SYSTEM", "system"),
    ("LOG_GRP_CACHE", "cache"),
    ("LOG_GRP_IO", "io"),
    ("LOG_GRP_NETWORK", "net"),
    ("LOG_GRP_TA", "ta"),
    ("LOG_GRP_TLS", "tls"),
    ("LOG_GRP_GNUTLS", "gnutls"),
    ("LOG_GRP_TLSCLIENT", "tls_cl"),
    ("LOG_GRP_XDP", "xdp"),
    ("LOG_GRP_DOH", "doh"),
    ("LOG_GRP_DNSSEC", "dnssec"),
    ("LOG_GRP_HINT", "hint"),
    ("LOG_GRP_PLAN", "plan"),
    ("LOG_GRP_ITERATOR", "iterat"),
    ("LOG_GRP_VALIDATOR", "valdtr"),
    ("LOG_GRP_RESOLVER", "resolv"),
    ("LOG_GRP_SELECTION", "select"),
    ("LOG_GRP_ZCUT", "zoncut"),
    ("LOG_GRP_COOKIES", "cookie"),
    ("LOG_GRP_STATISTICS", "statis"),
    ("LOG_GRP_REBIND", "rebind"),
    ("LOG_GRP_WORKER", "worker"),
    ("LOG_GRP_POLICY", "policy"),
    ("LOG_GRP_TASENTINEL", "tasent"),
    ("LOG_GRP_TASIGNALING", "tasign"),
    ("LOG_GRP_TAUPDATE", "taupd"),
    ("LOG_GRP_DAF", "daf"),
    ("LOG_GRP_DETECTTIMEJUMP", "timejm"),
    ("LOG_GRP_DETECTTIMESKEW", "timesk"),
    ("LOG_GRP_GRAPHITE", "graphi"),
    ("LOG_GRP_PREFILL", "prefil"),
    ("LOG_GRP_PRIMING", "primin"),
    ("LOG_GRP_SRVSTALE", "srvstl"),
    ("LOG_GRP_WATCHDOG", "wtchdg"),
    ("LOG_GRP_NSID", "nsid"),
    ("LOG_GRP_DNSTAP", "dnstap"),
    ("LOG_GRP_TESTS", "tests"),
    ("LOG_GRP_DOTAUTH", "dotaut"),
    ("LOG_GRP_HTTP", "http"),
    ("LOG_GRP_CONTROL", "contrl"),
    ("LOG_GRP_MODULE", "module"),
    ("LOG_GRP_DEVEL", "devel"),
    ("LOG_GRP_RENUMBER", "renum"),
    ("LOG_GRP_EDE", "exterr"),
    ("LOG_GRP_REQDBG", "reqdbg"),
];

/// The number of "no group".
pub const UNKNOWN_GROUP: i32 = -1;

/// The tag of a group's number.
pub fn tag_of(number: i64) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    LOG_GROUPS.get(index).map(|(_, tag)| *tag)
}

/// The tag that equals this text.
pub fn find_tag(text: &str) -> Option<&'static str> {
    LOG_GROUPS.iter().map(|(_, tag)| *tag).find(|tag| *tag == text)
}
