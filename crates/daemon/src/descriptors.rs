//! The limit of open files: raised as far as it goes, since each question under way needs one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::limits::DESCRIPTORS_WANTED;
use crate::logging::log;

/// What to assume if the system does not say.
const FALLBACK: u64 = 1024;

/// Raises the limit to what the system allows; returns it.
pub(crate) fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return FALLBACK };
    let raised = soft >= hard || setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    if raised { hard } else { soft }
}

/// The same for a service, which needs many: says so if they are few.
pub(crate) fn raise_limit() -> u64 {
    let limit = raise();
    if limit < DESCRIPTORS_WANTED {
        log!(
            Warning,
            "system",
            "warning: the limit of open files is only {limit}, {DESCRIPTORS_WANTED} is \
             recommended (LimitNOFILE= of the unit, or 'ulimit -Hn')"
        );
    }
    limit
}
