//! Sleeping and being woken: no wakeup is lost, and nobody burns a core.
//!
//! `HQQ_WAKEUPS` is the number of wakeups of each soak, `HQQ_IDLE` the seconds of the idle one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are tests, too"
)]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{LIMIT, bounded, bounded_by};
use hqq_core::ring::Consumer;
use hqq_std::wait::{Policy, WaitStats};
use hqq_std::{LinkOptions, Receiver, RecvError};

/// Sleeps of a soak end by themselves after this long only: later than any wakeup comes, however busy the
/// machine is.
const LONG: Duration = Duration::from_secs(5);

/// Wakeups of a soak.
fn wakeups() -> u64 {
    std::env::var("HQQ_WAKEUPS").map_or(20_000, |count| count.parse().unwrap())
}

/// What so many may take on a busy machine.
fn soak() -> Duration {
    LIMIT + Duration::from_millis(wakeups())
}

/// Spins for a while that is different each time, up to some microseconds, so that what follows meets
/// the sleeper at each of its steps; every fourth time for as long as it takes to fall asleep, however slow
/// the machine is at that.
fn dither(state: &mut u64) {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    let spins = (*state >> 33) % 400;
    let times = if (*state >> 20).is_multiple_of(4) {
        50
    } else {
        1
    };
    for _ in 0..times * spins {
        std::hint::spin_loop();
    }
}

/// Waits, without sleeping, until `count` is at least `value`.
fn await_count(count: &AtomicU64, value: u64) {
    let begun = Instant::now();
    let mut looks = 0_u32;
    // Acquire: pairs with the Release of whoever counts.
    while count.load(Ordering::Acquire) < value {
        looks += 1;
        if looks.is_multiple_of(64) {
            // The other end may share this core.
            std::thread::yield_now();
            assert!(begun.elapsed() < LIMIT, "{value} is never reached");
        }
    }
}

#[test]
fn one_message_at_a_time_wakes_a_parked_receiver() {
    bounded_by(soak(), || {
        let options = LinkOptions::new()
            .count(2)
            .size(8)
            .wait_policy(Policy::Park);
        let (mut near, mut far) = options.pair().unwrap();
        far.receiver().set_first_look(LONG);
        let received = AtomicU64::new(0);
        let wakeups = wakeups();
        let stats = std::thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                let mut message = [0; 8];
                for number in 0..wakeups {
                    assert_eq!(far.recv(&mut message), Ok(8));
                    assert_eq!(u64::from_le_bytes(message), number);
                    // Release: pairs with the Acquire in `await_count`.
                    received.store(number + 1, Ordering::Release);
                }
                far.receiver().wait_stats()
            });
            let mut state = 1;
            for number in 0..wakeups {
                await_count(&received, number);
                dither(&mut state);
                near.send(&number.to_le_bytes()).unwrap();
            }
            receiving.join().unwrap()
        });
        println!("{wakeups} messages to a parked receiver: {stats:?}");
        assert_eq!(stats.missed, 0, "{stats:?}");
        assert!(stats.sleeps > wakeups / 10, "it slept: {stats:?}");
    });
}

#[test]
fn one_free_buffer_at_a_time_wakes_a_parked_sender() {
    bounded_by(soak(), || {
        let options = LinkOptions::new()
            .count(2)
            .size(8)
            .wait_policy(Policy::Park);
        let (mut near, mut far) = options.pair().unwrap();
        near.sender().set_first_look(LONG);
        for _ in 0..2 {
            near.sender().try_send(&[0; 8]).unwrap();
        }
        let sent = AtomicU64::new(0);
        let wakeups = wakeups();
        let stats = std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                for number in 0..wakeups {
                    near.send(&number.to_le_bytes()).unwrap();
                    // Release: pairs with the Acquire in `await_count`.
                    sent.store(number + 1, Ordering::Release);
                }
                near.sender().wait_stats()
            });
            let mut state = 2;
            let mut message = [0; 8];
            for number in 0..wakeups {
                await_count(&sent, number);
                dither(&mut state);
                far.recv(&mut message).unwrap();
            }
            sending.join().unwrap()
        });
        println!("{wakeups} buffers for a parked sender: {stats:?}");
        assert_eq!(stats.missed, 0, "{stats:?}");
        assert!(stats.sleeps > wakeups / 10, "it slept: {stats:?}");
    });
}

