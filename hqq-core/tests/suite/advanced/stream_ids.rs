//! Ids of streams: who gives them, and packets about those that there are not.

use hqq_core::Format;
use hqq_core::advanced::{BeginError, DiscardReason, Notice, Progress};
use hqq_core::packet::{
    ConnectionAccept, ConnectionClose, ConnectionCopy, ConnectionCreate, ConnectionCredit,
    ErrorCode, ErrorPacket, Reason,
};

use super::streams::{foreign, offered, opened, refusal};
use super::support::*;

in_both_formats!(
    packets_about_other_streams_change_nothing,
    a_stream_is_offered_once,
    there_is_room_for_so_many,
    both_ends_dial_at_once,
);

fn packets_about_other_streams_change_nothing<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    wild.near.link.listen(true);
    for connection_id in [0, foreign::<R>(), 8, u64::MAX] {
        assert_eq!(wild.seen(ConnectionAccept { connection_id }), []);
        let reason = Reason::NORMAL;
        let close = ConnectionClose {
            connection_id,
            reason,
        };
        assert_eq!(wild.seen(close), []);
        let code = ErrorCode::ConnectionNotFound;
        let error = ErrorPacket {
            context_id: connection_id,
            code,
        };
        let context = connection_id;
        let peer_error = Seen::Notice(Notice::PeerError { context, code });
        assert_eq!(wild.seen(error), [peer_error]);
        if R::FORMAT == Format::V2 {
            let bytes = u64::MAX;
            let credit = ConnectionCredit {
                connection_id,
                bytes,
            };
            assert_eq!(wild.seen(credit), []);
        }
        wild.near.assert_empty();
        assert_eq!(wild.answers(), []);
    }
    // There is no stream 0.
    assert_eq!(wild.seen(ConnectionCreate { connection_id: 0 }), []);
    assert_eq!(wild.answers(), [refusal(0)]);
    // Answers to a dial that the peer cannot have heard of.
    let mut wild = Wild::<R>::new(2, 16);
    let mut filler = wild.near.link.begin_message(0, 32).unwrap();
    assert_eq!(wild.near.send(&mut filler, &[1; 32]), Progress::Finished);
    let id = wild.near.link.dial().unwrap();
    assert_eq!(wild.seen(ConnectionAccept { connection_id: id }), []);
    let code = ErrorCode::ConnectionNotFound;
    let error = ErrorPacket {
        context_id: id,
        code,
    };
    let context = id;
    let peer_error = Seen::Notice(Notice::PeerError { context, code });
    assert_eq!(wild.seen(error), [peer_error]);
    let create = ConnectionCreate { connection_id: id };
    assert_eq!(wild.answers().last(), Some(&create.into()));
    assert_eq!(
        wild.seen(ConnectionAccept { connection_id: id }),
        [opened(id)]
    );
}

fn a_stream_is_offered_once<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    wild.near.link.listen(true);
    let connection_id = foreign::<R>();
    let create = ConnectionCreate { connection_id };
    assert_eq!(wild.seen(create), [offered(connection_id)]);
    assert_eq!(wild.seen(create), []);
    // Nothing can be sent or taken on it before it is accepted.
    if R::FORMAT == Format::V2 {
        let early = key(connection_id, 1, MessageKind::Plain);
        let reason = DiscardReason::UnknownConnection;
        assert_eq!(
            wild.seen(chunk(early, [8, 0, 8])),
            [Seen::Notice(Notice::Discarded(early, reason))]
        );
    }
    let begun = wild.near.link.begin_message(connection_id, 1);
    let connection = connection_id;
    assert_eq!(begun, Err(BeginError::UnknownConnection { connection }));
    assert!(wild.near.link.accept_stream(connection_id));
    assert!(!wild.near.link.accept_stream(connection_id));
    assert_eq!(wild.seen(create), []);
    assert_eq!(wild.answers(), [ConnectionAccept { connection_id }.into()]);
}

fn there_is_room_for_so_many<R: Rings>() {
    let mut pair = Pair::<R>::new(16, 16);
    let ids: Vec<_> = (0..CONNECTIONS).map(|_| pair.stream()).collect();
    assert_eq!(pair.near.link.dial(), None);
    assert_eq!(pair.far.link.dial(), None);
    assert!(pair.near.link.close_stream(ids[1], Reason::NORMAL));
    pair.run();
    let _ = pair.stream();
    assert_eq!(pair.near.link.session().streams(), CONNECTIONS);
}

