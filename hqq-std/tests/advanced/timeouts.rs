//! Calls that are given up: by a timeout, a deadline, or because nobody wants the answer; and what is
//! counted.

use std::io::Write as _;
use std::time::{Duration, Instant};

use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, Format, Request};

use super::common::eventually;
use super::support::{FORMATS, assert_idle, body, limit, look, pair};

const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_call_that_times_out_is_given_up_at_both_ends() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        let began = Instant::now();
        let call = near.start_call(1, &[1; 200]).unwrap();
        let request = far.receive_request(limit()).unwrap();
        let error = call.wait_timeout(SHORT).unwrap_err();
        assert!(matches!(error, CallError::TimedOut), "{error}");
        assert!(began.elapsed() >= SHORT);
        assert_idle(&near);

        eventually("the news", || {
            look(&far);
            request.is_cancelled().then_some(())
        });
        // Then there is nothing to answer.
        far.respond(&request, b"late").unwrap();
        assert_eq!(far.stats().responses_sent, 0);
        assert_idle(&far);
        // Others are, as ever.
        let again = near.start_call(2, b"").unwrap();
        let request = far.receive_request(limit()).unwrap();
        assert!(!request.is_cancelled());
        far.respond(&request, b"in time").unwrap();
        assert_eq!(again.wait_until(limit()).unwrap(), b"in time");
    }
}

#[test]
fn an_answer_that_comes_late_is_dropped_and_counted() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        let call = near.start_call(1, b"").unwrap();
        let request = far.receive_request(limit()).unwrap();
        // Before the other end has looked, so that it does answer: in three chunks.
        call.cancel();
        far.respond(&request, &[3; 150]).unwrap();
        eventually("the chunks", || {
            look(&near);
            (near.stats().dropped.late == 3).then_some(())
        });
        assert_eq!(near.stats().responses_received, 0);
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn deadlines_hold_where_the_ring_is_full() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        let long = body(1, 10_000);
        let soon = || Instant::now().checked_add(SHORT);
        let error = near.send_large_on(0, &long, soon()).unwrap_err();
        assert!(matches!(error, TransferError::TimedOut), "{error}");
        let error = near.call_on(0, 1, &long, soon()).unwrap_err();
        assert!(matches!(error, CallError::TimedOut), "{error}");
        assert!(!near.wait_drained(soon()), "nobody has received anything");
        assert_idle(&near);
        // The other end learns of it: nothing of either is kept.
        eventually("the news", || {
            look(&near);
            look(&far);
            (near.stats().dropped.unsent == 0 && far.stats().arriving == 0).then_some(())
        });
        assert_idle(&far);
        std::thread::scope(|scope| {
            scope.spawn(|| near.send_large(&long).unwrap());
            assert!(far.receive_until(limit()).unwrap().body() == long);
        });
    }
}

