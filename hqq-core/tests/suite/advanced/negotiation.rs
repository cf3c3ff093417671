//! What both sides can do, and that it is settled once.

use hqq_core::advanced::{
    BeginError, DiscardReason, NegotiateError, NegotiationState, Notice, Progress, SessionOptions,
};
use hqq_core::packet::{
    Capabilities, CopyFlags, ErrorCode, ErrorPacket, Features, Negotiate, Packet, ProtocolVersion,
};
use hqq_core::{Format, TrySendError};

use super::support::*;

in_both_formats!(
    either_side_asks,
    both_ask_at_once,
    an_offer_is_cut_down_to_what_both_have,
    an_answer_beyond_the_offer_is_refused,
    another_major_is_refused,
    a_second_attempt_is_refused,
    a_refusal_ends_it,
    no_answer_ends_it,
    an_offer_that_was_given_up_is_not_sent,
    nothing_comes_before_the_answer,
    nothing_is_sent_or_taken_before_it,
);

const OURS: ProtocolVersion = ProtocolVersion::CURRENT;

fn features<R: Rings>() -> Features {
    match R::FORMAT {
        Format::V1 => Features::FORMAT_1,
        Format::V2 => Features::KNOWN,
    }
}

fn offer(version: ProtocolVersion) -> Negotiate {
    Negotiate {
        version,
        features: Features::KNOWN,
        capabilities: Capabilities::KNOWN,
    }
}

fn is_agreed(seen: &[Seen]) -> bool {
    matches!(seen, [Seen::Notice(Notice::Negotiated(_))])
}

fn either_side_asks<R: Rings>() {
    for far_asks in [false, true] {
        let mut pair = Pair::<R>::strangers(2, 8, SessionOptions::new());
        let asking = if far_asks {
            &mut pair.far
        } else {
            &mut pair.near
        };
        asking.link.negotiate(10).unwrap();
        let (near, far) = pair.run();
        assert!(is_agreed(&near) && is_agreed(&far), "{near:?} {far:?}");
        let agreement = pair.near.agreement();
        assert_eq!(agreement.version, OURS);
        assert_eq!(agreement.features, features::<R>());
        assert_eq!(agreement.capabilities, Capabilities::KNOWN);
        assert_eq!(pair.far.agreement(), agreement);
    }
}

fn both_ask_at_once<R: Rings>() {
    // In each order in which the two may come to look at what the other has sent.
    for order in 0..4 {
        let options = SessionOptions::new().capabilities(Capabilities::LOW_LATENCY);
        let mut pair = Pair::<R>::strangers(2, 8, options);
        pair.near.link.negotiate(10).unwrap();
        pair.far.link.negotiate(10).unwrap();
        let mut near = if order & 1 == 0 {
            pair.near.drain()
        } else {
            Vec::new()
        };
        let mut far = if order & 2 == 0 {
            pair.far.drain()
        } else {
            Vec::new()
        };
        let (more_near, more_far) = pair.run();
        near.extend(more_near);
        far.extend(more_far);
        assert!(is_agreed(&near) && is_agreed(&far), "{near:?} {far:?}");
        assert_eq!(pair.near.agreement(), pair.far.agreement());
    }
}

fn an_offer_is_cut_down_to_what_both_have<R: Rings>() {
    let options = SessionOptions::new()
        .features(Features::REQUEST_RESPONSE | Features::CREDIT)
        .capabilities(Capabilities::LOW_LATENCY);
    let mut wild = Wild::<R>::stranger(4, 16, options);
    wild.send(Negotiate {
        version: ProtocolVersion { major: 1, minor: 9 },
        features: Features::from_bits(0xff03),
        capabilities: Capabilities::from_bits(u64::MAX),
    });
    assert!(is_agreed(&wild.near.drain()));
    let answer = ack(OURS, 2, 4);
    assert_eq!(wild.answers(), [Packet::from(answer)]);
}

fn an_answer_beyond_the_offer_is_refused<R: Rings>() {
    let newer = ProtocolVersion { major: 1, minor: 1 };
    let other = ProtocolVersion { major: 2, minor: 0 };
    let all = features::<R>().bits();
    for (answer, fits) in [
        (ack(OURS, all, 7), true),
        (ack(OURS, 0, 0), true),
        (ack(newer, 3, 7), false),
        (ack(other, 3, 7), false),
        (ack(OURS, all | 16, 7), false),
        (ack(OURS, 3, 8), false),
    ] {
        let mut wild = Wild::<R>::stranger(4, 16, SessionOptions::new());
        wild.near.link.negotiate(10).unwrap();
        assert_eq!(wild.answers().len(), 1);
        let seen = wild.seen(answer);
        assert_eq!(is_agreed(&seen), fits, "{answer:?}: {seen:?}");
        if !fits {
            assert!(
                matches!(
                    seen[..],
                    [Seen::Notice(Notice::NegotiationFailed(
                        NegotiateError::Answer { .. }
                    ))]
                ),
                "{seen:?}"
            );
            assert!(wild.near.link.session().agreement().is_none());
        }
        // Neither takes another answer.
        assert_eq!(wild.seen(ack(OURS, 0, 0)), []);
        assert_eq!(wild.answers(), []);
    }
}

