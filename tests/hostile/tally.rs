//! What happened: messages, errors by kind, and how late calls with a deadline ended, beside how late they
//! were where nobody disturbs them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Most deadlines.
pub(super) const SOON: Duration = Duration::from_millis(5);
/// How much later than the control's a call may be whatever these were.
const SLACK: Duration = Duration::from_secs(2);
/// The same for the 99th percentile of one kind, and how many times the control's of that kind it may be.
const SLACK_99: Duration = Duration::from_millis(20);
const TIMES_99: u32 = 3;
/// Late calls of a kind, here and there, of which that percentile says something.
const ENOUGH: u64 = 1000;

/// How late calls of one kind were, in memory that does not grow with their number.
struct Late {
    micros: Histogram<u64>,
    most: Duration,
}

impl Default for Late {
    fn default() -> Self {
        Self {
            // Up to an hour and more.
            micros: Histogram::new_with_max(1 << 32, 2).unwrap(),
            most: Duration::ZERO,
        }
    }
}

impl Late {
    fn add(&mut self, late: Duration) {
        self.micros
            .saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
        self.most = self.most.max(late);
    }

    fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.micros.value_at_quantile(quantile))
    }
}

#[derive(Default)]
pub(super) struct Tally {
    messages: AtomicU64,
    doubted: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    late: Mutex<BTreeMap<&'static str, Late>>,
}

impl Tally {
    /// Counts messages that came.
    pub(super) fn moved(&self, messages: usize) {
        // Relaxed: a statistic.
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// Counts a message that came in doubt.
    pub(super) fn doubted(&self) {
        // Relaxed: a statistic.
        self.doubted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an error by its kind: the names in it, without the values.
    pub(super) fn error(&self, of: &str, error: &impl Debug) {
        let text = format!("{error:?}");
        let mut quoted = false;
        let names: Vec<&str> = text
            .split_inclusive('"')
            .filter(|part| {
                let keep = !quoted;
                quoted ^= part.ends_with('"');
                keep
            })
            .flat_map(|part| part.split(|c: char| !c.is_alphanumeric()))
            .filter(|word| word.starts_with(char::is_uppercase))
            .take(3)
            .collect();
        let kind = format!("{of}::{}", names.join("/"));
        *self.errors.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// Does something that should not take longer than `limit`, and notes how much longer it did.
    pub(super) fn timed<T>(
        &self,
        what: &'static str,
        limit: Duration,
        work: impl FnOnce() -> T,
    ) -> T {
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        if let Some(late) = took.checked_sub(limit) {
            self.late.lock().unwrap().entry(what).or_default().add(late);
        }
        result
    }

    /// Sleeps until deadlines like those of the calls.
    pub(super) fn sleeps(&self, stop: &AtomicBool) {
        // Relaxed: only ends the thread.
        while !stop.load(Ordering::Relaxed) {
            self.timed("sleep", SOON, || std::thread::sleep(SOON));
        }
    }

    /// `control` is of calls that nobody disturbed.
    pub(super) fn print(&self, control: &Self) {
        println!(
            "messages moved: {}, read in doubt {}",
            self.messages.load(Ordering::Relaxed),
            self.doubted.load(Ordering::Relaxed)
        );
        for (kind, times) in self.errors.lock().unwrap().iter() {
            println!("{times:>9} {kind}");
        }
        println!(
            "control: messages moved: {}, read in doubt {}",
            control.messages.load(Ordering::Relaxed),
            control.doubted.load(Ordering::Relaxed)
        );
        for (kind, times) in control.errors.lock().unwrap().iter() {
            println!("control: {times:>9} {kind}");
        }
        for (label, tally) in [("late", self), ("control", control)] {
            for (what, late) in tally.late.lock().unwrap().iter() {
                println!(
                    "{label}: {what}: {} times, p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, most {:.1?}",
                    late.micros.len(),
                    late.at(0.5),
                    late.at(0.99),
                    late.at(0.999),
                    late.most
                );
            }
        }
    }

    /// Fails unless enough happened, and no call was much later than the latest of the control's.
    pub(super) fn check(&self, control: &Self) {
        assert!(self.messages.load(Ordering::Relaxed) > 0);
        let errors = self.errors.lock().unwrap();
        for kind in [
            "OpenError::Attach",
            "RecvError::Corrupt",
            "SendError::Corrupt",
            "CallError::Link",
            "NegotiationError::",
        ] {
            let reached = errors.keys().any(|found| found.starts_with(kind));
            assert!(reached, "no error of kind {kind} was reached");
        }
        let control = control.late.lock().unwrap();
        let latest = control.values().map(|late| late.most).max();
        let latest = latest.unwrap_or_default();
        for (what, late) in self.late.lock().unwrap().iter() {
            let most = late.most;
            assert!(
                most <= latest * 2 + SLACK,
                "{what} was late by {most:?}, the control by {latest:?}"
            );
            let Some(same) = control.get(what) else {
                continue;
            };
            if late.micros.len().min(same.micros.len()) >= ENOUGH {
                let (late, same) = (late.at(0.99), same.at(0.99));
                assert!(
                    late <= same * TIMES_99 + SLACK_99,
                    "{what} was late by {late:?} at the 99th percentile, the control by {same:?}"
                );
            }
        }
    }
}
