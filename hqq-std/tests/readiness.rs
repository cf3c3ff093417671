//! Descriptors tell of news, and are readable until a call that does not wait has found nothing: event loops
//! that take one thing an event sleep through nothing.
//!
//! `HQQ_EVENTS` is the number of pairs of messages of each way to call.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are tests, too"
)]

mod common;

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{LIMIT, Name, bounded, bounded_by};
use hqq_core::Layout;
use hqq_core::ring::{Consumer, Producer};
use hqq_std::{LinkOptions, Receiver, Role, Sender, TryRecvError, TrySendError};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// Longer than news takes on a busy machine.
const LATE: Duration = Duration::from_secs(20);

fn pairs() -> u64 {
    std::env::var("HQQ_EVENTS").map_or(5_000, |count| count.parse().unwrap())
}

fn is_readable(readiness: &impl AsFd, wait: Duration) -> bool {
    let mut polled = [PollFd::new(readiness, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::try_from(wait).unwrap())).unwrap() == 1
}

/// Spins for a while that is different each time, so that what follows meets an event loop at each of its
/// steps.
fn dither(state: &mut u64) {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    for _ in 0..(*state >> 33) % 400 {
        std::hint::spin_loop();
    }
}

/// Waits until `count` is at least `value`.
fn await_count(count: &AtomicU64, value: u64) {
    let begun = Instant::now();
    // Acquire: pairs with the Release of whoever counts.
    while count.load(Ordering::Acquire) < value {
        std::thread::yield_now();
        assert!(begun.elapsed() < LIMIT, "{value} is never reached");
    }
}

/// One call an event, until so many have succeeded: it is for the descriptor to say that there is more.
fn loop_by_events(
    readiness: &impl AsFd,
    count: &AtomicU64,
    times: u64,
    mut call: impl FnMut() -> bool,
) {
    let mut done = 0;
    while done < times {
        if !is_readable(readiness, LATE) {
            // Nobody is to wait for this thread.
            count.store(u64::MAX, Ordering::Release);
            panic!("after {done} of {times} there was more, and nothing said so");
        }
        if call() {
            done += 1;
            // Release: pairs with the Acquire in `await_count`.
            count.store(done, Ordering::Release);
        }
    }
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
        Err(TryRecvError::Disconnected)
    );
    drop(receiver);
    assert!(
        messages.as_fd().try_clone_to_owned().is_ok(),
        "it stays valid"
    );
}

/// Writes the flag of who sleeps for what the primary sends, messages or room.
fn put_flag(name: &Name, consumer: bool, flag: u32) {
    let layout = Layout::file(2, 8).unwrap();
    let words = layout.wait_words(Role::Primary.sends(), consumer).unwrap();
    let options = &mut std::fs::File::options();
    let file = options.write(true).open(name.path()).unwrap();
    file.write_all_at(&flag.to_le_bytes(), words as u64)
        .unwrap();
}

/// Calls whenever the descriptor is readable until that gives something.
fn at_an_event<T>(readiness: &impl AsFd, mut call: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < LATE {
        assert!(
            is_readable(readiness, LATE),
            "nothing said that there is more"
        );
        if let Some(value) = call() {
            return value;
        }
    }
    panic!("events, and nothing came of them");
}

/// The flag is down beside what an honest peer publishes: somebody has stopped before he woke anybody, or
/// never means to. An event loop has no deadline at which it would look.
#[test]
fn news_is_told_of_whatever_the_wait_words_say() {
    // Left down, and put up again once the news has passed.
    for after in [0, 1] {
        let name = Name::new();
        let options = LinkOptions::new().count(2).size(8);
        let (mut sender, _back) = options.create(&name).unwrap().split();
        let (_forth, mut receiver) = options.open(&name).unwrap().split();
        let messages = receiver.readiness().unwrap();
        let room = sender.readiness().unwrap();
        let mut message = [0; 8];
        let empty = receiver.try_recv(&mut message);
        assert_eq!(empty, Err(TryRecvError::Empty));
        put_flag(&name, true, 0);
        assert_eq!(sender.try_send(b"unheard"), Ok(()));
        put_flag(&name, true, after);
        let taken = at_an_event(&messages, || receiver.try_recv(&mut message).ok());
        assert_eq!(taken, 7, "with {after} left there");
        while sender.try_send(b"fill").is_ok() {}
        assert_eq!(sender.try_send(b"full"), Err(TrySendError::Full));
        put_flag(&name, false, 0);
        while receiver.try_recv(&mut message).is_ok() {}
        put_flag(&name, false, after);
        at_an_event(&room, || sender.try_send(b"room").ok());
    }
}

/// What epoll says at once, or after a while, of the one descriptor that is registered.
fn epoll_tells(epoll: impl AsFd, wait: Duration) -> bool {
    let mut events = Vec::with_capacity(1);
    let wait = Timespec::try_from(wait).unwrap();
    let buffer = rustix::buffer::spare_capacity(&mut events);
    epoll::wait(epoll, buffer, Some(&wait)).unwrap() == 1
}

