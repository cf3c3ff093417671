//! Handlers on a pool of threads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use hqq_std::advanced::error::{CallError, LinkFailure};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Refusal, Server};

use super::common::bounded;
use super::support::{FORMATS, assert_idle, limit, pair, pair_with, serving};

/// The status and the body of an error response.
fn failure(link: &AdvancedLink, method: u64) -> (u64, Vec<u8>) {
    match link.call_on(0, method, b"", limit()) {
        Err(CallError::Response { status, body }) => (status, body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_goes_wrong_is_answered_and_the_server_goes_on() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        let server = Server::new()
            .threads(2)
            .method(1, |request| Ok(request.body().to_vec()))
            .method(2, |request| -> Result<Vec<u8>, Refusal> {
                panic!(
                    "a handler of a test panics on purpose: {}",
                    request.method()
                )
            })
            .method(3, |_| {
                let body = vec![b'x'; 500];
                Err(Refusal { status: 77, body })
            })
            .method(4, |_| {
                let body = Vec::new();
                Err(Refusal { status: 0, body })
            });
        serving(&server, &far, || {
            for _ in 0..3 {
                let (status, text) = failure(&near, 2);
                assert_eq!(status, 6);
                assert!(text.ends_with(b"panicked"));
                assert_eq!(failure(&near, 5), (6, Vec::new()), "no such method");
                assert_eq!(failure(&near, 3), (77, vec![b'x'; 500]));
                assert_eq!(failure(&near, 4), (6, Vec::new()), "0 is no failure");
                assert_eq!(
                    near.call_on(0, 1, b"still here", limit()).unwrap(),
                    b"still here"
                );
                assert_eq!(near.call_on(0, 1, b"", limit()).unwrap(), b"");
            }
        });
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn an_answer_that_is_too_long_is_a_failure_and_not_a_silence() {
    let options = AdvancedOptions::new();
    let (near, far) = pair_with(Format::V2, 8, 64, options, options.max_message_size(100));
    let server = Server::new().method(1, |_| Ok(vec![0; 101]));
    serving(&server, &far, || assert_eq!(failure(&near, 1).0, 7));
}

#[test]
fn as_many_requests_as_threads_are_handled_at_a_time() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        let meeting = Barrier::new(3);
        let server = Server::new().threads(3).method(1, |_| {
            meeting.wait();
            Ok(Vec::new())
        });
        serving(&server, &far, || {
            let calls = [(); 6].map(|()| near.start_call(1, b"").unwrap());
            for call in calls {
                let _ = call.wait_until(limit()).unwrap();
            }
        });
    });
}

#[test]
fn a_server_ends_when_it_is_told_to_or_its_peer_leaves() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        let (server, stop) = (Server::new().threads(2), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_until(&far, &stop));
            assert_eq!(failure(&near, 1).0, 6);
            stop.store(true, Ordering::Relaxed);
            assert_eq!(serving.join().unwrap(), Ok(()));

            let serving = scope.spawn(|| server.serve(&far));
            assert_eq!(failure(&near, 1).0, 6);
            drop(near);
            assert_eq!(serving.join().unwrap(), Ok(()));
        });
        let over = far.call(1, b"").unwrap_err();
        assert!(
            matches!(over, CallError::Link(LinkFailure::Disconnected)),
            "{over}"
        );
    });
}
