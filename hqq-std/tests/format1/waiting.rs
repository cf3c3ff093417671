//! Deadlines, waiting, draining; and peers that leave without a word.

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use hqq_std::{DrainError, RecvError, SendError, StandardLink};

use crate::common::{Name, bounded};
use crate::{SHORT, ends, not_before, nothing_more, patient, small};

#[test]
fn calls_end_at_their_deadlines() {
    let (mut near, mut far) = ends();
    let mut buffer = [0; 16];
    let nothing = Err(RecvError::TimedOut);
    assert_eq!(not_before(|| far.recv_timeout(&mut buffer, SHORT)), nothing);
    let deadline = || Instant::now() + SHORT;
    assert_eq!(
        not_before(|| far.recv_deadline(&mut buffer, deadline())),
        nothing
    );
    far.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(not_before(|| far.recv(&mut buffer)), nothing);
    assert_eq!(
        not_before(|| far.receiver().incoming().next()),
        Some(Err(RecvError::TimedOut))
    );
    for number in 0..4 {
        near.send(&[number]).unwrap();
    }
    let full = Err(SendError::TimedOut);
    assert_eq!(not_before(|| near.send_timeout(b"x", SHORT)), full);
    assert_eq!(not_before(|| near.send_deadline(b"x", deadline())), full);
    near.set_write_timeout(Some(SHORT)).unwrap();
    assert_eq!(not_before(|| near.send(b"x")), full);
    let error = not_before(|| near.write(b"x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // One that is past takes what is there.
    assert_eq!(far.recv_timeout(&mut buffer, Duration::ZERO), Ok(1));
    near.send_timeout(b"x", Duration::ZERO).unwrap();
}

#[test]
fn those_who_wait_get_what_comes() {
    bounded(|| {
        let (mut near, mut far) = small().pair().unwrap();
        let waiting = std::thread::spawn(move || {
            let first = far.recv_vec();
            (far, first)
        });
        near.send(b"came").unwrap();
        let (mut far, first) = waiting.join().unwrap();
        assert_eq!(first.unwrap(), b"came");
        for number in 0..4 {
            near.send(&[number]).unwrap();
        }
        let waiting = std::thread::spawn(move || near.send(&[4]));
        for number in 0..5 {
            assert_eq!(far.recv_vec().unwrap(), [number]);
        }
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn draining_waits_for_the_reader() {
    bounded(|| {
        let (mut near, mut far) = ends();
        near.wait_drained(Some(Duration::ZERO)).unwrap();
        near.send(b"one").unwrap();
        near.send(b"two").unwrap();
        assert_eq!(near.sender().unread(), 2);
        let expected = |unread| Err(DrainError::TimedOut { unread });
        assert_eq!(not_before(|| near.wait_drained(Some(SHORT))), expected(2));
        far.recv_vec().unwrap();
        assert_eq!(near.wait_drained(Some(SHORT)), expected(1));
        // One that is being read is not received yet.
        let grant = far.receiver().next().unwrap();
        assert_eq!(near.wait_drained(Some(SHORT)), expected(1));
        drop(grant);
        near.wait_drained(None).unwrap();
        // A reader that leaves changes nothing: another may come.
        near.send(b"three").unwrap();
        drop(far);
        assert_eq!(not_before(|| near.wait_drained(Some(SHORT))), expected(1));
    });
}

#[test]
fn nobody_is_known_to_have_left() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let known = |link: &mut StandardLink| {
        assert!(!link.sender().is_peer_dead());
        assert!(!link.receiver().is_peer_dead());
        assert!(!link.sender().is_peer_closed());
        assert!(link.sender().is_peer_open());
        assert!(link.receiver().is_peer_open());
        // Without anybody to wait for, as an HQQ-Go process could be there already.
        assert!(link.wait_for_peer(Some(Duration::ZERO)));
        assert!(link.receiver().wait_for_peer(Some(Duration::ZERO)));
    };
    known(&mut near);
    let mut far = patient(small().open(&name).unwrap());
    far.send(b"last words").unwrap();
    drop(far);
    known(&mut near);
    assert_eq!(near.recv_vec().unwrap(), b"last words");
    nothing_more(&mut near);
    near.send(b"to whoever comes").unwrap();
    let mut next = patient(small().open(&name).unwrap());
    assert_eq!(next.recv_vec().unwrap(), b"to whoever comes");
}