fn another_major_is_refused<R: Rings>() {
    for major in [0, 2, 255] {
        let mut wild = Wild::<R>::stranger(4, 16, SessionOptions::new());
        let found = ProtocolVersion { major, minor: 0 };
        assert_eq!(
            wild.seen(offer(found)),
            [Seen::Notice(Notice::NegotiationFailed(
                NegotiateError::Version { found }
            ))]
        );
        let refusal = ErrorPacket {
            context_id: 0,
            code: ErrorCode::InvalidOperation,
        };
        assert_eq!(wild.answers(), [refusal.into()]);
    }
}

fn a_second_attempt_is_refused<R: Rings>() {
    let mut wild = Wild::<R>::new(4, 16);
    let agreement = wild.near.agreement();
    assert_eq!(wild.near.link.negotiate(9), Err(NegotiateError::Repeated));
    assert_eq!(wild.answers(), []);
    // The first offer is answered, whatever comes before the answer could be sent.
    let refusal = Packet::from(ErrorPacket {
        context_id: 0,
        code: ErrorCode::InvalidOperation,
    });
    for version in [OURS, ProtocolVersion { major: 2, minor: 0 }] {
        assert_eq!(wild.seen(offer(version)), []);
        assert_eq!(wild.answers(), [refusal]);
    }
    assert_eq!(wild.near.agreement(), agreement);

    let mut wild = Wild::<R>::stranger(4, 16, SessionOptions::new());
    wild.near.link.negotiate(9).unwrap();
    assert_eq!(wild.near.link.negotiate(9), Err(NegotiateError::Repeated));
    assert_eq!(wild.answers(), [Packet::from(offer_of::<R>())]);
}

fn offer_of<R: Rings>() -> Negotiate {
    Negotiate {
        features: features::<R>(),
        ..offer(OURS)
    }
}

fn a_refusal_ends_it<R: Rings>() {
    let mut pair = Pair::<R>::strangers(4, 16, SessionOptions::new());
    let failed = |error| Seen::Notice(Notice::NegotiationFailed(error));
    let code = ErrorCode::InvalidOperation;
    // It has failed at far already when near asks.
    pair.far.link.negotiate(0).unwrap();
    assert_eq!(pair.far.poll(), Some(failed(NegotiateError::TimedOut)));
    pair.near.now = 1;
    pair.near.link.negotiate(9).unwrap();
    let (near, far) = pair.run();
    assert!(far.is_empty(), "{far:?}");
    // It heard of far's offer first, or of the refusal of its own.
    assert!(
        is_agreed(&near[..1]) || near == [failed(NegotiateError::Refused { code })],
        "{near:?}"
    );
    let mut wild = Wild::<R>::stranger(4, 16, SessionOptions::new());
    wild.near.link.negotiate(10).unwrap();
    assert_eq!(wild.answers().len(), 1);
    let refusal = ErrorPacket {
        context_id: 0,
        code,
    };
    assert_eq!(
        wild.seen(refusal),
        [failed(NegotiateError::Refused { code })]
    );
    assert!(matches!(
        wild.near.link.session().negotiation(),
        NegotiationState::Failed(_)
    ));
}

fn no_answer_ends_it<R: Rings>() {
    let mut wild = Wild::<R>::stranger(4, 16, SessionOptions::new());
    wild.near.link.negotiate(10).unwrap();
    wild.near.now = 9;
    assert_eq!(wild.near.drain(), []);
    wild.near.now = 10;
    assert_eq!(
        wild.near.drain(),
        [Seen::Notice(Notice::NegotiationFailed(
            NegotiateError::TimedOut
        ))]
    );
    // The answer comes late.
    assert_eq!(wild.seen(ack(OURS, 0, 0)), []);
    assert!(wild.near.link.session().agreement().is_none());
    assert_eq!(wild.near.link.negotiate(99), Err(NegotiateError::Repeated));
}

fn an_offer_that_was_given_up_is_not_sent<R: Rings>() {
    let [(mut sender, receiver), (_to, mut from)] = R::halves(2, 16);
    while sender.try_send(b"in the way") != Err(TrySendError::Full) {}
    let mut near = Party::<R>::new(
        (sender, receiver),
        hqq_core::Role::Primary,
        SessionOptions::new(),
    );
    near.link.negotiate(10).unwrap();
    assert_eq!(near.drain(), []);
    near.now = 10;
    assert_eq!(near.drain().len(), 1);
    while from.try_recv(&mut [0; 16]).is_ok() {}
    assert_eq!(near.drain(), []);
    assert!(from.try_next_packet().is_err(), "an offer without an asker");
}

