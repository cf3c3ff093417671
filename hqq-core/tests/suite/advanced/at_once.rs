//! Requests and responses that are sent in one step, and when they have to take the long way.

use hqq_core::advanced::{PollError, Progress, SessionOptions};

use super::support::*;
use crate::common::pattern;

in_both_formats!(
    calls_of_one_chunk_take_one_step,
    what_does_not_go_at_once_takes_the_long_way,
    nothing_goes_at_once_before_what_is_to_be_said,
);

const SIZE: usize = 64;

fn message(key: MessageKey, aux: u64, error: bool, body: &[u8]) -> Seen {
    Seen::Message {
        key,
        aux,
        error,
        body: body.to_vec(),
    }
}

fn calls_of_one_chunk_take_one_step<R: Rings>() {
    let mut pair = Pair::<R>::new(8, SIZE);
    for (round, len) in [0, 1, 40, 63, SIZE].into_iter().enumerate() {
        let (question, answer) = (pattern(1, len), pattern(2, SIZE - len));
        let (method, status, error) = (round as u64, 100 + round as u64, round % 2 == 1);
        let sent = pair.near.link.try_request(method, &question).unwrap();
        let asked = sent.expect("room");
        assert_eq!(asked, key(0, round as u64 + 1, MessageKind::Request));
        assert_eq!(pair.near.link.session().pending_calls(), 1);
        let (near, far) = pair.run();
        assert_eq!(near, []);
        assert_eq!(far, [message(asked, method, false, &question)]);
        let responded = pair.far.link.try_respond(&asked, status, error, &answer);
        assert!(responded.unwrap());
        let response = MessageKey {
            kind: MessageKind::Response,
            ..asked
        };
        let (near, far) = pair.run();
        assert_eq!(near, [message(response, status, error, &answer)]);
        assert_eq!(far, []);
    }
    pair.near.assert_empty();
    pair.far.assert_empty();
}

fn what_does_not_go_at_once_takes_the_long_way<R: Rings>() {
    // Nothing was agreed on.
    let mut strangers = Pair::<R>::strangers(8, SIZE, SessionOptions::new());
    assert_eq!(strangers.near.link.try_request(1, b""), Ok(None));

    let mut pair = Pair::<R>::new(16, SIZE);
    let long = pattern(3, SIZE + 1);
    assert_eq!(pair.near.link.try_request(1, &long), Ok(None));
    assert_eq!(pair.near.link.session().pending_calls(), 0);
    let mut call = pair
        .near
        .link
        .begin_request(0, 1, long.len() as u64)
        .unwrap();
    let asked = *call.key();
    assert_eq!(pair.deliver(&mut call, &long).len(), 1);
    assert_eq!(
        pair.far.link.try_respond(&asked, 0, false, &long),
        Ok(false)
    );
    let begun = pair
        .far
        .link
        .begin_response(&asked, 0, false, long.len() as u64);
    let mut answer = begun.unwrap();
    assert_eq!(pair.far.send(&mut answer, &long), Progress::Finished);
    assert_eq!(pair.run().0.len(), 1);

    // On a stream.
    let stream = pair.stream();
    let mut call = pair.near.link.begin_request(stream, 1, 0).unwrap();
    let asked = *call.key();
    assert_eq!(pair.deliver(&mut call, b"").len(), 1);
    assert_eq!(pair.far.link.try_respond(&asked, 0, false, b""), Ok(false));

    // As many calls as can wait, of which that is one.
    for _ in 1..PENDING {
        assert!(pair.near.link.try_request(1, b"").unwrap().is_some());
    }
    assert_eq!(pair.near.link.try_request(1, b""), Ok(None));
}

fn nothing_goes_at_once_before_what_is_to_be_said<R: Rings>() {
    let mut pair = Pair::<R>::new(2, SIZE);
    let asked: Vec<_> = (0..2)
        .map(|method| {
            pair.near
                .link
                .try_request(method, b"")
                .unwrap()
                .expect("room")
        })
        .collect();
    // The ring is full.
    assert_eq!(pair.near.link.try_request(2, b""), Ok(None));
    assert!(pair.near.link.cancel_call(0, asked[0].id));
    let first = |pair: &mut Pair<R>| pair.far.poll();
    assert_eq!(first(&mut pair), Some(message(asked[0], 0, false, b"")));
    // There is room for one packet, which the abort takes.
    assert_eq!(pair.near.link.try_request(2, b""), Ok(None));
    assert_eq!(first(&mut pair), Some(message(asked[1], 1, false, b"")));
    // Credit for what was taken comes, where there is any.
    assert_eq!(pair.near.drain(), []);
    let late = pair.near.link.try_request(2, b"").unwrap().expect("room");
    let (_, far) = pair.run();
    assert_eq!(far.len(), 2, "the abort, and the request");
    assert_eq!(far[1], message(late, 2, false, b""));
}

#[test]
fn nothing_goes_to_who_has_left() {
    let mut pair = Pair::<Format2>::new(4, SIZE);
    let asked = pair.near.link.try_request(1, b"").unwrap().expect("room");
    assert_eq!(pair.run().1.len(), 1);
    let Pair { near, mut far } = pair;
    drop(near);
    let responded = far.link.try_respond(&asked, 0, false, b"");
    assert_eq!(responded, Err(PollError::Disconnected));
    let requested = far.link.try_request(1, b"");
    assert_eq!(requested, Err(PollError::Disconnected));
}
