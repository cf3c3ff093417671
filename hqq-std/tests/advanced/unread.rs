//! Peers that have gone, beside messages that nobody has received.

use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::time::{Duration, Instant};

use hqq_core::packet::Features;
use hqq_std::advanced::error::{CallError, DialError, LinkFailure, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming};

use super::common::bounded;
use super::support::{limit, look, pair_with};

/// Two ends, of which the near one takes few messages, and cannot tell its peer to stop a single stream.
fn pair(queue: usize) -> (AdvancedLink, AdvancedLink) {
    let options = AdvancedOptions::new();
    let few = options.features(Features::FORMAT_1).incoming_queue(queue);
    pair_with(Format::V2, 64, 64, few, options)
}

/// What begins with four bytes, and goes on for as long as there is a writer.
fn part() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, b"part").unwrap();
    (reader, writer)
}

/// Somebody receives what stands before the answer, with pauses in which it is looked whether the callee is there.
#[test]
fn an_answer_behind_messages_of_a_callee_that_left_is_not_lost() {
    const MESSAGES: usize = 20;
    bounded(|| {
        let (near, far) = pair(4);
        let call = near.start_call(1, b"?").unwrap();
        let request = far.receive_request(limit()).unwrap();
        for _ in 0..MESSAGES {
            far.send_large(b"before").unwrap();
        }
        far.respond(&request, b"behind").unwrap();
        drop((request, far));
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| call.wait_until(limit()));
            for _ in 0..MESSAGES {
                std::thread::sleep(Duration::from_millis(30));
                assert_eq!(near.receive_until(limit()).unwrap().body(), b"before");
            }
            assert_eq!(calling.join().unwrap().unwrap(), b"behind");
        });
    });
}

/// That no answer is to come counts for as long as nobody receives only.
#[test]
fn an_answer_that_can_be_taken_again_is_not_lost_with_those_that_could_not() {
    const QUEUE: usize = 4;
    bounded(|| {
        let (near, far) = pair(QUEUE);
        let calls = [(); 2].map(|()| near.start_call(1, b"?").unwrap());
        let requests = [(); 2].map(|()| far.receive_request(limit()).unwrap());
        for _ in 0..QUEUE {
            far.send_large(b"before").unwrap();
        }
        far.respond(&requests[1], b"behind").unwrap();
        drop((requests, far));
        let [first, second] = calls;
        let failed = first.wait_until(limit());
        assert!(
            matches!(failed, Err(CallError::Link(LinkFailure::Disconnected))),
            "{failed:?}"
        );
        for _ in 0..QUEUE {
            assert_eq!(near.receive_until(limit()).unwrap().body(), b"before");
        }
        assert_eq!(second.wait_until(limit()).unwrap(), b"behind");
    });
}

/// Nobody is there to accept a stream, or to take what was sent.
#[test]
fn dialling_and_draining_end_with_the_peer_beside_messages_that_nobody_receives() {
    const QUEUE: usize = 4;
    bounded(|| {
        for drains in [false, true] {
            let (near, far) = pair(QUEUE);
            for _ in 0..QUEUE + 2 {
                far.send_large(b"unread").unwrap();
            }
            near.send_large(b"not taken").unwrap();
            drop(far);
            if drains {
                assert!(!near.wait_drained(None));
            } else {
                let failed = near.dial(None).err();
                assert!(
                    matches!(failed, Some(DialError::Link(LinkFailure::Disconnected))),
                    "{failed:?}"
                );
            }
            for _ in 0..QUEUE + 2 {
                assert_eq!(near.receive_until(limit()).unwrap().body(), b"unread");
            }
        }
    });
}

/// Nobody is there to be told that no more of the message comes.
#[test]
fn a_reader_that_fails_ends_its_message_beside_messages_of_a_peer_that_left() {
    bounded(|| {
        let (near, far) = pair(4);
        let (reader, writer) = part();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| near.send_stream(reader, Some(100)));
            let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
                panic!("not a message");
            };
            body.read_exact(&mut [0; 4]).unwrap();
            drop(body);
            for _ in 0..6 {
                far.send_large(b"unread").unwrap();
            }
            look(&near);
            drop(far);
            drop(writer);
            let failed = sending.join().unwrap();
            assert!(matches!(failed, Err(TransferError::Input(_))), "{failed:?}");
            for _ in 0..6 {
                assert_eq!(near.receive_until(limit()).unwrap().body(), b"unread");
            }
        });
    });
}

/// The rest of the answer, or that there is none, is behind messages.
#[test]
fn an_answer_that_is_read_ends_with_its_callee_beside_messages_that_nobody_receives() {
    bounded(|| {
        let (near, far) = pair(4);
        let (reader, writer) = part();
        std::thread::scope(|scope| {
            let callee = far.clone();
            let answering = scope.spawn(move || {
                let request = callee.receive_request(limit()).unwrap();
                assert!(callee.respond_stream(&request, reader, Some(100)).is_err());
            });
            let mut answer = near.call_stream(1, io::empty(), Some(0), limit()).unwrap();
            let mut part = [0; 4];
            answer.read_exact(&mut part).unwrap();
            assert_eq!(part, *b"part");
            for _ in 0..6 {
                far.send_large(b"unread").unwrap();
            }
            drop(writer);
            answering.join().unwrap();
            drop(far);
            let error = answer.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        });
    });
}

/// Each time something was taken out of the ring, what is behind it may be, too.
#[test]
fn requests_behind_messages_of_a_peer_that_left_are_waited_for_after_each_of_these() {
    bounded(|| {
        let options = AdvancedOptions::new();
        let one = options.features(Features::FORMAT_1).incoming_queue(1);
        let (near, far) = pair_with(Format::V2, 64, 64, one, options);
        for _ in 0..2 {
            far.send_large(b"before").unwrap();
        }
        let call = far.start_call(1, b"behind").unwrap();
        drop((call, far));
        let failed = near.receive_request(limit()).unwrap_err();
        assert!(
            matches!(failed, ReceiveError::Link(LinkFailure::Disconnected)),
            "{failed:?}"
        );
        assert_eq!(near.receive_until(limit()).unwrap().body(), b"before");
        // This takes the second one in, as one that is in its way.
        let failed = near.receive_request(Some(Instant::now())).unwrap_err();
        assert!(matches!(failed, ReceiveError::TimedOut), "{failed:?}");
        assert_eq!(near.receive_until(limit()).unwrap().body(), b"before");
        assert_eq!(near.receive_request(limit()).unwrap().body(), b"behind");
    });
}
