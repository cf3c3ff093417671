//! Packets that break the rules: what they belong to is dropped, the rest goes on.

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use hqq_std::advanced::error::ReceiveError;
use hqq_std::{AdvancedOptions, Incoming, Message};

use crate::{Meeting, soon};

const BEGIN: u64 = 1;
const END: u64 = 2;
const ABORT: u64 = 4;
const REQUEST: u64 = 8;
const RESPONSE: u64 = 16;
const ERROR: u64 = 32;

/// A region of buffers of 64 bytes whose ends have agreed; the other implementation is gone.
fn agreed() -> Meeting {
    let meeting = Meeting::as_primary((4, 64), AdvancedOptions::new());
    let peer = meeting.start(&["adv-client", "--no-message", "--calls", "0"]);
    meeting.link.wait_for_negotiation(soon()).unwrap();
    let _ = peer.wait().ok();
    meeting
}

/// A chunk of message `id` on connection 0.
fn chunk(id: u64, [total, offset, size]: [u64; 3], flags: u64, aux: u64) -> [u64; 8] {
    [4, 0, id, total, offset, size, flags, aux]
}

/// Messages still arrive.
#[track_caller]
fn assert_goes_on(meeting: &Meeting, id: u64) {
    meeting.put(chunk(id, [3, 0, 3], BEGIN | END, 0));
    match meeting.link.receive_until(soon()).unwrap() {
        Message::Plain {
            id: found, body, ..
        } => assert_eq!((found, body.len()), (id, 3)),
        other => unreachable!("{other:?}"),
    }
    meeting.assert_idle();
}

impl Meeting {
    /// Nothing is left over.
    #[track_caller]
    fn assert_idle(&self) {
        let stats = self.link.stats();
        assert_eq!((stats.pending_calls, stats.arriving), (0, 0));
        assert_eq!((stats.buffered_bytes, stats.streams), (0, 0));
    }
}

#[test]
fn malformed_chunks_are_dropped() {
    let meeting = agreed();
    let none = [0, 0, 0];
    for (index, words) in [
        chunk(1, none, BEGIN | END | 64, 0),
        chunk(1, none, BEGIN | END | 1 << 63, 0),
        chunk(1, none, BEGIN | END | REQUEST | RESPONSE, 0),
        chunk(1, none, BEGIN | END | ERROR, 0),
        chunk(1, none, BEGIN | END | ERROR | REQUEST, 0),
        // Longer than a buffer, than the message, than anything.
        chunk(1, [65, 0, 65], BEGIN | END, 0),
        chunk(1, [10, 0, 11], BEGIN | END, 0),
        chunk(1, [10, u64::MAX, 2], END, 0),
        chunk(1, [u64::MAX, u64::MAX - 1, 64], END, 0),
        // Begin and end where they do not belong.
        chunk(1, [10, 5, 5], BEGIN | END, 0),
        chunk(1, [10, 0, 5], BEGIN | END, 0),
        chunk(1, [10, 0, 10], BEGIN, 0),
        chunk(1, [10, 0, 10], END, 0),
        chunk(1, [10, 0, 0], BEGIN, 0),
        chunk(1, [10, 5, 5], END, 9),
        chunk(1, [10, 5, 5], END, 0),
        // Answers that nobody waits for, and the end of what never began.
        chunk(1, none, BEGIN | END | RESPONSE, 0),
        chunk(1, none, BEGIN | END | RESPONSE | ERROR, 6),
        chunk(1, none, ABORT, 0),
        chunk(1, none, ABORT | REQUEST, 0),
        // What is no part of the protocol, or comes unasked.
        [0, 1, 5, 0, 0, 0, 0, 0],
        [0, 9, 99, 0, 0, 0, 0, 0],
        [2, 5, 0, 0, 0, 0, 0, 0],
        [3, 5, 0, 0, 0, 0, 0, 0],
        [6, 0x0100, 1, 1, 0, 0, 0, 0],
        [0x42, 0, 0, 0, 0, 0, 0, 0],
        [0xfe, 1, 0, 2, 0, 0, 0, 0],
        [0xff, 1, 0, 3, 0, 0, 0, 0],
        [4 | 1 << 32, 0, 1, 0, 0, 0, 3, 0],
    ]
    .into_iter()
    .enumerate()
    {
        meeting.put(words);
        let found = meeting.link.receive_timeout(Duration::from_millis(5));
        assert!(
            matches!(found, Err(ReceiveError::TimedOut)),
            "{words:?}: {found:?}"
        );
        assert_goes_on(&meeting, 100 + index as u64);
    }
    assert_eq!(
        meeting.link.agreement().map(|all| all.features.bits()),
        Some(3)
    );
}

#[test]
fn a_message_with_a_chunk_out_of_order_dies_alone() {
    for second in [
        chunk(1, [100, 50, 40], 0, 0),
        chunk(1, [101, 40, 40], 0, 0),
        chunk(1, [100, 40, 40], 0, 3),
        chunk(1, [100, 0, 40], BEGIN, 0),
    ] {
        let meeting = agreed();
        meeting.put(chunk(1, [100, 0, 40], BEGIN, 0));
        meeting.put(chunk(2, [100, 0, 50], BEGIN, 0));
        meeting.put(second);
        meeting.put(chunk(2, [100, 50, 50], END, 0));
        let body = meeting.link.receive_until(soon()).unwrap();
        assert_eq!(body.body().len(), 100);
        // What follows of the dead one is dropped, too, unless it begins anew.
        if second[6] != BEGIN {
            meeting.put(chunk(1, [100, 80, 20], END, 0));
            assert_goes_on(&meeting, 3);
        }
    }
}

#[test]
fn a_request_that_dies_is_answered_with_an_error() {
    let meeting = agreed();
    meeting.put(chunk(1, [100, 0, 40], BEGIN | REQUEST, 7));
    meeting.put(chunk(1, [100, 50, 50], END | REQUEST, 0));
    assert_goes_on(&meeting, 2);
    assert!(!meeting.link.wait_drained(Some(std::time::Instant::now())));
    let error = meeting.run(&["adv-client", "--timeout", "5"]);
    error
        .with_code(8)
        .complains(&["a response to no request", "4 0 1 0 0 0 51 "]);
}

#[test]
fn chunks_before_any_agreement_are_dropped() {
    let meeting = Meeting::as_primary((4, 64), AdvancedOptions::new());
    meeting.put(chunk(1, [3, 0, 3], BEGIN | END, 0));
    meeting.put(chunk(2, [3, 0, 3], BEGIN | END | REQUEST, 7));
    let found = meeting.link.receive_timeout(Duration::from_millis(20));
    assert!(matches!(found, Err(ReceiveError::TimedOut)), "{found:?}");
    let peer = meeting.start(&["adv-client", "--length", "100", "--body", "100"]);
    meeting.link.wait_for_negotiation(soon()).unwrap();
    meeting.serve(vec![100], 1);
    let _ = peer.wait().ok();
    meeting.assert_idle();
}

#[test]
fn who_reads_a_message_as_it_comes_learns_that_it_is_given_up() {
    let meeting = agreed();
    meeting.put(chunk(1, [100, 0, 40], BEGIN, 0));
    let Incoming::Plain { mut body, .. } = meeting.link.receive_stream(soon()).unwrap() else {
        unreachable!("it is no request")
    };
    meeting.put(chunk(1, [0, 0, 0], ABORT, 0));
    let mut bytes = Vec::new();
    let error = body.read_to_end(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(bytes.len(), 40);
    drop(body);
    assert_goes_on(&meeting, 2);
}
