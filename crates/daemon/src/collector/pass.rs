//! One look at a cache: is it too full, what goes, and the removal in small transactions.

use std::collections::BTreeSet;
use std::time::Duration;

use dns::Rtype;
use store::collect::{self, Analysis, Choice, Removed};
use store::kv::{Kv, StoreError};
use store::limits::PENDING_ENTRIES_MAX;
use tokio::time::sleep;

use super::options::Options;
use super::say;
use crate::clock::Clock;

/// What the last removal left. Pages become free only when most of their entries are gone, so right
/// after it as many of them may be in use as before. There is room in them, and until that is used
/// up another removal would cost entries for nothing.
#[derive(Debug, Default)]
pub(super) struct Since {
    last: Option<Left>,
}

#[derive(Debug)]
struct Left {
    /// Entries before the removal.
    entries: u64,
    /// Percentage in use after it.
    percent: f64,
}

impl Since {
    /// Is it time for another removal?
    fn is_due(&self, entries: u64, percent: f64) -> bool {
        match &self.last {
            None => true,
            Some(left) => entries >= left.entries || percent >= (left.percent + 100.0) / 2.0,
        }
    }
}

/// Looks once.
pub(super) async fn pass(
    kv: &mut dyn Kv,
    options: &Options,
    clock: &Clock,
    since: &mut Since,
) -> Result<(), StoreError> {
    let usage = kv.fill();
    kv.end_turn()?;
    let percent = usage.percent();
    let too_full = percent >= f64::from(options.usage_percent);
    if !too_full {
        since.last = None;
    }
    let goes = too_full && !options.dry_run && since.is_due(usage.entries, percent);
    if options.dry_run || options.verbose || goes {
        say(&format!("Usage: {percent:.2}%"));
    }
    if !goes {
        return Ok(());
    }
    let started = clock.read();
    let now = started.unix.seconds();
    let analysis = Analysis::of(kv, now, options.reads)?;
    say(&format!(
        "Cache analyzed in {} msecs, {} records, limit category is {}.",
        clock.read().mono.since(started.mono).as_millis(),
        analysis.records,
        analysis.limit(options.free_percent),
    ));
    let memory = options.memory_mib.saturating_mul(1024 * 1024);
    let choice = Choice::of(kv, now, options.reads, &analysis, options.free_percent, memory)?;
    say(&format!(
        "{} records to be deleted using {:.2} MBytes of temporary memory, {} records skipped due \
         to memory limit.",
        choice.keys.len(),
        choice.bytes as f64 / 1024.0 / 1024.0,
        choice.skipped,
    ));
    let done = remove(kv, options, clock, &choice).await;
    since.last = Some(Left { entries: usage.entries, percent: kv.fill().percent() });
    kv.end_turn()?;
    done
}

/// Removes what was chosen, with pauses between transactions.
async fn remove(
    kv: &mut dyn Kv,
    options: &Options,
    clock: &Clock,
    choice: &Choice,
) -> Result<(), StoreError> {
    let started = clock.read().mono;
    let mut size = match options.deletes {
        0 => PENDING_ENTRIES_MAX,
        deletes => deletes.min(PENDING_ENTRIES_MAX),
    };
    let mut sum = Removed::default();
    let mut types: BTreeSet<Rtype> = BTreeSet::new();
    let mut transactions = 0_u64;
    let mut rest = &choice.keys[..];
    let mut result = Ok(());
    while !rest.is_empty() {
        let (some, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        let before = clock.read().mono;
        match collect::remove(kv, some.iter().map(|(key, _)| &**key)) {
            Ok(removed) => {
                transactions += 1;
                sum.deleted += removed.deleted;
                sum.already_gone += removed.already_gone;
                types.extend(some.iter().filter_map(|(_, rtype)| *rtype));
            }
            Err(error @ (StoreError::Full | StoreError::NoSpace { .. })) => {
                say("Warning: out of space, bailing out to retry later.");
                result = Err(error);
                break;
            }
            Err(error) => say(&format!("Warning: skipping deletion because of error ({error})")),
        }
        let took = clock.read().mono.since(before);
        if options.write_us > 0 && took > Duration::from_micros(options.write_us) {
            size = (size / 2).max(1);
        }
        // Also where signals are noticed.
        match options.wait_us {
            0 => tokio::task::yield_now().await,
            wait => sleep(Duration::from_micros(wait)).await,
        }
    }
    let types: String = types.iter().map(|rtype| format!(" {rtype}")).collect();
    let Removed { deleted, already_gone } = sum;
    say(&format!("Deleted {deleted} records ({already_gone} already gone) types{types}"));
    let from = &choice.origins;
    say(&format!(
        "Of those chosen, {} were expired, {} unused, {} used, {} unreadable; {} of the root, {} of \
         top-level domains, {} below, {} of servers",
        from.expired,
        from.unused,
        from.used,
        from.unreadable,
        from.root,
        from.top_level,
        from.below,
        from.servers,
    ));
    let outcome = result.as_ref().err().map_or_else(|| "OK".to_owned(), StoreError::to_string);
    let took = clock.read().mono.since(started).as_millis();
    say(&format!("It took {took} msecs, {transactions} transactions ({outcome})"));
    result
}
