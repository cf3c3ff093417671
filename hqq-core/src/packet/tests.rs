//! Packets on literal bytes, and each refusal by name.

extern crate std;

mod chunks;
mod properties;

use std::string::ToString;

use super::standard::{self, Standard};
use super::*;

/// The 64 bytes that begin with `prefix` and end in zeros.
fn bytes(prefix: &[u8]) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..prefix.len()].copy_from_slice(prefix);
    bytes
}

/// `bytes` and `packet` are each other.
#[track_caller]
fn assert_same(bytes: [u8; SIZE], packet: impl Into<Packet>) {
    let packet = packet.into();
    assert_eq!(Packet::from_bytes(&bytes), Ok(packet));
    assert_eq!(packet.to_bytes(), bytes);
}

#[track_caller]
fn assert_refused(words: [u64; WORDS], error: PacketError) {
    assert_eq!(Packet::decode(words), Err(error));
}

#[test]
fn copies_and_tombstones_are_the_bytes_that_hqq_go_wrote() {
    assert_same(
        bytes(&[
            0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
        ]),
        StandardCopy {
            copy_id: 1,
            slot_index: 0,
            data_size: 9,
        },
    );
    assert_same(
        bytes(&[
            0xfe, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,
        ]),
        StandardTombstone {
            copy_id: 2,
            slot_index: 1,
            reason: ErrorCode::InvalidSize.into(),
        },
    );
}

#[test]
fn runs_are_literal_bytes_and_end_before_what_the_slot_held() {
    let three = StandardRun::new(8, 2).unwrap();
    assert_same(
        bytes(&[0xfc, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0]),
        three,
    );
    let words = [0xfc, 0x2_0000_0008, 1, 2, 3, 4, 5, u64::MAX];
    assert_eq!(Packet::decode(words), Ok(three.into()));
    assert_eq!((three.size(), three.more(), three.count()), (8, 2, 3));
    assert_eq!(three.check_bounds(24), Ok(8));
    let size = |size, minimum, maximum| PacketError::Size {
        size,
        minimum,
        maximum,
    };
    assert_eq!(three.check_bounds(23), Err(size(24, 1, 23)));
    let longest = StandardRun::new(u32::MAX, u16::MAX).unwrap();
    assert_eq!(longest.count(), 1 << 16);
    assert!(longest.check_bounds(1 << 16).is_err());

    let none = size(0, 1, u32::MAX.into());
    assert_eq!(StandardRun::new(0, 5), Err(none));
    assert_refused([0xfc, 0, 0, 0, 0, 0, 0, 0], none);
    assert_refused([0xfc, 5 << 32, 0, 0, 0, 0, 0, 0], none);
    let (word, value) = (1, 1 << 48);
    assert_refused(
        [0xfc, 1 << 48 | 8, 0, 0, 0, 0, 0, 0],
        PacketError::ReservedBits { word, value },
    );
}

#[test]
fn a_message_of_three_chunks_is_the_words_that_hqq_go_wrote() {
    let chunk = |chunk_offset, chunk_size, flags| {
        Packet::from(
            ConnectionCopy::new(Chunk {
                connection_id: 7,
                message_id: 1,
                total_size: 36,
                chunk_offset,
                chunk_size,
                flags,
                aux: 0,
            })
            .unwrap(),
        )
    };
    for (words, packet) in [
        ([4, 7, 1, 36, 0, 16, 1, 0], chunk(0, 16, CopyFlags::BEGIN)),
        ([4, 7, 1, 36, 16, 16, 0, 0], chunk(16, 16, CopyFlags::EMPTY)),
        ([4, 7, 1, 36, 32, 4, 2, 0], chunk(32, 4, CopyFlags::END)),
    ] {
        assert_eq!(Packet::decode(words), Ok(packet));
        assert_eq!(packet.encode(), words);
    }
}

#[test]
fn an_inline_datagram_lies_in_memory_order() {
    let mut wire = bytes(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 11]);
    wire[24..35].copy_from_slice(b"hello, inli");
    assert_same(wire, StandardInline::new(5, b"hello, inli").unwrap());

    let full: [u8; INLINE_MAX] = core::array::from_fn(|index| index as u8 + 1);
    let mut wire = bytes(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 40]);
    wire[24..].copy_from_slice(&full);
    for size in 0..=INLINE_MAX {
        wire[16] = size as u8;
        wire[24 + size..].fill(0);
        wire[24..24 + size].copy_from_slice(&full[..size]);
        let packet = StandardInline::new(6, &full[..size]).unwrap();
        assert_eq!(packet.payload(), &full[..size]);
        assert_eq!(packet.copy_id(), 6);
        assert_same(wire, packet);
    }
}

