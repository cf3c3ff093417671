//! Room runs out in both directions at once, and nothing stands still.

use std::io::{self, Read};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hqq_std::advanced::error::TransferError;
use hqq_std::{AdvancedOptions, Incoming, Server};

use super::common::bounded;
use super::support::{FORMATS, Random, assert_idle, body, limit, pair, pair_with, serving};

#[test]
fn two_ends_that_only_send_take_in_what_the_other_sends() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 2, 64);
            let messages = [body(1, 200_000), body(2, 300_000)];
            std::thread::scope(|scope| {
                for (end, sent, awaited) in [
                    (&near, &messages[0], &messages[1]),
                    (&far, &messages[1], &messages[0]),
                ] {
                    scope.spawn(move || {
                        end.send_large(sent).unwrap();
                        let received = end.receive_until(limit()).unwrap();
                        assert!(received.body() == awaited.as_slice());
                    });
                }
            });
            assert_idle(&near);
            assert_idle(&far);
        }
    });
}

/// What is bounded has to stop somewhere: who sends on and on to a program that receives nothing waits, and a
/// deadline ends that.
#[test]
fn messages_that_nobody_receives_stop_their_sender_until_somebody_does() {
    bounded(|| {
        for format in FORMATS {
            let options = AdvancedOptions::new()
                .incoming_queue(16)
                .incoming_bytes(4096);
            let (near, far) = pair_with(format, 8, 64, options, options);
            let ends = [&near, &far];
            let sent = std::thread::scope(|scope| {
                let sending = ends.map(|end| {
                    scope.spawn(move || {
                        for number in 0_u64..10_000 {
                            let soon = Instant::now().checked_add(Duration::from_millis(100));
                            match end.send_large_until(&number.to_le_bytes(), soon) {
                                Ok(()) => {}
                                Err(TransferError::TimedOut) => return number,
                                Err(error) => panic!("{error}"),
                            }
                        }
                        panic!("nothing has stopped it");
                    })
                });
                sending.map(|sending| sending.join().unwrap())
            });
            for (sent, [sender, receiver]) in sent.into_iter().zip([[&near, &far], [&far, &near]]) {
                std::thread::scope(|scope| {
                    scope.spawn(|| sender.send_large(b"the last").unwrap());
                    for number in 0..sent {
                        let message = receiver.receive_until(limit()).unwrap();
                        assert_eq!(message.body(), number.to_le_bytes());
                    }
                    let message = receiver.receive_until(limit()).unwrap();
                    assert_eq!(message.body(), b"the last");
                });
            }
            assert_idle(&near);
            assert_idle(&far);
        }
    });
}

#[test]
fn many_threads_send_at_both_ends_of_the_smallest_ring() {
    const SENDERS: u64 = 3;
    const MESSAGES: u64 = 25;
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 2, 64);
            std::thread::scope(|scope| {
                for (end, name) in [(&near, 0), (&far, 1)] {
                    for sender in 0..SENDERS {
                        scope.spawn(move || {
                            let mut random = Random::new(sender);
                            for index in 0..MESSAGES {
                                let number = (name << 16) | (sender << 8) | index;
                                let mut message = number.to_le_bytes().to_vec();
                                message.extend(body(number, random.size(14)));
                                end.send_large(&message).unwrap();
                            }
                        });
                    }
                    scope.spawn(move || {
                        let mut next = [0; SENDERS as usize];
                        for _ in 0..SENDERS * MESSAGES {
                            let message = end.receive_until(limit()).unwrap();
                            let (number, rest) = message.body().split_first_chunk().unwrap();
                            let number = u64::from_le_bytes(*number);
                            let sender = usize::try_from(number >> 8 & 0xff).unwrap();
                            assert_eq!(number >> 16, 1 - name);
                            assert_eq!(number & 0xff, next[sender], "in order, each once");
                            next[sender] += 1;
                            assert!(rest == body(number, rest.len()));
                        }
                    });
                }
            });
            assert_idle(&near);
            assert_idle(&far);
        }
    });
}

