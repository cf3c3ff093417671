//! Calls of a lone caller, which take few steps, and what may come between.

use std::time::{Duration, Instant};

use hqq_std::advanced::error::CallError;
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Message, Request};

use super::support::{FORMATS, limit, pair, pair_with};

const COUNT: usize = 16;
const SIZE: usize = 256;
const CALLS: u64 = 400;

/// The body of a request or of its answer.
fn body(number: u64) -> Vec<u8> {
    let len = [0, 1, 40, 63, 64, 65, 255, 256][usize::try_from(number % 8).unwrap()];
    (number..)
        .take(len)
        .map(|byte| byte.to_le_bytes()[0])
        .collect()
}

/// Answers one request after the other, with something before it now and then.
fn answer_in_many_ways(far: &AdvancedLink, format: Format) {
    for number in 0..CALLS {
        let request = far.receive_request(limit()).unwrap();
        assert_eq!(
            (request.method(), request.body()),
            (number, &body(number)[..])
        );
        match number / 8 % 8 {
            1 => {
                far.send_large(&number.to_le_bytes()).unwrap();
            }
            2 => {
                let long = vec![5; 5 * SIZE];
                far.send_large(&long).unwrap();
            }
            3 => {
                far.respond_error(&request, 1 + number, request.body())
                    .unwrap();
                continue;
            }
            // Longer than a buffer: number and size are the caller's to know.
            4 => {
                far.respond(&request, &vec![7; 2 * SIZE]).unwrap();
                continue;
            }
            // Later than the caller looks for it in a hurry.
            5 => std::thread::sleep(Duration::from_micros(300)),
            6 if format == Format::V2 => {
                // An answer to nothing, which is late wherever it comes.
                far.respond(&request, request.body()).unwrap();
                let again = far.respond(&request, request.body());
                assert!(again.is_err(), "answered twice");
                continue;
            }
            _ => {}
        }
        far.respond(&request, request.body()).unwrap();
    }
}

#[test]
fn each_call_gets_its_answer_whatever_comes_between() {
    for format in FORMATS {
        let (near, far) = pair(format, COUNT, SIZE);
        std::thread::scope(|scope| {
            scope.spawn(|| answer_in_many_ways(&far, format));
            let mut answer = vec![1; 99];
            for number in 0..CALLS {
                let request = body(number);
                let result = if number % 3 == 0 {
                    near.call_until(number, &request, limit())
                        .map(|owned| answer = owned)
                } else {
                    near.call_into(number, &request, &mut answer, limit())
                };
                match (number / 8 % 8, result) {
                    (3, Err(CallError::Response { status, body })) => {
                        assert_eq!((status, body), (1 + number, request));
                    }
                    (4, Ok(())) => assert_eq!(answer, vec![7; 2 * SIZE]),
                    (_, Ok(())) => assert_eq!(answer, request),
                    (way, result) => panic!("{number}, {way}: {result:?}"),
                }
                let sent = match number / 8 % 8 {
                    1 => number.to_le_bytes().to_vec(),
                    2 => vec![5; 5 * SIZE],
                    _ => continue,
                };
                // It came before the answer.
                match near.receive_timeout(Duration::ZERO).unwrap() {
                    Message::Plain { body, .. } => assert_eq!(body, sent),
                    other => panic!("{other:?}"),
                }
            }
        });
        let (near, far) = (near.stats(), far.stats());
        assert_eq!(
            (near.requests_sent, near.responses_received),
            (CALLS, CALLS)
        );
        assert_eq!((far.requests_received, far.responses_sent), (CALLS, CALLS));
        assert_eq!(
            (near.pending_calls, near.arriving, near.buffered_bytes),
            (0, 0, 0)
        );
        assert_eq!(
            (far.pending_calls, far.arriving, far.buffered_bytes),
            (0, 0, 0)
        );
        assert_eq!((near.dropped.late, near.malformed), (0, 0));
    }
}

#[test]
fn an_answer_that_comes_too_late_is_no_other_calls() {
    for format in FORMATS {
        let (near, far) = pair(format, COUNT, SIZE);
        let (given_up, rx) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for () in rx {
                    // The one that was given up is answered once that is so, or is gone.
                    if let Ok(request) = far.receive_request(soon()) {
                        let _ = far.respond(&request, b"late");
                    }
                }
            });
            let mut answer = Vec::new();
            for number in 0..20_u8 {
                let late = near.call_into(1, &[number], &mut answer, soon());
                match late {
                    Ok(()) => assert_eq!(answer, b"late"),
                    Err(CallError::TimedOut) => {}
                    Err(error) => panic!("{error}"),
                }
                given_up.send(()).unwrap();
            }
            drop(given_up);
        });
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut left = 20;
                while left > 0 {
                    let request = far.receive_request(limit()).unwrap();
                    // That the other method's last one was given up may come behind it.
                    left -= u64::from(request.method() == 2);
                    far.respond(&request, request.body()).unwrap();
                }
            });
            let mut answer = Vec::new();
            for number in 0..20_u8 {
                near.call_into(2, &[number, 1], &mut answer, limit())
                    .unwrap();
                assert_eq!(answer, [number, 1]);
            }
        });
        assert_eq!(near.stats().pending_calls, 0);
    }
}

fn soon() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(2))
}

#[test]
fn what_is_too_long_is_refused_though_it_fits_into_a_buffer() {
    use hqq_core::advanced::BeginError;
    use hqq_std::advanced::error::TransferError;
    for format in FORMATS {
        let options = AdvancedOptions::new().max_message_size(100);
        let (near, far) = pair_with(format, COUNT, SIZE, options, options);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let request = far.receive_request(limit()).unwrap();
                let refused = far.respond(&request, &[1; 101]);
                let is_refused = matches!(
                    refused,
                    Err(TransferError::Begin(BeginError::TooLong { .. }))
                );
                assert!(is_refused, "{refused:?}");
                far.respond(&request, &[1; 100]).unwrap();
            });
            let refused = near.call_until(1, &[2; 101], limit());
            let is_refused = matches!(refused, Err(CallError::Begin(BeginError::TooLong { .. })));
            assert!(is_refused, "{refused:?}");
            assert_eq!(near.call_until(1, &[2; 100], limit()).unwrap(), [1; 100]);
        });
    }
}

#[test]
fn requests_keep_their_bodies_for_as_long_as_they_are_kept() {
    let (near, far) = pair(Format::V2, COUNT, SIZE);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (1..9)
            .map(|number| near.start_call(number, &body(number)).unwrap())
            .collect();
        let mut requests: Vec<Request> = (0..calls.len())
            .map(|_| far.receive_request(limit()).unwrap())
            .collect();
        requests.sort_by_key(Request::method);
        for mut request in requests.drain(..4) {
            let expected = body(request.method());
            assert_eq!(request.body(), expected);
            assert_eq!(request.take_body(), expected);
            assert_eq!(request.body(), b"");
            far.respond(&request, b"").unwrap();
        }
        // What comes while others are kept, and what other threads drop.
        let late = near.start_call(99, b"late").unwrap();
        let last = far.receive_request(limit()).unwrap();
        for request in requests {
            assert_eq!(request.body(), body(request.method()));
            let far = &far;
            scope.spawn(move || far.respond(&request, request.body()).unwrap());
        }
        assert_eq!(last.body(), b"late");
        far.respond(&last, b"").unwrap();
        for (number, call) in (1..).zip(calls) {
            let expected = if number < 5 { Vec::new() } else { body(number) };
            assert_eq!(call.wait_until(limit()).unwrap(), expected);
        }
        late.wait_until(limit()).unwrap();
    });
}