#[test]
fn an_inline_datagram_copies_what_fits_and_touches_nothing_else() {
    let full: [u8; INLINE_MAX] = core::array::from_fn(|index| index as u8 + 1);
    for size in 0..=INLINE_MAX {
        let packet = StandardInline::new(1, &full[..size]).unwrap();
        for room in 0..=INLINE_MAX + 1 {
            let mut buffer = [0xAA; INLINE_MAX + 2];
            let copied = packet.copy_to(&mut buffer[..room]);
            assert_eq!(copied, size.min(room));
            assert_eq!(buffer[..copied], full[..copied]);
            assert!(buffer[copied..].iter().all(|&byte| byte == 0xAA));
        }
    }
}

#[test]
fn control_packets_have_their_operands_in_place() {
    assert_same(
        bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 5]),
        ErrorPacket {
            context_id: 7,
            code: ErrorCode::ConnectionNotFound,
        },
    );
    assert_same(
        bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12]),
        ConnectionCreate {
            connection_id: 0x1234,
        },
    );
    assert_same(
        bytes(&[2, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12]),
        ConnectionAccept {
            connection_id: 0x1234,
        },
    );
    assert_same(
        bytes(&[7, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]),
        ConnectionCredit {
            connection_id: 7,
            bytes: 4096,
        },
    );
    assert_same(
        bytes(&[3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 1]),
        ConnectionClose {
            connection_id: 7,
            reason: Reason::new(0x109),
        },
    );
    let version = ProtocolVersion { major: 1, minor: 2 };
    let unknown_bit = 1 << 8;
    assert_same(
        bytes(&[
            5, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 15, 1, 0, 0, 0, 0, 0, 0, 7,
        ]),
        Negotiate {
            version,
            features: Features::KNOWN | Features::from_bits(unknown_bit),
            capabilities: Capabilities::KNOWN,
        },
    );
    assert_same(
        bytes(&[
            6, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 1,
        ]),
        NegotiateAck {
            version,
            features: Features::LARGE_COPY,
            capabilities: Capabilities::LOW_LATENCY | Capabilities::from_bits(unknown_bit),
        },
    );
}

#[test]
fn each_byte_is_a_listed_opcode_or_unknown() {
    let listed = [0, 1, 2, 3, 4, 5, 6, 7, 0xFC, 0xFD, 0xFE, 0xFF];
    for byte in 0..=u8::MAX {
        if listed.contains(&byte) {
            assert_eq!(Opcode::from_byte(byte).map(Opcode::as_byte), Ok(byte));
        } else {
            let unknown = PacketError::UnknownOpcode(byte);
            assert_eq!(Opcode::from_byte(byte), Err(unknown));
            assert_eq!(
                standard::decode(u64::from(byte), &[0; OPERANDS]),
                Err(unknown)
            );
            assert_refused([u64::from(byte), 0, 0, 0, 0, 0, 0, 0], unknown);
        }
    }
    for reserved in [opcode::RESERVED_FREE, opcode::RESERVED_WRITING] {
        assert!(!listed.contains(&reserved));
    }
}

#[test]
fn the_standard_link_takes_five_opcodes() {
    for opcode in Opcode::ALL {
        let decoded = standard::decode(opcode.as_word(), &[1, 1, 0, 0, 0, 0, 0]);
        let taken = match opcode {
            Opcode::StandardCopy => matches!(decoded, Ok(Standard::Copy(_))),
            Opcode::StandardRun => matches!(decoded, Ok(Standard::Run(_))),
            Opcode::StandardInline => matches!(decoded, Ok(Standard::Inline(_))),
            Opcode::StandardTombstone => matches!(decoded, Ok(Standard::Tombstone(_))),
            Opcode::Error => matches!(decoded, Ok(Standard::Error(_))),
            _ => decoded == Err(PacketError::NotStandard(opcode)),
        };
        assert!(taken, "{opcode:?}: {decoded:?}");
    }
}

#[test]
fn a_wire_struct_of_another_packet_is_refused() {
    let copy = StandardCopy {
        copy_id: 1,
        slot_index: 0,
        data_size: 9,
    };
    let mut wire = standard::StandardCopyWire::from(copy);
    assert_eq!(StandardCopy::try_from(wire), Ok(copy));
    wire.header.set(0xFE);
    assert_eq!(
        StandardCopy::try_from(wire),
        Err(PacketError::OpcodeMismatch {
            expected: Opcode::StandardCopy,
            found: Opcode::StandardTombstone,
        })
    );
}

