//! Links over regions of format 1: what they do as those of format 2, and what they do not.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::time::{Duration, Instant};

use common::{LIMIT, Name, bounded};
use hqq_core::link::GrantError;
use hqq_core::{Layout, LayoutError};
use hqq_std::link::HasRegion as _;
use hqq_std::{
    DrainError, Format, LinkAddr, LinkOptions, OpenError, RecvError, Role, SendError, SharedLink,
    StandardLink, TrySendError,
};

const SHORT: Duration = Duration::from_millis(30);

fn small() -> LinkOptions {
    LinkOptions::new().format(Format::V1).count(4).size(16)
}

/// With an end to all its waiting.
fn patient(mut link: StandardLink) -> StandardLink {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    link.set_write_timeout(Some(LIMIT)).unwrap();
    link
}

fn ends() -> (StandardLink, StandardLink) {
    let (near, far) = small().pair().unwrap();
    (patient(near), patient(far))
}

/// What `call` gives, which it may not do before its deadline.
fn not_before<T>(call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    assert!(started.elapsed() >= SHORT, "{:?}", started.elapsed());
    result
}

fn nothing_more(link: &mut StandardLink) {
    let received = link.recv_timeout(&mut [0; 16], SHORT);
    assert_eq!(received, Err(RecvError::TimedOut));
}

#[test]
fn roles_where_none_is_asked_for() {
    let name = Name::new();
    assert_eq!(small().create(&name).unwrap().role(), Role::Primary);
    // Whoever opens it is secondary, be it free or not, and however often.
    let first = small().open(&name).unwrap();
    let second = small().shared().open(&name).unwrap();
    let third = LinkOptions::new().open(&name).unwrap();
    let roles = [first.role(), second.role(), third.role()];
    assert_eq!(roles, [Role::Secondary; 3]);

    let name = Name::new();
    for expected in [Role::Primary, Role::Secondary, Role::Secondary] {
        let link = small().create_or_open(&name).unwrap();
        assert_eq!(link.role(), expected);
    }
    let name = Name::new();
    small().create_region(&name).unwrap();
    let link = small().create_or_open(&name).unwrap();
    assert_eq!(link.role(), Role::Secondary);

    let name = Name::new();
    std::fs::File::create_new(name.path()).unwrap();
    let options = small().shared();
    let link = options.create_or_open_path(name.path()).unwrap();
    assert_eq!(link.role(), Role::Primary);
    let link = options.create_or_open_path(name.path()).unwrap();
    assert_eq!(link.role(), Role::Secondary);
}

#[test]
fn roles_that_are_asked_for() {
    let name = Name::new();
    let near = small().role(Role::Secondary).create(&name).unwrap();
    assert_eq!(near.role(), Role::Secondary);
    // Several of the same, as the other processes of a side are not recorded.
    for _ in 0..2 {
        let link = small().role(Role::Primary).open(&name).unwrap();
        assert_eq!(link.role(), Role::Primary);
        let link = small()
            .shared()
            .role(Role::Primary)
            .create_or_open(&name)
            .unwrap();
        assert_eq!(link.role(), Role::Primary);
    }
}

#[test]
fn every_part_tells_the_format() {
    for format in [Format::V1, Format::V2] {
        let options = LinkOptions::new().format(format).count(2).size(8);
        let (mut link, far) = options.pair().unwrap();
        assert_eq!(link.format(), format);
        assert_eq!(link.sender().format(), format);
        assert_eq!(link.receiver().format(), format);
        drop((link, far));
        let (link, _far): (SharedLink, _) = options.shared().pair().unwrap();
        assert_eq!(link.format(), format);
        assert_eq!(link.sender().format(), format);
        assert_eq!(link.receiver().format(), format);
    }
}

#[test]
fn geometries() {
    let name = Name::new();
    let mut link = LinkOptions::new().format(Format::V1).create(&name).unwrap();
    assert_eq!(link.sender().capacity(), 64);
    assert_eq!(link.receiver().max_message_size(), 16384);
    let len = Layout::format_1(64, 16384, 4096).unwrap().len() as u64;
    assert_eq!(name.path().metadata().unwrap().len(), len);
    let error = small().create(&name).err().unwrap();
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");

    // More buffers than format 2 can have.
    let (near, far) = small().count(1 << 15).size(8).pair().unwrap();
    let (mut near, mut far) = (patient(near), patient(far));
    near.send(b"first").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"first");
    assert_eq!(near.sender().capacity(), 1 << 15);

    let name = Name::new();
    let error = small().count(3).create(&name).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Layout(LayoutError::CountOfFormat1 { count: 3 })
        ),
        "{error:?}"
    );
    let error = small().size(12).create(&name).err().unwrap();
    assert!(
        matches!(
            error,
            OpenError::Layout(LayoutError::SizeOfFormat1 { size: 12 })
        ),
        "{error:?}"
    );
    assert!(!name.exists());
}

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