#[test]
fn messages_to_a_pool_of_parked_receivers_are_all_taken_at_once() {
    bounded_by(soak(), || {
        let options = LinkOptions::new()
            .count(4)
            .size(8)
            .wait_policy(Policy::Park);
        let (near, far) = options.shared().pair().unwrap();
        let received = AtomicU64::new(0);
        let wakeups = wakeups() / 4;
        let missed: u64 = std::thread::scope(|scope| {
            let workers = [(); 3].map(|()| {
                let mut receiver = far.receiver();
                receiver.set_first_look(LONG);
                let received = &received;
                scope.spawn(move || {
                    let mut message = [0; 8];
                    while receiver.recv(&mut message) == Ok(8) {
                        // Release: pairs with the Acquire in `await_count`.
                        received.fetch_add(1, Ordering::Release);
                    }
                    receiver.wait_stats().missed
                })
            });
            let mut state = 3;
            let mut sender = near.sender();
            drop(near);
            for number in 0..wakeups {
                // Two at a time: each must reach a receiver, though the first may find all asleep.
                await_count(&received, number.saturating_sub(1));
                dither(&mut state);
                sender.send(&number.to_le_bytes()).unwrap();
            }
            await_count(&received, wakeups);
            drop(sender);
            workers.map(|worker| worker.join().unwrap()).iter().sum()
        });
        assert_eq!(missed, 0);
    });
}

#[test]
fn coming_and_going_wake_who_sleeps() {
    bounded(|| {
        for _ in 0..100 {
            let options = LinkOptions::new()
                .count(2)
                .size(8)
                .wait_policy(Policy::Park);
            let near = options.anonymous().unwrap();
            let fd = near.region_fd().unwrap();
            let (mut sender, mut receiver) = near.split();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(move || {
                    assert!(sender.wait_for_peer(None));
                    while sender.send(b"x").is_ok() {}
                    sender.wait_stats()
                });
                let ending = scope.spawn(move || {
                    let mut message = [0; 8];
                    let end = receiver.recv(&mut message);
                    assert_eq!(end, Err(RecvError::Disconnected));
                    receiver.wait_stats()
                });
                let mut far = options.from_fd(fd).unwrap();
                // Then the sender has seen that somebody came.
                assert_eq!(far.recv(&mut [0; 8]), Ok(1));
                drop(far);
                for stats in [waiting.join().unwrap(), ending.join().unwrap()] {
                    assert_eq!(stats.missed, 0, "{stats:?}");
                }
            });
        }
    });
}

#[test]
fn a_policy_is_for_a_call_a_half_or_a_link() {
    let (mut near, mut far) = LinkOptions::new().wait_policy(Policy::Park).pair().unwrap();
    assert_eq!(far.receiver().wait_policy(), Policy::Park);
    far.set_wait_policy(Policy::Spin);
    assert_eq!(far.sender().wait_policy(), Policy::Spin);
    let receiver = far.receiver();
    let mut message = [0; 8];
    // Where the machine is busy the time may be over before a call sleeps: the next one has more.
    let longer = [5, 50, 500, 5000].map(Duration::from_millis);
    for (policy, times) in [
        (Policy::Spin, &longer[..1]),
        (Policy::Adaptive, &longer),
        (Policy::Park, &longer),
    ] {
        let before = receiver.wait_stats().sleeps;
        let slept = times.iter().any(|time| {
            let soon = Some(Instant::now() + *time);
            let late = receiver.recv_with_policy(&mut message, policy, soon);
            assert_eq!(late, Err(RecvError::TimedOut), "{policy:?}");
            receiver.wait_stats().sleeps > before
        });
        assert_eq!(slept, policy != Policy::Spin, "{policy:?}");
        assert_eq!(receiver.wait_policy(), Policy::Spin);
        near.sender().send_with_policy(b"x", policy, None).unwrap();
        let received = receiver.recv_with_policy(&mut message, policy, None);
        assert_eq!(received, Ok(1), "{policy:?}");
    }
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

/// What it takes to sleep so long in slices as a wait does, and do nothing else.
fn only_sleep(idle: Duration) -> Duration {
    let (end, before) = (Instant::now() + idle, cpu_time());
    let mut slice = Duration::from_millis(10);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return cpu_time() - before;
        }
        std::thread::sleep(slice.min(left));
        slice = (2 * slice).min(Duration::from_millis(250));
    }
}

