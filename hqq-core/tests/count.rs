//! How often words that a peer may write are read: built with `--cfg hqq_count` only.
#![cfg(hqq_count)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; it prints its figures"
)]

mod common;

use common::{Memory, in_every_pairing};
use hqq_core::link::{Missed, PacketGrant};
use hqq_core::packet::{INLINE_MAX, Packet, Whole};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::sync::count::take_reads;
use hqq_core::{Direction, Receiver, Role, Sender, TryRecvError};

const COUNT: usize = 4;
const SIZE: usize = 64;
/// Times that a call may look at a stamp: it decides by the last look, and looks again where a shared
/// claim helps the counter along.
const LOOKS: u32 = 8;

/// How often each word of the slot of `position` was read, since this was asked last.
fn slot_reads(memory: &Memory, position: u64) -> Vec<u32> {
    (0..memory.layout.slot_len() / 8)
        .map(|word| take_reads(memory.address() + memory.slot_word(position, word)))
        .collect()
}

fn buffer_reads(memory: &Memory, position: u64) -> Vec<u32> {
    let size = memory.layout.size();
    let index = usize::try_from(position).unwrap() % memory.layout.count();
    let buffer = memory.layout.buffers(Direction::ToSecondary) + index * size;
    (0..size / 8)
        .map(|word| take_reads(memory.address() + buffer + 8 * word))
        .collect()
}

/// The message of a position: no two have bytes in common, so that none can stand in for another.
fn message(position: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (3 + 97 * position as usize + at) as u8)
        .collect()
}

/// What a packet that is handed out as a whole says, a message's bytes and the name of its packet.
fn assert_packet<C: Consumer>(grant: &PacketGrant<'_, C>, expected: &[u8], position: u64) {
    if let Packet::StandardInline(packet) = grant.packet() {
        assert_eq!(packet.payload(), expected);
        assert_eq!(packet.copy_id(), position + 1);
    } else {
        let mut copy = [0; SIZE];
        assert_eq!(grant.copy_to(0, &mut copy), expected.len());
        assert_eq!(copy[..expected.len()], *expected);
    }
}