#[test]
fn every_unused_bit_must_be_zero() {
    // Each packet in its simplest form, and the number of its first unused word.
    for (valid, first_unused) in [
        ([0, 1, 1, 0, 0, 0, 0, 0], 3),
        ([1, 1, 0, 0, 0, 0, 0, 0], 2),
        ([2, 1, 0, 0, 0, 0, 0, 0], 2),
        ([3, 1, 1, 0, 0, 0, 0, 0], 3),
        ([5, 0x0100, 3, 7, 0, 0, 0, 0], 4),
        ([6, 0x0100, 3, 7, 0, 0, 0, 0], 4),
        ([7, 1, 1, 0, 0, 0, 0, 0], 3),
        ([0xFD, 1, 0, 0, 0, 0, 0, 0], 3),
        ([0xFE, 1, 1, 1, 0, 0, 0, 0], 4),
        ([0xFF, 1, 1, 1, 0, 0, 0, 0], 4),
    ] {
        assert!(Packet::decode(valid).is_ok(), "{valid:x?}");
        for bit in 0..64 {
            let value = 1 << bit;
            for word in first_unused..WORDS {
                let mut words = valid;
                words[word] = value;
                let word = word as u8;
                assert_refused(words, PacketError::ReservedBits { word, value });
            }
            if bit >= 8 {
                let mut words = valid;
                words[0] |= value;
                assert_refused(words, PacketError::ReservedBits { word: 0, value });
            }
        }
    }
    let value = 0x0001_0000;
    assert_refused(
        [5, value | 0x0100, 0, 0, 0, 0, 0, 0],
        PacketError::ReservedBits { word: 1, value },
    );
}

#[test]
fn every_byte_past_an_inline_datagram_must_be_zero() {
    for size in 0..INLINE_MAX {
        for stray in 0..INLINE_MAX {
            let mut wire = bytes(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 1]);
            wire[16] = size as u8;
            wire[24 + stray] = 0x80;
            let expected = if stray < size {
                Ok(())
            } else {
                Err(PacketError::ReservedBits {
                    word: 3 + (stray / 8) as u8,
                    value: 0x80 << (8 * (stray % 8)),
                })
            };
            assert_eq!(Packet::from_bytes(&wire).map(|_| ()), expected);
        }
    }
}

#[test]
fn sizes_keep_their_bounds() {
    for size in [41, 0x100, 0x128, 1 << 32, u64::MAX] {
        assert_refused(
            [0xFD, 1, size, 0, 0, 0, 0, 0],
            PacketError::Size {
                size,
                minimum: 0,
                maximum: 40,
            },
        );
    }
    assert_eq!(
        StandardInline::new(1, &[0; 41]),
        Err(PacketError::Size {
            size: 41,
            minimum: 0,
            maximum: 40,
        })
    );

    let copy = |data_size| StandardCopy {
        copy_id: 1,
        slot_index: u64::MAX,
        data_size,
    };
    assert_eq!(copy(1).check_bounds(16), Ok(1));
    assert_eq!(copy(16).check_bounds(16), Ok(16));
    for size in [0, 17, 1 << 32, u64::MAX] {
        assert_eq!(
            copy(size).check_bounds(16),
            Err(PacketError::Size {
                size,
                minimum: 1,
                maximum: 16,
            })
        );
    }

    let chunk = ConnectionCopy::from_operands(&[0, 1, 17, 0, 17, 3, 0]).unwrap();
    assert_eq!(chunk.check_bounds(17), Ok(17));
    assert_eq!(
        chunk.check_bounds(16),
        Err(PacketError::Size {
            size: 17,
            minimum: 0,
            maximum: 16,
        })
    );
}

#[test]
fn error_codes_are_one_to_seven() {
    for code in 1..=7 {
        assert_eq!(ErrorCode::from_code(code).map(ErrorCode::as_code), Ok(code));
    }
    for code in [0, 8, 0x101, u64::MAX] {
        assert_refused(
            [0, 0, code, 0, 0, 0, 0, 0],
            PacketError::UnknownErrorCode(code),
        );
    }
}

#[test]
fn refusals_name_the_values_and_what_to_do() {
    let flags = CopyFlags::REQUEST | CopyFlags::RESPONSE;
    for (error, message) in [
        (
            PacketError::UnknownOpcode(0xE0),
            "0xe0 is no opcode of this version; check that the peer speaks it",
        ),
        (
            PacketError::ReservedBits {
                word: 3,
                value: 0x8000,
            },
            "word 3 has 0x8000 in bits that must be zero; the peer must clear them",
        ),
        (
            PacketError::Size {
                size: 41,
                minimum: 0,
                maximum: 40,
            },
            "41 bytes are not within 0..=40; send a size that is",
        ),
        (
            PacketError::FlagConflict(flags),
            "copy flags 0x18 contradict each other; error needs response, request excludes \
             response, abort excludes begin and end",
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
}
