//! Event loops never wait in a call: what they learn of deaths, a half's descriptor has to tell them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hqq_core::ring::Consumer;
use hqq_core::{Delivery, Layout, Member, ReadGrant};
use hqq_std::wait::Readiness;
use hqq_std::{LinkOptions, Receiver, Role, TryRecvError, TrySendError};
use hqq_tests::{Name, Process, peer, rogue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const COUNT: usize = 16;
const SIZE: usize = 128;
/// Longer than a death takes to be noticed on a busy machine.
const LATE: Duration = Duration::from_secs(30);

fn small() -> LinkOptions {
    LinkOptions::new().count(COUNT).size(SIZE)
}

fn region(delivery: Delivery) -> Name {
    let name = Name::new();
    small().delivery(delivery).create_region(&name).unwrap();
    name
}

fn process(mut command: Command, ready: &str) -> Process {
    let mut process = Process::start_with(&mut command, Stdio::piped());
    process.wait_for_output(ready);
    process
}

/// Has the region's records tell nothing of a process, as they do to one of another pid namespace: nobody
/// can have it noticed when it ends.
fn forget(name: &Name, count: usize, process: u32) {
    let layout = Layout::file(count, SIZE).unwrap();
    let options = &mut File::options();
    let file = options.read(true).write(true).open(name.path()).unwrap();
    let mut found = 0;
    for role in Role::BOTH {
        for member in (1..=layout.members()).filter_map(|id| Member::new(id.try_into().unwrap())) {
            for consumer in [false, true] {
                let half = layout.member(role, member, consumer).unwrap();
                let at = half as u64 + 4;
                let mut id = [0; 4];
                file.read_exact_at(&mut id, at).unwrap();
                if u32::from_le_bytes(id) == process {
                    file.write_all_at(&[0; 4], at).unwrap();
                    found += 1;
                }
            }
        }
    }
    assert_eq!(found, 2, "its sending and its receiving half");
}

/// Calls once an event until the call gives something, which has to be in time.
fn at_an_event<T>(readiness: &Readiness, mut call: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        let left = LATE.saturating_sub(began.elapsed());
        let timeout = Timespec::try_from(left).unwrap();
        let mut polled = [PollFd::new(readiness, PollFlags::IN)];
        let events = poll(&mut polled, Some(&timeout)).unwrap();
        assert_eq!(events, 1, "nothing was told in {LATE:?}");
        if let Some(value) = call() {
            return value;
        }
        assert!(began.elapsed() < LATE, "events, and nothing came of them");
    }
}

/// What a receiver that is not woken for anything else finds.
fn is_empty<C: Consumer>(receiver: &mut Receiver<C>) -> bool {
    receiver.try_recv(&mut [0; SIZE]) == Err(TryRecvError::Empty)
}

#[test]
fn messages_that_a_killed_reader_had_come_to_a_pool_of_event_loops() {
    for knows in [true, false] {
        let name = region(Delivery::AtLeastOnce);
        let mut near = small().role(Role::Primary).open(&name).unwrap();
        for message in [&b"one"[..], b"two", b"three"] {
            near.send(message).unwrap();
        }
        let reader = process(rogue!["take", &*name, "3"], "holds");
        if !knows {
            forget(&name, COUNT, reader.id());
        }
        let far = small().role(Role::Secondary).shared().open(&name).unwrap();
        let mut receivers = [far.receiver(), far.receiver()];
        let ready = receivers.each_mut().map(|one| one.readiness().unwrap());
        assert!(receivers.iter_mut().all(is_empty));
        reader.kill();
        let mut took = Vec::new();
        while took.len() < 3 {
            // The one and the other, whichever is told.
            let mut polled = ready.each_ref().map(|one| PollFd::new(one, PollFlags::IN));
            let late = Timespec::try_from(LATE).unwrap();
            let events = poll(&mut polled, Some(&late)).unwrap();
            assert!(events > 0, "{took:?} is all that came in {LATE:?}");
            let told = polled.each_ref().map(|one| !one.revents().is_empty());
            for (receiver, _) in receivers.iter_mut().zip(told).filter(|(_, told)| *told) {
                match receiver.try_next() {
                    Ok(message) => {
                        assert!(message.is_in_doubt());
                        let mut bytes = [0; SIZE];
                        let len = message.copy_to(0, &mut bytes);
                        took.push(bytes[..len].to_vec());
                    }
                    Err(error) => assert_eq!(error, TryRecvError::Empty),
                }
            }
        }
        took.sort();
        assert_eq!(took, [&b"one"[..], b"three", b"two"]);
        assert!(receivers.iter_mut().all(is_empty));
        near.send(b"new").unwrap();
        let [receiver, _] = &mut receivers;
        let [ready, _] = &ready;
        assert_eq!(
            at_an_event(ready, || receiver.try_recv(&mut [0; SIZE]).ok()),
            3
        );
    }
}

