//! Linux: sleeping on words of a region with futexes, and the barrier that a sleeper makes for all
//! who publish (PROTOCOL.md, W1 to W3).

#![allow(
    unsafe_code,
    reason = "refers to a shared word as the kernel's interface wants it"
)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hqq_core::ring::wake::{Ticket, WaitWords, WakeDomain, WakeHook};
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec, WaitFlags, WaitPtr, WaitvFlags};
use rustix::thread::{MembarrierCommand, MembarrierQuery};
use rustix::time::ClockId;

use super::Slept;

/// What this process can do.
#[derive(Clone, Copy)]
struct Abilities {
    /// The processes of this kernel, where that could be told.
    domain: Option<WakeDomain>,
    /// This process is registered for, and can make, the barrier.
    barrier: bool,
}

/// Asked for once: twice where two threads come first. Who waited for the other would do so for ever in a child that is
/// forked meanwhile.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the low half is the kernel's name"
)]
fn abilities() -> Abilities {
    const KNOWN: u64 = 1 << 34;
    const BARRIER: u64 = 1 << 33;
    const DOMAIN: u64 = 1 << 32;
    static ABILITIES: AtomicU64 = AtomicU64::new(0);
    // Relaxed: the word says all.
    let mut word = ABILITIES.load(Ordering::Relaxed);
    if word == 0 {
        let domain = kernel().map_or(0, |name| DOMAIN | u64::from(name));
        word = KNOWN | domain | if register() { BARRIER } else { 0 };
        ABILITIES.store(word, Ordering::Relaxed);
    }
    Abilities {
        domain: (word & DOMAIN != 0).then(|| WakeDomain::new(word as u32)),
        barrier: word & BARRIER != 0,
    }
}

/// The kernel that runs: its boot id, which containers share and guests do not.
fn kernel() -> Option<u32> {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    // FNV-1a: no secret, and the same in every process.
    let hash = id.iter().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    Some(hash)
}

/// Has this process, and what it forks, take part in the barriers that others make.
fn register() -> bool {
    let needed = MembarrierQuery::GLOBAL_EXPEDITED | MembarrierQuery::REGISTER_GLOBAL_EXPEDITED;
    rustix::thread::membarrier_query().contains(needed)
        && rustix::thread::membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
}

/// The kernel in which this process wakes and is woken.
pub(crate) fn wake_domain() -> Option<WakeDomain> {
    abilities().domain
}

/// Whether this process can make the barrier for others.
pub(crate) fn has_barrier() -> bool {
    abilities().barrier
}

/// A full barrier on every processor that runs a registered process; `false` where it failed.
pub(crate) fn barrier() -> bool {
    rustix::thread::membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

/// How this process wakes its peers.
pub(crate) fn wake_hook() -> Option<WakeHook> {
    let Abilities { domain, barrier } = abilities();
    let hook = WakeHook::new(wake).noting(note).domain(domain?);
    Some(if barrier { hook.unfenced() } else { hook })
}

/// Wakes all who sleep on the words' sequence.
fn wake(words: &WaitWords) {
    // Nothing can be done about a failure; sleepers look by themselves after a while.
    let _ = futex::wake(sequence(words), Flags::empty(), i32::MAX.cast_unsigned());
}

/// When and on which processor somebody was woken.
fn note() -> [u32; 2] {
    let cpu = u32::try_from(processor()).unwrap_or(u32::MAX);
    [low_nanos(now()), cpu.wrapping_add(1)]
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the low half is what is meant"
)]
fn low_nanos(now: Timespec) -> u32 {
    Duration::try_from(now).map_or(0, |now| now.as_nanos() as u32)
}

fn now() -> Timespec {
    rustix::time::clock_gettime(ClockId::Monotonic)
}

/// How long ago the words' last waker woke, if that is no longer ago than `within`, and where.
pub(crate) fn woken(words: &WaitWords, within: Duration) -> Option<(Duration, usize)> {
    let [then, cpu] = words.note();
    let ago = Duration::from_nanos(low_nanos(now()).wrapping_sub(then).into());
    let cpu = usize::try_from(cpu.checked_sub(1)?).ok()?;
    (ago <= within).then_some((ago, cpu))
}

/// The processor that this thread runs on.
pub(crate) fn processor() -> usize {
    rustix::thread::sched_getcpu()
}

fn sequence(words: &WaitWords) -> &AtomicU32 {
    // SAFETY: the sequence lies, aligned, in the region that `words` borrows from, and is reached
    // with atomics of this size only.
    unsafe { AtomicU32::from_ptr(words.sequence_ptr()) }
}

/// Sleeps while the sequences of all words are those of their tickets, for at most `slice`.
pub(crate) fn sleep(armed: &[(&WaitWords, Ticket)], slice: Duration) -> Slept {
    let result = match armed {
        [] => {
            std::thread::sleep(slice);
            return Slept::TimedOut;
        }
        [(words, ticket)] => {
            let timeout = Timespec::try_from(slice).ok();
            futex::wait(
                sequence(words),
                Flags::empty(),
                ticket.in_memory(),
                timeout.as_ref(),
            )
        }
        _ => sleep_on_many(armed, slice),
    };
    match result {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Slept::Woken,
        Err(Errno::TIMEDOUT) => Slept::TimedOut,
        Err(_) => {
            // An old kernel that cannot wait for several, or a filter of system calls.
            std::thread::sleep(slice.min(Duration::from_millis(1)));
            Slept::Woken
        }
    }
}

fn sleep_on_many(armed: &[(&WaitWords, Ticket)], slice: Duration) -> Result<(), Errno> {
    let mut waiters = [futex::Wait::new(); 4];
    let mut count = 0;
    for (waiter, (words, ticket)) in waiters.iter_mut().zip(armed) {
        waiter.val = u64::from(ticket.in_memory());
        waiter.uaddr = WaitPtr::new(words.sequence_ptr().cast());
        waiter.flags = WaitFlags::SIZE_U32;
        count += 1;
    }
    let waiters = waiters.get(..count).unwrap_or_default();
    let deadline = Timespec::try_from(slice)
        .ok()
        .and_then(|slice| now().checked_add(slice));
    futex::waitv(
        waiters,
        WaitvFlags::empty(),
        deadline.as_ref(),
        ClockId::Monotonic,
    )?;
    Ok(())
}

/// A full barrier of this thread.
pub(crate) fn fence() {
    std::sync::atomic::fence(Ordering::SeqCst);
}
