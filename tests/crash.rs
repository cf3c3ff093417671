//! What a process that is killed leaves behind: a role that is free, and every message.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hqq_core::{AttachError, Delivery, FormatError, Layout, superblock};
use hqq_std::inspect::Snapshot;
use hqq_std::wait::Policy;
use hqq_std::{
    DrainError, Format, LinkOptions, Mode, OpenError, RecvError, Role, SendError, StandardLink,
};
use hqq_tests::{LIMIT, Name, Process, Traffic, eventually, peer, rogue};

const SIZE: usize = 128;

fn small() -> LinkOptions {
    LinkOptions::new().count(16).size(SIZE)
}

fn region() -> Name {
    let name = Name::new();
    small().create_region(&name).unwrap();
    name
}

/// A peer that did what it was told and stays.
fn staying(mut command: std::process::Command) -> Process {
    let mut process = Process::start_with(&mut command, Stdio::piped());
    process.wait_for_output("ready");
    process
}

fn epoch(name: &Name, role: Role, consumer: bool) -> u32 {
    let snapshot = Snapshot::of_name(name).unwrap();
    let side = snapshot
        .sides
        .iter()
        .find(|side| side.role == role && side.consumer == consumer);
    side.unwrap().status.unwrap().epoch()
}

fn recv(link: &mut StandardLink) -> Vec<u8> {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    loop {
        match link.recv_vec() {
            Ok(message) => return message,
            // The next one is on its way.
            Err(RecvError::PeerDead) => assert!(link.wait_for_peer(Some(LIMIT))),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_killed_receiver_leaves_what_it_has_not_read() {
    let name = region();
    let mut near = small().open(&name).unwrap();
    let traffic = Traffic::new(0, SIZE);
    for index in 0..10 {
        near.send(traffic.message(index)).unwrap();
    }
    let peer = staying(peer!["recv", &*name, "3"]);
    assert_eq!(near.sender().unread(), 7);
    let before = epoch(&name, Role::Secondary, true);
    assert!(matches!(
        small().role(Role::Secondary).open(&name),
        Err(OpenError::Attach {
            error: AttachError::Side { .. },
            ..
        })
    ));
    peer.kill();
    assert_eq!(near.sender().unread(), 7);
    // The role is free at once: the kernel has freed the locks.
    let mut next = small().open(&name).unwrap();
    assert_eq!(next.role(), Role::Secondary);
    assert_eq!(epoch(&name, Role::Secondary, true), before + 1);
    near.send(traffic.message(10)).unwrap();
    for index in 3..=10 {
        assert_eq!(recv(&mut next), traffic.message(index), "message {index}");
    }
    near.sender().wait_drained(Some(LIMIT)).unwrap();
}

#[test]
fn a_killed_sender_leaves_what_it_has_sent() {
    let name = region();
    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    let peer = staying(peer!["send", &*name, "10"]);
    let before = epoch(&name, Role::Primary, false);
    peer.kill();
    let traffic = Traffic::new(0, SIZE);
    for index in 0..5 {
        assert_eq!(recv(&mut far), traffic.message(index), "message {index}");
    }
    let mut next = small().open(&name).unwrap();
    assert_eq!(next.role(), Role::Primary);
    assert_eq!(epoch(&name, Role::Primary, false), before + 1);
    next.send(b"after").unwrap();
    drop(next);
    for index in 5..10 {
        assert_eq!(recv(&mut far), traffic.message(index), "message {index}");
    }
    assert_eq!(recv(&mut far), b"after");
    assert_eq!(
        far.recv_timeout(&mut [0; SIZE], LIMIT),
        Err(RecvError::Disconnected)
    );
}

#[test]
fn senders_killed_while_they_send_lose_nothing_that_was_sent() {
    let name = region();
    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    let traffic = Traffic::new(0, SIZE);
    for round in 0..20_u64 {
        // It sends without end and is killed anywhere between two of its instructions.
        let endless = u64::MAX.to_string();
        let mut command = peer!["send", &*name, endless];
        let peer = Process::start_with(&mut command, Stdio::piped());
        let read = 20 + 37 * round;
        for index in 0..read {
            assert_eq!(recv(&mut far), traffic.message(index), "message {index}");
        }
        peer.kill();
        // An unbroken row of messages is left, at most a ring of them.
        let mut left = 0;
        while far.receiver().is_readable() {
            let message = recv(&mut far);
            assert_eq!(message, traffic.message(read + left));
            left += 1;
        }
        assert!(left <= 16, "{left} messages in 16 buffers");
    }
}

#[test]
fn receivers_killed_while_they_receive_lose_at_most_one_message() {
    let name = region();
    let mut near = small().role(Role::Primary).open(&name).unwrap();
    let traffic = Traffic::new(0, SIZE);
    near.set_write_timeout(Some(LIMIT)).unwrap();
    for round in 0..20_u64 {
        let endless = u64::MAX.to_string();
        let mut command = peer!["recv", &*name, endless];
        let peer = Process::start_with(&mut command, Stdio::piped());
        assert!(
            near.sender().wait_for_peer(Some(LIMIT)),
            "round {round}: {}",
            peer.stderr()
        );
        let mut sent = 0;
        // More than a ring, so that it has received some; it checks their order and contents.
        while sent < 40 + round {
            near.send(traffic.message(sent)).unwrap();
            sent += 1;
        }
        peer.kill();
        let unread = near.sender().unread() as u64;
        let mut next = small().role(Role::Secondary).open(&name).unwrap();
        // What the dead one was handed is gone (at most once); the rest is complete.
        let mut left = Vec::new();
        while next.receiver().is_readable() {
            left.push(recv(&mut next));
        }
        assert_eq!(left.len() as u64, unread);
        for (index, message) in (sent - unread..).zip(&left) {
            assert_eq!(message, traffic.message(index), "message {index} of {sent}");
        }
    }
}

#[test]
fn a_killed_member_of_a_shared_side_takes_nobody_along() {
    let name = region();
    let shared = small().shared().role(Role::Primary);
    let members: Vec<_> = (0..61).map(|_| shared.open(&name).unwrap()).collect();
    let peer = staying(peer!["open", &*name, "primary", "shared"]);
    assert!(matches!(
        shared.open(&name),
        Err(OpenError::MembersTaken { members: 62, .. })
    ));
    peer.kill();
    // Its place is free, and the side goes on.
    let replacement = shared.open(&name).unwrap();
    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    for member in members.iter().chain([&replacement]) {
        member.sender().send(b"here").unwrap();
        assert_eq!(recv(&mut far), b"here");
    }
    drop((members, replacement));
    assert_eq!(
        far.recv_timeout(&mut [0; SIZE], LIMIT),
        Err(RecvError::Disconnected)
    );
}

/// A buffer that was reserved, and neither sent nor dropped before its link was.
#[test]
fn what_somebody_forgot_who_has_left_is_in_nobodys_way_for_long() {
    let name = region();
    let shared = small().shared().role(Role::Primary);
    let (stays, leaves) = (shared.open(&name).unwrap(), shared.open(&name).unwrap());
    let mut far = small().role(Role::Secondary).open(&name).unwrap();
    std::mem::forget(leaves.sender().reserve().unwrap());
    drop(leaves);
    stays.sender().send(b"behind it").unwrap();
    let mut message = [0; SIZE];
    // This one repairs, at its end.
    let first = far.recv_timeout(&mut message, Duration::from_millis(20));
    assert_eq!(first, Err(RecvError::TimedOut));
    assert_eq!(far.recv_timeout(&mut message, LIMIT), Ok(9));
    assert_eq!(&message[..9], b"behind it");
}

/// A member that has left where it received, and sends on, stalls nobody: others take over what it left there, once
/// they can have ATTACH.
#[test]
fn what_a_member_left_that_sends_on_is_no_stall() {
    let name = Name::new();
    let options = small().delivery(Delivery::AtLeastOnce);
    options.create_region(&name).unwrap();
    let near = small().role(Role::Primary).open(&name).unwrap();
    let (mut sender, _receiver) = near.split();
    let shared = small().shared().role(Role::Secondary);
    let stays = shared.open(&name).unwrap();
    sender.send(b"left").unwrap();
    let mut killed = Process::start_with(&mut rogue!["take", &*name, "1"], Stdio::piped());
    killed.wait_for_output("holds");
    killed.kill();
    // It has the killed one's id, and so what that one had.
    let (_sending, leaving) = shared.open(&name).unwrap().split();
    let mut receiver = stays.receiver();
    while sender.try_send(b"read").is_ok() {}
    while receiver.try_recv(&mut [0; SIZE]).is_ok() {}
    let moment = Duration::from_millis(30);
    let mut ends = || {
        let sent = sender.send_timeout(b"behind it", moment);
        (sent, receiver.recv_timeout(&mut [0; SIZE], moment))
    };
    let stalled = ends();
    assert!(
        matches!(
            stalled,
            (
                Err(SendError::PeerStalled(_)),
                Err(RecvError::PeerStalled(_))
            )
        ),
        "{stalled:?}"
    );
    drop(leaving);
    let holder = staying(peer!["lock", name.path().display().to_string()]);
    assert_eq!(ends(), (Err(SendError::TimedOut), Err(RecvError::TimedOut)));
    holder.kill();
    assert_eq!(receiver.recv_timeout(&mut [0; SIZE], LIMIT), Ok(4));
    assert_eq!(sender.send_timeout(b"behind it", LIMIT), Ok(()));
}

#[test]
fn a_side_used_in_one_mode_by_a_dead_one_is_free_for_the_other() {
    for (dead, next) in [("exclusive", Mode::Shared), ("shared", Mode::Exclusive)] {
        let name = region();
        staying(peer!["open", &*name, "primary", dead]).kill();
        let options = small().role(Role::Primary);
        if next == Mode::Shared {
            drop(options.shared().open(&name).unwrap());
        } else {
            drop(options.open(&name).unwrap());
        }
    }
}

#[test]
fn a_process_killed_while_it_attaches_blocks_nobody() {
    let name = region();
    let path = name.path();
    let holder = staying(peer!["lock", path.display().to_string()]);
    let patience = Duration::from_millis(30);
    let options = small().attach_timeout(patience);
    let error = options.open(&name).err().unwrap();
    assert!(
        matches!(&error, OpenError::Busy { path, waited }
            if *path == name.path() && *waited >= patience),
        "{error:?}"
    );
    assert!(error.is_transient());
    holder.kill();
    drop(options.open(&name).unwrap());
}

#[test]
fn a_region_whose_creator_died_half_way_is_made_anew() {
    let name = region();
    let file = std::fs::File::options()
        .write(true)
        .open(name.path())
        .unwrap();
    file.write_all_at(&superblock::STATE_INITIALISING.to_le_bytes(), 8)
        .unwrap();
    assert!(matches!(
        small().open(&name),
        Err(OpenError::Attach {
            error: AttachError::Format(FormatError::Initialising { format: Format::V2 }),
            ..
        })
    ));
    let mut near = small().create_or_open(&name).unwrap();
    let mut far = small().open(&name).unwrap();
    near.send(b"anew").unwrap();
    assert_eq!(recv(&mut far), b"anew");
    let len = Layout::file(16, SIZE).unwrap().len() as u64;
    assert_eq!(name.path().metadata().unwrap().len(), len);
}

#[test]
fn a_receiver_learns_that_its_sender_lives_no_longer() {
    let name = region();
    let far = small().role(Role::Secondary).open(&name).unwrap();
    let (_sender, receiver) = far.split();
    let peer = staying(peer!["open", &*name, "primary", "exclusive"]);
    assert!(receiver.is_peer_open() && !receiver.is_peer_dead());
    peer.kill();
    eventually("the death to be seen", || {
        receiver.is_peer_dead().then_some(())
    });
}

/// As many claims as there can be, all of one that dies.
#[test]
fn a_ring_full_of_claims_of_a_dead_one_is_repaired() {
    const COUNT: usize = 4096;
    let options = LinkOptions::new().count(COUNT).size(64);
    for round in 0..3 {
        let name = Name::new();
        options.create_region(&name).unwrap();
        let mut holder = rogue!["hold", &*name, COUNT.to_string()];
        let mut holder = Process::start_with(&mut holder, Stdio::piped());
        holder.wait_for_output("holds");
        let mut near = options.open(&name).unwrap();
        let caretaker = options.caretaker(&name).unwrap();
        // It lives: nothing is taken away.
        assert!(!caretaker.repair().unwrap().has_changed());
        holder.kill();
        let began = Instant::now();
        if round == 0 {
            // Whoever waits repairs.
            near.set_read_timeout(Some(LIMIT)).unwrap();
            assert!(matches!(near.recv_vec(), Err(RecvError::PeerDead)));
            println!(
                "a waiting receiver had repaired {COUNT} claims after {:?}",
                began.elapsed()
            );
        } else {
            let repaired = caretaker.repair().unwrap();
            println!("{COUNT} claims repaired in {:?}", began.elapsed());
            assert_eq!((repaired.tombstones, repaired.members), (COUNT, 1));
        }
        assert!(!caretaker.repair().unwrap().has_changed());
        // The ring is full of tombstones, which give way to whoever comes next.
        let mut next = options.open(&name).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| next.send(b"the next one").unwrap());
            assert_eq!(near.recv_vec().unwrap(), b"the next one");
        });
    }
}

