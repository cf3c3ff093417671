//! What a process has used of the machine.

use std::fs::{self, File};
use std::io::Read;
use std::ops::{Add, Sub};

use nix::sys::resource::{UsageWho, getrusage};

/// Processor time and changes of the running thread, of all threads of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Nanoseconds of processor time, in the program and in the system for it.
    pub(crate) cpu: u64,
    /// Changes of the running thread, given and taken.
    pub(crate) switches: u64,
}

impl Usage {
    /// Of this process until now; nothing where the system does not tell.
    pub(crate) fn now() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            return Self::default();
        };
        let [user, system] = [usage.user_time(), usage.system_time()]
            .map(|time| time.tv_sec() * 1_000_000_000 + time.tv_usec() * 1000);
        let switches = usage.voluntary_context_switches() + usage.involuntary_context_switches();
        Self {
            cpu: (user + system).unsigned_abs(),
            switches: switches.unsigned_abs(),
        }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            switches: self.switches + other.switches,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    /// What was used since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

/// KiB of memory that a process has for one row among others, whose memory it has at the same time: what the
/// row shares, and what the process grew by when its part was made and whenever it was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// What it has for the row when that has no turn.
    held: i64,
    most: i64,
    /// What the process had in all when the turn began.
    before: i64,
}

impl Held {
    /// Of a row with this many bytes of shared memory, all of them present.
    pub(crate) fn sharing(bytes: usize) -> Self {
        let held = i64::try_from(bytes / 1024).unwrap_or(i64::MAX);
        Self {
            held,
            most: held,
            before: 0,
        }
    }

    /// From here on, what the process grows by is the row's.
    pub(crate) fn begin(&mut self) {
        // Forgets the most memory so far. A system that cannot leaves it, and tells of less growth.
        let _ = fs::write("/proc/self/clear_refs", "5");
        self.before = memory().0;
    }

    /// Until here.
    pub(crate) fn end(&mut self) {
        let (now, peak) = memory();
        self.most = self.most.max(self.held + peak - self.before);
        self.held += now - self.before;
    }

    /// The most it ever had.
    pub(crate) fn most(&self) -> u64 {
        u64::try_from(self.most).unwrap_or(0)
    }
}

/// KiB that this process has, and the most that it has had; 0 where the system does not tell.
fn memory() -> (i64, i64) {
    let mut status = [0; 4096];
    // In one piece, which is all of it: this is read in every turn.
    let len = File::open("/proc/self/status").and_then(|mut file| file.read(&mut status));
    let status = status.get(..len.unwrap_or(0)).unwrap_or_default();
    let status = str::from_utf8(status).unwrap_or_default();
    let of = |name| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
            .unwrap_or(0)
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_grows() {
        let before = Usage::now();
        let mut sum = 0_u64;
        // Until the clock of the processor has moved.
        while (Usage::now() - before).cpu == 0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!(Usage::default() - before, Usage::default());
    }

    #[test]
    fn memory_is_of_the_row_that_grew() {
        const MEBIBYTE: usize = 1 << 20;
        let (mut first, mut second) = (Held::sharing(MEBIBYTE), Held::sharing(0));
        first.begin();
        let kept = std::hint::black_box(vec![1_u8; 64 * MEBIBYTE]);
        first.end();
        second.begin();
        second.end();
        drop(kept);
        // What the first one has, and what other tests take at the same time, is not the second one's.
        assert!(first.most() >= 60 * 1024, "{first:?}");
        assert!(second.most() < 32 * 1024, "{second:?}");
    }
}
