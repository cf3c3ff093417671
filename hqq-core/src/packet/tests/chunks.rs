//! The rules of one chunk of a message.

use super::super::*;
use super::assert_refused;

#[test]
fn copy_flags_that_contradict_each_other_are_refused() {
    for bits in 0..64 {
        let flags = CopyFlags::from_bits(bits).unwrap();
        let has = |other| flags.contains(other);
        // Where the edges and the range leave every combination possible.
        let [total, offset, size] = if has(CopyFlags::ABORT) {
            [0, 0, 0]
        } else {
            match (has(CopyFlags::BEGIN), has(CopyFlags::END)) {
                (true, true) => [8, 0, 8],
                (true, false) => [24, 0, 8],
                (false, false) => [24, 8, 8],
                (false, true) => [24, 16, 8],
            }
        };
        let conflict = [0b10_0000, 0b10_1000].contains(&(bits & 0b11_1000))
            || bits & 0b01_1000 == 0b01_1000
            || (bits & 0b100 != 0 && bits & 0b011 != 0);
        let decoded = Packet::decode([4, 7, 1, total, offset, size, bits, 0]);
        if conflict {
            assert_eq!(decoded, Err(PacketError::FlagConflict(flags)));
        } else {
            assert!(decoded.is_ok(), "{flags:?}: {decoded:?}");
        }
    }
    assert_refused(
        [4, 7, 1, 8, 0, 8, 0x8000_0000_0000_0043, 0],
        PacketError::UnknownFlags(0x8000_0000_0000_0040),
    );
}

#[test]
fn a_chunk_lies_in_its_message() {
    for [total_size, chunk_offset, chunk_size] in [
        [8, 0, 9],
        [8, 8, 1],
        [8, 9, 0],
        [8, 0, 0],
        [8, 8, 0],
        [0, 0, 1],
        [0, 1, 0],
        [8, u64::MAX, 9],
        [u64::MAX, u64::MAX, 1],
    ] {
        for flags in 0..4 {
            assert_refused(
                [4, 7, 1, total_size, chunk_offset, chunk_size, flags, 0],
                PacketError::ChunkRange {
                    total_size,
                    chunk_offset,
                    chunk_size,
                },
            );
        }
    }
    let longest = [4, 7, 1, u64::MAX - 1, 0, u64::MAX - 1, 3, 0];
    assert!(Packet::decode(longest).is_ok());
}

#[test]
fn a_message_of_unknown_size_ends_where_a_chunk_says_so() {
    const UNKNOWN: u64 = u64::MAX;
    for ([offset, size], flags) in [
        ([0, 8], 1),
        ([0, 8], 3),
        ([0, 0], 3),
        ([8, 8], 0),
        ([8, 8], 2),
        ([8, 0], 2),
        ([UNKNOWN - 2, 1], 2),
    ] {
        let decoded = Packet::decode([4, 7, 1, UNKNOWN, offset, size, flags, 0]);
        assert!(decoded.is_ok(), "{offset} {size} {flags}: {decoded:?}");
    }
    // An empty chunk that is not the last, and ends that no count of bytes reaches.
    for ([chunk_offset, chunk_size], flags) in [
        ([0, 0], 1),
        ([8, 0], 0),
        ([UNKNOWN - 1, 1], 2),
        ([0, UNKNOWN], 3),
        ([UNKNOWN, 1], 2),
    ] {
        assert_refused(
            [4, 7, 1, UNKNOWN, chunk_offset, chunk_size, flags, 0],
            PacketError::ChunkRange {
                total_size: UNKNOWN,
                chunk_offset,
                chunk_size,
            },
        );
    }
    // It begins at its first byte, as any other.
    for ([chunk_offset, chunk_size], flags) in [([0, 8], 0), ([0, 8], 2), ([8, 8], 1), ([8, 8], 3)]
    {
        assert_refused(
            [4, 7, 1, UNKNOWN, chunk_offset, chunk_size, flags, 0],
            PacketError::ChunkEdges {
                flags: CopyFlags::from_bits(flags).unwrap(),
                total_size: UNKNOWN,
                chunk_offset,
                chunk_size,
            },
        );
    }
}

#[test]
fn begin_and_end_are_where_the_message_begins_and_ends() {
    for ([total_size, chunk_offset, chunk_size], right) in [
        ([0, 0, 0], 3),
        ([8, 0, 8], 3),
        ([8, 0, 7], 1),
        ([8, 1, 7], 2),
        ([8, 1, 6], 0),
    ] {
        for bits in 0..4 {
            let decoded = Packet::decode([4, 7, 1, total_size, chunk_offset, chunk_size, bits, 0]);
            if bits == right {
                assert!(decoded.is_ok(), "{decoded:?}");
            } else {
                assert_eq!(
                    decoded,
                    Err(PacketError::ChunkEdges {
                        flags: CopyFlags::from_bits(bits).unwrap(),
                        total_size,
                        chunk_offset,
                        chunk_size,
                    })
                );
            }
        }
    }
}

#[test]
fn aux_stands_on_the_first_chunk_of_requests_and_responses_only() {
    let refused = |aux, flags| PacketError::Aux {
        aux,
        flags: CopyFlags::from_bits(flags).unwrap(),
    };
    for kind in [8, 16, 16 | 32] {
        assert!(Packet::decode([4, 0, 1, 16, 0, 8, kind | 1, 99]).is_ok());
        assert_refused([4, 0, 1, 16, 8, 8, kind | 2, 99], refused(99, kind | 2));
        assert_refused([4, 0, 1, 0, 0, 0, kind | 4, 99], refused(99, kind | 4));
    }
    assert_refused([4, 0, 1, 8, 0, 8, 3, 99], refused(99, 3));
}

#[test]
fn an_abort_carries_no_chunk() {
    for (kind, flags) in [
        (MessageKind::Plain, 4),
        (MessageKind::Request, 12),
        (MessageKind::Response, 20),
    ] {
        let abort = ConnectionCopy::abort(7, 3, kind);
        assert!(abort.is_abort());
        assert_eq!(abort.kind(), kind);
        assert_eq!(
            abort.chunk(),
            &Chunk {
                connection_id: 7,
                message_id: 3,
                total_size: 0,
                chunk_offset: 0,
                chunk_size: 0,
                flags: CopyFlags::from_bits(flags).unwrap(),
                aux: 0,
            }
        );
        assert_eq!(
            Packet::decode([4, 7, 3, 0, 0, 0, flags, 0]),
            Ok(abort.into())
        );
    }
    for [total_size, chunk_offset, chunk_size] in [[8, 0, 0], [8, 8, 0], [8, 0, 8], [0, 1, 0]] {
        assert_refused(
            [4, 7, 3, total_size, chunk_offset, chunk_size, 4, 0],
            PacketError::ChunkRange {
                total_size,
                chunk_offset,
                chunk_size,
            },
        );
    }
}