#[test]
fn who_waits_for_a_dead_peer_to_take_messages_learns_of_it() {
    for policy in [Policy::Park, Policy::Adaptive] {
        let name = region();
        let mut near = small().wait_policy(policy).open(&name).unwrap();
        let peer = staying(peer!["open", &*name, "secondary", "exclusive"]);
        near.send(b"nobody takes it").unwrap();
        peer.kill();
        let began = Instant::now();
        // Many times as long as it takes.
        let drained = near.sender().wait_drained(Some(LIMIT / 8));
        println!("{policy:?}: noticed after {:.2?}", began.elapsed());
        assert_eq!(drained, Err(DrainError::PeerDead { unread: 1 }));
    }
}

/// Nobody sends anything: what wakes a sleeper is the death alone.
#[test]
fn who_sleeps_is_woken_when_its_peer_dies() {
    let name = region();
    let far = small().role(Role::Secondary).open(&name).unwrap();
    let (_sender, mut receiver) = far.split();
    let mut woken = 0;
    for _ in 0..4 {
        let peer = staying(peer!["open", &*name, "primary", "exclusive"]);
        let before = receiver.wait_stats();
        let late = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let ended = receiver.recv_timeout(&mut [0; SIZE], LIMIT);
                (ended, Instant::now())
            });
            // In the middle of a sleep that would last until the 310th millisecond.
            std::thread::sleep(Duration::from_millis(200));
            let killed = Instant::now();
            peer.kill();
            let (ended, at) = waiting.join().unwrap();
            assert_eq!(ended, Err(RecvError::PeerDead));
            at.saturating_duration_since(killed)
        });
        let after = receiver.wait_stats();
        let by_itself = after.expired - before.expired;
        let sleeps = after.sleeps - before.sleeps;
        println!(
            "{late:.2?} from the kill to the error; {sleeps} sleeps, {by_itself} not ended by a waker"
        );
        woken += u32::from(sleeps > by_itself);
    }
    assert!(woken > 0, "the deaths were only found by looking");
}
