//! Peers that are not there, died, break the protocol or damage the ring.

use hqq_core::packet::{ErrorCode, Opcode, PacketError};
use hqq_core::ring::Corruption;
use hqq_core::{Direction, Position};
use hqq_std::{DrainError, RecvError, Role, SendError, StandardLink, TryRecvError, TrySendError};
use hqq_tests::{LIMIT, Name, bounded};

use crate::{SHORT, c, layout, not_before, options, patient, put, region};

/// Both ends of a region, primary first.
fn ends(name: &Name) -> (StandardLink, StandardLink) {
    let near = options().role(Role::Primary).open(name).unwrap();
    (patient(near), patient(options().open(name).unwrap()))
}

/// Where the sequence of a slot lies.
fn sequence(direction: Direction, slot: usize) -> usize {
    layout().slots(direction) + slot * layout().slot_len() + 64
}

#[test]
fn two_ends_of_the_same_role_time_out() {
    bounded(|| {
        let name = Name::new();
        // A primary that starts again finds the region it made, and is secondary now.
        let restarted = || c("open", &name, &["--create"]).wait().text();
        assert_eq!(restarted(), "role=primary\n");
        assert_eq!(restarted(), "role=secondary\n");
        let mut link = patient(options().open(&name).unwrap());
        assert_eq!(link.role(), Role::Secondary);
        for number in 0..4 {
            link.send_timeout(&[number], LIMIT).unwrap();
        }
        let full = Err(SendError::TimedOut);
        assert_eq!(not_before(|| link.send_timeout(&[4], SHORT)), full);
        assert_eq!(
            not_before(|| link.wait_drained(Some(SHORT))),
            Err(DrainError::TimedOut { unread: 4 })
        );
        let nothing = Err(RecvError::TimedOut);
        let received = not_before(|| link.recv_timeout(&mut [0; 64], SHORT));
        assert_eq!(received, nothing);
        let outcome = c("read", &name, &["--timeout", "1"]).wait();
        let _ = outcome.with_code(3);
        // Nobody took anything: the real other end finds all of it.
        let primary = options().role(Role::Primary).open(&name);
        let mut primary = patient(primary.unwrap());
        for number in 0..4 {
            assert_eq!(primary.recv_vec().unwrap(), [number]);
        }
    });
}

#[test]
fn packets_that_are_no_messages() {
    use hqq_core::RecvError::{Malformed, Peer};
    let bounds = |size| PacketError::Size {
        size,
        minimum: 1,
        maximum: 64,
    };
    let name = region();
    let mut link = patient(options().open(&name).unwrap());
    let shared = options().shared().open(&name).unwrap();
    for (words, expected) in [
        ([0, 7, 2], Peer(ErrorCode::InvalidSize)),
        ([0, 0, 6], Peer(ErrorCode::InvalidOperation)),
        ([0, 0, 99], Malformed(PacketError::UnknownErrorCode(99))),
        ([0x42, 0, 0], Malformed(PacketError::UnknownOpcode(0x42))),
        // One of format 2 only.
        (
            [Opcode::StandardInline.as_byte().into(), 1, 1],
            Malformed(PacketError::UnknownOpcode(Opcode::StandardInline.as_byte())),
        ),
        (
            [1, 5, 0],
            Malformed(PacketError::NotStandard(Opcode::ConnectionCreate)),
        ),
        (
            [0x1_00ff, 1, 0],
            Malformed(PacketError::ReservedBits {
                word: 0,
                value: 0x1_0000,
            }),
        ),
    ] {
        let words = [words[0], words[1], words[2], 0, 0, 0, 0, 0];
        let raw = || send_raw(&name, words);
        raw();
        let error = link.recv_timeout(&mut [0; 64], LIMIT);
        assert_eq!(error, Err(RecvError::Peer(expected)));
        raw();
        let error = shared.receiver().recv_timeout(&mut [0; 64], LIMIT);
        assert_eq!(error, Err(RecvError::Peer(expected)));
    }
    for size in [0, 65, u64::MAX] {
        send_raw(&name, [0xff, 1, 0, size, 0, 0, 0, 0]);
        let error = link.recv_timeout(&mut [0; 64], LIMIT);
        assert_eq!(error, Err(RecvError::Peer(Malformed(bounds(size)))));
    }
    // The slots of all those are free again, and messages come as before.
    for _ in 0..8 {
        let _ = c("write", &name, &["--take-primary", "--text", "after"])
            .wait()
            .ok();
        assert_eq!(link.recv_vec().unwrap(), b"after");
    }
}

