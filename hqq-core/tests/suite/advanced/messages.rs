//! Messages of any length, from a slice, from pieces, in place, whole or as they come.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hqq_core::advanced::{
    AdvanceError, BeginError, DiscardReason, Notice, Progress, Reception, SessionOptions, Transfer,
};
use hqq_core::packet::{ConnectionCopy, Packet, UNKNOWN_SIZE};
use hqq_core::{Format, GrantError};

use super::support::*;
use crate::common::pattern;

in_both_formats!(
    every_length_arrives,
    pieces_arrive_as_one,
    pieces_that_panic_leave_nothing_claimed,
    chunks_are_filled_in_place,
    a_message_goes_on_where_it_stopped,
    a_body_that_is_too_short_leaves_it_unfinished,
    chunks_are_handed_out_as_they_come,
    a_message_has_the_packets_that_the_protocol_says,
    too_long_is_too_long_at_both_ends,
    what_fits_one_chunk_needs_no_assembly,
);

const GEOMETRIES: [(usize, usize); 5] = [(2, 8), (2, 64), (4, 16), (8, 48), (16, 256)];

fn every_length_arrives<R: Rings>() {
    for (count, size) in GEOMETRIES {
        let mut pair = Pair::<R>::new(count, size);
        for len in 0..=MESSAGE {
            let body = pattern(len as u64, len);
            let mut transfer = pair.near.link.begin_message(0, len as u64).unwrap();
            let id = transfer.key().id;
            assert_eq!(id, len as u64 + 1);
            assert_eq!(pair.deliver(&mut transfer, &body), [plain(0, id, &body)]);
            assert!(transfer.is_finished());
            assert_eq!(transfer.remaining(), Some(0));
            // Finished is finished.
            assert_eq!(pair.near.send(&mut transfer, &body), Progress::Finished);
        }
        assert_eq!(pair.run(), (vec![], vec![]));
        pair.near.assert_empty();
        pair.far.assert_empty();
    }
}

fn pieces_arrive_as_one<R: Rings>() {
    let body = pattern(1, 200);
    for (count, size) in GEOMETRIES {
        for step in [1, 3, size, 199, 200] {
            let mut pair = Pair::<R>::new(count, size);
            let pieces = || {
                let empty = std::iter::once(&[][..]);
                empty.chain(body.chunks(step)).chain([&[][..]])
            };
            let mut transfer = pair.near.link.begin_message(0, 200).unwrap();
            let mut seen = Vec::new();
            while pair
                .near
                .link
                .advance_pieces(&mut transfer, pieces(), 3)
                .unwrap()
                != Progress::Finished
            {
                seen.extend(pair.run().1);
            }
            seen.extend(pair.run().1);
            assert_eq!(seen, [plain(0, 1, &body)]);
        }
    }
}

fn pieces_that_panic_leave_nothing_claimed<R: Rings>() {
    let body = pattern(1, 200);
    for times in 0..64 {
        let left: Cell<u32> = Cell::new(times);
        let give = |_: &&[u8]| left.set(left.get().checked_sub(1).expect("the test says so"));
        let mut pair = Pair::<R>::new(4, 64);
        let mut transfer = pair.near.link.begin_message(0, 200).unwrap();
        let sent = catch_unwind(AssertUnwindSafe(|| {
            let pieces = body.chunks(50).inspect(give);
            pair.near.link.advance_pieces(&mut transfer, pieces, 4)
        }));
        // It goes on where it stopped.
        assert_eq!(pair.deliver(&mut transfer, &body), [plain(0, 1, &body)]);
        if let Ok(progress) = sent {
            assert_eq!((progress, times > 4), (Ok(Progress::Finished), true));
            return;
        }
    }
    panic!("it asks so often");
}