/// One part is sent where there is room for it, whenever that is; others only in time.
#[test]
fn deadlines_hold_where_there_is_room() {
    // Of four parts.
    const LEN: u64 = 200;
    let message = [1; 200];
    type Way = fn(&AdvancedLink, &[u8]) -> Result<(), TransferError>;
    type Answering = fn(&AdvancedLink, &Request, &[u8]) -> Result<(), TransferError>;
    let over = || Some(Instant::now());
    for format in FORMATS {
        let ways: [Way; 3] = [
            |link, message| link.send_large_until(message, Some(Instant::now())),
            |link, message| {
                link.send_pieces([&message[..100], &message[100..]], Some(Instant::now()))
            },
            |link, message| {
                link.send_stream_until(message, Some(LEN), Some(Instant::now()))
                    .map(drop)
            },
        ];
        let answers: [Answering; 3] = [
            |link, request, answer| link.respond_until(request, answer, Some(Instant::now())),
            |link, request, answer| {
                link.respond_error_until(request, 1, answer, Some(Instant::now()))
            },
            |link, request, answer| {
                link.respond_stream_until(request, answer, Some(LEN), Some(Instant::now()))
                    .map(drop)
            },
        ];
        let (near, far) = pair(format, 64, 64);
        for (number, send) in (1..).zip(ways) {
            let late = send(&near, &message);
            assert!(matches!(late, Err(TransferError::TimedOut)), "{late:?}");
            assert_eq!(near.stats().bytes_sent, number * 64);
        }
        let late = near.start_call_on(0, 1, &message, over()).map(drop);
        assert!(matches!(late, Err(CallError::TimedOut)), "{late:?}");
        if format == Format::V2 {
            // Its length is not known; all that it has is one part.
            let late = near.send_stream_until(&message[..64], None, over());
            assert!(matches!(late, Err(TransferError::TimedOut)), "{late:?}");
        }
        near.send_large_until(&message[..64], over()).unwrap();
        near.send_stream_until(&message[..64], Some(64), over())
            .unwrap();
        // The other end was told of each.
        for _ in 0..2 {
            assert_eq!(far.receive_until(limit()).unwrap().body(), &message[..64]);
        }
        assert_idle(&far);
        for respond in answers {
            let call = near.start_call(1, b"").unwrap();
            let request = far.receive_request(limit()).unwrap();
            let late = respond(&far, &request, &message);
            assert!(matches!(late, Err(TransferError::TimedOut)), "{late:?}");
            let failed = call.wait_until(limit());
            assert!(matches!(failed, Err(CallError::Failed(_))), "{failed:?}");
        }
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn receiving_ends_in_time() {
    let (near, _far) = pair(Format::V2, 4, 64);
    let began = Instant::now();
    let nothing = near.receive_timeout(SHORT);
    assert!(matches!(nothing, Err(ReceiveError::TimedOut)));
    let soon = Instant::now().checked_add(SHORT);
    assert!(matches!(
        near.receive_request(soon),
        Err(ReceiveError::TimedOut)
    ));
    let soon = Instant::now().checked_add(SHORT);
    assert!(near.receive_stream(soon).is_err());
    let soon = Instant::now().checked_add(SHORT);
    assert!(near.accept(soon).is_err());
    assert!(began.elapsed() >= 4 * SHORT);
}

#[test]
fn each_of_many_callers_that_give_up_beside_a_full_ring_is_known_to_have() {
    const CALLS: u16 = 256;
    for format in FORMATS {
        let (near, far) = pair(format, CALLS.into(), 16);
        let calls: Vec<_> = (0..CALLS.into())
            .map(|method| near.start_call(method, b"work").unwrap())
            .collect();
        drop(calls);
        assert_idle(&near);
        // Nobody waits at the near end: what is left to be said is said all the same.
        let mut requests = Vec::new();
        eventually("the news of each", || {
            let soon = || Instant::now().checked_add(Duration::from_millis(1));
            requests.extend(std::iter::from_fn(|| far.receive_request(soon()).ok()));
            let all = far.stats().requests_received == CALLS.into();
            (all && requests.iter().all(Request::is_cancelled)).then_some(())
        });
        assert_eq!(near.stats().dropped.unsent, 0);
    }
}

#[test]
fn a_dropped_call_is_given_up() {
    let (near, far) = pair(Format::V2, 8, 64);
    let first = near.start_call(1, b"").unwrap();
    let second = near.start_call(2, b"").unwrap();
    let requests = [(); 2].map(|()| far.receive_request(limit()).unwrap());
    drop(first);
    eventually("the news", || {
        look(&far);
        requests[0].is_cancelled().then_some(())
    });
    assert!(!requests[1].is_cancelled());
    far.respond(&requests[1], b"2").unwrap();
    assert_eq!(second.wait_until(limit()).unwrap(), b"2");
}

#[test]
fn what_was_done_is_counted() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        for index in 0..10 {
            near.send_large(&[0; 10]).unwrap();
            let call = near.start_call(index, &[0; 100]).unwrap();
            let _ = far.receive_until(limit()).unwrap();
            let request = far.receive_request(limit()).unwrap();
            assert_eq!(near.stats().pending_calls, 1);
            if index % 2 == 0 {
                far.respond(&request, &[0; 3]).unwrap();
                let _ = call.wait_until(limit()).unwrap();
            } else {
                far.respond_error(&request, 3, b"").unwrap();
                let error = call.wait_until(limit()).unwrap_err();
                assert!(matches!(error, CallError::Response { status: 3, .. }));
            }
        }
        let (near, far) = (near.stats(), far.stats());
        for (sender, receiver) in [(&near, &far), (&far, &near)] {
            assert_eq!(sender.messages_sent, receiver.messages_received);
            assert_eq!(sender.requests_sent, receiver.requests_received);
            assert_eq!(sender.responses_sent, receiver.responses_received);
            assert_eq!(sender.bytes_sent, receiver.bytes_received);
            assert_eq!(
                sender.dropped,
                hqq_core::advanced::SessionCounters::default()
            );
        }
        assert_eq!((near.messages_sent, near.requests_sent), (10, 10));
        assert_eq!((near.bytes_sent, near.bytes_received), (1100, 15));
        assert_eq!(near.call_latency.unwrap().len(), 10);
        assert_eq!(far.call_latency.unwrap().len(), 0);
        assert_eq!(near.request_latency.unwrap().len(), 0);
        assert_eq!(far.request_latency.unwrap().len(), 10);
    }
}

#[test]
fn what_executing_requests_takes_is_timed_now_and_then() {
    const TOOK: Duration = Duration::from_millis(2);
    let (near, far) = pair(Format::V2, 8, 64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..200 {
                let request = far.receive_request(limit()).unwrap();
                // The first 64 each, then one for 64 of them.
                match number {
                    0..64 | 127 => std::thread::sleep(TOOK),
                    // An answer in parts, too.
                    191 => {
                        std::thread::sleep(TOOK);
                        far.respond_stream(&request, &[1; 100][..], Some(100))
                            .unwrap();
                        continue;
                    }
                    _ => {}
                }
                far.respond(&request, b"").unwrap();
            }
        });
        for number in 0..200 {
            let answer = near.call_until(number, b"", limit()).unwrap();
            assert_eq!(answer.len(), if number == 191 { 100 } else { 0 });
        }
    });
    let timed = far.stats().request_latency.unwrap();
    assert_eq!(timed.len(), 64 + 2 * 64);
    assert!(
        u128::from(timed.min()) >= TOOK.as_nanos() * 99 / 100,
        "{}",
        timed.min()
    );
}

/// The thread that sends its request waits for the reader, for as long as that takes.
#[test]
fn a_call_that_timed_out_beside_its_reader_keeps_no_link_open() {
    let (near, far) = pair(Format::V2, 8, 64);
    let (reader, mut gives) = std::io::pipe().unwrap();
    let deadline = Instant::now() + SHORT;
    let called = near.call_stream(1, reader, Some(1 << 30), Some(deadline));
    assert!(matches!(called, Err(CallError::TimedOut)));
    drop(near);
    loop {
        match far.receive_until(limit()) {
            Ok(_) => {}
            Err(ReceiveError::Link(LinkFailure::Disconnected)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    // What it gives then is nobody's, and it goes.
    eventually("the reader to be dropped", || {
        gives.write(b"late").is_err().then_some(())
    });
}