/// Publishes a packet of these words to the secondary.
fn send_raw(name: &Name, words: [u64; 8]) {
    let words = words.map(|word| word.to_string());
    let mut arguments: Vec<_> = words.iter().map(String::as_str).collect();
    arguments.push("--take-primary");
    assert_eq!(c("raw", name, &arguments).wait().text(), "raw\n");
}

#[test]
fn sequences_that_no_rule_leads_to() {
    // Of the first slot, where 0 is free and 1 published.
    let damage = |stamp| Corruption {
        position: Position::new(0),
        stamp,
    };
    for stamp in [2, 3, 77, 1 << 63, u64::MAX] {
        bounded(move || {
            let name = region();
            let (mut near, mut far) = ends(&name);
            let shared = options().shared().open(&name).unwrap();
            put(&name, sequence(Role::Primary.sends(), 0), stamp);
            let damage = damage(stamp);
            // To be noticed without the help of a deadline.
            near.set_write_timeout(None).unwrap();
            far.set_read_timeout(None).unwrap();

            let expected = RecvError::Corrupt(damage);
            let error = far.receiver().try_recv(&mut [0; 64]);
            assert_eq!(error, Err(TryRecvError::Corrupt(damage)));
            assert_eq!(far.recv(&mut [0; 64]), Err(expected));
            assert_eq!(far.recv_vec(), Err(expected));
            assert_eq!(far.recv_timeout(&mut [0; 64], LIMIT), Err(expected));
            assert_eq!(shared.receiver().recv(&mut [0; 64]), Err(expected));

            let expected = SendError::Corrupt(damage);
            let error = near.sender().try_send(b"x");
            assert_eq!(error, Err(TrySendError::Corrupt(damage)));
            assert_eq!(near.send(b"x"), Err(expected));
            assert_eq!(near.send_timeout(b"x", LIMIT), Err(expected));

            // The other ring is as good as ever.
            far.send(b"unharmed").unwrap();
            assert_eq!(near.recv_vec().unwrap(), b"unharmed");
        });
    }
}

#[test]
fn damage_is_noticed_by_those_who_wait_already() {
    bounded(|| {
        let name = region();
        let (_near, mut far) = ends(&name);
        far.set_read_timeout(None).unwrap();
        let waiting = std::thread::spawn(move || far.recv(&mut [0; 64]));
        put(&name, sequence(Role::Primary.sends(), 0), 77);
        let error = waiting.join().unwrap();
        assert!(
            matches!(error, Err(RecvError::Corrupt(Corruption { stamp: 77, .. }))),
            "{error:?}"
        );
    });
}

#[test]
fn a_sender_that_died_with_a_slot_blocks_its_ring() {
    let name = region();
    let (mut near, mut far) = ends(&name);
    let direction = Role::Primary.sends();
    put(&name, layout().producer_counter(direction), 1);
    for number in 1..4 {
        near.send_timeout(&[number], LIMIT).unwrap();
    }
    assert_eq!(near.sender().try_send(&[4]), Err(TrySendError::Full));
    let full = Err(SendError::TimedOut);
    assert_eq!(not_before(|| near.send_timeout(&[4], SHORT)), full);
    let error = far.receiver().try_recv(&mut [0; 64]);
    assert_eq!(error, Err(TryRecvError::Empty));
    let error = not_before(|| far.recv_timeout(&mut [0; 64], SHORT));
    assert_eq!(error, Err(RecvError::TimedOut));
}

#[test]
fn a_receiver_that_died_with_a_slot_blocks_its_ring_a_lap_later() {
    let name = region();
    let (mut near, mut far) = ends(&name);
    let direction = Role::Primary.sends();
    for number in 0..4 {
        near.send_timeout(&[number], LIMIT).unwrap();
    }
    put(&name, layout().consumer_counter(direction), 1);
    for number in 1..4 {
        assert_eq!(far.recv_vec().unwrap(), [number]);
    }
    let error = not_before(|| far.recv_timeout(&mut [0; 64], SHORT));
    assert_eq!(error, Err(RecvError::TimedOut));
    let full = Err(SendError::TimedOut);
    assert_eq!(not_before(|| near.send_timeout(&[4], SHORT)), full);
    assert_eq!(
        near.wait_drained(Some(SHORT)),
        Err(DrainError::TimedOut { unread: 1 })
    );
}
