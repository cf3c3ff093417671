//! Ends that send something else than they should: typed errors, in time, and no descriptor is kept.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use hqq_core::Layout;
use hqq_std::handoff::{Allow, HandoffError, Listener, Refusal};
use hqq_std::{LinkOptions, OpenError};
use hqq_tests::bounded;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};

use super::{PATIENCE, Place, SHORT, connector, small};

const SEALED: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

fn message(kind: u32, code: u32, len: u64) -> Vec<u8> {
    let parts = [
        &b"HQQHAND1"[..],
        &kind.to_le_bytes(),
        &code.to_le_bytes(),
        &len.to_le_bytes(),
    ];
    parts.concat()
}

fn offer(len: u64) -> Vec<u8> {
    message(1, 0, len)
}

fn socket() -> OwnedFd {
    rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap()
}

fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let parts = [IoSlice::new(bytes)];
    rustix::net::sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL).unwrap();
}

/// Memory of so many bytes with these seals.
fn memory(len: u64, seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = memfd_create("hqq-test", flags).unwrap();
    rustix::fs::ftruncate(&memory, len).unwrap();
    fcntl_add_seals(&memory, seals).unwrap();
    memory
}

/// What a connector makes of a listener that says this and then hangs up.
fn connector_on(bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> HandoffError {
    let place = Place::new();
    let listener = socket();
    let address = SocketAddrUnix::new(place.path()).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let asking = std::thread::spawn({
        let path = place.path();
        let connector = connector().most(1 << 20);
        move || connector.connect(path, &LinkOptions::new(), PATIENCE).err()
    });
    let guest = rustix::net::accept(&listener).unwrap();
    if !bytes.is_empty() {
        send(&guest, bytes, descriptors);
    }
    // What it answers cannot be lost: the other direction stays open.
    rustix::net::shutdown(&guest, rustix::net::Shutdown::Write).unwrap();
    bounded(move || asking.join().unwrap()).unwrap()
}

#[test]
fn memory_that_can_change_its_length() {
    let len = Layout::file(4, 64).unwrap().len() as u64;
    for seals in [
        SealFlags::empty(),
        SealFlags::SHRINK,
        SealFlags::GROW | SealFlags::SEAL,
        SealFlags::SHRINK | SealFlags::SEAL,
        SealFlags::SHRINK | SealFlags::GROW,
    ] {
        let error = connector_on(&offer(len), &[memory(len, seals).as_fd()]);
        assert!(
            matches!(error, HandoffError::Unsealed { seals: found } if found == seals.bits()),
            "{seals:?}: {error:?}"
        );
    }
}

#[test]
fn memory_that_cannot_be_written() {
    for seals in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
        let error = connector_on(&offer(8192), &[memory(8192, SEALED | seals).as_fd()]);
        assert!(matches!(error, HandoffError::ReadOnly { .. }), "{error:?}");
    }
}

#[test]
fn what_is_no_memory() {
    let (pipe, _) = rustix::pipe::pipe().unwrap();
    let in_memory = File::create("/dev/shm/hqq-test-handoff-named").unwrap();
    std::fs::remove_file("/dev/shm/hqq-test-handoff-named").unwrap();
    let on_disk = tempfile::NamedTempFile::new().unwrap();
    let device = File::open("/dev/zero").unwrap();
    for descriptor in [pipe.as_fd(), on_disk.as_file().as_fd(), device.as_fd()] {
        let error = connector_on(&offer(8192), &[descriptor]);
        assert!(matches!(error, HandoffError::NotMemory), "{error:?}");
    }
    // Huge pages: sealed like memory, but an access to one fails where none is left.
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB;
    if let Ok(huge) = memfd_create("hqq-test", flags) {
        rustix::fs::ftruncate(&huge, 2 << 20).unwrap();
        fcntl_add_seals(&huge, SEALED).unwrap();
        let error = connector_on(&offer(2 << 20), &[huge.as_fd()]);
        assert!(matches!(error, HandoffError::NotMemory), "{error:?}");
    }
    // A file without a name on a file system in memory: as good as memory, but never sealed.
    let error = connector_on(&offer(0), &[in_memory.as_fd()]);
    assert!(matches!(error, HandoffError::Unsealed { .. }), "{error:?}");
}

#[test]
fn lengths_that_lie() {
    let error = connector_on(&offer(8192), &[memory(4096, SEALED).as_fd()]);
    assert!(
        matches!(
            error,
            HandoffError::OtherLength {
                found: 4096,
                said: 8192
            }
        ),
        "{error:?}"
    );
    let large = (1 << 20) + 1;
    let error = connector_on(&offer(large), &[memory(large, SEALED).as_fd()]);
    assert!(
        matches!(error, HandoffError::TooLarge { found, most: 0x10_0000 } if found == large),
        "{error:?}"
    );
}

