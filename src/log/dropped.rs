//! Lines that were dropped: how many, and what is said where they are missing.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The lines that were dropped since the start of the process; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Dropped(Counter);

impl Dropped {
    /// Registers the count with the metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let Dropped(lines) = self;
        let help = "Lines of the log since the start that nobody read in time";
        registry.register("log_lines_dropped", help, lines.clone());
    }

    pub(super) fn count(&self) {
        let Dropped(lines) = self;
        lines.inc();
    }

    #[cfg(test)]
    pub(super) fn so_far(&self) -> u64 {
        let Dropped(lines) = self;
        lines.get()
    }
}

pub(super) fn say_missing(lines: u64) -> String {
    let (lines, are) =
        if lines == 1 { ("1 line".to_owned(), "is") } else { (format!("{lines} lines"), "are") };
    format!(
        "{lines} of the log {are} missing here: nobody read them in time, and posmoded did not wait for that \
         (posmoded_log_lines_dropped_total counts them)."
    )
}
