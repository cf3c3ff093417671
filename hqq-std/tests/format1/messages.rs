//! Messages, empty ones, bytes, and slots that come back.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};

use hqq_core::link::GrantError;
use hqq_std::{RecvError, Role, SendError, TrySendError};

use crate::common::LIMIT;
use crate::{SHORT, ends, not_before, nothing_more, patient, small};

#[test]
fn empty_messages_are_refused_by_every_call_that_would_send_one() {
    let (mut near, mut far) = ends();
    let refused = Err(SendError::EmptyMessage);
    assert_eq!(near.send(b""), refused);
    assert_eq!(near.send_timeout(b"", LIMIT), refused);
    assert_eq!(near.sender().send_vectored(&[b"", b""]), refused);
    let tried = near.sender().try_send(b"");
    assert_eq!(tried, Err(TrySendError::EmptyMessage));
    let error = io::Error::from(near.send(b"").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("format 1"), "{error}");
    let peer = near.peer_addr();
    let error = near.send_to(b"", &peer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let grant = near.sender().reserve().unwrap();
    assert_eq!(grant.commit(0), Err(GrantError::EmptyMessage));
    nothing_more(&mut far);
    // Refused, too, where there is no room: waiting would not help.
    for number in 0..4 {
        near.send(&[number]).unwrap();
    }
    assert_eq!(near.send(b""), refused);
}

#[test]
fn writing_nothing_sends_nothing() {
    let (mut near, mut far) = ends();
    assert_eq!(near.write(b"").unwrap(), 0);
    assert_eq!(near.write_vectored(&[IoSlice::new(b"")]).unwrap(), 0);
    near.write_all(b"").unwrap();
    near.sender().send_chunked(b"").unwrap();
    near.flush().unwrap();
    assert_eq!(near.sender().unread(), 0);
    nothing_more(&mut far);
}

#[test]
fn bytes_through_read_and_write() {
    let (mut near, mut far) = ends();
    near.write_all(b"hello world").unwrap();
    let slices = [IoSlice::new(b"sec"), IoSlice::new(b"ond")];
    assert_eq!(near.write_vectored(&slices).unwrap(), 6);
    let mut buffer = [0; 4];
    for expected in [&b"hell"[..], b"o wo", b"rld", b"seco"] {
        let len = far.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], expected);
    }
    // What a read has left is the next message.
    assert_eq!(far.recv_vec().unwrap(), b"nd");
    assert_eq!(far.read(&mut []).unwrap(), 0);
    let error = near.write(&[7; 17]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    near.sender().send_chunked(&[7; 40]).unwrap();
    let mut bytes = [0; 40];
    far.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [7; 40]);
    // There is no end to be read.
    drop(near);
    far.set_read_timeout(Some(SHORT)).unwrap();
    let error = not_before(|| far.read(&mut buffer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn messages_fill_their_ring_and_come_out_in_order() {
    let (mut near, mut far) = ends();
    for lap in 0..5_u8 {
        for number in 0..4 {
            near.send(&[lap, number]).unwrap();
        }
        assert_eq!(near.sender().try_send(b"x"), Err(TrySendError::Full));
        assert!(!near.sender().is_writable());
        assert!(far.receiver().is_readable());
        for number in 0..4 {
            assert_eq!(far.recv_vec().unwrap(), [lap, number]);
        }
        assert!(!far.receiver().is_readable());
    }
    let sizes: Vec<_> = (1..=16).collect();
    for len in sizes {
        near.send(&vec![7; len]).unwrap();
        assert_eq!(far.recv_vec().unwrap(), vec![7; len]);
    }
    let expected = SendError::TooLong { len: 17, max: 16 };
    assert_eq!(near.send(&[7; 17]), Err(expected));
    nothing_more(&mut far);
}

#[test]
fn a_message_too_long_for_the_callers_buffer_stays() {
    let (mut near, mut far) = ends();
    near.send(b"eleven here").unwrap();
    let expected = RecvError::BufferTooSmall {
        needed: 11,
        capacity: 4,
    };
    assert_eq!(far.recv(&mut [0; 4]), Err(expected));
    assert_eq!(far.recv_vec().unwrap(), b"eleven here");
}

#[test]
fn slots_come_back_whatever_happens_to_them() {
    let (mut near, mut far) = ends();
    let fd = near.region_fd().unwrap();
    for _ in 0..3 {
        drop(near.sender().reserve().unwrap());
        near.sender().reserve().unwrap().abort(9);
        let mut grant = near.sender().reserve().unwrap();
        grant.copy_from(0, b"grant").unwrap();
        grant.commit(5).unwrap();
        let message = far.receiver().next().unwrap();
        assert_eq!(message.len(), 5);
        drop(message);
        near.send(b"too long").unwrap();
        assert!(far.recv(&mut [0; 2]).is_err());
        // It has claimed the message and leaves; another takes its place.
        let again = small().role(Role::Secondary);
        far = patient(again.from_fd(fd.try_clone().unwrap()).unwrap());
    }
    for number in 0..4 {
        near.send(&[number]).unwrap();
    }
    for number in 0..4 {
        assert_eq!(far.recv_vec().unwrap(), [number]);
    }
}