#[test]
fn sealed_memory_that_is_no_region() {
    for len in [0, 1, 127] {
        let error = connector_on(&offer(len), &[memory(len, SEALED).as_fd()]);
        assert!(
            matches!(error, HandoffError::Open(OpenError::Truncated { found, .. }) if found == len),
            "{error:?}"
        );
    }
    let error = connector_on(&offer(65_536), &[memory(65_536, SEALED).as_fd()]);
    assert!(
        matches!(error, HandoffError::Open(OpenError::Attach { .. })),
        "{error:?}"
    );
}

#[test]
fn descriptors_that_are_missing_or_too_many() {
    let memory = memory(8192, SEALED);
    for count in [0, 2, 3, 8] {
        let (reading, writing) = rustix::pipe::pipe().unwrap();
        let mut descriptors = vec![memory.as_fd(); count];
        if let Some(last) = descriptors.last_mut() {
            *last = reading.as_fd();
        }
        let error = connector_on(&offer(8192), &descriptors);
        assert!(
            matches!(error, HandoffError::Descriptors { found, expected: 1 } if found >= count.min(2) && found <= count),
            "{count}: {error:?}"
        );
        // The connector keeps none of them: nobody else can read.
        drop(reading);
        assert_eq!(
            rustix::io::write(&writing, b"x"),
            Err(rustix::io::Errno::PIPE),
            "{count}"
        );
    }
    // Nor is one taken where none is due.
    let error = connector_on(&message(3, 1, 0), &[memory.as_fd()]);
    assert!(
        matches!(
            error,
            HandoffError::Descriptors {
                found: 1,
                expected: 0
            }
        ),
        "{error:?}"
    );
}

#[test]
fn messages_that_are_none() {
    let memory = memory(8192, SEALED);
    let good = offer(8192);
    for bytes in [
        &good[..1],
        &good[..23],
        &[&good[..], b"x"].concat(),
        &vec![0; 100_000],
        &b"HQQHAND2\x01\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0"[..],
        &message(2, 0, 0),
        &message(9, 0, 0),
        &message(1, 1, 8192),
    ] {
        let error = connector_on(bytes, &[memory.as_fd()]);
        assert!(
            matches!(
                error,
                HandoffError::Malformed { .. }
                    // A message that could be, with what does not belong to it.
                    | HandoffError::Descriptors { expected: 0, .. }
            ),
            "{bytes:x?}: {error:?}"
        );
    }
    let error = connector_on(&[], &[]);
    assert!(matches!(error, HandoffError::HungUp), "{error:?}");
    for (code, expected) in [
        (1, Refusal::Unauthorised),
        (5, Refusal::Failed),
        (77, Refusal::Other(77)),
    ] {
        let error = connector_on(&message(3, code, 0), &[]);
        assert!(
            matches!(error, HandoffError::Refused { refusal } if refusal == expected),
            "{error:?}"
        );
    }
}

/// What a listener makes of a peer that connects and says this.
fn listener_on(bytes: &[u8], descriptors: &[BorrowedFd<'_>], hangs_up: bool) -> HandoffError {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let peer = socket();
    let address = SocketAddrUnix::new(place.path()).unwrap();
    rustix::net::connect(&peer, &address).unwrap();
    if !bytes.is_empty() {
        send(&peer, bytes, descriptors);
    }
    let guest = listener.accept(Some(PATIENCE)).unwrap();
    let peer = (!hangs_up).then_some(peer);
    let error = guest.make_region(&small(), SHORT).err().unwrap();
    drop(peer);
    error
}

#[test]
fn peers_that_answer_wrong() {
    let error = listener_on(&[], &[], false);
    assert!(
        matches!(error, HandoffError::TimedOut { waited } if waited == SHORT),
        "{error:?}"
    );
    let error = listener_on(&[], &[], true);
    assert!(matches!(error, HandoffError::HungUp), "{error:?}");
    for bytes in [&b"x"[..], &[0; 24], &message(7, 0, 0)] {
        let error = listener_on(bytes, &[], false);
        assert!(
            matches!(error, HandoffError::Malformed { len } if len == bytes.len()),
            "{error:?}"
        );
    }
    let memory = memory(8192, SEALED);
    let error = listener_on(&offer(8192), &[memory.as_fd()], false);
    assert!(
        matches!(error, HandoffError::Descriptors { expected: 0, .. }),
        "{error:?}"
    );
    let error = listener_on(&offer(8192), &[], false);
    assert!(matches!(error, HandoffError::Malformed { .. }), "{error:?}");
    let error = listener_on(&message(3, 3, 0), &[], false);
    assert!(
        matches!(
            error,
            HandoffError::Refused {
                refusal: Refusal::TooLarge
            }
        ),
        "{error:?}"
    );
}
