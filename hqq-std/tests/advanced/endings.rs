//! Answers that nobody gives or takes, links that are closed, messages that die.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use hqq_core::advanced::{CallFailure, DiscardReason};
use hqq_std::advanced::error::{BodyFailure, CallError, LinkFailure, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, Request, Server};

use super::common::{bounded, eventually};
use super::support::{FORMATS, assert_idle, body, limit, look, pair, pair_with, serving};

fn soon() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(50))
}

fn is_refused(answer: Result<Vec<u8>, CallError>) -> bool {
    matches!(answer, Err(CallError::Response { status: 6, body }) if body.is_empty())
}

#[test]
fn a_request_that_is_dropped_is_answered_with_an_error() {
    // More than the ring holds, and than the session keeps to be sent.
    const CALLS: usize = 40;
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        for streamed in [false, true] {
            let request = || match far.receive_stream(limit()).unwrap() {
                Incoming::Request { request, .. } => request,
                _ => panic!("not a request"),
            };
            let call = near.start_call(1, b"").unwrap();
            if streamed {
                drop(request());
            } else {
                drop(far.receive_until(limit()).unwrap());
            }
            assert!(is_refused(call.wait_until(limit())));
        }
        let mut requests = Vec::new();
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let call = near.start_call(1, b"").unwrap();
                requests.push(far.receive_request(limit()).unwrap());
                call
            })
            .collect();
        drop(requests);
        for call in calls {
            assert!(is_refused(call.wait_until(limit())));
        }
        assert_idle(&near);
        assert_idle(&far);
        assert_eq!(near.stats().dropped.late, 0, "one answer each");
    }
}

#[test]
fn a_request_is_answered_once() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        let call = near.start_call(1, b"the body").unwrap();
        let mut request = far.receive_request(limit()).unwrap();
        assert_eq!(request.take_body(), b"the body");
        let too_long = far.respond(&request, &vec![0; (64 << 20) + 1]);
        assert!(matches!(too_long, Err(TransferError::Begin(_))));
        assert!(!request.is_answered());
        far.respond(&request, b"first").unwrap();
        assert!(request.is_answered());
        let again = far.respond_error(&request, 1, b"second");
        assert!(matches!(again, Err(TransferError::Answered)), "{again:?}");
        let again = far.respond_stream(&request, &b"third"[..], Some(5));
        assert!(matches!(again, Err(TransferError::Answered)), "{again:?}");
        drop(request);
        assert_eq!(call.wait_until(limit()).unwrap(), b"first");
        look(&near);
        assert_eq!(near.stats().dropped.late, 0);
    }
}

/// Numbers are each link's own: the other one has a call of the same number.
#[test]
fn a_request_is_answered_on_its_own_link_only() {
    type Way = fn(&AdvancedLink, &Request) -> Result<(), TransferError>;
    const WAYS: [Way; 7] = [
        |link, request| link.respond(request, b"one"),
        |link, request| link.respond_until(request, b"one", limit()),
        // Longer than a buffer.
        |link, request| link.respond(request, &[1; 200]),
        |link, request| link.respond_error(request, 1, b"one"),
        |link, request| link.respond_stream(request, &b"one"[..], Some(3)).map(drop),
        |link, request| {
            link.respond_stream_until(request, &b"one"[..], Some(3), limit())
                .map(drop)
        },
        |link, request| pollster::block_on(link.respond_async(request, b"one")),
    ];
    for format in FORMATS {
        let [first, second] = [(); 2].map(|()| pair(format, 8, 64));
        let calls = [&first, &second].map(|(near, _)| near.start_call(1, b"").unwrap());
        assert_eq!(calls[0].id(), calls[1].id());
        let [one, two] = [&first, &second].map(|(_, far)| far.receive_request(limit()).unwrap());
        for (number, respond) in WAYS.iter().enumerate() {
            let refused = respond(&second.1, &one);
            assert!(
                matches!(refused, Err(TransferError::OtherLink)),
                "{number}: {refused:?}"
            );
            assert!(!one.is_answered(), "{number}");
        }
        assert_eq!(second.1.stats().responses_sent, 0);
        // Both are due. Another handle is of the same link.
        first.1.clone().respond(&one, b"one").unwrap();
        second.1.respond(&two, b"two").unwrap();
        let refused = second.1.respond(&one, b"again");
        assert!(
            matches!(refused, Err(TransferError::OtherLink)),
            "{refused:?}"
        );
        let [one, two] = calls.map(|call| call.wait_until(limit()).unwrap());
        assert_eq!((&one[..], &two[..]), (&b"one"[..], &b"two"[..]));
    }
}

#[test]
fn a_request_outlives_its_link() {
    let (near, far) = pair(Format::V2, 4, 64);
    let call = near.start_call(1, b"").unwrap();
    let request = far.receive_request(limit()).unwrap();
    drop(far);
    let failed = call.wait_until(limit());
    assert!(
        matches!(failed, Err(CallError::Link(LinkFailure::Disconnected))),
        "{failed:?}"
    );
    drop(request);
}

