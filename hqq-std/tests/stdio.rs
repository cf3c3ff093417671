//! The traits of `std::io`, and addresses.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::error::Error as _;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use common::{LIMIT, Name, bounded};
use hqq_std::{
    DrainError, LinkAddr, LinkOptions, OpenError, RecvError, Role, SendError, StandardLink,
};

fn ends() -> (StandardLink, StandardLink) {
    let (mut near, mut far) = LinkOptions::new().count(8).size(16).pair().unwrap();
    for link in [&mut near, &mut far] {
        link.set_read_timeout(Some(LIMIT)).unwrap();
        link.set_write_timeout(Some(LIMIT)).unwrap();
    }
    (near, far)
}

#[test]
fn a_read_leaves_the_rest_of_a_message_for_the_next() {
    let (mut near, mut far) = ends();
    near.write_all(b"hello world").unwrap();
    near.write_all(b"second").unwrap();
    let mut buffer = [0; 4];
    for expected in [&b"hell"[..], b"o wo", b"rld", b"seco", b"nd"] {
        let len = far.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], expected);
    }
}

#[test]
fn what_read_left_is_the_next_message_of_recv() {
    let (mut near, mut far) = ends();
    near.send(b"hello world").unwrap();
    far.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"world");
}

#[test]
fn empty_messages_are_passed_over_and_end_nothing() {
    let (mut near, mut far) = ends();
    near.send(b"").unwrap();
    near.send(b"a").unwrap();
    near.send(b"").unwrap();
    near.send(b"b").unwrap();
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ab");
    assert_eq!(far.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn writing_nothing_sends_nothing() {
    let (mut near, mut far) = ends();
    assert_eq!(near.write(b"").unwrap(), 0);
    assert_eq!(near.write_vectored(&[IoSlice::new(b"")]).unwrap(), 0);
    assert_eq!(near.write_vectored(&[]).unwrap(), 0);
    near.flush().unwrap();
    near.write_all(b"x").unwrap();
    assert_eq!(far.read(&mut []).unwrap(), 0);
    assert_eq!(far.recv_vec().unwrap(), b"x");
}

#[test]
fn slices_are_one_message() {
    let (mut near, mut far) = ends();
    let slices = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"message"),
    ];
    assert_eq!(near.write_vectored(&slices).unwrap(), 11);
    assert_eq!(far.recv_vec().unwrap(), b"one message");
    near.sender().send_vectored(&["of ", "text"]).unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"of text");
}

#[test]
fn a_message_too_long_is_refused_whole_and_says_what_to_do() {
    let (mut near, mut far) = ends();
    let long = [7; 17];
    let expected = SendError::TooLong { len: 17, max: 16 };
    assert_eq!(near.send(&long), Err(expected));
    assert_eq!(
        near.sender().send_vectored(&[&long[..9], &long[..8]]),
        Err(expected)
    );
    let error = near.write(&long).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for part in ["17", "16", "send_chunked"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let slices = [IoSlice::new(&long)];
    assert!(near.write_vectored(&slices).is_err());
    near.send(b"next").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"next");
}

#[test]
fn chunks_are_as_many_messages_as_it_takes() {
    let (mut near, mut far) = ends();
    let bytes: Vec<u8> = (0..40).collect();
    near.sender().send_chunked(&bytes).unwrap();
    near.sender().send_chunked(b"").unwrap();
    near.send(b"end").unwrap();
    assert_eq!(far.recv_vec().unwrap(), bytes[..16]);
    assert_eq!(far.recv_vec().unwrap(), bytes[16..32]);
    assert_eq!(far.recv_vec().unwrap(), bytes[32..]);
    assert_eq!(far.recv_vec().unwrap(), b"end");
}

#[test]
fn chunks_that_find_no_room_say_how_far_they_got() {
    let (mut near, mut far) = ends();
    near.set_write_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(
        near.sender().send_chunked(&bytes),
        Err((8 * 16, SendError::TimedOut))
    );
    drop(near);
    let mut received = Vec::new();
    far.read_to_end(&mut received).unwrap();
    assert_eq!(received, bytes[..8 * 16]);
}

#[test]
fn whole_streams_are_copied() {
    bounded(|| {
        let (near, mut far) = ends();
        let (mut sender, _receiver) = near.split();
        let bytes: Vec<u8> = (0..100_000_u32).map(|index| index as u8).collect();
        let expected = bytes.clone();
        let writing = std::thread::spawn(move || {
            // Writers that cut to size, as `io::copy` does not.
            for chunk in bytes.chunks(16) {
                sender.write_all(chunk).unwrap();
            }
        });
        let mut received = Vec::new();
        let copied = io::copy(&mut far, &mut received).unwrap();
        writing.join().unwrap();
        assert_eq!(copied, 100_000);
        assert_eq!(received, expected);
    });
}

#[test]
fn a_copy_into_a_link_with_large_buffers() {
    bounded(|| {
        let (mut near, far) = LinkOptions::new().count(4).size(8192).pair().unwrap();
        let reading = std::thread::spawn(move || {
            let (_sender, mut receiver) = far.split();
            let mut received = Vec::new();
            receiver.read_to_end(&mut received).unwrap();
            received
        });
        // `io::copy` moves 8 KiB at a time.
        io::copy(&mut io::repeat(9).take(100_000), &mut near).unwrap();
        drop(near);
        assert_eq!(reading.join().unwrap(), vec![9; 100_000]);
    });
}

