//! Nobody holds up others: messages that nobody takes, answers that take too much memory, wakers that do
//! what they like.

use std::io::{Read as _, Write as _};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use hqq_core::advanced::{CallFailure, DiscardReason};
use hqq_std::advanced::error::{BodyFailure, CallError, ReceiveError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, Message, Server};

use super::common::{bounded, eventually};
use super::support::{FORMATS, assert_idle, body, limit, look, pair, pair_with, serving, stream};

#[test]
fn messages_that_nobody_receives_do_not_stop_a_server() {
    bounded(|| {
        // Fewer may wait than are sent.
        let options = AdvancedOptions::new().incoming_queue(4);
        for format in FORMATS {
            let (near, far) = pair_with(format, 8, 64, options, options);
            let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
            serving(&server, &far, || {
                for _ in 0..20 {
                    near.send_large(&body(1, 100)).unwrap();
                }
                assert_eq!(near.call(1, b"behind them").unwrap(), b"behind them");
            });
            // The last ones stop nothing.
            let unhandled = far.stats().messages_unhandled;
            assert!((16..=20).contains(&unhandled), "{unhandled}");
        }
    });
}

/// In format 1 only a full queue stops what comes behind, in format 2 a stream's credit.
#[test]
fn a_message_that_stops_nothing_waits_for_who_receives_it_after_a_server() {
    bounded(|| {
        for (format, len) in [(Format::V1, 20_000), (Format::V2, 300)] {
            let (near, far) = pair(format, 8, 64);
            let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
            serving(&server, &far, || {
                near.send_large(&body(1, len)).unwrap();
                // So many that the server looks more than once whether a message stops them.
                for _ in 0..200 {
                    assert_eq!(near.call(1, b"behind it").unwrap(), b"behind it");
                }
            });
            let message = far.receive_until(limit()).unwrap();
            assert!(message.body() == body(1, len));
            assert_eq!(far.stats().messages_unhandled, 0);
        }
    });
}

#[test]
fn a_server_hands_messages_on_also_after_a_panic() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 8, 64);
            let taken = Mutex::new(Vec::new());
            let server = Server::new()
                .method(1, |_| Ok(Vec::new()))
                .message(|message| {
                    assert!(message.body() != b"bad", "as told");
                    taken.lock().unwrap().push(message.body().to_vec());
                });
            serving(&server, &far, || {
                for text in [&b"one"[..], b"bad", b"two"] {
                    near.send_large(text).unwrap();
                }
                near.call(1, b"").unwrap();
            });
            assert_eq!(*taken.lock().unwrap(), [b"one", b"two"]);
            assert_eq!(far.stats().messages_unhandled, 0);
        }
    });
}

#[test]
fn answers_that_are_put_together_take_no_more_memory_than_they_may() {
    bounded(|| {
        let little = AdvancedOptions::new().max_assembly_bytes(4096);
        for format in FORMATS {
            let (near, far) = pair_with(format, 8, 64, little, AdvancedOptions::new());
            let server = Server::new().method(1, |request| {
                let len = if request.body().is_empty() {
                    20_000
                } else {
                    4000
                };
                Ok(body(3, len))
            });
            serving(&server, &far, || {
                for _ in 0..3 {
                    let error = near.call_on(0, 1, b"", limit()).unwrap_err();
                    let reason = CallFailure::Discarded(DiscardReason::NoRoom);
                    assert!(
                        matches!(error, CallError::Failed(failed) if failed == reason),
                        "{error}"
                    );
                    let answer = near.call_on(0, 1, b"less", limit()).unwrap();
                    assert!(answer == body(3, 4000));
                }
            });
            assert_idle(&near);
        }
    });
}

/// What is too long to be put together stands in the way of all others on its stream, in format 1 of all:
/// until it is plain that nobody reads messages as they come.
#[test]
fn messages_too_long_to_be_put_together_do_not_hold_up_calls_for_ever() {
    bounded(|| {
        let options = AdvancedOptions::new()
            .max_message_size(1000)
            .incoming_bytes(100)
            .patience(Duration::from_secs(3600));
        for format in FORMATS {
            let (near, far) = pair_with(format, 8, 64, AdvancedOptions::new(), options);
            let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
            serving(&server, &far, || {
                for _ in 0..20 {
                    near.send_large_on(0, &[7; 5000], limit()).unwrap();
                }
                assert_eq!(near.call_on(0, 1, b"behind", limit()).unwrap(), b"behind");
            });
            assert_eq!(far.stats().dropped.discarded, 20);
            for _ in 0..20 {
                let (_, failure) = far.take_dead().unwrap();
                assert_eq!(failure, too_long(5000, 1000));
            }
        }
    });
}