/// Sends a message in chunks of `len` bytes, in place; the events at far.
fn fill<R: Rings>(
    pair: &mut Pair<R>,
    transfer: &mut Transfer,
    body: &[u8],
    len: usize,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut parts = body.chunks(len).peekable();
    while let Some(part) = parts.peek() {
        if let Some(mut grant) = pair.near.link.try_reserve_chunk(transfer).unwrap() {
            assert!(part.len() <= grant.capacity());
            grant.copy_from(0, part).unwrap();
            let part = part.len();
            parts.next();
            grant.commit(part, parts.peek().is_none()).unwrap();
            continue;
        }
        seen.extend(pair.run().1);
    }
    seen.extend(pair.run().1);
    seen
}

fn chunks_are_filled_in_place<R: Rings>() {
    let body = pattern(1, 200);
    for (count, size) in GEOMETRIES {
        for len in [1, size - 1, size] {
            let mut pair = Pair::<R>::new(count, size);
            let mut transfer = pair.near.link.begin_message(0, 200).unwrap();
            let seen = fill(&mut pair, &mut transfer, &body, len);
            assert_eq!(seen, [plain(0, 1, &body)]);
            assert_eq!(transfer.offset(), 200);
            let after = pair.near.link.try_reserve_chunk(&mut transfer).unwrap();
            assert!(after.is_none());
        }
    }
    // Nothing is sent of what is refused.
    let mut pair = Pair::<R>::new(4, 16);
    let mut transfer = pair.near.link.begin_message(0, 40).unwrap();
    for (len, error) in [
        (17, GrantError::TooLong { len: 17, max: 16 }),
        (0, GrantError::EmptyMessage),
    ] {
        let grant = pair
            .near
            .link
            .try_reserve_chunk(&mut transfer)
            .unwrap()
            .unwrap();
        assert_eq!(grant.commit(len, true), Err(error));
    }
    drop(pair.near.link.try_reserve_chunk(&mut transfer).unwrap());
    assert_eq!(transfer.offset(), 0);
    assert_eq!(
        pair.deliver(&mut transfer, &body[..40]),
        [plain(0, 1, &body[..40])]
    );
}

fn a_message_goes_on_where_it_stopped<R: Rings>() {
    let body = pattern(2, 100);
    let mut pair = Pair::<R>::new(2, 8);
    let mut transfer = pair.near.link.begin_message(0, 100).unwrap();
    let mut progress = Vec::new();
    for chunks in [0, 1, 1, 1] {
        progress.push(
            pair.near
                .link
                .advance(&mut transfer, &body, chunks)
                .unwrap(),
        );
    }
    use Progress::{Blocked, More};
    assert_eq!(progress, [More, More, More, Blocked]);
    assert_eq!((transfer.offset(), transfer.remaining()), (16, Some(84)));
    assert_eq!(pair.deliver(&mut transfer, &body), [plain(0, 1, &body)]);
}

fn a_body_that_is_too_short_leaves_it_unfinished<R: Rings>() {
    let mut pair = Pair::<R>::new(8, 16);
    // What lies in the buffers from before must not be sent again.
    for _ in 0..8 {
        let mut secret = pair.near.link.begin_message(0, 16).unwrap();
        let seen = pair.deliver(&mut secret, &[0xee; 16]);
        assert_eq!(seen.len(), 1);
    }
    let body = pattern(3, 40);
    let mut transfer = pair.near.link.begin_message(0, 40).unwrap();
    for len in [0, 3, 3, 20] {
        assert_eq!(
            pair.near.send(&mut transfer, &body[..len]),
            Progress::More,
            "{len} bytes are not all"
        );
        assert_eq!(transfer.offset(), len as u64);
        assert_eq!(pair.run().1, []);
    }
    assert!(!transfer.is_finished());
    assert_eq!(pair.deliver(&mut transfer, &body), [plain(0, 9, &body)]);
}

