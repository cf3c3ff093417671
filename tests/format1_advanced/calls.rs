//! Calls: many at once, answered with errors, given up by either side.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use hqq_core::advanced::CallFailure;
use hqq_std::advanced::error::{CallError, ReceiveError, TransferError};
use hqq_std::{Message, Refusal, Role, Server};
use hqq_tests::eventually;

use crate::{AGREED, Meeting, content, reversed, soon};

#[test]
fn answers_come_in_another_order_than_their_requests() {
    const CALLS: usize = 48;
    let calls = CALLS.to_string();
    let arguments = ["adv-server", "--no-message", "--calls", &calls];
    let arguments = [&arguments[..], &["--body", "5000"]].concat();
    let (meeting, peer) = Meeting::new(Role::Secondary, (8, 256), &arguments);
    meeting.link.negotiate(soon()).unwrap();
    let calls: Vec<_> = (0..CALLS)
        .map(|k| meeting.link.start_call(7, &content(5000 + k)).unwrap())
        .collect();
    // The other one answers the last request first.
    for (k, call) in calls.into_iter().enumerate() {
        let answer = call.wait_until(soon()).unwrap();
        assert!(answer == reversed(&content(5000 + k)), "another call's");
    }
    let expected = format!("{AGREED}answered={CALLS} given-up=0\n");
    assert_eq!(peer.wait().text(), expected);
    meeting.assert_clean();
}

#[test]
fn calls_and_a_message_at_once_to_a_server_with_threads() {
    let arguments = ["adv-client", "--interleave", "--calls", "48"];
    let arguments = [&arguments[..], &["--body", "20000", "--length", "300000"]].concat();
    let (meeting, peer) = Meeting::new(Role::Primary, (8, 256), &arguments);
    meeting.link.wait_for_negotiation(soon()).unwrap();
    let server = Server::new()
        .threads(3)
        .method(7, |request| Ok(reversed(request.body())));
    let expected = format!("{AGREED}sent=300000 chunks=1172\nanswered=48 refused=0 aborted=0\n");
    meeting.served_by(&server, || assert_eq!(peer.wait().text(), expected));
    meeting.serve(vec![300_000], 0);
    meeting.assert_clean();
}

#[test]
fn error_responses_to_the_other_implementation() {
    let server = Server::new()
        .method(7, |request| Ok(reversed(request.body())))
        .method(8, |_| {
            Err(Refusal {
                status: 1 << 40,
                body: b"longer than a buffer".to_vec(),
            })
        })
        .method(9, |_| {
            Err(Refusal {
                status: 0,
                body: Vec::new(),
            })
        });
    // Method 10 does not exist.
    for (method, status, text) in [
        ("8", "0x10000000000", "longer than a buffer"),
        ("9", "6", ""),
        ("10", "6", ""),
    ] {
        let arguments = ["adv-client", "--no-message", "--method", method];
        let arguments = [&arguments[..], &["--status", status, "--body", "20"]].concat();
        let (meeting, peer) = Meeting::new(Role::Primary, (4, 16), &arguments);
        meeting.link.wait_for_negotiation(soon()).unwrap();
        let expected = format!("{AGREED}answered=0 refused=1 aborted=0\n{text}\n");
        meeting.served_by(&server, || assert_eq!(peer.wait().text(), expected));
        meeting.assert_clean();
    }
}

#[test]
fn error_responses_of_the_other_implementation() {
    for text in ["", "longer than a buffer"] {
        let arguments = ["adv-server", "--no-message", "--text", text];
        let arguments = [&arguments[..], &["--status", "0xffffffffffffffff"]].concat();
        let (meeting, peer) = Meeting::new(Role::Primary, (4, 16), &arguments);
        meeting.link.negotiate(soon()).unwrap();
        match meeting.link.call_on(0, 7, b"", soon()) {
            Err(CallError::Response { status, body }) => {
                assert_eq!((status, body.as_slice()), (u64::MAX, text.as_bytes()));
            }
            other => unreachable!("{other:?}"),
        }
        let _ = peer.wait().ok();
        meeting.assert_clean();
    }
}