/// What receivers use that wait so long, and what a thread does that only sleeps, at the same time.
fn idle_use(idle: Duration) -> ([(Policy, Duration); 2], Duration) {
    let control = std::thread::spawn(move || only_sleep(idle));
    let waiting = [Policy::Park, Policy::Adaptive].map(|policy| {
        std::thread::spawn(move || {
            let (_near, mut far) = hqq_std::pair().unwrap();
            let (end, before) = (Instant::now() + idle, cpu_time());
            let receiver = far.receiver();
            let result = receiver.recv_with_policy(&mut [0; 64], policy, Some(end));
            let used = cpu_time() - before;
            assert_eq!(result, Err(RecvError::TimedOut));
            (policy, used)
        })
    });
    let waiting = waiting.map(|waiting| waiting.join().unwrap());
    (waiting, control.join().unwrap())
}

/// 5 ms in 10 s, besides what a thread needs on this machine, now, that only sleeps. A busy machine makes it more,
/// as all that a waking thread wants has left the caches: so it may try three times.
#[test]
fn a_parked_receiver_uses_next_to_no_processor_time() {
    let seconds = std::env::var("HQQ_IDLE").map_or(10, |seconds| seconds.parse().unwrap());
    let idle = Duration::from_secs(seconds);
    bounded_by(LIMIT + 3 * idle, move || {
        let is_met = (0..3).any(|_| {
            let (waiting, control) = idle_use(idle);
            println!("in {seconds} s: {waiting:?}, only sleeping {control:?}");
            let allowed = idle / 2000 + control;
            waiting.iter().all(|(_, used)| *used < allowed)
        });
        assert!(is_met, "more than 5 ms in 10 s, three times");
    });
}

/// What became of a receiver's sleeps until one message came.
fn receive_parked<C: Consumer>(receiver: &mut Receiver<C>, send: impl FnOnce()) -> WaitStats
where
    Receiver<C>: Send,
{
    receiver.set_first_look(LONG);
    std::thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            receiver.recv(&mut [0; 64]).unwrap();
            receiver.wait_stats()
        });
        // Most probably it sleeps then; if not, it is woken all the same.
        std::thread::sleep(Duration::from_millis(5));
        send();
        receiving.join().unwrap()
    })
}

/// However a message is carried, on whatever sides: nobody sleeps through it.
#[test]
fn every_kind_of_message_wakes_a_parked_receiver() {
    for len in [0, 8, 40, 41, 64] {
        for shared in [false, true] {
            bounded(move || {
                let options = LinkOptions::new().count(8).size(64);
                let options = options.wait_policy(Policy::Park);
                let message = vec![7; len];
                let stats = if shared {
                    let (near, far) = options.shared().pair().unwrap();
                    receive_parked(&mut far.receiver(), || {
                        near.sender().send(&message).unwrap();
                    })
                } else {
                    let (mut near, mut far) = options.pair().unwrap();
                    receive_parked(far.receiver(), || near.send(&message).unwrap())
                };
                assert_eq!(stats.expired, 0, "{len} bytes, shared: {shared}: {stats:?}");
            });
        }
    }
}