fn chunks_are_handed_out_as_they_come<R: Rings>() {
    let mut pair = Pair::<R>::strangers(4, 16, SessionOptions::new());
    pair.far.link = pair.far.link.with_reception(Reception::Stream);
    pair.near.link.negotiate(1).unwrap();
    pair.run();
    // Longer than what could be put together.
    let body = pattern(4, 1000);
    let mut transfer = pair.near.link.begin_message(0, 1000).unwrap();
    let seen = pair.deliver(&mut transfer, &body);
    assert_eq!(seen.len(), 1000_usize.div_ceil(16));
    let mut whole: Vec<u8> = Vec::new();
    for event in &seen {
        let Seen::Chunk(arrival, bytes) = event else {
            panic!("{event:?}");
        };
        assert_eq!(arrival.key, *transfer.key());
        assert_eq!(arrival.total, Some(1000));
        assert_eq!(arrival.offset, whole.len() as u64);
        whole.extend(bytes);
        assert_eq!(arrival.last, whole.len() == 1000);
    }
    assert_eq!(whole, body);
    let mut empty = pair.near.link.begin_message(0, 0).unwrap();
    let seen = pair.deliver(&mut empty, &[]);
    assert!(
        matches!(&seen[..], [Seen::Chunk(arrival, bytes)] if arrival.last && bytes.is_empty()),
        "{seen:?}"
    );
    pair.far.assert_empty();
}

fn a_message_has_the_packets_that_the_protocol_says<R: Rings>() {
    let mut wild = Wild::<R>::new(4, 16);
    let connection = match R::FORMAT {
        // Of connections that nobody ever made, as HQQ-Go has them.
        Format::V1 => 7,
        Format::V2 => 0,
    };
    let body = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let near = &mut wild.near;
    let mut transfer = near.link.begin_message(connection, 36).unwrap();
    assert_eq!(near.send(&mut transfer, body), Progress::Finished);
    let mut empty = near.link.begin_message(connection, 0).unwrap();
    assert_eq!(near.send(&mut empty, &[]), Progress::Finished);
    let packets: Vec<_> = wild.answers().iter().map(Packet::encode).collect();
    assert_eq!(
        packets,
        [
            [4, connection, 1, 36, 0, 16, 1, 0],
            [4, connection, 1, 36, 16, 16, 0, 0],
            [4, connection, 1, 36, 32, 4, 2, 0],
            [4, connection, 2, 0, 0, 0, 3, 0],
        ]
    );
}

fn too_long_is_too_long_at_both_ends<R: Rings>() {
    let options = SessionOptions::new().max_message_size(100);
    let mut pair = Pair::<R>::with(4, 16, options);
    let too_long = BeginError::TooLong { len: 101, max: 100 };
    assert_eq!(pair.near.link.begin_message(0, 101), Err(too_long));
    let body = [1; 100];
    let mut transfer = pair.near.link.begin_message(0, 100).unwrap();
    assert_eq!(pair.deliver(&mut transfer, &body).len(), 1);

    // Longer than what the far end puts together: it says so at once.
    let mut pair = Pair::<R>::new(4, 16);
    let len = MESSAGE as u64 + 1;
    let mut transfer = pair.near.link.begin_message(0, len).unwrap();
    let body = vec![0; MESSAGE + 1];
    pair.near.link.advance(&mut transfer, &body, 1).unwrap();
    let max = MESSAGE as u64;
    let reason = DiscardReason::TooLong { len, max };
    let died = Seen::Notice(Notice::Discarded(*transfer.key(), reason));
    assert_eq!(pair.run().1, [died]);
    // What still comes of it is dropped, and nothing else.
    assert_eq!(pair.deliver(&mut transfer, &body), []);
    let mut next = pair.near.link.begin_message(0, 20).unwrap();
    assert_eq!(pair.deliver(&mut next, &body[..20]).len(), 1);
    pair.far.assert_empty();
}

fn what_fits_one_chunk_needs_no_assembly<R: Rings>() {
    let mut pair = Pair::<R>::new(2, 1024);
    let body = pattern(5, 1024);
    let mut transfer = pair.near.link.begin_message(0, 1024).unwrap();
    assert_eq!(pair.deliver(&mut transfer, &body), [plain(0, 1, &body)]);
}