#[test]
fn the_other_implementation_learns_that_callers_gave_up() {
    let arguments = ["adv-server", "--no-message", "--hold", "--calls", "3"];
    let arguments = [&arguments[..], &["--body", "40"]].concat();
    let (meeting, peer) = Meeting::new(Role::Secondary, (4, 16), &arguments);
    meeting.link.negotiate(soon()).unwrap();
    let first = meeting.link.start_call(7, &content(40)).unwrap();
    let second = meeting.link.start_call(7, &content(41)).unwrap();
    let brief = Instant::now() + Duration::from_millis(20);
    let third = meeting.link.start_call(7, &content(42)).unwrap();
    assert!(matches!(
        third.wait_until(Some(brief)),
        Err(CallError::TimedOut)
    ));
    first.cancel();
    drop(second);
    // What did not fit into the ring is sent by whoever drives the link.
    assert!(meeting.link.wait_drained(soon()));
    let expected = format!("{AGREED}answered=0 given-up=3\n");
    assert_eq!(peer.wait().text(), expected);
    meeting.assert_clean();
}

/// A reader that fails after so many bytes.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("no more"));
        }
        let len = buffer.len().min(self.0);
        buffer[..len].fill(0);
        self.0 -= len;
        Ok(len)
    }
}

#[test]
fn the_other_implementation_learns_that_a_message_is_given_up() {
    let arguments = ["adv-server", "--body", "40"];
    let (meeting, peer) = Meeting::new(Role::Primary, (4, 16), &arguments);
    meeting.link.negotiate(soon()).unwrap();
    let error = meeting.link.send_stream(Failing(500), Some(1000));
    assert!(matches!(error, Err(TransferError::Input(_))), "{error:?}");
    let answer = meeting.link.call_on(0, 7, &content(40), soon()).unwrap();
    assert_eq!(answer, reversed(&content(40)));
    let expected = format!("{AGREED}answered=1 given-up=1\n");
    assert_eq!(peer.wait().text(), expected);
    meeting.assert_clean();
}

#[test]
fn a_request_that_the_other_implementation_gave_up_is_cancelled() {
    let arguments = ["adv-client", "--no-message", "--calls", "2"];
    let arguments = [&arguments[..], &["--body", "40"]].concat();
    let (meeting, peer) = Meeting::new(Role::Primary, (4, 16), &arguments);
    meeting.link.wait_for_negotiation(soon()).unwrap();
    let Message::Request(first) = meeting.link.receive_until(soon()).unwrap() else {
        unreachable!("the client sends requests only")
    };
    assert!(!first.is_cancelled());
    // The client gives its calls up in this order; ids are 1 and 2.
    meeting.put([4, 0, 1, 0, 0, 0, 4 | 8, 0]);
    eventually("the cancellation", || {
        let next = meeting.link.receive_timeout(Duration::from_millis(1));
        match next {
            Ok(Message::Request(second)) => meeting.answer(&second),
            other => assert!(matches!(other, Err(ReceiveError::TimedOut)), "{other:?}"),
        }
        first.is_cancelled().then_some(())
    });
    drop(peer);

    let (meeting, peer) = Meeting::new(
        Role::Primary,
        (4, 16),
        &[&arguments[..], &["--abort-calls"]].concat(),
    );
    meeting.link.wait_for_negotiation(soon()).unwrap();
    // They may be gone before they are received, or be received and answered in vain.
    let done = eventually("both calls", || {
        if let Ok(Message::Request(request)) =
            meeting.link.receive_timeout(Duration::from_millis(1))
        {
            let _ = meeting.link.respond(&request, request.body());
        }
        let stats = meeting.link.stats();
        (stats.requests_received == 2 && stats.buffered_bytes == 0).then_some(stats)
    });
    assert_eq!(done.arriving, 0);
    assert_eq!(peer.wait().text(), format!("{AGREED}gave up\n"));
    meeting.assert_clean();
}

#[test]
fn an_answer_that_the_other_implementation_gives_up_fails_the_call() {
    let arguments = ["adv-server", "--no-message", "--abort-answers"];
    let arguments = [&arguments[..], &["--body", "100"]].concat();
    let (meeting, peer) = Meeting::new(Role::Primary, (4, 16), &arguments);
    meeting.link.negotiate(soon()).unwrap();
    let result = meeting.link.call_on(0, 7, &content(100), soon());
    assert!(
        matches!(result, Err(CallError::Failed(CallFailure::Aborted))),
        "{result:?}"
    );
    let _ = peer.wait().ok();
    meeting.assert_clean();
}

#[test]
fn a_message_that_the_other_implementation_gives_up_is_not_received() {
    let arguments = ["adv-client", "--length", "100", "--abort-at", "40"];
    let (meeting, peer) = Meeting::new(Role::Primary, (4, 16), &arguments);
    meeting.link.wait_for_negotiation(soon()).unwrap();
    meeting.serve(vec![], 1);
    let expected = "sent=40 chunks=3 aborted\nanswered=1 refused=0 aborted=0\n";
    assert_eq!(peer.wait().text(), format!("{AGREED}{expected}"));
    meeting.assert_clean();
}
