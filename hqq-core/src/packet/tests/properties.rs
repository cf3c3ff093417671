//! Decoding and encoding undo each other, for any words and any packet.

extern crate std;

use std::vec;

use proptest::prelude::*;

use super::super::*;

/// Words that come close to being a packet: a likely opcode, small operands, many zeros.
fn plausible_words() -> impl Strategy<Value = [u64; WORDS]> {
    let header = prop_oneof![
        4 => prop::sample::select(Opcode::ALL.to_vec()).prop_map(Opcode::as_word),
        1 => 0..=0xFF_u64,
        1 => any::<u64>(),
    ];
    let operand = prop_oneof![
        4 => Just(0),
        4 => 0..=64_u64,
        1 => any::<u64>(),
    ];
    (header, prop::array::uniform7(operand))
        .prop_map(|(header, [a, b, c, d, e, f, g])| [header, a, b, c, d, e, f, g])
}

/// A valid chunk of any kind.
fn connection_copy() -> impl Strategy<Value = ConnectionCopy> {
    let kind = prop::sample::select(vec![
        CopyFlags::EMPTY,
        CopyFlags::REQUEST,
        CopyFlags::RESPONSE,
        CopyFlags::RESPONSE | CopyFlags::ERROR,
    ]);
    // Before the chunk, in it, and after it: any three sizes that fit.
    let part = || prop_oneof![Just(0), 1..=100_u64, 0..=u64::MAX / 3];
    (
        any::<[u64; 3]>(),
        part(),
        part(),
        part(),
        kind,
        any::<bool>(),
    )
        .prop_map(
            |([connection_id, message_id, aux], before, size, after, kind, is_sized)| {
                // An empty chunk is one of an empty message.
                let [before, after] = if size == 0 { [0, 0] } else { [before, after] };
                let mut flags = kind;
                if before == 0 {
                    flags = flags | CopyFlags::BEGIN;
                }
                if after == 0 {
                    flags = flags | CopyFlags::END;
                }
                let takes_aux = before == 0 && !kind.is_empty();
                ConnectionCopy::new(Chunk {
                    connection_id,
                    message_id,
                    total_size: if is_sized {
                        before + size + after
                    } else {
                        UNKNOWN_SIZE
                    },
                    chunk_offset: before,
                    chunk_size: size,
                    flags,
                    aux: if takes_aux { aux } else { 0 },
                })
                .unwrap()
            },
        )
}

/// Any valid packet of any kind.
fn packet() -> impl Strategy<Value = Packet> {
    let version = || any::<(u8, u8)>().prop_map(|(major, minor)| ProtocolVersion { major, minor });
    let message_kind = prop::sample::select(vec![
        MessageKind::Plain,
        MessageKind::Request,
        MessageKind::Response,
    ]);
    prop_oneof![
        (any::<u64>(), 1..=7_u64).prop_map(|(context_id, code)| {
            let code = ErrorCode::from_code(code).unwrap();
            ErrorPacket { context_id, code }.into()
        }),
        any::<u64>().prop_map(|connection_id| ConnectionCreate { connection_id }.into()),
        any::<u64>().prop_map(|connection_id| ConnectionAccept { connection_id }.into()),
        any::<[u64; 2]>().prop_map(|[connection_id, reason]| {
            let reason = Reason::new(reason);
            ConnectionClose {
                connection_id,
                reason,
            }
            .into()
        }),
        any::<[u64; 2]>().prop_map(|[connection_id, bytes]| {
            ConnectionCredit {
                connection_id,
                bytes,
            }
            .into()
        }),
        connection_copy().prop_map(Packet::from),
        (any::<[u64; 2]>(), message_kind).prop_map(|([connection_id, message_id], kind)| {
            ConnectionCopy::abort(connection_id, message_id, kind).into()
        }),
        (version(), any::<[u64; 2]>()).prop_map(|(version, [features, capabilities])| {
            let features = Features::from_bits(features);
            let capabilities = Capabilities::from_bits(capabilities);
            Negotiate {
                version,
                features,
                capabilities,
            }
            .into()
        }),
        (version(), any::<[u64; 2]>()).prop_map(|(version, [features, capabilities])| {
            let features = Features::from_bits(features);
            let capabilities = Capabilities::from_bits(capabilities);
            NegotiateAck {
                version,
                features,
                capabilities,
            }
            .into()
        }),
        (
            any::<u64>(),
            prop::collection::vec(any::<u8>(), 0..=INLINE_MAX)
        )
            .prop_map(|(copy_id, payload)| StandardInline::new(copy_id, &payload).unwrap().into()),
        (1..=u32::MAX, any::<u16>())
            .prop_map(|(size, more)| StandardRun::new(size, more).unwrap().into()),
        any::<[u64; 3]>().prop_map(|[copy_id, slot_index, reason]| {
            let reason = Reason::new(reason);
            StandardTombstone {
                copy_id,
                slot_index,
                reason,
            }
            .into()
        }),
        any::<[u64; 3]>().prop_map(|[copy_id, slot_index, data_size]| {
            StandardCopy {
                copy_id,
                slot_index,
                data_size,
            }
            .into()
        }),
    ]
}

