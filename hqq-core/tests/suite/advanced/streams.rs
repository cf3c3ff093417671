//! Streams: dialling, accepting, refusing, closing.

use hqq_core::Format;
use hqq_core::advanced::{AdvanceError, BeginError, CallFailure, Notice, Progress, StreamState};
use hqq_core::packet::{ConnectionCreate, ErrorCode, ErrorPacket, Packet, Reason};

use super::support::*;

in_both_formats!(
    a_stream_is_dialled_accepted_and_closed,
    either_end_closes,
    a_stream_is_refused,
    every_dial_is_answered,
    closing_fails_the_calls,
    a_stream_that_is_closed_takes_nothing,
    nothing_overtakes_the_acceptance,
    what_was_never_told_is_not_taken_back,
);

pub(crate) fn opened(id: u64) -> Seen {
    Seen::Notice(Notice::Opened(id))
}

pub(crate) fn offered(id: u64) -> Seen {
    Seen::Notice(Notice::Offered(id))
}

pub(crate) fn closed(connection: u64, reason: u64) -> Seen {
    let reason = Reason::new(reason);
    Seen::Notice(Notice::Closed { connection, reason })
}

pub(crate) fn refused(connection: u64) -> Seen {
    let code = ErrorCode::ConnectionNotFound;
    Seen::Notice(Notice::Refused { connection, code })
}

pub(crate) fn refusal(context_id: u64) -> Packet {
    let code = ErrorCode::ConnectionNotFound;
    ErrorPacket { context_id, code }.into()
}

/// An id that the peer of the primary end would give.
pub(crate) fn foreign<R: Rings>() -> u64 {
    match R::FORMAT {
        Format::V1 => 9,
        Format::V2 => 10,
    }
}

fn a_stream_is_dialled_accepted_and_closed<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    let id = pair.stream();
    assert_eq!(pair.near.link.session().stream(id), Some(StreamState::Open));
    assert_eq!(pair.far.link.session().stream(id), Some(StreamState::Open));
    for _ in 0..3 {
        let mut transfer = pair.near.link.begin_message(id, 20).unwrap();
        let number = transfer.key().id;
        assert_eq!(
            pair.deliver(&mut transfer, &[3; 20]),
            [plain(id, number, &[3; 20])]
        );
    }
    assert!(pair.near.link.close_stream(id, Reason::NORMAL));
    assert_eq!(pair.run(), (vec![], vec![closed(id, 0)]));
    pair.near.assert_empty();
    pair.far.assert_empty();
    // Ids are not used again.
    let next = pair.stream();
    assert!(next > id);
}

fn either_end_closes<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    let id = pair.stream();
    assert!(pair.far.link.close_stream(id, Reason::new(77)));
    assert!(!pair.far.link.close_stream(id, Reason::new(78)));
    assert_eq!(pair.run(), (vec![closed(id, 77)], vec![]));
    assert!(!pair.near.link.close_stream(id, Reason::NORMAL));
    // Both at once.
    let id = pair.stream();
    assert!(pair.near.link.close_stream(id, Reason::NORMAL));
    assert!(pair.far.link.close_stream(id, Reason::NORMAL));
    assert_eq!(pair.run(), (vec![], vec![]));
    pair.near.assert_empty();
    pair.far.assert_empty();
    // While it is being dialled: before it is offered, and after.
    for is_offered in [false, true] {
        let id = pair.near.link.dial().unwrap();
        assert_eq!(pair.near.drain(), []);
        if is_offered {
            assert_eq!(pair.far.drain(), [offered(id)]);
        }
        assert!(pair.near.link.close_stream(id, Reason::NORMAL));
        let (near, far) = pair.run();
        assert_eq!(near, []);
        assert_eq!(far.last(), Some(&closed(id, 0)));
        assert!(!pair.far.link.accept_stream(id));
        pair.near.assert_empty();
        pair.far.assert_empty();
    }
}

fn a_stream_is_refused<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    // Nobody listens.
    let id = pair.near.link.dial().unwrap();
    assert_eq!(pair.run(), (vec![refused(id)], vec![]));
    pair.far.link.listen(true);
    // By choice; closing instead of accepting is the same.
    for by_closing in [false, true] {
        let id = pair.near.link.dial().unwrap();
        assert_eq!(pair.run().1, [offered(id)]);
        assert!(if by_closing {
            pair.far.link.close_stream(id, Reason::new(3))
        } else {
            pair.far.link.refuse_stream(id)
        });
        assert!(!pair.far.link.refuse_stream(id));
        assert!(!pair.far.link.accept_stream(id));
        assert_eq!(pair.run(), (vec![refused(id)], vec![]));
    }
    pair.far.link.listen(false);
    let id = pair.near.link.dial().unwrap();
    assert_eq!(pair.run().0, [refused(id)]);
    pair.near.assert_empty();
    pair.far.assert_empty();
}