/// One way to receive the message of a position.
type Way<C> = (&'static str, fn(&mut Receiver<C>, &[u8], u64));

fn ways<C: Consumer>() -> [Way<C>; 10] {
    [
        ("try_recv", |receiver, expected, _| {
            let mut message = [0; SIZE];
            assert_eq!(receiver.try_recv(&mut message), Ok(expected.len()));
            assert_eq!(message[..expected.len()], *expected);
        }),
        ("try_next", |receiver, expected, _| {
            let grant = receiver.try_next().unwrap();
            let mut message = [0; SIZE];
            assert_eq!(grant.len(), expected.len());
            assert_eq!(grant.copy_to(0, &mut message), expected.len());
            assert_eq!(message[..expected.len()], *expected);
        }),
        ("try_read", |receiver, expected, _| {
            let mut message = [0; SIZE];
            assert_eq!(receiver.try_read(&mut message), Ok(expected.len()));
            assert_eq!(message[..expected.len()], *expected);
        }),
        ("try_recv_batch", |receiver, expected, _| {
            let mut message = [0; SIZE];
            let got = receiver.try_recv_batch(1, |grant| {
                assert_eq!(grant.copy_to(0, &mut message), expected.len());
            });
            assert_eq!(got, Ok(1));
            assert_eq!(message[..expected.len()], *expected);
        }),
        ("dropped unread", |receiver, _, _| {
            drop(receiver.try_next().unwrap())
        }),
        ("trusted, in a closure", |receiver, expected, _| {
            // SAFETY: only this test has the region, through this crate.
            let mut receiver = unsafe { receiver.trusted() };
            let is_it = receiver.try_recv_with(|bytes| bytes == expected);
            assert_eq!(is_it, Ok(true));
        }),
        ("try_next_packet", |receiver, expected, position| {
            assert_packet(&receiver.try_next_packet().unwrap(), expected, position);
        }),
        (
            "too long for the caller, then a packet",
            |receiver, expected, position| {
                if !expected.is_empty() {
                    assert!(receiver.try_recv(&mut []).is_err());
                }
                assert_packet(&receiver.try_next_packet().unwrap(), expected, position);
            },
        ),
        ("a packet that was leaked", |receiver, expected, _| {
            core::mem::forget(receiver.try_next_packet().unwrap());
            let mut message = [0; SIZE];
            assert_eq!(receiver.try_recv(&mut message), Ok(expected.len()));
            assert_eq!(message[..expected.len()], *expected);
        }),
        (
            "too long for the caller at first",
            |receiver, expected, _| {
                let needed = expected.len();
                if needed > 0 {
                    let error = TryRecvError::BufferTooSmall {
                        needed,
                        capacity: 0,
                    };
                    assert_eq!(receiver.try_recv(&mut []), Err(error));
                }
                let mut message = [0; SIZE];
                assert_eq!(receiver.try_recv(&mut message), Ok(needed));
                assert_eq!(message[..needed], *expected);
            },
        ),
    ]
}

fn check<P: Producer, C: Consumer>(
    sender: &mut Sender<P>,
    receiver: &mut Receiver<C>,
    memory: &Memory,
    lengths: &[usize],
) {
    let stamp = memory.layout.slot_len() / 8 % 8;
    // In format 2 the stamp is word 0; in format 1 a word of its own, behind the packet.
    let stamp = if stamp == 0 { 0 } else { 8 };
    let mut position = 0;
    for &len in lengths {
        for (name, way) in ways() {
            if (name, len) == ("try_read", 0) {
                // A stream passes over messages without bytes.
                continue;
            }
            let expected = message(position, len);
            sender.try_send(&expected).unwrap();
            let before = slot_reads(memory, position);
            assert!(before[1..8].iter().all(|reads| *reads == 0), "{before:?}");
            let _ = buffer_reads(memory, position);
            way(receiver, &expected, position);
            let reads = slot_reads(memory, position);
            let payload = buffer_reads(memory, position);
            println!("{name}, {len} bytes: packet and stamp {reads:?}, buffer {payload:?}");
            for (word, reads) in reads.iter().enumerate() {
                if word == stamp {
                    assert!((1..=LOOKS).contains(reads), "{name}: stamp, {reads} times");
                } else {
                    assert!(*reads <= 1, "{name}: word {word}, {reads} times");
                }
            }
            // All that is looked at or handed out was read: of a run its one operand, of other packets all but
            // what is for people to look at.
            let is_run = stamp == 0 && len > INLINE_MAX;
            let told = if is_run {
                1..2
            } else if stamp == 0 {
                2..8
            } else {
                3..8
            };
            // In format 1 words are counted from the packet's first one, too.
            assert!(
                reads[told].iter().all(|reads| *reads == 1),
                "{name}: {reads:?}"
            );
            assert!(
                payload.iter().all(|reads| *reads <= 1),
                "{name}: {payload:?}"
            );
            position += 1;
        }
    }
}

/// Memory whose address is known to the test that gives it away.
fn check_there<P: Producer, C: Consumer>(
    sender: &mut Sender<P>,
    receiver: &mut Receiver<C>,
    memory: Memory,
) {
    check(sender, receiver, &memory, &[0, 1, 8, 9, 40, 41, 63, 64]);
}

#[test]
fn each_word_of_a_packet_is_read_once() {
    let memories: [Memory; 4] = std::array::from_fn(|_| Memory::new(COUNT, SIZE, 0));
    let mut left = memories.iter();
    let mut used = memories.iter();
    in_every_pairing!(*left.next().unwrap(), check_there, *used.next().unwrap());
    assert!(left.next().is_none() && used.next().is_none());
}

#[test]
fn and_so_is_that_of_a_request_taken_or_refused() {
    let memory = Memory::new(4 * COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    // By a grant, by one that is refused, taken, and not taken.
    for (position, [by_grant, refused]) in [
        (0, [true, false]),
        (1, [true, true]),
        (2, [false, false]),
        (3, [false, true]),
    ] {
        let whole = Whole::request(1, 7, SIZE);
        near.sender().try_send_whole(&whole, &[3; SIZE]).unwrap();
        let _ = (
            slot_reads(&memory, position),
            buffer_reads(&memory, position),
        );
        let receiver = far.receiver();
        let mut body = [0; SIZE];
        let unwanted = if by_grant {
            let grant = receiver.next_whole().ok().unwrap();
            if refused {
                Some(grant.refuse())
            } else {
                assert_eq!(grant.copy_to(&mut body), SIZE);
                grant.release();
                None
            }
        } else {
            let taken = receiver.take_whole(|_, bytes| {
                (!refused).then(|| assert_eq!(bytes.copy_to(&mut body), SIZE))
            });
            match taken {
                Err(Missed::Unwanted(unwanted)) => Some(unwanted),
                taken => {
                    taken.ok().unwrap();
                    None
                }
            }
        };
        if let Some(unwanted) = unwanted {
            let grant = receiver.open(unwanted).unwrap();
            assert_eq!(grant.copy_to(0, &mut body), SIZE);
        }
        assert_eq!(body, [3; SIZE]);
        assert_eq!(slot_reads(&memory, position)[1..8], [1; 7]);
        assert_eq!(buffer_reads(&memory, position), [1; SIZE / 8]);
    }
}

#[test]
fn and_in_format_1() {
    let memory = Memory::format_1(COUNT, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    check(
        &mut near.sender(),
        &mut far.receiver(),
        &memory,
        &[1, 8, 9, 40, 41, 63, 64],
    );
}

#[test]
fn and_of_packets_that_are_refused() {
    let memory = Memory::format_1(COUNT, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    // What format 1 does not have, what nothing has, an error, a stream that never began.
    for (position, opcode) in (0..).zip([0xFD, 0x77, 0xFF, 0x05]) {
        near.sender().try_send(&[9; SIZE]).unwrap();
        memory.set64(memory.slot_word(position, 0), opcode);
        let _ = slot_reads(&memory, position);
        let _ = far.receiver().try_recv(&mut [0; SIZE]);
        let reads = slot_reads(&memory, position);
        assert_eq!(reads[0], 1, "{opcode:#x}: {reads:?}");
        assert!(
            reads[1..8].iter().all(|reads| *reads <= 1),
            "{opcode:#x}: {reads:?}"
        );
    }
}

#[test]
fn an_empty_ring_is_looked_at_without_its_packets() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (_near, (_, mut receiver)) = memory.one_way();
    for _ in 0..3 {
        assert_eq!(receiver.try_recv(&mut [0; SIZE]), Err(TryRecvError::Empty));
    }
    for position in 0..4 {
        let reads = slot_reads(&memory, position);
        assert!(reads[1..].iter().all(|reads| *reads == 0), "{reads:?}");
    }
}
