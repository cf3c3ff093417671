//! What happened: messages, errors by kind, and how late calls with a deadline ended, beside how late a
//! thread woke that did nothing but sleep.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The control thread's sleeps, and most deadlines.
pub(super) const SOON: Duration = Duration::from_millis(5);
/// How much later than the control thread a call may be: calls spin before they sleep, and whoever
/// spins has used up its share of a core when others want it.
const SLACK: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Tally {
    messages: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    late: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
}

impl Tally {
    /// Counts messages that came.
    pub(super) fn moved(&self, messages: usize) {
        // Relaxed: a statistic.
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
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
            self.late
                .lock()
                .unwrap()
                .entry(what)
                .or_default()
                .push(late);
        }
        result
    }

    /// Sleeps until deadlines like those of the calls.
    pub(super) fn control(&self, stop: &AtomicBool) {
        // Relaxed: only ends the thread.
        while !stop.load(Ordering::Relaxed) {
            self.timed("control", SOON, || std::thread::sleep(SOON));
        }
    }

    pub(super) fn print(&self) {
        println!("messages moved: {}", self.messages.load(Ordering::Relaxed));
        for (kind, times) in self.errors.lock().unwrap().iter() {
            println!("{times:>9} {kind}");
        }
        for (what, late) in self.late.lock().unwrap().iter_mut() {
            late.sort_unstable();
            let at = |permille: usize| {
                let index = (late.len() * permille / 1000).min(late.len() - 1);
                late[index]
            };
            println!(
                "late: {what}: {} times, p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, most {:.1?}",
                late.len(),
                at(500),
                at(990),
                at(999),
                at(1000)
            );
        }
    }

    /// Fails unless enough happened, and no call was much later than the control thread.
    pub(super) fn check(&self) {
        assert!(self.messages.load(Ordering::Relaxed) > 0);
        let errors = self.errors.lock().unwrap();
        for kind in [
            "OpenError::Attach",
            "RecvError::",
            "SendError::",
            "CallError::",
        ] {
            let reached = errors.keys().any(|found| found.starts_with(kind));
            assert!(reached, "no error of kind {kind} was reached");
        }
        let late = self.late.lock().unwrap();
        let most = |what: &str| late.get(what).and_then(|late| late.iter().max().copied());
        let control = most("control").unwrap();
        for what in late.keys() {
            let most = most(what).unwrap();
            assert!(
                most <= control * 4 + SLACK,
                "{what} was late by {most:?}, the control thread by {control:?}"
            );
        }
    }
}
