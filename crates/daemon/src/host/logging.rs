//! `log_level`, `log_target`, `log_groups`.

use lua::host::{HostError, LogLevel, LogTarget, Logging};

use super::DaemonHost;
use crate::logging;

impl DaemonHost {
    /// Requests are traced while the log takes lines of any group at debug level.
    fn trace_if_anybody_reads(&self) {
        let read = logging::level() == LogLevel::Debug || !logging::debug_groups().is_empty();
        self.worker.change_settings(|settings| settings.trace = read);
    }
}

impl Logging for DaemonHost {
    fn log_level(&self) -> LogLevel {
        logging::level()
    }

    fn set_log_level(&self, level: LogLevel) {
        logging::set_level(level);
        self.trace_if_anybody_reads();
    }

    fn log_target(&self) -> LogTarget {
        logging::target()
    }

    fn set_log_target(&self, target: LogTarget) -> Result<(), HostError> {
        logging::set_target(target);
        Ok(())
    }

    fn log_debug_groups(&self) -> Vec<&'static str> {
        logging::debug_groups()
    }

    fn set_log_debug_group(&self, tag: &'static str, on: bool) {
        logging::set_debug_group(tag, on);
        self.trace_if_anybody_reads();
    }

    fn log_enabled(&self, tag: &str, level: LogLevel) -> bool {
        logging::is_enabled(tag, level)
    }

    fn log(&self, tag: &str, level: LogLevel, message: &str) {
        logging::write(tag, level, format_args!("{message}"));
    }
}