fn nothing_comes_before_the_answer<R: Rings>() {
    let mut pair = Pair::<R>::strangers(4, 16, SessionOptions::new());
    pair.near.link.negotiate(10).unwrap();
    assert_eq!(pair.near.drain(), []);
    // Far agrees, and sends before it is polled again.
    assert!(is_agreed(&[pair.far.poll().unwrap()]));
    let mut transfer = pair.far.link.begin_message(0, 5).unwrap();
    while pair.far.send(&mut transfer, b"early") != Progress::Finished {
        assert_eq!(pair.far.drain(), []);
    }
    let (near, far) = pair.run();
    assert_eq!(far, []);
    assert!(is_agreed(&near[..1]), "{near:?}");
    assert_eq!(near[1..], [plain(0, 1, b"early")]);
}

fn nothing_is_sent_or_taken_before_it<R: Rings>() {
    let mut wild = Wild::<R>::stranger(4, 16, SessionOptions::new());
    let near = &mut wild.near.link;
    let refused = BeginError::NotNegotiated;
    assert_eq!(near.begin_message(0, 5), Err(refused));
    assert_eq!(near.begin_request(0, 1, 5), Err(refused));
    assert_eq!(near.dial(), None);
    let early = key(0, 1, MessageKind::Plain);
    assert_eq!(
        wild.seen(chunk(early, [8, 0, 8])),
        [Seen::Notice(Notice::Discarded(
            early,
            DiscardReason::NotAgreed
        ))]
    );
    assert_eq!(wild.answers(), []);
    let early = key(0, 2, MessageKind::Request);
    assert_eq!(
        wild.seen(chunk(early, [8, 0, 8])),
        [Seen::Notice(Notice::Discarded(
            early,
            DiscardReason::NotAgreed
        ))]
    );
    assert_eq!(wild.answers(), []);
    wild.near.assert_empty();
}

#[test]
fn a_feature_that_was_not_agreed_on_is_not_used() {
    let options = SessionOptions::new().features(Features::LARGE_COPY);
    let mut pair = Pair::<Format2>::with(4, 16, options);
    let missing = |features| BeginError::NotAgreed { features };
    let near = &mut pair.near.link;
    assert_eq!(
        near.begin_request(0, 1, 1),
        Err(missing(Features::REQUEST_RESPONSE))
    );
    assert_eq!(near.begin_unsized(0), Err(missing(Features::UNKNOWN_SIZE)));
    let mut transfer = near.begin_message(0, 2).unwrap();
    assert_eq!(pair.deliver(&mut transfer, b"ok"), [plain(0, 1, b"ok")]);
    pair.near.assert_empty();
}

#[test]
fn a_message_that_needs_what_was_not_agreed_on_is_dropped() {
    let options = SessionOptions::new().features(Features::LARGE_COPY);
    let mut wild = Wild::<Format2>::with(4, 16, options);
    for dropped in [
        chunk(key(0, 1, MessageKind::Request), [8, 0, 8]),
        chunk(key(0, 2, MessageKind::Plain), [u64::MAX, 0, 8]),
    ] {
        let seen = wild.seen(dropped);
        assert!(
            matches!(
                seen[..],
                [Seen::Notice(Notice::Discarded(_, DiscardReason::NotAgreed))]
            ),
            "{seen:?}"
        );
    }
    // Not even with an error response, which would need that feature, too.
    assert_eq!(wild.answers(), []);
    wild.near.assert_empty();
}

/// Its caller waits for an answer, and may be sent one.
#[test]
fn a_request_of_unknown_length_that_was_not_agreed_on_is_answered() {
    let options = SessionOptions::new().features(Features::REQUEST_RESPONSE);
    let mut wild = Wild::<Format2>::with(4, 16, options);
    let seen = wild.seen(chunk(key(0, 1, MessageKind::Request), [u64::MAX, 0, 8]));
    assert!(
        matches!(
            seen[..],
            [Seen::Notice(Notice::Discarded(_, DiscardReason::NotAgreed))]
        ),
        "{seen:?}"
    );
    let answers = wild.answers();
    let [Packet::ConnectionCopy(answer)] = answers[..] else {
        panic!("{answers:?}")
    };
    let answer = answer.chunk();
    assert!(
        answer
            .flags
            .contains(CopyFlags::RESPONSE | CopyFlags::ERROR)
    );
    assert_eq!((answer.message_id, answer.chunk_size), (1, 0));
    assert_eq!(answer.aux, ErrorCode::InvalidOperation.as_code());
    wild.near.assert_empty();
}
