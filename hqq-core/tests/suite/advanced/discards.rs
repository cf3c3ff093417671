//! Messages that die on their way: which, why, and that others go on.

use hqq_core::advanced::{DiscardReason, Notice, SessionOptions};
use hqq_core::packet::ConnectionCopy;

use super::support::*;

in_both_formats!(
    a_chunk_that_is_not_the_next_ends_its_message,
    a_message_that_stands_still_is_dropped,
    a_message_does_not_get_old_while_nobody_looks,
    the_oldest_beginning_makes_room,
    a_message_that_makes_progress_stays,
    one_abort_is_one_notice,
    the_caller_drops_what_it_does_not_want,
);

fn message(id: u64) -> MessageKey {
    key(0, id, MessageKind::Plain)
}

fn died(id: u64, reason: DiscardReason) -> Seen {
    Seen::Notice(Notice::Discarded(message(id), reason))
}

fn a_chunk_that_is_not_the_next_ends_its_message<R: Rings>() {
    let out_of_order = |expected, found| DiscardReason::OutOfOrder { expected, found };
    for ([total, offset, size], reason) in [
        // A gap, a step back, the beginning again, another size.
        ([100, 32, 16], out_of_order(16, 32)),
        ([100, 8, 16], out_of_order(16, 8)),
        ([100, 0, 16], out_of_order(16, 0)),
        ([99, 16, 16], out_of_order(16, 16)),
        ([0, 0, 0], out_of_order(16, 0)),
        ([100, 84, 16], out_of_order(16, 84)),
    ] {
        let mut wild = Wild::<R>::new(16, 16);
        for id in [1, 2] {
            assert_eq!(wild.seen(chunk(message(id), [100, 0, 16])), []);
        }
        let wrong = chunk(message(1), [total, offset, size]);
        assert_eq!(wild.seen(wrong), [died(1, reason)]);
        // What follows of it is counted, not reported again.
        assert_eq!(wild.seen(chunk(message(1), [100, 48, 16])), []);
        assert_eq!(wild.near.link.session().counters().stray, 1);
        assert_eq!(wild.near.link.session().arriving(), 1);
        for offset in [16, 32, 48, 64, 80] {
            assert_eq!(wild.seen(chunk(message(2), [100, offset, 16])), []);
        }
        let last = wild.seen(chunk(message(2), [100, 96, 4]));
        assert!(matches!(&last[..], [Seen::Message { key, .. }] if key.id == 2));
        wild.near.assert_empty();
    }
}

fn a_message_that_stands_still_is_dropped<R: Rings>() {
    let mut wild = Wild::<R>::with(16, 16, SessionOptions::new().patience(10));
    for id in [1, 2] {
        assert_eq!(wild.seen(chunk(message(id), [100, 0, 16])), []);
    }
    for now in 1..=10 {
        wild.near.now = now;
        assert_eq!(wild.near.drain(), []);
    }
    assert_eq!(wild.seen(chunk(message(2), [100, 16, 16])), []);
    wild.near.now = 11;
    assert_eq!(wild.near.drain(), [died(1, DiscardReason::Stale)]);
    wild.near.now = 20;
    assert_eq!(wild.near.drain(), []);
    wild.near.now = u64::MAX;
    assert_eq!(wild.near.drain(), [died(2, DiscardReason::Stale)]);
    wild.near.assert_empty();
}

fn a_message_does_not_get_old_while_nobody_looks<R: Rings>() {
    let mut wild = Wild::<R>::with(16, 16, SessionOptions::new().patience(160));
    for id in [1, 2] {
        assert_eq!(wild.seen(chunk(message(id), [100, 0, 16])), []);
    }
    for (offset, now) in [(16, 1000), (32, 2000), (48, 3000)] {
        // All that came meanwhile lies in the ring, and perhaps not all that would have.
        wild.near.now = now;
        assert_eq!(wild.seen(chunk(message(2), [100, offset, 16])), []);
    }
    wild.near.now += 130;
    assert_eq!(wild.near.drain(), []);
    assert_eq!(wild.seen(chunk(message(1), [100, 16, 16])), []);
    wild.near.now += 161;
    let mut dead = wild.near.drain();
    dead.sort_by_key(|seen| *seen == died(2, DiscardReason::Stale));
    assert_eq!(dead, [1, 2].map(|id| died(id, DiscardReason::Stale)));
}