#[test]
fn threads_share_a_link() {
    const EACH: u64 = 5_000;
    let numbers = bounded(|| {
        let (near, far) = small().shared().pair().unwrap();
        let near_clone = near.clone();
        let mut sending = Vec::new();
        for thread in 0..4 {
            let link = if thread % 2 == 0 { &near } else { &near_clone };
            let mut sender = link.sender();
            sending.push(std::thread::spawn(move || {
                for number in thread * EACH..(thread + 1) * EACH {
                    let message = number.to_le_bytes();
                    sender.send_timeout(&message, LIMIT).unwrap();
                }
            }));
        }
        let receiving: Vec<_> = (0..4)
            .map(|_| {
                let mut receiver = far.receiver();
                receiver.set_timeout(Some(LIMIT)).unwrap();
                std::thread::spawn(move || {
                    let mut numbers = Vec::new();
                    // As many for each: nothing tells when no more will come.
                    for message in receiver.incoming().take(EACH as usize) {
                        numbers.push(u64::from_le_bytes(message.unwrap().try_into().unwrap()));
                    }
                    numbers
                })
            })
            .collect();
        for thread in sending {
            thread.join().unwrap();
        }
        let numbers = receiving.into_iter().map(|thread| thread.join().unwrap());
        numbers.collect::<Vec<_>>()
    });
    for of_one in &numbers {
        for sender in 0..4 {
            let mine = of_one.iter().filter(|number| **number / EACH == sender);
            assert!(mine.is_sorted(), "the messages of one sender, in order");
        }
    }
    let mut all = numbers.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..4 * EACH), "each exactly once");
}

#[test]
fn links_of_all_kinds_share_a_side() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let shared = small().shared().open(&name).unwrap();
    let mut alone = patient(small().open(&name).unwrap());
    let mut thread = shared.receiver();
    thread.set_timeout(Some(LIMIT)).unwrap();
    for number in 0..8 {
        near.send(&[number]).unwrap();
        let received = if number % 2 == 0 {
            alone.recv_vec()
        } else {
            thread.recv_vec()
        };
        assert_eq!(received.unwrap(), [number]);
    }
    alone.send(b"alone").unwrap();
    shared.sender().send(b"shared").unwrap();
    assert_eq!(near.recv_vec().unwrap(), b"alone");
    assert_eq!(near.recv_vec().unwrap(), b"shared");
}

#[test]
fn messages_with_addresses() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let mut far = patient(small().open(&name).unwrap());
    let path = name.path();
    assert_eq!(near.local_addr(), LinkAddr::new(&path, Role::Primary));
    assert_eq!(near.peer_addr(), far.local_addr());
    assert_eq!(near.send_to(b"hello", &far.local_addr()).unwrap(), 5);
    let mut buffer = [0; 16];
    let (len, from) = far.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&b"hello"[..], near.local_addr()));
    let own = near.local_addr();
    let error = near.send_to(b"hello", &own).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    nothing_more(&mut far);
}

#[test]
fn regions_without_a_name_are_handed_on() {
    let mut near = patient(small().anonymous().unwrap());
    assert_eq!(near.role(), Role::Primary);
    let far = LinkOptions::new().from_fd(near.region_fd().unwrap());
    let mut far = patient(far.unwrap());
    assert_eq!((far.role(), far.format()), (Role::Secondary, Format::V1));
    near.send(b"by descriptor").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"by descriptor");
    near.send(b"kept").unwrap();
    let shared = small().shared().from_fd(near.into_fd().unwrap()).unwrap();
    let again = small().from_fd(shared.region_fd().unwrap());
    let mut again = patient(again.unwrap());
    drop((far, shared));
    assert_eq!(again.recv_vec().unwrap(), b"kept");
    let error = small().size(8).from_fd(again.into_fd().unwrap());
    assert!(matches!(error, Err(OpenError::Attach { .. })));
}

#[test]
fn a_region_without_its_name_goes_on() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let mut far = patient(small().open(&name).unwrap());
    hqq_std::unlink(&name).unwrap();
    near.send(b"still here").unwrap();
    assert_eq!(far.recv_vec().unwrap(), b"still here");
}