fn too_long(len: u64, max: u64) -> BodyFailure {
    BodyFailure::Discarded(DiscardReason::TooLong { len, max })
}

/// Longer than may be put together and than the stream's credit, so that its end never comes.
#[test]
fn messages_and_requests_longer_than_the_credit_hold_up_nobody_for_ever() {
    bounded(|| {
        let options = AdvancedOptions::new().max_message_size(1000);
        let (near, far) = pair_with(Format::V2, 8, 64, AdvancedOptions::new(), options);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let message = far.receive_until(limit()).unwrap();
                let Message::Request(request) = message else {
                    panic!("not the request");
                };
                far.respond(&request, b"here").unwrap();
            });
            near.send_large_on(0, &[7; 5000], limit()).unwrap();
            let zeros = || std::io::repeat(0).take(5000);
            near.send_stream_until(zeros(), None, limit()).unwrap();
            let error = near.call_on(0, 1, &[7; 5000], limit()).unwrap_err();
            assert!(
                matches!(error, CallError::Response { status: 7, .. }),
                "{error}"
            );
            assert_eq!(near.call_on(0, 1, b"?", limit()).unwrap(), b"here");
        });
        assert_eq!(far.take_dead().unwrap().1, too_long(5000, 1000));
        // Of what had no length it is not known how long it would have been.
        let unknown = BodyFailure::Discarded(DiscardReason::NoRoom);
        assert_eq!(far.take_dead().unwrap().1, unknown);
        assert_eq!(far.take_dead().unwrap().1, too_long(5000, 1000));
        assert_idle(&near);
        assert_idle(&far);
    });
}

/// It may be short: whoever receives the others gets it, too, also where the grace was used up.
#[test]
fn a_message_without_a_length_waits_for_its_end_while_others_stop_its_stream() {
    bounded(|| {
        let patience = Duration::from_millis(50);
        let options = AdvancedOptions::new()
            .max_message_size(1000)
            .incoming_queue(4)
            .patience(patience);
        let (near, far) = pair_with(Format::V2, 64, 64, AdvancedOptions::new(), options);
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| near.send_large_on(0, &[7; 20_000], limit()));
            let (_, failure) = eventually("the grace", || {
                look(&far);
                far.take_dead()
            });
            assert_eq!(failure, too_long(20_000, 1000));
            eventually("the rest", || {
                look(&far);
                sending.is_finished().then_some(())
            });
            sending.join().unwrap().unwrap();
            for _ in 0..6 {
                near.send_large(b"before").unwrap();
            }
            let (reader, mut writer) = std::io::pipe().unwrap();
            let before = near.stats().bytes_sent;
            let sending = scope.spawn(|| near.send_stream(reader, None));
            writer.write_all(b"no length").unwrap();
            eventually("its beginning", || {
                (near.stats().bytes_sent == before + 9).then_some(())
            });
            let late = Instant::now().checked_add(patience * 2);
            assert!(far.receive_request(late).is_err());
            drop(writer);
            assert_eq!(sending.join().unwrap().unwrap(), 9);
            for text in [&b"before"[..]; 6].into_iter().chain([&b"no length"[..]]) {
                assert_eq!(far.receive_until(limit()).unwrap().body(), text);
            }
        });
        assert_eq!(far.take_dead(), None);
    });
}

/// What is being put together cannot be received to make room for its rest.
#[test]
fn as_many_messages_under_way_as_may_wait_come_to_their_ends() {
    const COUNT: usize = 4;
    bounded(|| {
        let options = AdvancedOptions::new().incoming_queue(COUNT);
        for format in FORMATS {
            let (near, far) = pair_with(format, 16, 64, AdvancedOptions::new(), options);
            std::thread::scope(|scope| {
                let mut writers = Vec::new();
                for _ in 0..COUNT {
                    let (reader, mut writer) = std::io::pipe().unwrap();
                    writer.write_all(&[1; 10]).unwrap();
                    scope.spawn(|| near.send_stream(reader, Some(20)).unwrap());
                    writers.push(writer);
                }
                eventually("the beginnings", || {
                    look(&far);
                    (far.stats().arriving == COUNT).then_some(())
                });
                for mut writer in writers {
                    writer.write_all(&[2; 10]).unwrap();
                }
                for _ in 0..COUNT {
                    let message = far.receive_until(limit()).unwrap();
                    assert_eq!(message.body(), [[1; 10], [2; 10]].concat());
                }
            });
            assert_idle(&far);
        }
    });
}

