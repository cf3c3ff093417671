//! Packets that break the protocol, as a hostile peer may publish them in good order.

use std::error::Error;

use crate::common::{Memory, receive};
use hqq_core::packet::opcode::{RESERVED_FREE, RESERVED_WRITING};
use hqq_core::packet::{ErrorCode, Opcode, PacketError};
use hqq_core::ring::stamp::published;
use hqq_core::{Position, TryRecvError};

const SIZE: usize = 48;
const COPY: u8 = 0xff;
const INLINE: u8 = 0xfd;
const TOMBSTONE: u8 = 0xfe;
const RUN: u8 = 0xfc;

/// What a receiver makes of a packet, wherever it lies; the message sent after it must still arrive.
fn received(size: usize, opcode: u8, operands: [u64; 7]) -> Result<Vec<u8>, TryRecvError> {
    // Where most packets lie there are ways of their own for them.
    let first = received_after(0, size, opcode, operands);
    assert_eq!(received_after(3, size, opcode, operands), first);
    first
}

/// The same, of a packet at `position`, at most 3.
fn received_after(
    position: u64,
    size: usize,
    opcode: u8,
    operands: [u64; 7],
) -> Result<Vec<u8>, TryRecvError> {
    let memory = Memory::new(16, size, 0);
    let (mut near, mut far) = memory.pair();
    for _ in 0..position {
        near.try_send(b"before").unwrap();
        assert_eq!(receive(far.receiver()), Ok(b"before".to_vec()));
    }
    near.try_send(b"x").unwrap();
    near.try_send(b"after").unwrap();
    for (index, operand) in operands.into_iter().enumerate() {
        memory.set64(memory.slot_word(position, index + 1), operand);
    }
    memory.set_stamp(position, published(Position::new(position), opcode));
    let first = receive(far.receiver());
    let counters = far.receiver().counters();
    if let Err(TryRecvError::Malformed(_) | TryRecvError::Peer(_)) = first {
        assert_eq!((counters.errors, counters.messages), (1, position));
    }
    if first != Ok(b"after".to_vec()) {
        assert_eq!(receive(far.receiver()), Ok(b"after".to_vec()));
    }
    // The slot was given back.
    for _ in 0..32 {
        near.try_send(b"on").unwrap();
        assert_eq!(receive(far.receiver()), Ok(b"on".to_vec()));
    }
    memory.assert_canaries();
    first
}

fn malformed(size: usize, opcode: u8, operands: [u64; 7]) -> PacketError {
    match received(size, opcode, operands) {
        Err(TryRecvError::Malformed(error)) => {
            let shown = TryRecvError::Malformed(error);
            assert!(shown.to_string().contains(&error.to_string()));
            assert!(shown.source().is_none());
            error
        }
        other => panic!("{opcode:#x} {operands:?}: {other:?}"),
    }
}

#[test]
fn unknown_opcodes_are_refused() {
    for opcode in 0..=u8::MAX {
        let reserved = [RESERVED_FREE, RESERVED_WRITING].contains(&opcode);
        if reserved || Opcode::from_byte(opcode).is_ok() {
            continue;
        }
        let error = malformed(SIZE, opcode, [0; 7]);
        assert_eq!(error, PacketError::UnknownOpcode(opcode));
    }
}

