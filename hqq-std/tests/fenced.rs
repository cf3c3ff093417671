//! Where the kernel refuses the barrier that a sleeper makes for others (`membarrier`), both sides make
//! fences, and no wakeup is lost: the real thing, in a process under a filter of system calls.
//!
//! `HQQ_WAKEUPS` is the number of wakeups of each kind.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{LIMIT, bounded_by};
use hqq_std::wait::{Policy, WaitStats};
use hqq_std::{LinkOptions, StandardLink};
use nix::libc;

/// Says to this program which error the filter is to give.
const REFUSED: &str = "HQQ_REFUSED";
/// Sleeps end by themselves after this long only: later than any wakeup comes.
const LONG: Duration = Duration::from_secs(5);

fn wakeups() -> u64 {
    std::env::var("HQQ_WAKEUPS").map_or(10_000, |count| count.parse().unwrap())
}

/// Has every `membarrier` of this thread, and of those that it starts, fail with this error.
fn refuse_membarrier(errno: u32) {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let number = u32::try_from(libc::SYS_membarrier).unwrap();
    let mut filter = [
        // The number of the system call comes first in what the filter gets.
        (load, 0, 0, 0),
        (equal, 0, 1, number),
        (end, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
        (end, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
    .map(|(code, jt, jf, k)| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    });
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: takes numbers only.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    // SAFETY: the program and its filter live until the call returns, which copies them.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: a query, with numbers only.
    let query = unsafe { libc::syscall(libc::SYS_membarrier, 0, 0, 0) };
    let error = std::io::Error::last_os_error().raw_os_error();
    assert_eq!((query, error), (-1, i32::try_from(errno).ok()));
}

/// Spins until `count` is at least `value`, and for a while that is different each time; every fourth time for as
/// long as it takes to fall asleep.
fn await_count(count: &AtomicU64, value: u64) {
    // Acquire: pairs with the Release of whoever counts.
    while count.load(Ordering::Acquire) < value {
        std::thread::yield_now();
    }
    let times = if value.is_multiple_of(4) { 50 } else { 1 };
    for _ in 0..times * (value.wrapping_mul(0x9e37_79b9) % 400) {
        std::hint::spin_loop();
    }
}

fn pair() -> (StandardLink, StandardLink) {
    let options = LinkOptions::new().count(2).size(8);
    options.wait_policy(Policy::Park).pair().unwrap()
}

/// Messages one at a time for a receiver that sleeps.
fn messages(count: u64) -> WaitStats {
    let (mut near, mut far) = pair();
    far.receiver().set_first_look(LONG);
    let received = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            for number in 0..count {
                let mut message = [0; 8];
                assert_eq!(far.recv(&mut message), Ok(8));
                assert_eq!(u64::from_le_bytes(message), number);
                // Release: pairs with the Acquire in `await_count`.
                received.store(number + 1, Ordering::Release);
            }
            far.receiver().wait_stats()
        });
        for number in 0..count {
            await_count(&received, number);
            near.send(&number.to_le_bytes()).unwrap();
        }
        receiving.join().unwrap()
    })
}

/// Room one buffer at a time for a sender that sleeps.
fn room(count: u64) -> WaitStats {
    let (mut near, mut far) = pair();
    near.sender().set_first_look(LONG);
    for _ in 0..2 {
        near.send(&[0; 8]).unwrap();
    }
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for number in 0..count {
                near.send(&number.to_le_bytes()).unwrap();
                // Release: pairs with the Acquire in `await_count`.
                sent.store(number + 1, Ordering::Release);
            }
            near.sender().wait_stats()
        });
        for number in 0..count {
            await_count(&sent, number);
            far.recv(&mut [0; 8]).unwrap();
        }
        sending.join().unwrap()
    })
}

#[test]
fn no_wakeup_is_lost_where_the_barrier_is_refused() {
    let Ok(errno) = std::env::var(REFUSED) else {
        for errno in [libc::ENOSYS, libc::EPERM] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--nocapture", "no_wakeup_is_lost"]);
            let status = command.env(REFUSED, errno.to_string()).status().unwrap();
            assert!(status.success(), "error {errno}: {status}");
        }
        return;
    };
    let limit = LIMIT + Duration::from_millis(2 * wakeups());
    bounded_by(limit, move || {
        refuse_membarrier(errno.parse().unwrap());
        for (what, soak) in [
            ("messages", messages as fn(u64) -> WaitStats),
            ("buffers", room),
        ] {
            let stats = soak(wakeups());
            println!("{} {what} with error {errno}: {stats:?}", wakeups());
            assert_eq!(stats.missed, 0, "{what}: {stats:?}");
            assert!(stats.sleeps > wakeups() / 10, "it slept: {stats:?}");
        }
    });
}