#[test]
fn a_message_does_not_get_old_while_its_stream_is_paused() {
    let mut wild = Wild::<Format2>::with(16, 16, SessionOptions::new().patience(10));
    assert_eq!(wild.seen(chunk(message(1), [100, 0, 16])), []);
    wild.near.link.set_paused(0, true);
    wild.near.now = 1000;
    assert_eq!(wild.near.drain(), []);
    wild.near.link.set_paused(0, false);
    wild.near.now += 10;
    assert_eq!(wild.near.drain(), []);
    wild.near.now += 1;
    assert_eq!(wild.near.drain(), [died(1, DiscardReason::Stale)]);
}

fn the_oldest_beginning_makes_room<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    for id in 1..=ASSEMBLIES as u64 {
        wild.near.now = id;
        assert_eq!(wild.seen(chunk(message(id), [100, 0, 16])), []);
    }
    // The first one has come further than its beginning.
    assert_eq!(wild.seen(chunk(message(1), [100, 16, 16])), []);
    for id in 5..100 {
        wild.near.now = id;
        let seen = wild.seen(chunk(message(id), [100, 0, 16]));
        assert_eq!(seen, [died(id - 3, DiscardReason::NoRoom)]);
    }
    assert_eq!(wild.near.link.session().arriving(), ASSEMBLIES);
    assert_eq!(wild.seen(chunk(message(1), [100, 32, 16])), []);
}

fn a_message_that_makes_progress_stays<R: Rings>() {
    let mut wild = Wild::<R>::with(16, 16, SessionOptions::new().patience(10));
    for id in 1..=ASSEMBLIES as u64 {
        assert_eq!(wild.seen(chunk(message(id), [100, 0, 16])), []);
        assert_eq!(wild.seen(chunk(message(id), [100, 16, 16])), []);
    }
    for id in 10..20 {
        let seen = wild.seen(chunk(message(id), [100, 0, 16]));
        assert_eq!(seen, [died(id, DiscardReason::NoRoom)]);
        // One chunk needs no room.
        let seen = wild.seen(chunk(message(id), [16, 0, 16]));
        assert!(matches!(&seen[..], [Seen::Message { .. }]));
    }
    for id in 1..=ASSEMBLIES as u64 {
        assert_eq!(wild.seen(chunk(message(id), [100, 32, 16])), []);
    }
}

fn one_abort_is_one_notice<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    let abort = ConnectionCopy::abort(0, 1, MessageKind::Plain);
    assert_eq!(wild.seen(abort), []);
    assert_eq!(wild.seen(chunk(message(1), [100, 0, 16])), []);
    let aborted = Seen::Notice(Notice::Aborted(message(1)));
    assert_eq!(wild.seen(abort), [aborted]);
    assert_eq!(wild.seen(abort), []);
    // Neither of one that is dead already.
    assert_eq!(wild.seen(chunk(message(1), [100, 0, 16])), []);
    assert_eq!(wild.seen(chunk(message(1), [100, 0, 16])).len(), 1);
    assert_eq!(wild.seen(abort), []);
    // Of a request always: all of it may have come before.
    let request = key(0, 1, MessageKind::Request);
    assert_eq!(wild.seen(chunk(request, [16, 0, 16])).len(), 1);
    let abort = ConnectionCopy::abort(0, 1, MessageKind::Request);
    let aborted = Seen::Notice(Notice::Aborted(request));
    assert_eq!(wild.seen(abort), [aborted]);
    wild.near.assert_empty();
}

fn the_caller_drops_what_it_does_not_want<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    for id in [1, 2] {
        assert_eq!(wild.seen(chunk(message(id), [40, 0, 16])), []);
    }
    let notice = wild.near.link.discard(&message(1));
    assert_eq!(
        notice,
        Some(Notice::Discarded(message(1), DiscardReason::Dropped))
    );
    assert_eq!(wild.near.link.discard(&message(1)), None);
    assert_eq!(wild.seen(chunk(message(1), [40, 16, 16])), []);
    assert_eq!(wild.seen(chunk(message(2), [40, 16, 16])), []);
    assert_eq!(wild.seen(chunk(message(2), [40, 32, 8])).len(), 1);
    wild.near.assert_empty();
}
