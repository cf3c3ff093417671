//! Waiting: until when, and what the answer is then.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::io;
use std::time::{Duration, Instant};

use common::{LIMIT, Name, bounded, bounded_by};
use hqq_core::position::Position;
use hqq_core::ring::stamp;
use hqq_core::{Direction, Layout, Member};
use hqq_std::wait::Backoff;
use hqq_std::{
    Delivery, DrainError, LinkOptions, OpenError, RecvError, Role, SendError, StandardLink,
};

const SHORT: Duration = Duration::from_millis(30);

fn small() -> LinkOptions {
    LinkOptions::new().count(2).size(64)
}

fn full() -> (StandardLink, StandardLink) {
    let (mut near, far) = small().pair().unwrap();
    near.send(b"one").unwrap();
    near.send(b"two").unwrap();
    (near, far)
}

/// What `call` gives, which it may not do before its deadline.
fn not_before<T>(call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    result
}

#[test]
fn receiving_times_out_at_its_deadline() {
    let (_near, mut far) = small().pair().unwrap();
    let mut buffer = [0; 64];
    assert_eq!(
        not_before(|| far.recv_timeout(&mut buffer, SHORT)),
        Err(RecvError::TimedOut)
    );
    assert_eq!(
        not_before(|| far.recv_deadline(&mut buffer, Instant::now() + SHORT)),
        Err(RecvError::TimedOut)
    );
    far.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(
        not_before(|| far.recv(&mut buffer)),
        Err(RecvError::TimedOut)
    );
    assert_eq!(not_before(|| far.recv_vec()), Err(RecvError::TimedOut));
    assert_eq!(
        not_before(|| far.receiver().next().map(drop)),
        Err(RecvError::TimedOut)
    );
    let error = not_before(|| io::Read::read(&mut far, &mut buffer)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(
        not_before(|| far.receiver().incoming().next()),
        Some(Err(RecvError::TimedOut))
    );
}

#[test]
fn sending_times_out_at_its_deadline() {
    let (mut near, mut far) = full();
    assert_eq!(
        not_before(|| near.send_timeout(b"three", SHORT)),
        Err(SendError::TimedOut)
    );
    assert_eq!(
        not_before(|| near.send_deadline(b"three", Instant::now() + SHORT)),
        Err(SendError::TimedOut)
    );
    near.set_write_timeout(Some(SHORT)).unwrap();
    assert_eq!(not_before(|| near.send(b"three")), Err(SendError::TimedOut));
    assert_eq!(
        not_before(|| near.sender().send_vectored(&[b"three"])),
        Err(SendError::TimedOut)
    );
    assert_eq!(
        not_before(|| near.sender().reserve().map(drop)),
        Err(SendError::TimedOut)
    );
    assert_eq!(
        not_before(|| near.sender().send_chunked(b"three")),
        Err((0, SendError::TimedOut))
    );
    let error = not_before(|| io::Write::write(&mut near, b"three")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    // Nothing of all that was published.
    assert_eq!(far.recv_vec().unwrap(), b"one");
    assert_eq!(far.recv_vec().unwrap(), b"two");
    assert_eq!(
        far.recv_timeout(&mut [0; 64], SHORT),
        Err(RecvError::TimedOut)
    );
}

#[test]
fn a_deadline_in_the_past_still_takes_what_is_there() {
    let (mut near, mut far) = small().pair().unwrap();
    let past = Instant::now();
    near.send_deadline(b"room", past).unwrap();
    assert_eq!(far.recv_deadline(&mut [0; 64], past), Ok(4));
    assert_eq!(
        far.recv_deadline(&mut [0; 64], past),
        Err(RecvError::TimedOut)
    );
    assert_eq!(
        far.recv_timeout(&mut [0; 64], Duration::ZERO),
        Err(RecvError::TimedOut)
    );
}

#[test]
fn an_endless_timeout_is_no_overflow() {
    let (mut near, mut far) = small().pair().unwrap();
    near.send_timeout(b"x", Duration::MAX).unwrap();
    far.set_read_timeout(Some(Duration::MAX)).unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"x");
    let never = Backoff::within(Some(Duration::MAX));
    assert!(never.pause(1).is_continue());
}

#[test]
fn a_timeout_of_zero_is_an_error_as_for_sockets() {
    let (mut near, _far) = small().pair().unwrap();
    for error in [
        near.set_read_timeout(Some(Duration::ZERO)).unwrap_err(),
        near.set_write_timeout(Some(Duration::ZERO)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("zero"), "{error}");
    }
    near.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(near.receiver().timeout(), Some(SHORT));
    near.set_read_timeout(None).unwrap();
    assert_eq!(near.receiver().timeout(), None);
}

#[test]
fn a_waiting_receiver_gets_what_comes() {
    bounded(|| {
        let (mut near, mut far) = small().pair().unwrap();
        let waiting = std::thread::spawn(move || far.recv_vec());
        near.send(b"came").unwrap();
        assert_eq!(waiting.join().unwrap().unwrap(), b"came");
    });
}

#[test]
fn a_waiting_sender_gets_the_room_that_is_made() {
    bounded(|| {
        let (mut near, mut far) = full();
        let waiting = std::thread::spawn(move || {
            near.send(b"three").unwrap();
            near
        });
        assert_eq!(far.recv_vec().unwrap(), b"one");
        let _near = waiting.join().unwrap();
        assert_eq!(far.recv_vec().unwrap(), b"two");
        assert_eq!(far.recv_vec().unwrap(), b"three");
    });
}

#[test]
fn draining_waits_for_the_reader() {
    bounded(|| {
        let (mut near, mut far) = full();
        assert_eq!(
            not_before(|| near.sender().wait_drained(Some(SHORT))),
            Err(DrainError::TimedOut { unread: 2 })
        );
        far.recv(&mut [0; 64]).unwrap();
        assert_eq!(near.sender().unread(), 1);
        assert_eq!(
            near.sender().wait_drained(Some(SHORT)),
            Err(DrainError::TimedOut { unread: 1 })
        );
        let reading = std::thread::spawn(move || {
            far.recv(&mut [0; 64]).unwrap();
            far
        });
        near.sender().wait_drained(None).unwrap();
        let _far = reading.join().unwrap();
        near.sender().wait_drained(Some(Duration::ZERO)).unwrap();
    });
}

#[test]
fn draining_ends_when_the_reader_leaves() {
    let (mut near, mut far) = full();
    far.recv(&mut [0; 64]).unwrap();
    drop(far);
    assert_eq!(
        near.sender().wait_drained(Some(LIMIT)),
        Err(DrainError::Disconnected { unread: 1 })
    );
}

#[test]
fn a_reader_that_left_after_reading_everything_is_as_good() {
    let (mut near, mut far) = full();
    far.recv(&mut [0; 64]).unwrap();
    far.recv(&mut [0; 64]).unwrap();
    drop(far);
    near.sender().wait_drained(Some(LIMIT)).unwrap();
}

#[test]
fn a_message_being_read_in_its_buffer_is_not_waited_for() {
    let (mut near, mut far) = full();
    far.recv(&mut [0; 64]).unwrap();
    let grant = far.receiver().next().unwrap();
    // An exclusive receiver was handed it; only a grant keeps the buffer.
    near.sender().wait_drained(Some(LIMIT)).unwrap();
    assert_eq!(grant.len(), 3);
}

#[test]
fn waiting_for_a_peer_that_does_not_come_ends() {
    let name = Name::new();
    let mut near = small().create(&name).unwrap();
    assert!(!not_before(|| near.sender().wait_for_peer(Some(SHORT))));
    assert!(!not_before(|| near.receiver().wait_for_peer(Some(SHORT))));
    let error = small()
        .role(near.role())
        .attach_timeout(SHORT)
        .open(&name)
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Attach { .. }), "{error:?}");
    assert!(error.is_transient());
}

/// Writes into a region's file as a liar does.
fn scribble(name: &Name, at: usize, bytes: &[u8]) {
    let file = std::fs::File::options()
        .write(true)
        .open(name.path())
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, at as u64).unwrap();
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_nobody_can_take_over_does_not_put_a_deadline_off() {
    let name = Name::new();
    let options = small().delivery(Delivery::AtLeastOnce);
    let _near = options.create(&name).unwrap();
    let mut far = options.open(&name).unwrap();
    let layout = Layout::file(2, 64).unwrap();
    // A member that never was is recorded as open, and a slot says that it reads there.
    let member = Member::new(9).unwrap();
    let record = layout.member(Role::Secondary, member, true).unwrap();
    scribble(&name, record, &(1_u32 << 4 | 2 << 2 | 1).to_le_bytes());
    let stamp = stamp::reading(Position::new(1), member, 0x50);
    let slot = layout.slots(Direction::ToSecondary) + layout.slot_len();
    scribble(&name, slot, &stamp.to_le_bytes());
    let result = bounded_by(Duration::from_secs(30), move || {
        // Longer than the longest time between two looks for the dead.
        far.recv_timeout(&mut [0; 64], Duration::from_millis(600))
    });
    assert!(result.is_err(), "{result:?}");
}