fn every_dial_is_answered<R: Rings>() {
    // More than one poll's worth of answers, from an end that does not listen.
    let mut wild = Wild::<R>::new(64, 16);
    let ids: Vec<u64> = (1..=40).map(|id| 2 * id).collect();
    for connection_id in &ids {
        wild.send(ConnectionCreate {
            connection_id: *connection_id,
        });
    }
    let expected: Vec<_> = ids.iter().map(|id| refusal(*id)).collect();
    assert_eq!(wild.answers(), expected);
    assert_eq!(wild.near.link.session().counters().unsent, 0);
}

fn closing_fails_the_calls<R: Rings>() {
    for far_closes in [false, true] {
        let mut pair = Pair::<R>::new(4, 16);
        let id = pair.stream();
        let mut calls = Vec::new();
        for connection in [id, 0, id] {
            let mut call = pair.near.link.begin_request(connection, 1, 0).unwrap();
            assert_eq!(pair.deliver(&mut call, &[]).len(), 1);
            calls.push(*call.key());
        }
        // Something is arriving on it, too, and on the link itself.
        for connection in [id, 0] {
            let mut half = pair.far.link.begin_message(connection, 40).unwrap();
            pair.far.link.advance(&mut half, &[1; 40], 1).unwrap();
            assert_eq!(pair.run().0, []);
        }
        let closing = if far_closes {
            &mut pair.far
        } else {
            &mut pair.near
        };
        assert!(closing.link.close_stream(id, Reason::NORMAL));
        let (mut near, _) = pair.run();
        near.retain(|seen| *seen != closed(id, 0));
        let failed = [calls[0], calls[2]].map(|key| {
            Seen::Notice(Notice::CallFailed {
                connection: id,
                id: key.id,
                failure: CallFailure::Closed,
            })
        });
        assert_eq!(near.len(), 2);
        assert!(
            failed.iter().all(|failed| near.contains(failed)),
            "{near:?}"
        );
        let session = pair.near.link.session();
        assert_eq!((session.pending_calls(), session.arriving()), (1, 1));
    }
}

fn a_stream_that_is_closed_takes_nothing<R: Rings>() {
    for far_closes in [false, true] {
        let mut pair = Pair::<R>::new(4, 16);
        let id = pair.stream();
        let mut half = pair.near.link.begin_message(id, 40).unwrap();
        pair.near.link.advance(&mut half, &[1; 40], 1).unwrap();
        assert_eq!(pair.run().1, []);
        let closing = if far_closes {
            &mut pair.far
        } else {
            &mut pair.near
        };
        assert!(closing.link.close_stream(id, Reason::NORMAL));
        pair.run();
        assert_eq!(
            pair.near.link.advance(&mut half, &[1; 40], 1),
            Err(AdvanceError::Closed)
        );
        pair.near.link.abort(&mut half);
        assert_eq!(pair.run(), (vec![], vec![]));
        if R::FORMAT == Format::V2 {
            let connection = id;
            let unknown = BeginError::UnknownConnection { connection };
            assert_eq!(pair.near.link.begin_message(id, 1), Err(unknown));
            assert_eq!(pair.near.link.begin_request(id, 1, 1), Err(unknown));
        }
        pair.near.assert_empty();
        pair.far.assert_empty();
    }
}

fn nothing_overtakes_the_acceptance<R: Rings>() {
    let mut pair = Pair::<R>::new(2, 16);
    pair.far.link.listen(true);
    let id = pair.near.link.dial().unwrap();
    assert_eq!(pair.run().1, [offered(id)]);
    // The ring is full when the stream is accepted.
    let mut filler = pair.far.link.begin_message(0, 40).unwrap();
    assert_eq!(pair.far.send(&mut filler, &[1; 40]), Progress::Blocked);
    assert!(pair.far.link.accept_stream(id));
    let mut first = pair.far.link.begin_message(id, 5).unwrap();
    let mut near = Vec::new();
    for _ in 0..9 {
        // Never in between: only sending itself could send the acceptance.
        let _ = pair.far.send(&mut first, b"first");
        near.extend(pair.near.drain());
    }
    assert_eq!(near, [opened(id), plain(id, 2, b"first")]);
}

fn what_was_never_told_is_not_taken_back<R: Rings>() {
    let mut wild = Wild::<R>::new(4, 16);
    // Dialled and closed before the peer heard of it.
    let id = wild.near.link.dial().unwrap();
    assert!(wild.near.link.close_stream(id, Reason::NORMAL));
    assert_eq!(wild.answers(), []);
    wild.near.assert_empty();
    // Accepted and closed before the peer heard of it: its dial is refused.
    wild.near.link.listen(true);
    let connection_id = foreign::<R>();
    let seen = wild.seen(ConnectionCreate { connection_id });
    assert_eq!(seen, [offered(connection_id)]);
    assert!(wild.near.link.accept_stream(connection_id));
    assert!(wild.near.link.close_stream(connection_id, Reason::NORMAL));
    assert_eq!(wild.answers(), [refusal(connection_id)]);
    wild.near.assert_empty();
}
