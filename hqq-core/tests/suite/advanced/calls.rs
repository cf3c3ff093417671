//! Calls, their answers, and callers that give up.

use hqq_core::advanced::{
    AdvanceError, BeginError, CallFailure, DiscardReason, Notice, Progress, SessionOptions,
};
use hqq_core::packet::{ConnectionCopy, ErrorCode, Packet};

use super::support::*;
use crate::common::pattern;

in_both_formats!(
    answers_come_in_any_order,
    an_answer_may_report_a_failure_and_be_empty,
    a_call_that_is_given_up_is_over,
    a_call_that_never_began_is_given_up_in_silence,
    a_request_that_is_given_up_goes_with_its_call,
    an_answer_that_is_given_up_fails_the_call,
    a_request_that_dies_is_answered,
    an_answer_that_dies_fails_the_call,
    nobody_answers_what_nobody_asked,
);

fn request(id: u64) -> MessageKey {
    key(0, id, MessageKind::Request)
}

fn response(id: u64) -> MessageKey {
    key(0, id, MessageKind::Response)
}

fn answers_come_in_any_order<R: Rings>() {
    for (count, size) in [(2, 8), (4, 64), (64, 16)] {
        let mut pair = Pair::<R>::new(count, size);
        let mut requests = Vec::new();
        for method in 0..PENDING as u64 {
            let body = pattern(method, 3 * method as usize);
            let mut transfer = pair
                .near
                .link
                .begin_request(0, method, body.len() as u64)
                .unwrap();
            let expected = Seen::Message {
                key: *transfer.key(),
                aux: method,
                error: false,
                body: body.clone(),
            };
            requests.push(*transfer.key());
            assert_eq!(pair.deliver(&mut transfer, &body), [expected]);
        }
        assert_eq!(
            pair.near.link.begin_request(0, 0, 0),
            Err(BeginError::TooManyCalls { max: PENDING })
        );
        // Every other one first, and the last one first of all.
        let (late, early): (Vec<MessageKey>, Vec<MessageKey>) = requests
            .iter()
            .rev()
            .copied()
            .partition(|key| key.id % 2 == 0);
        for key in early.into_iter().chain(late) {
            let body = pattern(key.id, 5 * key.id as usize);
            let link = &mut pair.far.link;
            let mut answer = link
                .begin_response(&key, !key.id, false, body.len() as u64)
                .unwrap();
            let mut seen = Vec::new();
            while pair.far.send(&mut answer, &body) != Progress::Finished {
                seen.extend(pair.run().0);
            }
            seen.extend(pair.run().0);
            let expected = Seen::Message {
                key: response(key.id),
                aux: !key.id,
                error: false,
                body,
            };
            assert_eq!(seen, [expected]);
        }
        pair.near.assert_empty();
        pair.far.assert_empty();
    }
}

fn an_answer_may_report_a_failure_and_be_empty<R: Rings>() {
    let mut pair = Pair::<R>::new(4, 16);
    for (body, error) in [
        (&[][..], true),
        (&[], false),
        (b"no such thing at all", true),
    ] {
        let mut call = pair.near.link.begin_request(0, 3, 0).unwrap();
        let id = call.key().id;
        assert_eq!(pair.deliver(&mut call, &[]).len(), 1);
        let mut answer = pair
            .far
            .link
            .begin_response(call.key(), 404, error, body.len() as u64)
            .unwrap();
        assert_eq!(pair.far.send(&mut answer, body), Progress::Finished);
        assert_eq!(
            pair.run().0,
            [Seen::Message {
                key: response(id),
                aux: 404,
                error,
                body: body.to_vec(),
            }]
        );
        pair.near.assert_empty();
    }
}