/// Method 1 asks the other end for what method 2 of it answers.
#[test]
fn calls_in_both_directions_also_from_within_handlers() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 4, 64);
            let [at_near, at_far] = [&near, &far].map(|end| {
                Server::new()
                    .threads(4)
                    .method(1, move |request| {
                        let mut answer = end.call_on(0, 2, request.body(), limit()).unwrap();
                        answer.push(1);
                        Ok(answer)
                    })
                    .method(2, |request| {
                        let mut answer = request.body().to_vec();
                        answer.reverse();
                        Ok(answer)
                    })
            });
            serving(&at_near, &near, || {
                serving(&at_far, &far, || {
                    std::thread::scope(|scope| {
                        for (index, end) in [&near, &far, &near, &far].into_iter().enumerate() {
                            scope.spawn(move || {
                                let mut random = Random::new(index as u64);
                                for _ in 0..40 {
                                    let request = body(random.next(), random.size(11));
                                    let mut expected = request.clone();
                                    expected.reverse();
                                    expected.push(1);
                                    let answer = end.call_on(0, 1, &request, limit()).unwrap();
                                    assert!(answer == expected);
                                }
                            });
                        }
                    });
                });
            });
            assert_idle(&near);
            assert_idle(&far);
        }
    });
}

/// Longer than anything that is sent.
const LEN: u64 = 1 << 40;

/// A call waits for its share of the ring, not for the end of a message.
#[test]
fn calls_overtake_a_message_that_is_read_as_it_comes() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 4, 64);
            let server = Server::new().method(9, |request| Ok(request.body().to_vec()));
            let (begun, over) = (Barrier::new(2), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| near.send_stream(Until(&over), Some(LEN)).unwrap_err());
                scope.spawn(|| {
                    let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap()
                    else {
                        panic!("not the message");
                    };
                    begun.wait();
                    let mut received = 0;
                    let mut buffer = [0; 100];
                    let end = loop {
                        match body.read(&mut buffer) {
                            Ok(len) => received += len,
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
                    assert!(received > 0);
                });
                begun.wait();
                serving(&server, &far, || {
                    for index in 0..200 {
                        let request = body(index, 200);
                        assert_eq!(near.call_on(0, 9, &request, limit()).unwrap(), request);
                    }
                });
                over.store(true, Ordering::Relaxed);
            });
            assert_idle(&near);
            assert_idle(&far);
        }
    });
}

/// Zeros, then a failure once it is over.
struct Until<'a>(&'a AtomicBool);

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Relaxed: only ends the reading.
        if self.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("over"));
        }
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// How long a call takes while a long message goes through the same link. Printed, not judged; but parts of the
/// message come between the beginnings and the ends of some calls, or this does not end.
#[test]
fn calls_are_answered_during_a_long_message() {
    const BETWEEN: usize = 20;
    let len: u64 = if cfg!(debug_assertions) { 64 } else { 1024 } << 20;
    bounded(move || {
        for format in FORMATS {
            let (near, far) = pair(format, 64, 16384);
            let server = Server::new().method(9, |request| Ok(request.body().to_vec()));
            let (begun, over) = (Barrier::new(2), AtomicBool::new(false));
            let moved = AtomicU64::new(0);
            let call = || {
                let began = Instant::now();
                let answer = near.call_on(0, 9, &[7; 64], limit()).unwrap();
                assert_eq!(answer, [7; 64]);
                began.elapsed()
            };
            let [alone, during] = serving(&server, &far, || {
                let alone: Vec<_> = (0..100).map(|_| call()).collect();
                let mut during = Vec::new();
                std::thread::scope(|scope| {
                    scope.spawn(|| near.send_stream(Until(&over), Some(LEN)).unwrap_err());
                    scope.spawn(|| {
                        let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap()
                        else {
                            panic!("not the message");
                        };
                        begun.wait();
                        let mut buffer = vec![0; 1 << 16];
                        let end = loop {
                            match body.read(&mut buffer) {
                                // Relaxed, all of them: a count.
                                Ok(len) => moved.fetch_add(len as u64, Ordering::Relaxed),
                                Err(error) => break error,
                            };
                        };
                        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
                    });
                    // Not before: it receives requests, too.
                    begun.wait();
                    let mut between = 0;
                    while between < BETWEEN || moved.load(Ordering::Relaxed) < len {
                        let before = moved.load(Ordering::Relaxed);
                        during.push(call());
                        between += usize::from(moved.load(Ordering::Relaxed) > before);
                    }
                    over.store(true, Ordering::Relaxed);
                });
                [alone, during]
            });
            let [alone, during] = [alone, during].map(|mut times| {
                times.sort_unstable();
                let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
                format!(
                    "{} calls: median {middle:.2?}, longest {last:.2?}",
                    times.len()
                )
            });
            println!(
                "format {format}: during {} MiB {during}; alone {alone}",
                len >> 20
            );
        }
    });
}
