//! What a process has used of the machine.

use std::fs;
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

/// Forgets the most memory that this process has had so far. A system that cannot leaves the peak as
/// it is.
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process has had, in KiB; 0 where the system does not tell.
pub(crate) fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0)
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
        assert!(peak() > 0);
    }
}