fn a_call_that_is_given_up_is_over<R: Rings>() {
    let mut pair = Pair::<R>::new(8, 16);
    let mut call = pair.near.link.begin_request(0, 3, 4).unwrap();
    assert_eq!(pair.deliver(&mut call, b"long").len(), 1);
    // Part of the answer has come.
    let body = pattern(1, 100);
    let mut answer = pair
        .far
        .link
        .begin_response(call.key(), 0, false, 100)
        .unwrap();
    pair.far.link.advance(&mut answer, &body, 2).unwrap();
    assert_eq!(pair.run().0, []);
    assert_eq!(pair.near.link.session().arriving(), 1);

    assert!(pair.near.link.cancel_call(0, call.key().id));
    assert!(!pair.near.link.cancel_call(0, call.key().id));
    pair.near.assert_cancelled();
    let (near, far) = pair.run();
    assert_eq!(near, []);
    assert_eq!(far, [Seen::Notice(Notice::Aborted(*call.key()))]);
    // The rest of the answer comes late, and is counted.
    while pair.far.send(&mut answer, &body) != Progress::Finished {
        assert_eq!(pair.run(), (vec![], vec![]));
    }
    assert_eq!(pair.run(), (vec![], vec![]));
    assert_eq!(pair.near.link.session().counters().late, 5);
    pair.near.assert_empty();
}

impl<R: Rings> Party<R> {
    fn assert_cancelled(&self) {
        let session = self.link.session();
        assert_eq!((session.arriving(), session.pending_calls()), (0, 0));
    }
}

fn a_call_that_never_began_is_given_up_in_silence<R: Rings>() {
    let mut wild = Wild::<R>::new(8, 16);
    let near = &mut wild.near.link;
    let mut call = near.begin_request(0, 3, 40).unwrap();
    assert!(near.cancel_call(0, call.key().id));
    // What nobody waits for is not asked.
    assert_eq!(
        near.advance(&mut call, &[1; 40], 9),
        Err(AdvanceError::GivenUp)
    );
    assert!(matches!(
        near.try_reserve_chunk(&mut call)
            .map(|grant| grant.is_some()),
        Err(AdvanceError::GivenUp)
    ));
    near.abort(&mut call);
    assert_eq!(wild.answers(), []);
    wild.near.assert_empty();

    // Neither one that was dropped before anything of it was sent.
    let near = &mut wild.near.link;
    let mut call = near.begin_request(0, 3, 40).unwrap();
    near.abort(&mut call);
    assert_eq!(wild.answers(), []);
    wild.near.assert_empty();
}

fn a_request_that_is_given_up_goes_with_its_call<R: Rings>() {
    // The answer to a request may come before its last chunk.
    for answered in [false, true] {
        let mut wild = Wild::<R>::new(8, 16);
        let mut call = wild.near.link.begin_request(0, 3, 40).unwrap();
        wild.near.link.advance(&mut call, &[1; 40], 1).unwrap();
        let id = call.key().id;
        if answered {
            assert_eq!(wild.seen(chunk(response(id), [30, 0, 8])), []);
        }
        wild.near.link.abort(&mut call);
        assert!(call.is_finished());
        wild.near.assert_cancelled();
        let sent = wild.answers();
        let abort = ConnectionCopy::abort(0, id, MessageKind::Request);
        assert_eq!(sent[1..], [Packet::from(abort)]);
        assert_eq!(
            wild.near.link.advance(&mut call, &[1; 40], 1),
            Err(AdvanceError::GivenUp)
        );
        assert_eq!(wild.seen(chunk(response(id), [30, 8, 8])), []);
        wild.near.assert_empty();
    }
}

fn an_answer_that_is_given_up_fails_the_call<R: Rings>() {
    for chunks in [0, 1, 2] {
        let mut pair = Pair::<R>::new(8, 16);
        let mut call = pair.near.link.begin_request(0, 3, 0).unwrap();
        assert_eq!(pair.deliver(&mut call, &[]).len(), 1);
        let mut answer = pair
            .far
            .link
            .begin_response(call.key(), 0, false, 60)
            .unwrap();
        pair.far
            .link
            .advance(&mut answer, &[1; 60], chunks)
            .unwrap();
        pair.far.link.abort(&mut answer);
        assert_eq!(
            pair.run().0,
            [Seen::Notice(Notice::CallFailed {
                connection: 0,
                id: call.key().id,
                failure: CallFailure::Aborted,
            })]
        );
        pair.near.assert_empty();
    }
}

