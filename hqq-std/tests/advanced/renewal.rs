//! One peer after the other on the same link: nothing of an earlier one reaches a later one.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::advanced::error::{
    CallError, LinkFailure, NegotiationError, ReceiveError, TransferError,
};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, LinkOptions, Message};

use super::common::{LIMIT, Name, bounded, eventually};
use super::support::{agree, assert_idle, body, limit, look, stream};

/// A link, and what opens its other end.
struct Host {
    name: Name,
    link: AdvancedLink,
}

impl Host {
    fn new() -> Self {
        let name = Name::new();
        let region = LinkOptions::new().count(8).size(64);
        let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
        Self { name, link }
    }

    /// The next peer, which asks.
    fn peer(&self) -> AdvancedLink {
        let options = AdvancedOptions::new();
        let peer = AdvancedLink::open(&self.name, &LinkOptions::new(), options).unwrap();
        agree(&peer, &self.link);
        peer
    }
}

#[test]
fn an_answer_to_an_earlier_peer_goes_nowhere() {
    let host = Host::new();
    let first = host.peer();
    let old = first.start_call(1, b"old").unwrap();
    let request = host.link.receive_request(limit()).unwrap();
    drop((old, first));
    host.link.renew();
    assert!(request.is_cancelled());

    let second = host.peer();
    // Both are the first request of their peer.
    let call = second.start_call(1, b"new").unwrap();
    host.link.respond(&request, b"for the first").unwrap();
    let streamed = host.link.respond_stream(&request, io::empty(), Some(0));
    assert_eq!(streamed.unwrap(), 0);
    let request = host.link.receive_request(limit()).unwrap();
    assert_eq!(request.body(), b"new");
    host.link.respond(&request, b"for the second").unwrap();
    assert_eq!(call.wait_until(limit()).unwrap(), b"for the second");
    assert_eq!(second.stats().dropped.late, 0);
}

/// The peer went before it took the answer to its offer, which was another one than the next peer's.
#[test]
fn an_answer_to_an_earlier_offer_is_none_to_the_next() {
    let host = Host::new();
    let open = |options| AdvancedLink::open(&host.name, &LinkOptions::new(), options).unwrap();
    let first = open(AdvancedOptions::new());
    let soon = Instant::now() + Duration::from_millis(50);
    let unanswered = first.negotiate(Some(soon));
    assert!(matches!(unanswered, Err(NegotiationError::TimedOut)));
    let all = host.link.wait_for_negotiation(limit()).unwrap();
    assert!(!all.features.is_empty());
    drop(first);
    host.link.renew();

    let second = open(AdvancedOptions::new().features(Features::EMPTY));
    agree(&second, &host.link);
}

#[test]
fn an_answer_that_was_begun_ends_with_its_peer() {
    bounded(|| {
        let host = Host::new();
        let first = host.peer();
        let old = first.start_call(1, b"old").unwrap();
        let request = host.link.receive_request(limit()).unwrap();
        std::thread::scope(|scope| {
            // More than the ring holds: it waits for room, or for credit.
            let answering = scope.spawn(|| host.link.respond(&request, &[0; 100_000]));
            let messaging = scope.spawn(|| host.link.send_large(&[0; 100_000]));
            eventually("both to begin", || {
                let stats = host.link.stats();
                (stats.responses_sent == 1 && stats.messages_sent == 1).then_some(())
            });
            drop((old, first));
            host.link.renew();
            let second = host.peer();
            // Of what the ring held still.
            let dropped = second.stats().dropped;
            let _ = answering.join().unwrap();
            let error = messaging.join().unwrap().unwrap_err();
            assert!(
                matches!(error, TransferError::StreamClosed | TransferError::Link(_)),
                "{error}"
            );
            let call = second.start_call(1, b"new").unwrap();
            let request = host.link.receive_request(limit()).unwrap();
            host.link.respond(&request, b"whole").unwrap();
            assert_eq!(call.wait_until(limit()).unwrap(), b"whole");
            assert_eq!(second.stats().dropped, dropped);
        });
    });
}