/// A message that was handed out in doubt.
fn in_doubt<C: Consumer>(message: ReadGrant<'_, C>) -> Option<Vec<u8>> {
    assert!(message.is_in_doubt());
    let mut bytes = [0; SIZE];
    let len = message.copy_to(0, &mut bytes);
    Some(bytes[..len].to_vec())
}

/// Somebody comes with a killed reader's id, so that what that one had is its own, gets one message or none, and
/// goes, or sends on only: the others get the rest, by an event loop or by waiting, and then the end.
#[test]
fn messages_that_a_killed_reader_had_come_to_others_though_its_heir_has_left() {
    let ways = [(true, 0), (true, 1), (false, 0), (false, 1)];
    for (polls, gets, sends_on) in ways
        .into_iter()
        .flat_map(|(polls, gets)| [(polls, gets, false), (polls, gets, true)])
    {
        let name = region(Delivery::AtLeastOnce);
        let mut near = small().role(Role::Primary).open(&name).unwrap();
        let options = small().role(Role::Secondary).shared();
        let far = options.open(&name).unwrap();
        for message in [&b"one"[..], b"two"] {
            near.send(message).unwrap();
        }
        process(rogue!["take", &*name, "2"], "holds").kill();
        let (sender, mut receiver) = options.open(&name).unwrap().split();
        for _ in 0..gets {
            assert!(receiver.try_next().unwrap().is_in_doubt());
        }
        let _sender = sends_on.then_some(sender);
        drop(receiver);
        drop(near);
        let mut receiver = far.receiver();
        receiver.set_timeout(Some(LATE)).unwrap();
        let readiness = polls.then(|| receiver.readiness().unwrap());
        let mut took = Vec::new();
        while took.len() < 2 - gets {
            let message = match &readiness {
                Some(readiness) => at_an_event(readiness, || in_doubt(receiver.try_next().ok()?)),
                None => in_doubt(receiver.next().unwrap()).unwrap(),
            };
            took.push(message);
        }
        took.sort();
        assert!([b"one", b"two"].map(|one| one.to_vec()).ends_with(&took));
        assert_eq!(
            receiver.try_recv(&mut [0; SIZE]),
            Err(TryRecvError::Disconnected)
        );
    }
}

/// Where nobody tells of the death, whoever waits looks by itself.
#[test]
fn event_loops_learn_that_their_peer_has_died() {
    for knows in [true, false] {
        let name = region(Delivery::AtMostOnce);
        let reader = process(peer!["open", &*name, "secondary", "exclusive"], "ready");
        if !knows {
            forget(&name, COUNT, reader.id());
        }
        let near = small().role(Role::Primary).open(&name).unwrap();
        let (mut sender, mut receiver) = near.split();
        let messages = receiver.readiness().unwrap();
        let room = sender.readiness().unwrap();
        assert!(is_empty(&mut receiver));
        while sender.try_send(b"fills the ring").is_ok() {}
        assert_eq!(sender.try_send(b"full"), Err(TrySendError::Full));
        reader.kill();
        let mut buffer = [0; SIZE];
        let end = at_an_event(&messages, || {
            Some(receiver.try_recv(&mut buffer)).filter(|end| *end != Err(TryRecvError::Empty))
        });
        assert_eq!(end, Err(TryRecvError::PeerDead));
        let end = at_an_event(&room, || {
            Some(sender.try_send(b"more")).filter(|end| *end != Err(TrySendError::Full))
        });
        assert_eq!(end, Err(TrySendError::PeerDead));
    }
}

/// Traffic keeps no event loop from looking who has died, where nobody tells it.
#[test]
fn an_event_loop_that_is_woken_all_the_time_gets_past_a_dead_sender() {
    const MANY: usize = 1024;
    let name = Name::new();
    let many = LinkOptions::new().count(MANY).size(SIZE);
    many.create_region(&name).unwrap();
    let writer = process(rogue!["hold", &*name, "1"], "holds");
    forget(&name, MANY, writer.id());
    let near = many.role(Role::Primary).shared().open(&name).unwrap();
    let far = LinkOptions::new()
        .role(Role::Secondary)
        .open(&name)
        .unwrap();
    let (mut sender, mut receiver) = (near.sender(), far.split().1);
    let _ready = receiver.readiness().unwrap();
    assert!(is_empty(&mut receiver));
    writer.kill();
    let mut buffer = [0; SIZE];
    loop {
        let sent = sender.try_send(b"behind it");
        assert_eq!(sent, Ok(()), "the ring is full, and nobody has looked");
        // A pace: each message wakes the loop's helper.
        std::thread::sleep(Duration::from_millis(20));
        match receiver.try_recv(&mut buffer) {
            Ok(len) => break assert_eq!(&buffer[..len], b"behind it"),
            Err(error) => assert_eq!(error, TryRecvError::Empty),
        }
    }
}