fn a_request_that_dies_is_answered<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    let part = |id, place| chunk(request(id), place);
    let max = MESSAGE as u64;
    let too_long = DiscardReason::TooLong { len: 9999, max };
    let out_of_order = DiscardReason::OutOfOrder {
        expected: 16,
        found: 24,
    };
    assert_eq!(wild.seen(part(2, [60, 0, 16])), []);
    let overflow = ErrorCode::BufferOverflow.as_code();
    let invalid = ErrorCode::InvalidOperation.as_code();
    for (packet, reason, code) in [
        (part(1, [9999, 0, 16]), too_long, overflow),
        (part(2, [60, 24, 16]), out_of_order, invalid),
    ] {
        let id = packet.chunk().message_id;
        let died = Seen::Notice(Notice::Discarded(request(id), reason));
        assert_eq!(wild.seen(packet), [died]);
        assert_eq!(
            wild.answers(),
            [Packet::decode([4, 0, id, 0, 0, 0, 1 | 2 | 16 | 32, code]).unwrap()]
        );
    }
    wild.near.assert_empty();

    // Seen from the other end.
    let mut pair = Pair::<R>::new(4, 16);
    let mut call = pair.near.link.begin_request(0, 3, 300).unwrap();
    pair.near.link.advance(&mut call, &[1; 300], 1).unwrap();
    let (near, far) = pair.run();
    assert_eq!(far.len(), 1);
    assert_eq!(
        near,
        [Seen::Message {
            key: response(call.key().id),
            aux: overflow,
            error: true,
            body: vec![],
        }]
    );
    // The call is over, so is the request.
    assert_eq!(
        pair.near.link.advance(&mut call, &[1; 300], 1),
        Err(AdvanceError::GivenUp)
    );
    pair.near.link.abort(&mut call);
    pair.run();
    pair.near.assert_empty();
    pair.far.assert_empty();
}

fn an_answer_that_dies_fails_the_call<R: Rings>() {
    let mut wild = Wild::<R>::with(16, 16, SessionOptions::new());
    let mut call = wild.near.link.begin_request(0, 3, 0).unwrap();
    assert_eq!(wild.near.send(&mut call, &[]), Progress::Finished);
    let id = call.key().id;
    let part = |place| chunk(response(id), place);
    assert_eq!(wild.seen(part([60, 0, 16])), []);
    let failure = CallFailure::Discarded(DiscardReason::OutOfOrder {
        expected: 16,
        found: 32,
    });
    // Said once.
    assert_eq!(
        wild.seen(part([60, 32, 16])),
        [Seen::Notice(Notice::CallFailed {
            connection: 0,
            id,
            failure
        })]
    );
    assert_eq!(wild.near.link.session().counters().discarded, 1);
    // The callee need not send the rest.
    let abort = ConnectionCopy::abort(0, id, MessageKind::Request);
    assert_eq!(wild.answers().last(), Some(&abort.into()));
    wild.near.assert_cancelled();
}

fn nobody_answers_what_nobody_asked<R: Rings>() {
    let mut wild = Wild::<R>::new(16, 16);
    for place in [[8, 0, 8], [60, 0, 16], [60, 16, 16], [0, 0, 0]] {
        assert_eq!(wild.seen(chunk(response(5), place)), []);
    }
    let abort = ConnectionCopy::abort(0, 5, MessageKind::Response);
    assert_eq!(wild.seen(abort), []);
    // On another stream than it was asked.
    let mut call = wild.near.link.begin_request(0, 3, 0).unwrap();
    assert_eq!(wild.near.send(&mut call, &[]), Progress::Finished);
    let elsewhere = key(9, call.key().id, MessageKind::Response);
    assert_eq!(wild.seen(chunk(elsewhere, [8, 0, 8])), []);
    assert_eq!(wild.near.link.session().pending_calls(), 1);
    assert_eq!(wild.near.link.session().counters().late, 6);
    assert!(wild.near.link.cancel_call(0, call.key().id));
    let _ = wild.answers();
    wild.near.assert_empty();
}
