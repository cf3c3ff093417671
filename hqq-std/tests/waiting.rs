//! Sleeping and being woken: no wakeup is lost, nobody burns a core, and descriptors tell of news.
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
use hqq_std::{LinkOptions, Receiver, RecvError, TrySendError};

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
/// the sleeper at each of its steps.
fn dither(state: &mut u64) {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    for _ in 0..(*state >> 33) % 400 {
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
    let soon = |millis| Some(Instant::now() + Duration::from_millis(millis));
    let receiver = far.receiver();
    let mut message = [0; 8];
    for policy in [Policy::Spin, Policy::Adaptive, Policy::Park] {
        let late = receiver.recv_with_policy(&mut message, policy, soon(5));
        assert_eq!(late, Err(RecvError::TimedOut), "{policy:?}");
        assert_eq!(receiver.wait_policy(), Policy::Spin);
        near.sender().send_with_policy(b"x", policy, None).unwrap();
        let received = receiver.recv_with_policy(&mut message, policy, None);
        assert_eq!(received, Ok(1), "{policy:?}");
    }
    let sleeps = receiver.wait_stats().sleeps;
    assert!(sleeps >= 2, "adaptive and parked calls slept: {sleeps}");
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

#[test]
fn a_parked_receiver_uses_next_to_no_processor_time() {
    bounded(|| {
        let seconds = std::env::var("HQQ_IDLE").map_or(2, |seconds| seconds.parse().unwrap());
        let (_near, mut far) = hqq_std::pair().unwrap();
        for policy in [Policy::Park, Policy::Adaptive] {
            let idle = Instant::now() + Duration::from_secs(seconds);
            let before = cpu_time();
            let end = far
                .receiver()
                .recv_with_policy(&mut [0; 64], policy, Some(idle));
            let used = cpu_time() - before;
            assert_eq!(end, Err(RecvError::TimedOut));
            println!("{policy:?}: {used:?} of CPU in {seconds} s");
            // Polling a thousand times a second would be ten times that.
            assert!(used < Duration::from_millis(10 * seconds), "{used:?}");
        }
    });
}

mod readiness {
    use super::*;
    use hqq_std::wait::Readiness;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::os::fd::AsFd;

    /// Whether the descriptor is readable, at once or within `wait`.
    fn is_readable(readiness: &Readiness, wait: Duration) -> bool {
        let mut polled = [PollFd::new(readiness, PollFlags::IN)];
        let timeout = Timespec::try_from(wait).unwrap();
        poll(&mut polled, Some(&timeout)).unwrap() == 1
    }

    #[test]
    fn poll_tells_of_messages_room_and_the_end() {
        let (near, far) = LinkOptions::new().count(2).size(8).pair().unwrap();
        let (mut sender, _back) = near.split();
        let (_forth, mut receiver) = far.split();
        let mut message = [0; 8];
        sender.try_send(b"before").unwrap();
        let messages = receiver.readiness().unwrap();
        assert!(is_readable(&messages, LIMIT), "there is one");
        assert_eq!(receiver.try_recv(&mut message), Ok(6));
        assert!(
            is_readable(&messages, LIMIT),
            "nobody has said that it is empty"
        );
        assert!(receiver.try_recv(&mut message).is_err());
        for round in 0..200 {
            sender.try_send(b"news").unwrap();
            assert!(is_readable(&messages, LIMIT), "in round {round}");
            assert_eq!(receiver.try_recv(&mut message), Ok(4));
            assert!(receiver.try_recv(&mut message).is_err());
        }
        let room = sender.readiness().unwrap();
        for round in 0..200 {
            while sender.try_send(b"fill").is_ok() {}
            assert_eq!(sender.try_send(b"full"), Err(TrySendError::Full));
            while receiver.try_recv(&mut message).is_ok() {}
            assert!(is_readable(&room, LIMIT), "in round {round}");
        }
        assert!(receiver.try_recv(&mut message).is_err());
        drop(sender);
        assert!(is_readable(&messages, LIMIT), "the end is news");
        assert_eq!(
            receiver.try_recv(&mut message),
            Err(hqq_std::TryRecvError::Disconnected)
        );
        drop(receiver);
        assert!(
            messages.as_fd().try_clone_to_owned().is_ok(),
            "it stays valid"
        );
    }

    #[test]
    fn tokio_waits_on_the_descriptor() {
        use tokio::io::Interest;
        use tokio::io::unix::AsyncFd;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        bounded(move || {
            runtime.block_on(async {
                let (mut near, far) = LinkOptions::new().count(2).size(8).pair().unwrap();
                let (_sender, mut receiver) = far.split();
                let fd = receiver.readiness().unwrap();
                // SAFETY: a `Readiness` keeps the one descriptor it has open while it lives.
                let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
                let fd = fd.unwrap();
                let sending = std::thread::spawn(move || {
                    for number in 0..1000_u64 {
                        near.send(&number.to_le_bytes()).unwrap();
                    }
                });
                let mut message = [0; 8];
                let mut expected = 0_u64;
                loop {
                    match receiver.try_recv(&mut message) {
                        Ok(_) => {
                            assert_eq!(u64::from_le_bytes(message), expected);
                            expected += 1;
                        }
                        Err(hqq_std::TryRecvError::Disconnected) => break,
                        Err(_) => fd.readable().await.unwrap().clear_ready(),
                    }
                }
                assert_eq!(expected, 1000);
                sending.join().unwrap();
            });
        });
    }
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
