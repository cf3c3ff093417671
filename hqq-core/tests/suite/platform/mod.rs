//! Two cores whose caches see nothing of each other: each has a copy of the memory of its own, and
//! only what a `Platform` cleans and invalidates moves between the copies. A call that is missing
//! anywhere loses a message, delivers an old one, or hangs.
#![cfg(not(loom))]

#[cfg(not(hqq_narrow))]
mod heirs;
mod machine;
#[cfg(not(hqq_narrow))]
mod trouble;

use std::cell::RefCell;
use std::rc::Rc;

use hqq_core::packet::{Chunk, ConnectionCopy, CopyFlags};
use hqq_core::ring::managed::{ManagedConsumer, ManagedProducer};
use hqq_core::{
    AttachOptions, Fixed, InitOptions, Link, Receiver, Role, Sender, TryRecvError, TrySendError,
    initialise,
};

use machine::{Core, Done, LINE, Memory};

type Geometry = Fixed<4, 136>;
const LEN: usize = Geometry::LAYOUT.len();

type End = (
    Sender<ManagedProducer<Geometry, Core>>,
    Receiver<ManagedConsumer<Geometry, Core>>,
);

/// Two cores, each with an end.
fn cores() -> ((Core, End), (Core, End)) {
    let memory: Memory = Rc::new(RefCell::new(vec![0; LEN]));
    let ((near, near_region), (far, far_region)) = (Core::new(&memory), Core::new(&memory));
    initialise(&near_region, &Geometry::LAYOUT, &InitOptions::new()).unwrap();
    near_region.clean(&near);
    let attach = |region, role, core: &Core| {
        let options = AttachOptions::new(role);
        Link::<Geometry>::attach_managed(region, &options, core.clone()).unwrap()
    };
    let primary = attach(near_region, Role::Primary, &near);
    let secondary = attach(far_region, Role::Secondary, &far);
    ((near, primary), (far, secondary))
}

fn message(number: usize) -> Vec<u8> {
    (0..number * 29 % 137)
        .map(|at| (number * 31 + at * 7) as u8)
        .collect()
}

#[test]
fn messages_of_every_length_cross_both_ways() {
    let ((_, (mut sender, mut receiver)), (_, (mut back, mut there))) = cores();
    let mut buffer = [0; 136];
    for number in 0..500 {
        let expected = message(number);
        sender.try_send(&expected).unwrap();
        let len = there.try_recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], expected, "message {number}");
        back.try_send(&buffer[..len]).unwrap();
        let len = receiver.try_recv(&mut buffer).unwrap();
        assert_eq!(buffer[..len], expected, "answer {number}");
    }
}

/// What was mended before attaching was refused is in memory; what stayed in the cache would be written over what others
/// do later.
#[cfg(not(hqq_narrow))]
#[test]
fn nothing_stays_in_the_cache_of_a_core_that_was_refused() {
    use hqq_core::ring::stamp::writing;
    use hqq_core::{AttachError, Direction, Member, Position};
    let memory: Memory = Rc::new(RefCell::new(vec![0; LEN]));
    let (core, region) = Core::new(&memory);
    initialise(&region, &Geometry::LAYOUT, &InitOptions::new()).unwrap();
    region.clean(&core);
    let set = |direction, word: u64| {
        let at = Geometry::LAYOUT.slots(direction);
        memory.borrow_mut()[at..at + 8].copy_from_slice(&word.to_le_bytes());
    };
    // What a sender died at, and what no rule leads to.
    set(
        Direction::ToSecondary,
        writing(Position::new(0), Member::FIRST),
    );
    set(Direction::ToPrimary, u64::MAX);
    let options = AttachOptions::new(Role::Primary);
    let refused = Link::<Geometry>::attach_managed(region.clone(), &options, core.clone());
    assert!(matches!(refused.err(), Some(AttachError::Corrupt { .. })));
    assert!(core.is_clean());
}

