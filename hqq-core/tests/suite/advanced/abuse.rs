//! Peers that break the rules, and format 1's peer, which must never be told so by an Error packet.

use hqq_core::advanced::{DiscardReason, Notice, SessionOptions};
use hqq_core::packet::{
    ConnectionAccept, ConnectionClose, ConnectionCopy, ConnectionCreate, ConnectionCredit,
    ErrorCode, ErrorPacket, Opcode, Packet, Reason, StandardCopy, StandardTombstone, UNKNOWN_SIZE,
};

use super::support::*;

in_both_formats!(
    offsets_near_the_end_of_the_numbers,
    packets_without_a_place_are_reported,
    a_size_over_the_buffer_ends_only_its_packet,
    an_error_is_sent_as_an_answer_only,
);

fn offsets_near_the_end_of_the_numbers<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    let message = key(0, 1, MessageKind::Plain);
    let most = u64::MAX - 1;
    for place in [[most, most - 16, 16], [most, most - 32, 16], [most, 16, 16]] {
        assert_eq!(wild.seen(chunk(message, place)), []);
    }
    let seen = wild.seen(chunk(message, [most, 0, 16]));
    let max = MESSAGE as u64;
    let reason = DiscardReason::TooLong { len: most, max };
    assert_eq!(seen, [Seen::Notice(Notice::Discarded(message, reason))]);
    // Of a message of unknown size, its last byte but one.
    let place = [UNKNOWN_SIZE, UNKNOWN_SIZE - 17, 16];
    assert_eq!(wild.seen(chunk(message, place)), []);
    // One that is under way jumps there.
    assert_eq!(wild.seen(chunk(message, [100, 0, 16])), []);
    let seen = wild.seen(chunk(message, [most, most - 16, 16]));
    assert_eq!(seen.len(), 1, "{seen:?}");
    wild.near.assert_empty();
}

fn packets_without_a_place_are_reported<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    let packet = StandardCopy {
        copy_id: 1,
        slot_index: 0,
        data_size: 9,
    };
    assert_eq!(
        wild.seen(packet),
        [Seen::Notice(Notice::Unexpected(Opcode::StandardCopy))]
    );
    let tombstone = StandardTombstone {
        copy_id: 1,
        slot_index: 0,
        reason: Reason::NORMAL,
    };
    assert_eq!(wild.seen(tombstone), []);
    assert_eq!(wild.answers(), []);
}

fn a_size_over_the_buffer_ends_only_its_packet<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    let (first, second) = (key(0, 1, MessageKind::Plain), key(0, 2, MessageKind::Plain));
    assert_eq!(wild.seen(chunk(first, [40, 0, 16])), []);
    let seen = wild.seen(chunk(second, [40, 0, 17]));
    assert!(matches!(&seen[..], [Seen::Malformed(_)]), "{seen:?}");
    assert_eq!(wild.seen(chunk(first, [40, 16, 16])), []);
    assert_eq!(wild.seen(chunk(first, [40, 32, 8])).len(), 1);
    wild.near.assert_empty();
}

/// HQQ-Go stops for good at an Error packet that answers neither a dial nor an offer of its own.
fn an_error_is_sent_as_an_answer_only<R: Rings>() {
    let mut wild = Wild::<R>::with(64, 16, SessionOptions::new().patience(5));
    wild.near.link.listen(true);
    let stream = wild.near.link.dial().unwrap();
    let _ = wild.answers();
    let ids = [0, stream, 8, u64::MAX];
    let kinds = [
        MessageKind::Plain,
        MessageKind::Request,
        MessageKind::Response,
    ];
    let mut packets: Vec<Packet> = Vec::new();
    for connection_id in ids {
        let reason = Reason::NORMAL;
        for kind in kinds {
            let name = key(connection_id, 3, kind);
            packets.extend::<[Packet; 6]>([
                chunk(name, [100, 0, 16]).into(),
                chunk(name, [100, 32, 16]).into(),
                chunk(name, [1 << 50, 0, 16]).into(),
                chunk(name, [100, 0, 16]).into(),
                ConnectionCopy::abort(connection_id, 3, kind).into(),
                chunk(name, [UNKNOWN_SIZE, 0, 16]).into(),
            ]);
        }
        packets.extend::<[Packet; 4]>([
            ConnectionAccept { connection_id }.into(),
            ConnectionClose {
                connection_id,
                reason,
            }
            .into(),
            ConnectionCredit {
                connection_id,
                bytes: 1,
            }
            .into(),
            ErrorPacket {
                context_id: connection_id,
                code: ErrorCode::InvalidOperation,
            }
            .into(),
        ]);
    }
    for packet in packets {
        wild.near.now += 1;
        wild.send(packet);
        wild.near.drain();
        wild.near.drain();
        for answer in wild.taken() {
            assert_ne!(answer.opcode(), Opcode::Error, "an answer to {packet:?}");
        }
    }
    assert_eq!(wild.seen(ConnectionCreate { connection_id: 0 }), []);
    let answers = wild.answers();
    assert!(matches!(answers[..], [Packet::Error(_)]), "{answers:?}");
}