#[test]
fn what_belongs_to_an_earlier_peer_ends_nothing_of_a_later_one() {
    let host = Host::new();
    let link = &host.link;
    link.listen(true);
    let first = host.peer();
    // A call, a stream, a body that is read as it comes.
    let old_call = link.start_call(1, b"old").unwrap();
    let (dialled, old_stream) = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| link.accept(limit()).unwrap());
        (first.dial(limit()).unwrap(), accepting.join().unwrap())
    });
    first.send_large(b"first").unwrap();
    let Incoming::Plain { body: mut old, .. } = link.receive_stream(limit()).unwrap() else {
        panic!("not a message");
    };
    drop((dialled, first));
    link.renew();

    let second = host.peer();
    let new_call = link.start_call(1, b"new").unwrap();
    assert_ne!(old_call.id(), new_call.id());
    let (dialled, new_stream) = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| link.accept(limit()).unwrap());
        (second.dial(limit()).unwrap(), accepting.join().unwrap())
    });
    assert_eq!(old_stream.id(), new_stream.id());
    second.send_large(b"second").unwrap();
    let Incoming::Plain { body: mut new, .. } = link.receive_stream(limit()).unwrap() else {
        panic!("not a message");
    };

    let error = old.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    drop(old);
    let error = old_stream.send_large(b"lost").unwrap_err();
    assert!(
        matches!(error, TransferError::Link(LinkFailure::Disconnected)),
        "{error}"
    );
    drop(old_stream);
    let error = old_call.wait_until(limit()).unwrap_err();
    assert!(
        matches!(error, CallError::Link(LinkFailure::Disconnected)),
        "{error}"
    );

    new.set_timeout(Some(LIMIT));
    let mut bytes = Vec::new();
    new.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"second");
    let sent = body(1, 500);
    std::thread::scope(|scope| {
        scope.spawn(|| new_stream.send_large(&sent).unwrap());
        let request = second.receive_request(limit()).unwrap();
        second.respond(&request, b"answer").unwrap();
        let message = second.receive_until(limit()).unwrap();
        assert!(matches!(message, Message::Plain { connection, .. } if connection == dialled.id()));
        assert!(message.body() == sent);
    });
    assert_eq!(new_call.wait_until(limit()).unwrap(), b"answer");
    drop(new);
    assert_idle(link);
}

/// Each way to begin something there, beside a stream of the same number.
#[test]
fn nothing_that_is_begun_on_a_stream_of_an_earlier_peer_reaches_a_later_one() {
    bounded(|| {
        let host = Host::new();
        let link = &host.link;
        let first = host.peer();
        let (dialled, old) = stream(&first, link);
        drop((dialled, first));
        link.renew();
        let second = host.peer();
        let (dialled, new) = stream(&second, link);
        assert_eq!(old.id(), new.id());

        let byte = || &b"x"[..];
        for (way, sent) in [
            old.send_large(b"x"),
            old.send_large_until(b"x", limit()),
            pollster::block_on(old.send_large_async(b"x")),
            old.send_stream(byte(), Some(1)).map(drop),
            old.send_stream_until(byte(), Some(1), limit()).map(drop),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(
                matches!(sent, Err(TransferError::Link(LinkFailure::Disconnected))),
                "{way}: {sent:?}"
            );
        }
        for (way, called) in [
            old.start_call(1, b"x").map(drop),
            old.call_until(1, b"x", limit()).map(drop),
            old.call_timeout(1, b"x", LIMIT).map(drop),
            pollster::block_on(old.call_async(1, b"x")).map(drop),
            old.call_stream(1, byte(), Some(1), limit()).map(drop),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(
                matches!(called, Err(CallError::Link(LinkFailure::Disconnected))),
                "{way}: {called:?}"
            );
        }
        second.send_large_on(dialled.id(), b"x", limit()).unwrap();
        for received in [
            old.receive_until(limit()).map(drop),
            pollster::block_on(old.receive_async()).map(drop),
            old.receive_stream(limit()).map(drop),
        ] {
            let expected = ReceiveError::Link(LinkFailure::Disconnected);
            assert_eq!(received, Err(expected));
        }
        drop(old);
        assert_eq!(new.receive_until(limit()).unwrap().body(), b"x");
        new.send_large(b"the first").unwrap();
        let message = second.receive_until(limit()).unwrap();
        assert_eq!(message.body(), b"the first");
    });
}

/// In format 1 nobody tells that a peer leaves: the next one begins by asking.
#[test]
fn a_successor_takes_over_where_that_is_allowed() {
    let region = LinkOptions::new().format(Format::V1).count(8).size(64);
    let name = Name::new();
    let options = AdvancedOptions::new();
    let host = AdvancedLink::create(&name, &region, options.successors(true)).unwrap();
    let mut unanswered = Vec::new();
    for round in 0..3 {
        let peer = AdvancedLink::open(&name, &LinkOptions::new(), options).unwrap();
        std::thread::scope(|scope| {
            let answering = scope.spawn(|| {
                loop {
                    let request = host.receive_request(limit()).unwrap();
                    // The last one's are received still, until this one has asked.
                    if request.method() == round {
                        break request;
                    }
                }
            });
            let _ = peer.negotiate(limit()).unwrap();
            let call = peer.start_call(round, b"").unwrap();
            let request = answering.join().unwrap();
            assert_eq!(request.method(), round);
            host.respond(&request, b"yes").unwrap();
            assert_eq!(call.wait_until(limit()).unwrap(), b"yes");
            // One that is not answered before the next comes.
            let _unanswered = peer.start_call(99, b"").unwrap();
            unanswered.push(host.receive_request(limit()).unwrap());
        });
        for request in &unanswered[..unanswered.len() - 1] {
            assert!(request.is_cancelled());
        }
    }
}

