//! Credit: a stream that nobody reads stops alone.

use hqq_core::advanced::{Notice, Progress, SessionOptions};
use hqq_core::packet::{ConnectionCredit, Features, Opcode, Packet};

use super::support::*;
use crate::common::pattern;

const GEOMETRIES: [(usize, usize); 6] = [(2, 8), (2, 64), (4, 16), (2, 256), (8, 48), (64, 8)];

/// Sends messages of 40 bytes on a stream until no more goes, polling both ends; how many bytes went.
fn flood(pair: &mut Pair<Format2>, stream: u64) -> u64 {
    let mut sent = 0;
    for _ in 0..1000 {
        let mut transfer = pair.near.link.begin_message(stream, 40).unwrap();
        let mut idle = 0;
        while idle < 3 {
            let before = transfer.offset();
            let progress = pair.near.send(&mut transfer, &[7; 40]);
            pair.run();
            sent += transfer.offset() - before;
            if progress == Progress::Finished {
                break;
            }
            idle = if transfer.offset() == before {
                idle + 1
            } else {
                0
            };
        }
        if !transfer.is_finished() {
            pair.near.link.abort(&mut transfer);
            pair.run();
            return sent;
        }
    }
    panic!("it never stopped");
}

#[test]
fn a_stream_that_nobody_reads_stops_alone() {
    for (count, size) in GEOMETRIES {
        let window = (count * size) as u64;
        let mut pair = Pair::<Format2>::new(count, size);
        let (unread, other) = (pair.stream(), pair.stream());
        for connection in [unread, 0] {
            pair.far.link.set_paused(connection, true);
            let sent = flood(&mut pair, connection);
            assert!(sent > 0 && sent <= window, "{sent} bytes of {window}");
            // Others go on, in either direction.
            for stream in [other, if connection == 0 { other } else { 0 }] {
                let body = pattern(stream, 200);
                let mut transfer = pair.near.link.begin_message(stream, 200).unwrap();
                assert_eq!(pair.deliver(&mut transfer, &body).len(), 1);
            }
            let mut back = pair.far.link.begin_message(unread, 5).unwrap();
            assert_eq!(pair.far.send(&mut back, b"hello"), Progress::Finished);
            assert_eq!(pair.run().0.len(), 1);
            // And it goes on once it is read again.
            pair.far.link.set_paused(connection, false);
            pair.run();
            let body = pattern(9, 256);
            let mut transfer = pair.near.link.begin_message(connection, 256).unwrap();
            assert_eq!(pair.deliver(&mut transfer, &body).len(), 1);
        }
    }
}

#[test]
fn nothing_waits_for_credit_for_ever() {
    for (count, size) in GEOMETRIES {
        let mut pair = Pair::<Format2>::new(count, size);
        let stream = pair.stream();
        // Many windows of it, in chunks of every length.
        for len in (0..=MESSAGE).chain([1; 200]).chain([0; 200]) {
            let body = pattern(1, len);
            let mut transfer = pair.near.link.begin_message(stream, len as u64).unwrap();
            assert_eq!(pair.deliver(&mut transfer, &body).len(), 1);
        }
        // Those that are given up, and those that are dropped, are paid back, too.
        for _ in 0..100 {
            let mut transfer = pair.near.link.begin_message(stream, 200).unwrap();
            pair.near.link.advance(&mut transfer, &[1; 200], 1).unwrap();
            pair.near.link.abort(&mut transfer);
            pair.run();
            let mut transfer = pair.near.link.begin_message(stream, 999).unwrap();
            pair.near.link.advance(&mut transfer, &[1; 999], 3).unwrap();
            pair.run();
            pair.near.link.abort(&mut transfer);
            pair.run();
        }
        let mut transfer = pair.near.link.begin_message(stream, 200).unwrap();
        assert_eq!(pair.deliver(&mut transfer, &[2; 200]).len(), 1);
    }
}

#[test]
fn credit_is_what_the_protocol_says() {
    // 16 buffers of 16 bytes: a window of 256, told of in halves.
    let mut wild = Wild::<Format2>::new(16, 16);
    for id in 1..=7 {
        assert_eq!(
            wild.seen(chunk(key(0, id, MessageKind::Plain), [1, 0, 1]))
                .len(),
            1
        );
    }
    // The shortest chunk counts as a buffer here, as 64 bytes at most.
    assert_eq!(wild.answers(), []);
    assert_eq!(
        wild.seen(chunk(key(0, 8, MessageKind::Plain), [16, 0, 16]))
            .len(),
        1
    );
    let credit = ConnectionCredit {
        connection_id: 0,
        bytes: 128,
    };
    assert_eq!(wild.answers(), [Packet::from(credit)]);

    let mut wild = Wild::<Format2>::new(2, 256);
    for (id, size) in [(1, 1), (2, 65), (3, 100), (4, 0)] {
        let packet = chunk(key(0, id, MessageKind::Plain), [size, 0, size]);
        assert_eq!(wild.seen(packet).len(), 1);
    }
    let credit = ConnectionCredit {
        connection_id: 0,
        bytes: 64 + 65 + 100 + 64,
    };
    assert_eq!(wild.answers(), [Packet::from(credit)]);
}

#[test]
fn a_sender_has_a_window_at_most() {
    let mut wild = Wild::<Format2>::new(4, 16);
    for _ in 0..3 {
        for bytes in [u64::MAX, 1, 0, u64::MAX] {
            let connection_id = 0;
            assert_eq!(
                wild.seen(ConnectionCredit {
                    connection_id,
                    bytes
                }),
                []
            );
        }
        let mut transfer = wild.near.link.begin_message(0, 999).unwrap();
        let mut chunks = 0;
        while wild.near.link.advance(&mut transfer, &[1; 999], 1).unwrap() == Progress::More {
            chunks += wild.answers().len();
        }
        assert_eq!(chunks, 4);
    }
}

#[test]
fn without_credits_there_is_no_bound_and_none_are_sent() {
    let options = SessionOptions::new().features(Features::FORMAT_1);
    let mut wild = Wild::<Format2>::with(4, 16, options);
    for id in 1..=50 {
        assert_eq!(
            wild.seen(chunk(key(0, id, MessageKind::Plain), [16, 0, 16]))
                .len(),
            1
        );
        assert_eq!(wild.answers(), []);
    }
    let mut transfer = wild.near.link.begin_message(0, 999).unwrap();
    while wild.near.send(&mut transfer, &[1; 999]) != Progress::Finished {
        assert_eq!(wild.answers().len(), 4);
    }
}

#[test]
fn credit_that_was_not_agreed_on_has_no_place() {
    let mut wild = Wild::<Format1>::new(4, 16);
    let credit = ConnectionCredit {
        connection_id: 0,
        bytes: 64,
    };
    assert_eq!(
        wild.seen(credit),
        [Seen::Notice(Notice::Unexpected(Opcode::ConnectionCredit))]
    );
}