fn both_ends_dial_at_once<R: Rings>() {
    let mut pair = Pair::<R>::new(8, 16);
    pair.near.link.listen(true);
    pair.far.link.listen(true);
    let near_id = pair.near.link.dial().unwrap();
    let far_id = pair.far.link.dial().unwrap();
    let (mut near, mut far) = pair.run();
    match R::FORMAT {
        // One and the same: each takes the other's as the answer to its own.
        Format::V1 => assert_eq!(near_id, far_id),
        Format::V2 => {
            assert_ne!(near_id % 2, far_id % 2);
            assert!(pair.near.link.accept_stream(far_id));
            assert!(pair.far.link.accept_stream(near_id));
            let (more_near, more_far) = pair.run();
            near.extend(more_near);
            far.extend(more_far);
        }
    }
    assert!(near.contains(&opened(near_id)) && far.contains(&opened(far_id)));
    for id in [near_id, far_id] {
        let mut transfer = pair.near.link.begin_message(id, 20).unwrap();
        assert_eq!(pair.deliver(&mut transfer, &[3; 20]).len(), 1);
    }
}

#[test]
fn nobody_takes_the_ids_of_the_other_end() {
    let mut wild = Wild::<Format2>::new(16, 16);
    wild.near.link.listen(true);
    // The primary's are odd.
    for connection_id in [1, 3, 5, u64::MAX] {
        assert_eq!(wild.seen(ConnectionCreate { connection_id }), []);
        assert_eq!(wild.answers(), [refusal(connection_id)]);
    }
    assert_eq!(wild.near.link.dial(), Some(1));
    assert_eq!(wild.answers().len(), 1);
    assert_eq!(wild.seen(ConnectionCreate { connection_id: 1 }), []);
}

#[test]
fn a_refusal_comes_before_a_dial_of_the_same_id() {
    let mut wild = Wild::<Format1>::new(2, 16);
    let mut filler = wild.near.link.begin_message(0, 32).unwrap();
    assert_eq!(wild.near.send(&mut filler, &[1; 32]), Progress::Finished);
    assert_eq!(wild.seen(ConnectionCreate { connection_id: 1 }), []);
    assert_eq!(wild.near.link.dial(), Some(1));
    let create = ConnectionCreate { connection_id: 1 };
    assert_eq!(wild.answers()[2..], [refusal(1), create.into()]);
}

#[test]
fn an_id_that_is_taken_is_passed_over_in_format_1() {
    let mut wild = Wild::<Format1>::new(16, 16);
    wild.near.link.listen(true);
    for connection_id in [1, 2] {
        let seen = wild.seen(ConnectionCreate { connection_id });
        assert_eq!(seen, [offered(connection_id)]);
    }
    assert_eq!(wild.near.link.dial(), Some(3));
}

/// Its caller needs no stream there, and may hear nothing of what becomes of this one.
#[test]
fn a_request_goes_on_where_a_stream_of_its_id_is_closed_in_format_1() {
    for peer_knows in [false, true] {
        let mut wild = Wild::<Format1>::new(16, 16);
        let request = key(1, 9, MessageKind::Request);
        assert_eq!(wild.seen(chunk(request, [20, 0, 16])), []);
        assert_eq!(wild.near.link.dial(), Some(1));
        if peer_knows {
            let create = ConnectionCreate { connection_id: 1 };
            assert_eq!(wild.answers(), [create.into()]);
        }
        assert!(wild.near.link.close_stream(1, Reason::NORMAL));
        assert_eq!(wild.answers().len(), usize::from(peer_knows));
        let seen = wild.seen(chunk(request, [20, 16, 4]));
        assert!(
            matches!(&seen[..], [Seen::Message { key, .. }] if *key == request),
            "{seen:?}"
        );
        let mut answer = wild
            .near
            .link
            .begin_response(&request, 0, false, 4)
            .unwrap();
        assert_eq!(wild.near.send(&mut answer, &[1; 4]), Progress::Finished);
        // Who hears that the stream has ended gives what it sends there up.
        let given_up = key(1, 10, MessageKind::Request);
        assert_eq!(wild.seen(chunk(given_up, [20, 0, 16])), []);
        let abort = ConnectionCopy::abort(1, 10, MessageKind::Request);
        let aborted = Seen::Notice(Notice::Aborted(given_up));
        assert_eq!(wild.seen(abort), [aborted]);
        wild.near.assert_empty();
    }
}