#[test]
fn writing_to_one_that_left_is_a_broken_pipe() {
    let (mut near, far) = ends();
    drop(far);
    let error = near.write(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn datagrams_carry_addresses() {
    let name = Name::new();
    let mut near = LinkOptions::new().count(2).size(64).create(&name).unwrap();
    let mut far = LinkOptions::new().open(&name).unwrap();
    let address = |role| LinkAddr::new(&name.path(), role);
    assert_eq!(near.local_addr(), address(Role::Primary));
    assert_eq!(near.peer_addr(), address(Role::Secondary));
    assert_eq!(far.peer_addr(), near.local_addr());
    assert_eq!(near.local_addr().region(), name.path());
    assert_eq!(near.local_addr().role(), Role::Primary);
    assert_eq!(
        near.local_addr().to_string(),
        format!("{}#{}", name.path().display(), Role::Primary)
    );

    assert_eq!(
        near.send_to(b"hello", &address(Role::Secondary)).unwrap(),
        5
    );
    let mut buffer = [0; 64];
    let (len, from) = far.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"hello");
    assert_eq!(far.send_to(b"back", &from).unwrap(), 4);
    assert_eq!(near.recv_from(&mut buffer).unwrap(), (4, from_far(&name)));

    for wrong in [
        address(Role::Primary),
        LinkAddr::new(Path::new("/dev/shm/elsewhere"), Role::Secondary),
    ] {
        let error = near.send_to(b"lost?", &wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains(&wrong.to_string()), "{error}");
    }
    assert!(!far.receiver().is_readable());
}

fn from_far(name: &Name) -> LinkAddr {
    LinkAddr::new(&name.path(), Role::Secondary)
}

#[test]
fn errors_have_the_kinds_of_std_and_keep_what_they_were() {
    let path = || Path::new("/dev/shm/x").to_path_buf();
    for (error, kind) in [
        (io::Error::from(SendError::TimedOut), ErrorKind::TimedOut),
        (SendError::Disconnected.into(), ErrorKind::BrokenPipe),
        (
            SendError::TooLong { len: 2, max: 1 }.into(),
            ErrorKind::InvalidInput,
        ),
        (RecvError::TimedOut.into(), ErrorKind::TimedOut),
        (RecvError::Disconnected.into(), ErrorKind::UnexpectedEof),
        (
            RecvError::BufferTooSmall {
                needed: 2,
                capacity: 1,
            }
            .into(),
            ErrorKind::InvalidInput,
        ),
        (
            DrainError::TimedOut { unread: 1 }.into(),
            ErrorKind::TimedOut,
        ),
        (
            DrainError::Disconnected { unread: 1 }.into(),
            ErrorKind::BrokenPipe,
        ),
        (
            OpenError::Exists { path: path() }.into(),
            ErrorKind::AlreadyExists,
        ),
        (
            OpenError::NotFound { path: path() }.into(),
            ErrorKind::NotFound,
        ),
        (
            OpenError::PermissionDenied { path: path() }.into(),
            ErrorKind::PermissionDenied,
        ),
        (
            OpenError::NoSpace {
                path: path(),
                needed: 1,
            }
            .into(),
            ErrorKind::StorageFull,
        ),
        (
            OpenError::RolesTaken { path: path() }.into(),
            ErrorKind::ResourceBusy,
        ),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.get_ref().is_some(), "{error:?}");
    }
}

#[test]
fn errors_name_their_values_and_say_what_to_do() {
    let path = || Path::new("/dev/shm/box").to_path_buf();
    let cases: [(OpenError, &[&str]); 9] = [
        (
            OpenError::Exists { path: path() },
            &["/dev/shm/box", "exists", "open it"],
        ),
        (
            OpenError::NotFound { path: path() },
            &["/dev/shm/box", "does not exist", "create"],
        ),
        (
            OpenError::ForeignOwner {
                path: path(),
                owner: 7,
                expected: 9,
            },
            &["/dev/shm/box", "7", "9"],
        ),
        (
            OpenError::Truncated {
                path: path(),
                found: 100,
                needed: 20_480,
            },
            &["/dev/shm/box", "100", "20480"],
        ),
        (
            OpenError::NoSpace {
                path: path(),
                needed: 20_480,
            },
            &["/dev/shm/box", "20480", "fewer or smaller"],
        ),
        (
            OpenError::Busy {
                path: path(),
                waited: Duration::from_secs(5),
            },
            &["/dev/shm/box", "5s", "try again"],
        ),
        (
            OpenError::Forking {
                path: path(),
                waited: Duration::from_secs(5),
            },
            &["/dev/shm/box", "5s", "handler of fork"],
        ),
        (
            OpenError::MembersTaken {
                path: path(),
                members: 62,
            },
            &["/dev/shm/box", "62"],
        ),
        (
            OpenError::Io {
                path: path(),
                action: "lock",
                error: io::Error::other("reasons"),
            },
            &["lock /dev/shm/box", "reasons"],
        ),
    ];
    for (error, parts) in cases {
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(
            error.source().is_some(),
            matches!(error, OpenError::Io { .. })
        );
    }
    let unread = DrainError::TimedOut { unread: 3 }.to_string();
    assert!(unread.contains('3'), "{unread}");
    let any = hqq_std::Error::from(SendError::TooLong { len: 2, max: 1 });
    assert_eq!(
        any.to_string(),
        SendError::TooLong { len: 2, max: 1 }.to_string()
    );
}