#[test]
fn answers_that_are_not_taken_are_given_up_in_time() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        let long = body(1, 10_000);
        for method in [1, 2, 3] {
            let call = near.start_call(method, b"").unwrap();
            let request = far.receive_request(limit()).unwrap();
            let given_up = match method {
                1 => far.respond_until(&request, &long, soon()),
                2 => far.respond_error_until(&request, 9, &long, soon()),
                _ => {
                    let len = Some(long.len() as u64);
                    let sent = far.respond_stream_until(&request, &long[..], len, soon());
                    sent.map(|_| ())
                }
            };
            assert!(
                matches!(given_up, Err(TransferError::TimedOut)),
                "{given_up:?}"
            );
            let failed = call.wait_until(limit());
            assert!(
                matches!(failed, Err(CallError::Failed(CallFailure::Aborted))),
                "{failed:?}"
            );
        }
        let sent = far.send_stream_until(&long[..], Some(10_000), soon());
        assert!(matches!(sent, Err(TransferError::TimedOut)), "{sent:?}");
        let sent = far.send_large_timeout(&long, Duration::from_millis(50));
        assert!(matches!(sent, Err(TransferError::TimedOut)), "{sent:?}");
        eventually("the news", || {
            look(&far);
            look(&near);
            (near.stats().arriving == 0).then_some(())
        });
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn serving_ends_though_an_answer_is_not_taken() {
    for format in FORMATS {
        bounded(move || {
            let (near, far) = pair(format, 4, 64);
            let server = Server::new().method(1, |_| Ok(vec![7; 10_000]));
            let call = serving(&server, &far, || {
                let call = near.start_call(1, b"").unwrap();
                // Nobody takes more than the ring holds.
                eventually("a full ring", || {
                    (far.stats().bytes_sent >= 3 * 64).then_some(())
                });
                call
            });
            let failed = call.wait_until(limit());
            assert!(
                matches!(failed, Err(CallError::Failed(CallFailure::Aborted))),
                "{failed:?}"
            );
            assert_idle(&near);
            assert_idle(&far);
        });
    }
}

#[test]
fn closing_a_link_ends_what_waits_on_it() {
    const CLOSED: LinkFailure = LinkFailure::Closed;
    bounded(|| {
        let (near, _far) = pair(Format::V2, 4, 64);
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| near.receive());
            let sending = scope.spawn(|| near.send_large(&[1; 1000]));
            eventually("a full ring", || {
                (near.stats().bytes_sent == 4 * 64).then_some(())
            });
            near.close();
            let received = receiving.join().unwrap();
            assert!(matches!(received, Err(ReceiveError::Link(CLOSED))));
            let sent = sending.join().unwrap();
            assert!(matches!(sent, Err(TransferError::Link(CLOSED))));
        });
        // And whatever comes later.
        near.renew();
        let call = near.call(1, b"");
        assert!(matches!(call, Err(CallError::Link(CLOSED))), "{call:?}");
        let received = near.receive_stream(None);
        assert!(matches!(received, Err(ReceiveError::Link(CLOSED))));
    });
}

#[test]
fn a_message_that_dies_is_told() {
    let options = AdvancedOptions::new();
    for format in FORMATS {
        // All of these is too long to be put together, and nobody reads it as it comes.
        let hasty = options
            .max_message_size(1000)
            .incoming_bytes(500)
            .patience(Duration::from_millis(50));
        let (near, far) = pair_with(format, 4, 64, options, hasty);
        let sent = near.send_large_timeout(&body(1, 10_000), Duration::from_millis(500));
        assert!(sent.is_err() || format == Format::V1);
        let (key, failure) = eventually("the news", || {
            look(&far);
            look(&near);
            far.take_dead()
        });
        assert_eq!((key.connection, key.id), (0, 1));
        assert!(
            matches!(
                failure,
                BodyFailure::Aborted
                    | BodyFailure::Discarded(DiscardReason::NoRoom | DiscardReason::Stale)
            ),
            "{failure:?}"
        );
        assert_eq!(far.take_dead(), None);
        assert_eq!(far.stats().malformed, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| near.send_large(b"the next").unwrap());
            assert_eq!(far.receive_until(limit()).unwrap().body(), b"the next");
        });
        // Who reads a message learns it there.
        let (reader, writer) = io::pipe().unwrap();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| near.send_stream(reader, Some(100)));
            io::Write::write_all(&mut &writer, b"part").unwrap();
            let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
                panic!("not a message");
            };
            drop(writer);
            assert!(body.read_to_end(&mut Vec::new()).is_err());
            assert!(sending.join().unwrap().is_err());
        });
        assert_eq!(far.take_dead(), None);
        let Err(ReceiveError::TimedOut) = far.receive_until(soon()) else {
            panic!("something came");
        };
    }
}

/// The callee answers while the request is being sent, and leaves: which of the two the caller sees first is
/// another thing each time.
#[test]
fn an_early_answer_of_a_callee_that_leaves_is_not_lost() {
    const LEN: usize = 4000 * 64;
    bounded(|| {
        for round in 0..60 {
            let (near, far) = pair(Format::V2, 4096, 64);
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let incoming = far.receive_stream(limit()).unwrap();
                    let Incoming::Request { request, body } = incoming else {
                        panic!("not a request");
                    };
                    far.respond(&request, b"early").unwrap();
                    drop((request, body, far));
                });
                let answer = match round % 3 {
                    0 => near.call_on(0, 1, &[0; LEN], limit()).unwrap(),
                    1 => pollster::block_on(near.call_async(1, &[0; LEN])).unwrap(),
                    _ => {
                        let mut answer = Vec::new();
                        let zeros = io::repeat(0).take(LEN as u64);
                        let reader = near.call_stream(1, zeros, Some(LEN as u64), limit());
                        reader.unwrap().read_to_end(&mut answer).unwrap();
                        answer
                    }
                };
                assert_eq!(answer, b"early", "round {round}");
            });
        }
    });
}
