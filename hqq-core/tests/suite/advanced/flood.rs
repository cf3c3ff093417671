//! Floods: of beginnings, of dials, of what makes no sense.

use hqq_core::advanced::{DiscardReason, Notice, Reception, SessionOptions};
use hqq_core::packet::{ConnectionCreate, Packet};

use super::support::*;

in_both_formats!(
    a_flood_of_beginnings_costs_nothing,
    a_flood_of_beginnings_that_fit_costs_nothing,
    a_flood_of_dials_fills_no_table,
    a_flood_of_doomed_requests_is_answered,
);

/// Fewer where the machine is emulated.
const FLOOD: u64 = if cfg!(target_endian = "big") {
    20_000
} else {
    100_000
};

/// So many beginnings of `total` bytes, and between them the chunks of a message that must arrive.
fn flood<R: Rings>(wild: &mut Wild<R>, count: u64, total: u64) -> Vec<u8> {
    let good = key(0, u64::MAX, MessageKind::Plain);
    let len = MESSAGE as u64;
    let (mut offset, mut whole) = (0, Vec::new());
    for id in 1..=count {
        let flooding = key(0, id, MessageKind::Plain);
        wild.send(chunk(flooding, [total, 0, 16]));
        // A chunk now and then: the first two in a row, as the message has to get started.
        let due = offset == 0 || offset == 16 || id % (count / 20) == 0;
        if due && offset < len {
            wild.send(chunk(good, [len, offset, 16]));
            offset += 16;
        }
        for seen in wild.near.drain() {
            match seen {
                Seen::Message { key, body, .. } if key == good => whole = body,
                Seen::Chunk(arrival, bytes) if arrival.key == good => {
                    whole.extend(bytes);
                    assert_eq!(arrival.last, whole.len() == MESSAGE);
                }
                Seen::Chunk(arrival, _) => assert_eq!(arrival.offset, 0),
                Seen::Notice(Notice::Discarded(key, reason)) => {
                    assert_ne!(key, good);
                    assert!(matches!(
                        reason,
                        DiscardReason::TooLong { .. } | DiscardReason::NoRoom
                    ));
                }
                other => panic!("{other:?}"),
            }
        }
        let _ = wild.taken();
        assert!(wild.near.link.session().arriving() <= ASSEMBLIES);
    }
    assert!(wild.near.link.session().counters().discarded >= count - ASSEMBLIES as u64);
    whole
}

fn a_flood_of_beginnings_costs_nothing<R: Rings>() {
    let mut wild = Wild::<R>::new(8, 16);
    assert_eq!(flood(&mut wild, 10 * FLOOD, 64 << 20).len(), MESSAGE);
    assert_eq!(wild.near.link.session().arriving(), 0);
}

fn a_flood_of_beginnings_that_fit_costs_nothing<R: Rings>() {
    let mut wild = Wild::<R>::new(8, 16);
    assert_eq!(flood(&mut wild, FLOOD, MESSAGE as u64).len(), MESSAGE);
    // Where messages are handed out as they come, 64 MiB fit.
    let mut wild = Wild::<R>::new(8, 16);
    wild.near.link = wild.near.link.with_reception(Reception::Stream);
    assert_eq!(flood(&mut wild, FLOOD, 64 << 20).len(), MESSAGE);
}

fn a_flood_of_dials_fills_no_table<R: Rings>() {
    let mut wild = Wild::<R>::new(8, 16);
    wild.near.link.listen(true);
    let mut refused = 0;
    for id in 1..=10_000 {
        let connection_id = 2 * id;
        wild.send(ConnectionCreate { connection_id });
        let seen = wild.near.drain();
        assert_eq!(seen.len(), usize::from(id <= CONNECTIONS as u64));
        refused += wild.answers().len();
    }
    assert_eq!(refused, 10_000 - CONNECTIONS);
    assert_eq!(wild.near.link.session().streams(), CONNECTIONS);
    // A peer that takes none of the answers.
    for id in 1..=1000 {
        let connection_id = 2 * id;
        wild.send(ConnectionCreate { connection_id });
        assert_eq!(wild.near.drain(), []);
    }
    let counters = wild.near.link.session().counters();
    assert!(counters.unsent > 900, "{counters:?}");
}

fn a_flood_of_doomed_requests_is_answered<R: Rings>() {
    let mut wild = Wild::<R>::with(32, 16, SessionOptions::new());
    for round in 0..20 {
        let mut ids = Vec::new();
        for index in 1..=30 {
            let id = round * 100 + index;
            if !wild.try_send(chunk(key(0, id, MessageKind::Request), [1 << 40, 0, 16])) {
                break;
            }
            ids.push(id);
        }
        assert!(ids.len() > 20);
        assert_eq!(wild.near.drain().len(), ids.len());
        let mut answers = wild.answers();
        answers.retain(|packet| matches!(packet, Packet::ConnectionCopy(_)));
        let answered: Vec<_> = answers
            .iter()
            .map(|packet| chunk_of(packet).message_id)
            .collect();
        assert_eq!(answered, ids);
    }
    assert_eq!(wild.near.link.session().counters().unsent, 0);
    wild.near.assert_empty();
}

#[test]
fn what_waits_to_be_sent_never_goes_beyond_a_bound() {
    let mut pair = Pair::<Format2>::new(2, 16);
    // Far never looks.
    for _ in 0..1000 {
        let Ok(mut transfer) = pair.near.link.begin_message(0, 999) else {
            break;
        };
        let _ = pair.near.link.advance(&mut transfer, &[1; 999], 1);
        pair.near.link.abort(&mut transfer);
        assert_eq!(pair.near.drain(), []);
    }
    let far = pair.run().1;
    assert!(far.len() <= 64, "{far:?}");
}