#[test]
fn packets_of_the_advanced_protocol_are_refused() {
    for opcode in 1..=7 {
        let error = malformed(SIZE, opcode, [1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            error,
            PacketError::NotStandard(Opcode::from_byte(opcode).unwrap())
        );
    }
}

#[test]
fn a_size_over_the_buffer_is_refused() {
    for size in [SIZE as u64 + 1, 1 << 32, u64::MAX, 0] {
        let error = malformed(SIZE, COPY, [1, 0, size, 0, 0, 0, 0]);
        let expected = PacketError::Size {
            size,
            minimum: 1,
            maximum: SIZE as u64,
        };
        assert_eq!(error, expected);
    }
    for size in [41, 1 << 40, u64::MAX] {
        let error = malformed(SIZE, INLINE, [1, size, 0, 0, 0, 0, 0]);
        let expected = PacketError::Size {
            size,
            minimum: 0,
            maximum: 40,
        };
        assert_eq!(error, expected);
    }
    // Inline, but more than this region's buffers hold.
    let error = malformed(8, INLINE, [1, 9, 0, 0, 0, 0, 0]);
    let expected = PacketError::Size {
        size: 9,
        minimum: 0,
        maximum: 8,
    };
    assert_eq!(error, expected);
}

#[test]
fn an_inline_message_over_the_buffer_is_no_packet_either() {
    for (len, is_right) in [(0, true), (8, true), (9, false), (40, false)] {
        let memory = Memory::new(4, 8, 0);
        let (mut near, mut far) = memory.pair();
        near.try_send(b"x").unwrap();
        near.try_send(b"after").unwrap();
        for (word, value) in [(1, 1), (2, len), (3, 0)] {
            memory.set64(memory.slot_word(0, word), value);
        }
        memory.set_stamp(0, published(Position::new(0), INLINE));
        let found = far.receiver().try_next_packet();
        let found = found.map(|grant| grant.packet().operands());
        let expected = PacketError::Size {
            size: len,
            minimum: 0,
            maximum: 8,
        };
        if is_right {
            assert_eq!(found, Ok([1, len, 0, 0, 0, 0, 0]));
        } else {
            assert_eq!(found, Err(TryRecvError::Malformed(expected)));
        }
        assert_eq!(receive(far.receiver()), Ok(b"after".to_vec()));
    }
}

#[test]
fn reserved_words_must_be_zero() {
    for (opcode, first, operands) in [
        (COPY, 4, [1, 0, 5, 0, 0, 0, 0]),
        (TOMBSTONE, 4, [1, 0, 5, 0, 0, 0, 0]),
        (INLINE, 4, [1, 8, 0, 0, 0, 0, 0]),
        (0, 3, [1, 2, 0, 0, 0, 0, 0]),
    ] {
        for word in first..=7_u8 {
            let mut damaged = operands;
            damaged[usize::from(word) - 1] = 1 << 63;
            let expected = PacketError::ReservedBits {
                word,
                value: 1 << 63,
            };
            assert_eq!(malformed(SIZE, opcode, damaged), expected);
        }
    }
}

#[test]
fn an_inline_message_has_zeros_behind_it() {
    for size in 0..40_u64 {
        let mut operands = [1, size, 0, 0, 0, 0, 0];
        // The first byte that is no part of it.
        operands[2 + size as usize / 8] = 0xff << (size % 8 * 8);
        let expected = PacketError::ReservedBits {
            word: 3 + (size / 8) as u8,
            value: operands[2 + size as usize / 8],
        };
        assert_eq!(malformed(SIZE, INLINE, operands), expected);
        // The last one.
        operands = [1, size, 0, 0, 0, 0, 1 << 63];
        let expected = PacketError::ReservedBits {
            word: 7,
            value: 1 << 63,
        };
        assert_eq!(malformed(SIZE, INLINE, operands), expected);
    }
}

#[test]
fn an_index_that_a_peer_names_is_never_used() {
    for index in [0, 1, 4, u64::MAX] {
        let message = received(SIZE, COPY, [u64::MAX, index, SIZE as u64, 0, 0, 0, 0]);
        assert_eq!(message, Ok(vec![0; SIZE]));
    }
}

#[test]
fn an_error_packet_is_the_peer_s_error() {
    for code in 1..=7 {
        let error = received(SIZE, 0, [9, code, 0, 0, 0, 0, 0]);
        let expected = ErrorCode::from_code(code).unwrap();
        assert_eq!(error, Err(TryRecvError::Peer(expected)));
    }
    for code in [0, 8, u64::MAX] {
        let error = malformed(SIZE, 0, [9, code, 0, 0, 0, 0, 0]);
        assert_eq!(error, PacketError::UnknownErrorCode(code));
    }
}

#[test]
fn a_tombstone_of_any_reason_is_skipped() {
    for reason in [0, 1, 4, 6, 7, u64::MAX] {
        let message = received(SIZE, TOMBSTONE, [1, 0, reason, 0, 0, 0, 0]);
        assert_eq!(message, Ok(b"after".to_vec()));
    }
}

#[test]
fn an_iterator_ends_after_a_malformed_packet() {
    let memory = Memory::new(4, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    near.try_send(b"x").unwrap();
    near.try_send(b"after").unwrap();
    memory.set_stamp(0, published(Position::new(0), 0x77));
    let mut messages = far.receiver().try_iter::<SIZE>();
    let unknown = TryRecvError::Malformed(PacketError::UnknownOpcode(0x77));
    assert_eq!(messages.next(), Some(Err(unknown)));
    assert_eq!(messages.next(), None);
    assert_eq!(far.receiver().try_iter::<SIZE>().count(), 1);
}

#[test]
fn runs_that_leave_their_buffer_are_refused() {
    let run = |size: u64, more: u64| [more << 32 | size, 0, 0, 0, 0, 0, 0];
    let refused = |size| PacketError::Size {
        size,
        minimum: 1,
        maximum: SIZE as u64,
    };
    assert_eq!(malformed(SIZE, RUN, run(49, 0)), refused(49));
    assert_eq!(malformed(SIZE, RUN, run(64, 0)), refused(64));
    assert_eq!(malformed(SIZE, RUN, run(25, 1)), refused(50));
    assert_eq!(malformed(SIZE, RUN, run(1, 48)), refused(49));
    assert_eq!(
        malformed(SIZE, RUN, run(0xffff_ffff, 0xffff)),
        refused(0xffff_ffff << 16)
    );
    let none = PacketError::Size {
        size: 0,
        minimum: 1,
        maximum: u32::MAX.into(),
    };
    assert_eq!(malformed(SIZE, RUN, run(0, 0)), none);
    assert_eq!(malformed(SIZE, RUN, run(0, 7)), none);
    for bit in 48..64 {
        let [_, rest @ ..] = run(8, 1);
        let value = 1 << bit;
        let [a, b, c, d, e, f] = rest;
        let operands = [8 | value, a, b, c, d, e, f];
        let expected = PacketError::ReservedBits { word: 1, value };
        assert_eq!(malformed(SIZE, RUN, operands), expected);
    }
}

#[test]
fn runs_do_not_look_at_the_other_operands() {
    let operands = [48, u64::MAX, 1, 2, 3, 4, 5];
    assert_eq!(
        received(SIZE, RUN, operands).map(|bytes| bytes.len()),
        Ok(48)
    );
}