/// As mio registers it, too: for edges.
#[test]
fn epoll_tells_of_levels_and_of_edges() {
    for flags in [
        epoll::EventFlags::IN,
        epoll::EventFlags::IN | epoll::EventFlags::ET,
    ] {
        let is_edge = flags.contains(epoll::EventFlags::ET);
        let (near, far) = LinkOptions::new().count(4).size(8).pair().unwrap();
        let (mut sender, _back) = near.split();
        let (_forth, mut receiver) = far.split();
        let messages = receiver.readiness().unwrap();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let data = epoll::EventData::new_u64(7);
        epoll::add(&epoll, &messages, data, flags).unwrap();
        let mut message = [0; 8];
        let mut taken = 0;
        for round in 0..200 {
            // Until it says that there is nothing: from then on there are edges.
            while receiver.try_recv(&mut message).is_ok() {
                taken += 1;
            }
            assert_eq!(taken, 2 * round);
            assert_eq!(sender.try_send_batch(&[b"one", b"two"]), Ok(2));
            assert!(epoll_tells(&epoll, LATE), "in round {round}, {flags:?}");
            if !is_edge {
                assert_eq!(receiver.try_recv(&mut message), Ok(3));
                taken += 1;
                assert!(
                    epoll_tells(&epoll, LATE),
                    "there is another, in round {round}"
                );
            }
        }
    }
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
                    Err(TryRecvError::Disconnected) => break,
                    Err(_) => fd.readable().await.unwrap().clear_ready(),
                }
            }
            assert_eq!(expected, 1000);
            sending.join().unwrap();
        });
    });
}

/// Two messages at a time, for a loop that takes one an event.
fn takes_all<P: Producer, C: Consumer>(
    (mut sender, mut receiver): (Sender<P>, Receiver<C>),
    mut take: impl FnMut(&mut Receiver<C>) -> Result<(), TryRecvError> + Send,
) where
    Receiver<C>: Send,
{
    let taken = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let readiness = receiver.readiness().unwrap();
            loop_by_events(&readiness, &taken, 2 * pairs(), || {
                match take(&mut receiver) {
                    Ok(()) => true,
                    Err(TryRecvError::Empty | TryRecvError::Busy) => false,
                    Err(error) => panic!("{error}"),
                }
            });
        });
        let mut state = 1;
        for pair in 0..pairs() {
            await_count(&taken, 2 * pair);
            dither(&mut state);
            assert_eq!(sender.try_send_batch(&[[1_u8; 8], [2; 8]]), Ok(2));
        }
        await_count(&taken, 2 * pairs());
    });
}

fn takes_all_in_each_way<P: Producer, C: Consumer>(pair: impl Fn() -> (Sender<P>, Receiver<C>))
where
    Receiver<C>: Send,
{
    takes_all(pair(), |receiver| {
        receiver.try_recv(&mut [0; 8]).map(|len| assert_eq!(len, 8))
    });
    takes_all(pair(), |receiver| {
        receiver.try_read(&mut [0; 8]).map(|len| assert_eq!(len, 8))
    });
    takes_all(pair(), |receiver| receiver.try_next().map(drop));
    takes_all(pair(), |receiver| {
        receiver
            .try_recv_batch(1, |_| ())
            .map(|count| assert_eq!(count, 1))
    });
}

#[test]
fn a_loop_that_takes_one_message_an_event_gets_them_all() {
    bounded_by(4 * LIMIT, || {
        takes_all_in_each_way(|| {
            let (near, far) = LinkOptions::new().count(4).size(8).pair().unwrap();
            (near.split().0, far.split().1)
        });
    });
}

#[test]
fn a_loop_that_takes_one_message_an_event_gets_them_all_on_a_shared_side() {
    bounded_by(4 * LIMIT, || {
        takes_all_in_each_way(|| {
            let options = LinkOptions::new().count(4).size(8).shared();
            let (near, far) = options.pair().unwrap();
            (near.split().0, far.split().1)
        });
    });
}

/// Room for two at a time, for a loop that fills one buffer an event.
fn fills_all<P: Producer, C: Consumer>(
    (mut sender, mut receiver): (Sender<P>, Receiver<C>),
    mut fill: impl FnMut(&mut Sender<P>) -> Result<(), TrySendError> + Send,
) where
    Sender<P>: Send,
{
    while sender.try_send(&[0; 8]).is_ok() {}
    let filled = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let readiness = sender.readiness().unwrap();
            loop_by_events(&readiness, &filled, 2 * pairs(), || {
                match fill(&mut sender) {
                    Ok(()) => true,
                    Err(TrySendError::Full | TrySendError::Busy) => false,
                    Err(error) => panic!("{error}"),
                }
            });
        });
        let mut state = 2;
        for pair in 0..pairs() {
            await_count(&filled, 2 * pair);
            dither(&mut state);
            assert_eq!(receiver.try_recv_batch(2, |_| ()), Ok(2));
        }
        await_count(&filled, 2 * pairs());
    });
}

fn fills_all_in_each_way<P: Producer, C: Consumer>(pair: impl Fn() -> (Sender<P>, Receiver<C>))
where
    Sender<P>: Send,
{
    fills_all(pair(), |sender| sender.try_send(&[1; 8]));
    fills_all(pair(), |sender| sender.try_send_vectored(&[[1; 4], [2; 4]]));
    fills_all(pair(), |sender| {
        sender
            .try_send_batch(&[[1; 8]])
            .map(|count| assert_eq!(count, 1))
    });
    fills_all(pair(), |sender| {
        sender.try_reserve().map(|grant| grant.commit(8).unwrap())
    });
}

#[test]
fn a_loop_that_fills_one_buffer_an_event_finds_all_room() {
    bounded_by(4 * LIMIT, || {
        fills_all_in_each_way(|| {
            let (near, far) = LinkOptions::new().count(2).size(8).pair().unwrap();
            (near.split().0, far.split().1)
        });
    });
}

#[test]
fn a_loop_that_fills_one_buffer_an_event_finds_all_room_on_a_shared_side() {
    bounded_by(4 * LIMIT, || {
        fills_all_in_each_way(|| {
            let options = LinkOptions::new().count(2).size(8).shared();
            let (near, far) = options.pair().unwrap();
            (near.split().0, far.split().1)
        });
    });
}