#[test]
fn a_message_may_begin_before_its_size_is_known() {
    for len in [0, 1, 15, 16, 17, 32, 200, MESSAGE] {
        let mut pair = Pair::<Format2>::new(4, 16);
        let body = pattern(6, len);
        let mut transfer = pair.near.link.begin_unsized(0).unwrap();
        assert_eq!(transfer.remaining(), None);
        assert_eq!(pair.deliver(&mut transfer, &body), [plain(0, 1, &body)]);
        let mut transfer = pair.near.link.begin_unsized(0).unwrap();
        if len > 0 {
            let seen = fill(&mut pair, &mut transfer, &body, 11);
            assert_eq!(seen, [plain(0, 2, &body)]);
        }
        pair.far.assert_empty();
    }
}

#[test]
fn a_message_of_unknown_size_may_end_with_nothing() {
    let mut pair = Pair::<Format2>::new(4, 16);
    let mut transfer = pair.near.link.begin_unsized(0).unwrap();
    for (bytes, ends) in [(&b"all of it"[..], false), (&[], true)] {
        let mut grant = pair
            .near
            .link
            .try_reserve_chunk(&mut transfer)
            .unwrap()
            .unwrap();
        grant.copy_from(0, bytes).unwrap();
        grant.commit(bytes.len(), ends).unwrap();
    }
    assert_eq!(pair.run().1, [plain(0, 1, b"all of it")]);
    assert!(transfer.is_finished());
}

#[test]
fn a_message_of_unknown_size_has_the_same_limit() {
    let options = SessionOptions::new().max_message_size(100);
    let mut pair = Pair::<Format2>::with(8, 16, options);
    let mut transfer = pair.near.link.begin_unsized(0).unwrap();
    let too_long = AdvanceError::TooLong { len: 101, max: 100 };
    assert_eq!(
        pair.near.link.advance(&mut transfer, &[1; 101], 1),
        Err(too_long)
    );
    assert_eq!(transfer.offset(), 0);
    // In place, there is room for so many, and for an end.
    for len in [16, 16, 16, 16, 16, 16, 4, 0] {
        let grant = pair.near.link.try_reserve_chunk(&mut transfer).unwrap();
        let grant = grant.unwrap();
        assert_eq!(grant.capacity(), len);
        // The last one is none, and is not sent.
        assert_eq!(grant.commit(len, false).is_ok(), len > 0);
        assert_eq!(pair.run().1, []);
    }
    assert_eq!(
        pair.near.link.advance(&mut transfer, &[1; 101], 1),
        Err(too_long)
    );
    pair.near.link.abort(&mut transfer);
    let aborted = Seen::Notice(Notice::Aborted(*transfer.key()));
    assert_eq!(pair.run().1, [aborted]);

    // One whose sender has no such limit dies where it passes the receiver's.
    let mut wild = Wild::<Format2>::new(4, 16);
    let long = key(0, 1, MessageKind::Plain);
    let part = |offset| chunk(long, [UNKNOWN_SIZE, offset, 16]);
    for offset in (0..MESSAGE as u64).step_by(16) {
        assert_eq!(wild.seen(part(offset)), []);
    }
    let max = MESSAGE as u64;
    let reason = DiscardReason::TooLong { len: max + 16, max };
    assert_eq!(
        wild.seen(part(max)),
        [Seen::Notice(Notice::Discarded(long, reason))]
    );
    assert_eq!(wild.seen(part(max + 16)), []);
    let _ = wild.answers();
    wild.near.assert_empty();
}

#[test]
fn a_chunk_in_format_1_is_as_hqq_go_takes_it() {
    let packet: ConnectionCopy = chunk(key(7, 1, MessageKind::Plain), [36, 16, 16]);
    assert_eq!(Packet::from(packet).encode(), [4, 7, 1, 36, 16, 16, 0, 0]);
    let mut pair = Pair::<Format1>::new(4, 16);
    assert!(matches!(
        pair.near.link.begin_unsized(0),
        Err(BeginError::NotAgreed { .. })
    ));
}