/// It stopped as there was too much on all streams, and nobody takes anything of its own.
#[test]
fn a_stream_goes_on_once_others_hold_less() {
    bounded(|| {
        let options = AdvancedOptions::new().incoming_queue(4);
        let (near, far) = pair_with(Format::V2, 8, 64, AdvancedOptions::new(), options);
        let (here, there) = stream(&near, &far);
        for _ in 0..6 {
            near.send_large(b"others").unwrap();
        }
        here.send_large(b"kept").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..8 {
                    let request = far.receive_request(limit()).unwrap();
                    far.respond(&request, b"").unwrap();
                }
            });
            // With what was sent before all of the stream's credit.
            for _ in 0..7 {
                here.call_until(1, b"", limit()).unwrap();
            }
            for _ in 0..6 {
                assert_eq!(far.receive_until(limit()).unwrap().body(), b"others");
            }
            here.call_until(1, b"", limit()).unwrap();
        });
        assert_eq!(there.receive_until(limit()).unwrap().body(), b"kept");
    });
}

#[test]
fn a_message_too_long_to_be_put_together_waits_for_who_reads_it() {
    bounded(|| {
        let options = AdvancedOptions::new()
            .max_message_size(1000)
            .incoming_bytes(100);
        let (near, far) = pair_with(Format::V1, 8, 64, AdvancedOptions::new(), options);
        std::thread::scope(|scope| {
            scope.spawn(|| near.send_large_on(0, &body(4, 5000), limit()).unwrap());
            let Incoming::Plain {
                body: mut reader, ..
            } = far.receive_stream(limit()).unwrap()
            else {
                panic!("not a message");
            };
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            assert!(bytes == body(4, 5000));
        });
        assert_idle(&far);
    });
}

/// In format 2 it stops its own stream only, which may take longer than anybody's patience.
#[test]
fn a_message_that_has_stopped_its_stream_waits_for_who_has_read_others() {
    bounded(|| {
        let patience = Duration::from_millis(50);
        let options = AdvancedOptions::new()
            .max_message_size(1000)
            .patience(patience);
        let (near, far) = pair_with(Format::V2, 8, 64, AdvancedOptions::new(), options);
        let nothing = far.receive_stream(Some(Instant::now()));
        assert!(matches!(nothing, Err(ReceiveError::TimedOut)));
        std::thread::scope(|scope| {
            scope.spawn(|| near.send_large_on(0, &body(4, 5000), limit()).unwrap());
            eventually("a window", || {
                look(&far);
                (near.stats().bytes_sent >= 8 * 64).then_some(())
            });
            let late = Instant::now().checked_add(patience * 3);
            assert!(far.receive_request(late).is_err());
            assert_eq!(far.take_dead(), None);
            let Incoming::Plain {
                body: mut reader, ..
            } = far.receive_stream(limit()).unwrap()
            else {
                panic!("not a message");
            };
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            assert!(bytes == body(4, 5000));
        });
        assert_idle(&far);
    });
}

/// A waker that uses the link it is woken for.
struct Curious {
    link: AdvancedLink,
    woken: AtomicUsize,
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        // Would wait for the link's lock for ever, if whoever wakes had it.
        let _ = self.link.stats();
        // Relaxed: a count.
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_waker_may_use_the_link() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 8, 64);
            let curious = Arc::new(Curious {
                link: near.clone(),
                woken: AtomicUsize::new(0),
            });
            let waker = Waker::from(Arc::clone(&curious));
            let mut call = pin!(near.call_async(1, b"?"));
            assert!(
                call.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            let request = far.receive_request(limit()).unwrap();
            far.respond(&request, b"!").unwrap();
            eventually("the waker", || {
                (curious.woken.load(Ordering::Relaxed) > 0).then_some(())
            });
            let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(matches!(polled, Poll::Ready(Ok(answer)) if answer == b"!"));
        }
    });
}