proptest! {
    // No file of failures beside the sources.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_decodes_encodes_to_the_same_words(
        words in prop_oneof![plausible_words(), any::<[u64; WORDS]>()],
    ) {
        if let Ok(packet) = Packet::decode(words) {
            let mut words = words;
            if let Packet::StandardRun(_) = packet {
                // No part of the packet.
                words[2..].fill(0);
            }
            prop_assert_eq!(packet.encode(), words);
            prop_assert_eq!(Packet::from_bytes(&packet.to_bytes()), Ok(packet));
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_packet(packet in packet()) {
        prop_assert_eq!(Packet::decode(packet.encode()), Ok(packet));
        prop_assert_eq!(Packet::from_bytes(&packet.to_bytes()), Ok(packet));
        prop_assert_eq!(Packet::decode_parts(packet.opcode(), &packet.operands()), Ok(packet));
    }

    #[test]
    fn the_standard_link_decodes_what_any_packet_decodes(words in plausible_words()) {
        let [header, operands @ ..] = words;
        if let Ok(opcode) = Opcode::from_word(header) {
            let narrow = standard::decode(opcode.as_word(), &operands).map(Packet::from);
            if narrow != Err(PacketError::NotStandard(opcode)) {
                prop_assert_eq!(narrow, Packet::decode(words));
            }
        }
    }

    #[test]
    fn what_is_whole_is_so_by_all_rules(copy in connection_copy(), size in 0..1_usize << 30) {
        let chunk = copy.chunk();
        let is_all = chunk.flags.contains(CopyFlags::BEGIN | CopyFlags::END)
            && copy.kind() != MessageKind::Plain
            && chunk.total_size != UNKNOWN_SIZE
            && chunk.connection_id == 0
            && chunk.chunk_size <= size as u64;
        let whole = Whole::read(&copy.operands(), size);
        prop_assert_eq!(whole.is_some(), is_all);
        if let Some(whole) = whole {
            prop_assert_eq!(ConnectionCopy::from(whole), copy);
        }
    }

    #[test]
    fn whole_or_not_it_breaks_no_rule(words in plausible_words()) {
        let [_, operands @ ..] = words;
        if let Some(whole) = Whole::read(&operands, 1 << 20) {
            prop_assert_eq!(ConnectionCopy::from_operands(&operands), Ok(whole.into()));
        }
    }

    #[test]
    fn bytes_are_the_words_in_little_endian(packet in packet()) {
        let bytes = packet.to_bytes();
        for (word, chunk) in packet.encode().iter().zip(bytes.as_chunks().0) {
            prop_assert_eq!(word.to_le_bytes(), *chunk);
        }
    }
}