#[test]
fn whoever_waits_after_renewal_waits_for_the_next_peer() {
    let host = Host::new();
    drop(host.peer());
    let left = host.link.receive_until(limit()).unwrap_err();
    assert_eq!(left, ReceiveError::Link(LinkFailure::Disconnected));
    host.link.renew();
    // Nobody is there: that is no failure now.
    for _ in 0..2 {
        let nobody = host.link.receive_timeout(Duration::from_millis(150));
        assert_eq!(nobody.unwrap_err(), ReceiveError::TimedOut);
    }
    let peer = host.peer();
    peer.send_large(b"here").unwrap();
    assert_eq!(host.link.receive_until(limit()).unwrap().body(), b"here");
    drop(peer);
    let left = host.link.receive_until(limit()).unwrap_err();
    assert_eq!(left, ReceiveError::Link(LinkFailure::Disconnected));
}

#[test]
fn a_call_of_an_earlier_peer_does_not_wait_for_a_later_one() {
    bounded(|| {
        let host = Host::new();
        let link = &host.link;
        let serve = |peer: &AdvancedLink| {
            let request = peer.receive_request(limit()).unwrap();
            peer.respond(&request, request.body()).unwrap();
        };
        let first = host.peer();
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&first));
            assert_eq!(link.call(1, b"first").unwrap(), b"first");
        });
        drop(first);
        // In between nobody looks.
        let options = AdvancedOptions::new();
        let second = AdvancedLink::open(&host.name, &LinkOptions::new(), options).unwrap();
        let error = link.call_until(1, b"lost", limit()).unwrap_err();
        assert!(
            matches!(error, CallError::Link(LinkFailure::Disconnected)),
            "{error}"
        );
        link.renew();
        agree(link, &second);
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&second));
            assert_eq!(link.call(1, b"second").unwrap(), b"second");
        });
    });
}

/// Messages of the earlier one that nobody receives stand before what comes of the later one.
#[test]
fn a_call_of_an_earlier_peer_ends_beside_its_messages_though_a_later_one_is_there() {
    bounded(|| {
        let (name, options) = (Name::new(), AdvancedOptions::new());
        let few = options.features(Features::FORMAT_1).incoming_queue(4);
        let region = LinkOptions::new().count(8).size(64);
        let link = AdvancedLink::create(&name, &region, few).unwrap();
        let first = AdvancedLink::open(&name, &LinkOptions::new(), options).unwrap();
        agree(&first, &link);
        for _ in 0..6 {
            first.send_large(b"unread").unwrap();
        }
        look(&link);
        drop(first);
        // In between nobody looks.
        let _second = AdvancedLink::open(&name, &LinkOptions::new(), options).unwrap();
        let error = link.call_until(1, b"lost", limit()).unwrap_err();
        assert!(
            matches!(error, CallError::Link(LinkFailure::Disconnected)),
            "{error}"
        );
    });
}

#[test]
fn what_a_later_peer_offers_before_the_earlier_one_is_missed_is_answered() {
    bounded(|| {
        let host = Host::new();
        let link = &host.link;
        drop(host.peer());
        let options = AdvancedOptions::new();
        let second = AdvancedLink::open(&host.name, &LinkOptions::new(), options).unwrap();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| second.negotiate(limit()));
            let error = link.receive_request(limit()).unwrap_err();
            assert!(
                matches!(error, ReceiveError::Link(LinkFailure::Disconnected)),
                "{error}"
            );
            link.renew();
            link.wait_for_negotiation(limit()).unwrap();
            asking.join().unwrap().unwrap();
        });
    });
}

#[test]
fn who_listens_listens_to_a_successor_too() {
    bounded(|| {
        let region = LinkOptions::new().format(Format::V1).count(8).size(64);
        let name = Name::new();
        let options = AdvancedOptions::new();
        let host = AdvancedLink::create(&name, &region, options.successors(true)).unwrap();
        host.listen(true);
        for _ in 0..3 {
            let peer = AdvancedLink::open(&name, &LinkOptions::new(), options).unwrap();
            std::thread::scope(|scope| {
                let accepting = scope.spawn(|| host.accept(limit()).unwrap());
                let _ = peer.negotiate(limit()).unwrap();
                let dialled = peer.dial(limit()).unwrap();
                assert_eq!(accepting.join().unwrap().id(), dialled.id());
            });
        }
    });
}