#[test]
fn a_full_ring_drains_and_fills_again() {
    let ((_, (mut sender, _receiver)), (_, (_back, mut there))) = cores();
    let mut buffer = [0; 136];
    let (mut sent, mut received) = (0, 0);
    for _ in 0..50 {
        loop {
            match sender.try_send(&message(sent)) {
                Ok(()) => sent += 1,
                Err(TrySendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(!sender.is_writable());
        assert!(there.is_readable());
        loop {
            match there.try_recv(&mut buffer) {
                Ok(len) => {
                    assert_eq!(buffer[..len], message(received));
                    received += 1;
                }
                Err(TryRecvError::Empty) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((sent, sender.unread()), (received, 0));
    }
    assert_eq!(sent, 200);
}

#[test]
fn leaving_is_seen_after_the_last_message() {
    let ((_, (mut sender, receiver)), (_, (mut back, mut there))) = cores();
    assert!(sender.is_peer_open() && there.is_peer_open());
    sender.try_send(b"the last").unwrap();
    drop((sender, receiver));
    assert_eq!(there.try_recv(&mut [0; 136]), Ok(8));
    assert_eq!(
        there.try_recv(&mut [0; 136]),
        Err(TryRecvError::Disconnected)
    );
    assert_eq!(back.try_send(b"x"), Err(TrySendError::Disconnected));
}

#[test]
fn whoever_sends_only_sees_the_receiver_leave_as_well() {
    let ((_, (mut sender, _receiver)), (_, (_back, there))) = cores();
    drop(there);
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Disconnected));
}

/// A chunk of a message, which is all of it.
fn chunk(bytes: &[u8]) -> ConnectionCopy {
    let chunk = Chunk {
        connection_id: 0,
        message_id: 1,
        total_size: bytes.len() as u64,
        chunk_offset: 0,
        chunk_size: bytes.len() as u64,
        flags: CopyFlags::BEGIN | CopyFlags::END,
        aux: 0,
    };
    ConnectionCopy::new(chunk).unwrap()
}

#[test]
fn a_look_is_a_barrier_and_then_invalidates() {
    let layout = Geometry::LAYOUT;
    let direction = Role::Primary.sends();
    let slot = Done::Invalidate(layout.slots(direction), LINE);
    let released = Done::Invalidate(layout.released(direction).unwrap(), LINE);
    let ((near, (sender, _receiver)), (far, (_back, there))) = cores();
    near.take_done();
    far.take_done();
    assert!(sender.is_writable());
    let done = near.take_done();
    assert_eq!(done.first(), Some(&Done::Barrier), "{done:?}");
    assert!(done.contains(&released) && done.contains(&slot), "{done:?}");
    assert!(!there.is_readable());
    assert_eq!(far.take_done(), [Done::Barrier, slot]);
}

#[test]
fn chunks_cross() {
    let ((_, (mut sender, _receiver)), (_, (_back, mut there))) = cores();
    for number in 1..20 {
        let bytes = message(number);
        sender.try_send_chunk(chunk(&bytes), &bytes).unwrap();
        let packet = there.try_next_packet().unwrap();
        let mut buffer = [0; 136];
        let len = packet.copy_to(0, &mut buffer);
        assert_eq!(buffer[..len], bytes, "chunk {number}");
    }
}

#[test]
fn messages_of_a_batch_share_a_buffer_only_while_the_receiver_is_there() {
    let ((_, (mut sender, _receiver)), (_, (_back, mut there))) = cores();
    let batch = [[1; 50], [2; 50], [3; 50]];
    assert_eq!(sender.try_send_batch(&batch), Ok(3));
    assert_eq!(sender.unread(), 2, "two of them travel together");
    let mut buffer = [0; 136];
    for expected in batch {
        assert_eq!(there.try_recv(&mut buffer), Ok(50));
        assert_eq!(buffer[..50], expected);
    }
    drop(there);
    assert_eq!(
        sender.try_send_batch(&batch),
        Err(TrySendError::Disconnected)
    );
}

/// A shared receiver, on a core without a cache, gives buffers back by their slots.
#[cfg(not(hqq_narrow))]
#[test]
fn slots_that_a_shared_reader_gave_back_are_seen() {
    let memory: Memory = Rc::new(RefCell::new(vec![0; LEN]));
    let ((near, near_region), (far, far_region)) = (Core::new(&memory), Core::new(&memory));
    initialise(&near_region, &Geometry::LAYOUT, &InitOptions::new()).unwrap();
    near_region.clean(&near);
    let near = Link::<Geometry>::attach_managed(
        near_region,
        &AttachOptions::new(Role::Primary),
        near.clone(),
    );
    let (mut sender, _receiver) = near.unwrap();
    far.refresh();
    let options = AttachOptions::new(Role::Secondary);
    let there = hqq_core::SharedLink::<Geometry>::attach(far_region.clone(), &options).unwrap();
    far_region.clean(&far);
    for round in 0..3 {
        let mut sent = 0;
        while sender.try_send(&[round; 60]).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 4, "round {round}");
        far.refresh();
        for _ in 0..4 {
            let mut buffer = [0; 136];
            assert_eq!(there.receiver().try_recv(&mut buffer), Ok(60));
            assert_eq!(buffer[..60], [round; 60]);
        }
        far_region.clean(&far);
    }
}

/// Whether what the platform did before `at`, but for other lines that were invalidated with that one, was
/// a barrier.
fn follows_barrier(done: &[Done], at: usize) -> bool {
    let mut before = done[..at].iter().rev();
    before.find(|step| !matches!(step, Done::Invalidate(..))) == Some(&Done::Barrier)
}

#[test]
fn a_publish_cleans_the_message_before_its_stamp_and_a_receive_invalidates_before_it_reads() {
    let layout = Geometry::LAYOUT;
    let direction = Role::Primary.sends();
    let slot = layout.slots(direction);
    let buffer = layout.buffers(direction);
    // 136 bytes from a line's start on lie on three lines.
    let lines = (buffer, 3 * LINE);
    type Way = fn(&mut Sender<ManagedProducer<Geometry, Core>>);
    let ways: [Way; 3] = [
        |sender| sender.try_send(&[7; 8]).unwrap(),
        |sender| sender.try_send(&[7; 100]).unwrap(),
        |sender| sender.try_send_chunk(chunk(&[7; 100]), &[7; 100]).unwrap(),
    ];
    for send in ways {
        let ((near, (mut sender, _receiver)), (far, (_back, mut there))) = cores();
        near.take_done();
        far.take_done();
        send(&mut sender);
        let done = near.take_done();
        let seen = Done::Invalidate(slot, LINE);
        let seen = done.iter().position(|found| *found == seen).unwrap();
        assert!(follows_barrier(&done, seen), "{done:?}");
        let at = |what| done.iter().rposition(|found| *found == what).unwrap();
        let message = at(Done::Clean(lines.0, lines.1));
        let stamp = at(Done::Clean(slot, LINE));
        assert_eq!(done[message + 1], Done::Barrier, "{done:?}");
        assert!(message + 1 < stamp, "{done:?}");
        assert_eq!(done[stamp + 1..], [Done::Barrier], "{done:?}");

        drop(there.try_next_packet().unwrap());
        let done = far.take_done();
        let at = |what| done.iter().position(|found| *found == what).unwrap();
        let stamp = at(Done::Invalidate(slot, LINE));
        assert!(follows_barrier(&done, stamp), "{done:?}");
        let message = at(Done::Invalidate(lines.0, lines.1));
        assert!(stamp < message, "{done:?}");
        // Given back, and told.
        let released = layout.released(direction).unwrap();
        assert!(
            done[message..].contains(&Done::Clean(released, LINE)),
            "{done:?}"
        );
        assert_eq!(done.last(), Some(&Done::Barrier));
    }
}
