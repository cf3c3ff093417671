//! Messages that get old, and those that must not: their receiver did something else meanwhile.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_std::wait::Policy;
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, LinkOptions, Server};

use super::common::{LIMIT, bounded, eventually};
use super::support::{FORMATS, agree, assert_idle, body, limit, look, pair_with, serving};

const PATIENCE: Duration = Duration::from_millis(200);
/// What is longer.
const IDLE: Duration = Duration::from_millis(500);

#[test]
fn a_message_arrives_after_its_receiver_was_idle_for_longer_than_its_patience() {
    for (format, policy) in FORMATS
        .into_iter()
        .flat_map(|format| [Policy::Park, Policy::Adaptive].map(|policy| (format, policy)))
    {
        bounded(move || {
            let options = AdvancedOptions::new().patience(PATIENCE);
            let region = LinkOptions::new().format(format).count(8).size(1024);
            let ends = region.wait_policy(policy).pair().unwrap();
            let near = AdvancedLink::new(ends.0, options);
            let far = AdvancedLink::new(ends.1, options);
            agree(&near, &far);
            std::thread::sleep(IDLE);
            let sent = body(1, 1 << 20);
            std::thread::scope(|scope| {
                scope.spawn(|| near.send_large_on(0, &sent, limit()).unwrap());
                assert_eq!(far.receive_until(limit()).unwrap().body(), sent);
            });
            assert_eq!(far.stats().dropped.discarded, 0);
        });
    }
}

#[test]
fn answers_arrive_after_their_caller_was_idle_for_longer_than_its_patience() {
    for format in FORMATS {
        let hasty = AdvancedOptions::new().patience(PATIENCE);
        let (near, far) = pair_with(format, 8, 1024, hasty, AdvancedOptions::new());
        let answer = body(2, 1 << 20);
        let server = Server::new().method(1, |_| Ok(answer.clone()));
        serving(&server, &far, || {
            for _ in 0..3 {
                std::thread::sleep(IDLE);
                assert_eq!(near.call_on(0, 1, b"x", limit()).unwrap(), answer);
            }
        });
        assert_idle(&near);
        assert_idle(&far);
    }
}

/// The sender stands still because its receiver does, whoever drives the ring meanwhile.
#[test]
fn a_reader_that_pauses_for_longer_than_its_patience_gets_the_rest() {
    for (format, driven) in FORMATS
        .into_iter()
        .flat_map(|format| [false, true].map(|driven| (format, driven)))
    {
        bounded(move || {
            let slow = AdvancedOptions::new()
                .patience(PATIENCE)
                .incoming_bytes(8192);
            let (near, far) = pair_with(format, 8, 1024, AdvancedOptions::new(), slow);
            let sent = body(3, 1 << 20);
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| near.send_large_on(0, &sent, limit()).unwrap());
                let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
                    panic!("not a message");
                };
                if driven {
                    scope.spawn(|| {
                        // Relaxed: only ends this.
                        while !over.load(Ordering::Relaxed) {
                            let soon = Instant::now().checked_add(Duration::from_millis(20));
                            assert!(far.receive_request(soon).is_err());
                        }
                    });
                }
                let mut received = vec![0; 100];
                body.read_exact(&mut received).unwrap();
                std::thread::sleep(IDLE);
                let rest = body.read_to_end(&mut received);
                over.store(true, Ordering::Relaxed);
                rest.unwrap();
                assert!(received == sent);
            });
        });
    }
}

#[test]
fn a_message_whose_sender_stops_gets_old() {
    for format in FORMATS {
        let hasty = AdvancedOptions::new().patience(PATIENCE);
        let (near, far) = pair_with(format, 8, 64, AdvancedOptions::new(), hasty);
        let (stopped, writer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| near.send_stream(stopped, Some(1000)));
            (&writer).write_all(&[1; 300]).unwrap();
            let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
                panic!("not a message");
            };
            let error = body.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("too long"), "{error}");
            drop(writer);
            assert!(sending.join().unwrap().is_err());
        });
        assert_eq!(far.stats().dropped.discarded, 1);
    }
}

/// There is less credit left than for a full buffer, but enough for its end; and the grace was used up before.
#[test]
fn a_message_that_can_still_end_gets_its_time() {
    const SIZE: usize = 4096;
    bounded(|| {
        let options = AdvancedOptions::new().incoming_bytes(1);
        let (near, far) = pair_with(Format::V2, 8, SIZE, AdvancedOptions::new(), options);
        std::thread::scope(|scope| {
            let zeros = std::io::repeat(0).take(20 * SIZE as u64);
            let sending = scope.spawn(|| near.send_stream_until(zeros, None, limit()));
            eventually("the grace", || {
                look(&far);
                far.take_dead()
            });
            eventually("the rest", || {
                look(&far);
                sending.is_finished().then_some(())
            });
            sending.join().unwrap().unwrap();
            let (reader, mut writer) = std::io::pipe().unwrap();
            let before = near.stats().bytes_sent;
            let sending = scope.spawn(|| near.send_stream_until(reader, None, limit()));
            let mut sent = 0;
            let mut write = |len: usize| {
                writer.write_all(&[1; SIZE][..len]).unwrap();
                sent += len;
                eventually("a part", || {
                    look(&far);
                    (near.stats().bytes_sent == before + sent as u64).then_some(())
                });
                look(&far);
            };
            for _ in 0..7 {
                write(SIZE);
            }
            write(1);
            drop(writer);
            assert_eq!(sending.join().unwrap().unwrap(), 7 * SIZE as u64 + 1);
            assert_eq!(
                far.receive_until(limit()).unwrap().body().len(),
                7 * SIZE + 1
            );
        });
        assert_eq!(far.take_dead(), None);
    });
}

/// What has come on is in the ring before anybody looks, and with that its time begins anew.
#[test]
fn a_message_that_came_on_while_nobody_looked_gets_its_time_again() {
    const SIZE: usize = 4096;
    bounded(|| {
        let options = AdvancedOptions::new().incoming_bytes(1);
        let (near, far) = pair_with(Format::V2, 8, SIZE, AdvancedOptions::new(), options);
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| near.send_stream_until(reader, None, limit()));
            let mut sent = 0;
            let mut write = |len: usize| {
                writer.write_all(&[1; SIZE][..len]).unwrap();
                sent += len as u64;
                eventually("a part", || (near.stats().bytes_sent == sent).then_some(()));
            };
            for _ in 0..7 {
                write(SIZE);
            }
            // Less credit is left than for a full buffer.
            write(1);
            look(&far);
            // Longer than one may stop its stream.
            std::thread::sleep(Duration::from_millis(1500));
            write(1);
            look(&far);
            drop(writer);
            assert_eq!(sending.join().unwrap().unwrap(), 7 * SIZE as u64 + 2);
        });
        assert_eq!(far.take_dead(), None);
        assert_eq!(
            far.receive_until(limit()).unwrap().body().len(),
            7 * SIZE + 2
        );
    });
}

/// Somebody reads messages as they come, but not these.
#[test]
fn messages_that_nobody_takes_stop_the_ring_for_their_patience() {
    bounded(|| {
        // It is not to be over before both have been looked at, on a slow machine either.
        let few = AdvancedOptions::new()
            .max_message_size(1000)
            .incoming_queue(2)
            .patience(10 * PATIENCE);
        let (near, far) = pair_with(Format::V1, 8, 64, AdvancedOptions::new(), few);
        assert!(far.receive_stream(Some(Instant::now())).is_err());
        std::thread::scope(|scope| {
            let near = &near;
            let writers = [(); 2].map(|()| {
                let (reader, mut writer) = std::io::pipe().unwrap();
                writer.write_all(&[7; 10]).unwrap();
                scope.spawn(move || near.send_stream(reader, Some(2000)));
                writer
            });
            eventually("their beginnings", || {
                look(&far);
                (far.stats().arriving == 2).then_some(())
            });
            near.send_large(b"behind").unwrap();
            let soon = Instant::now().checked_add(LIMIT / 4);
            assert_eq!(far.receive_until(soon).unwrap().body(), b"behind");
            drop(writers);
        });
        assert!(far.take_dead().is_some());
    });
}

/// It is one of those that stop the ring: whoever receives the others gets it, too.
#[test]
fn a_message_that_cannot_be_put_together_does_not_die_for_what_others_stop() {
    const LEN: usize = 2000;
    bounded(|| {
        let few = AdvancedOptions::new()
            .max_message_size(1000)
            .incoming_queue(4);
        let (near, far) = pair_with(Format::V1, 8, 64, AdvancedOptions::new(), few);
        for _ in 0..3 {
            near.send_large(b"before").unwrap();
        }
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            let near = &near;
            let sending = scope.spawn(move || near.send_stream(reader, Some(LEN as u64)));
            writer.write_all(&[7; 10]).unwrap();
            eventually("its beginning", || {
                look(&far);
                (far.stats().arriving == 1).then_some(())
            });
            // Longer than one may stop the ring.
            let late = Instant::now().checked_add(Duration::from_millis(1500));
            assert!(far.receive_request(late).is_err());
            for _ in 0..3 {
                assert_eq!(far.receive_until(limit()).unwrap().body(), b"before");
            }
            writer.write_all(&[7; LEN - 10]).unwrap();
            let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
                panic!("not a message");
            };
            let mut received = Vec::new();
            body.read_to_end(&mut received).unwrap();
            assert_eq!(received, [7; LEN]);
            assert_eq!(sending.join().unwrap().unwrap(), LEN as u64);
        });
        assert_eq!(far.take_dead(), None);
    });
}

/// Each has its second, but not one after the other.
#[test]
fn the_times_of_many_messages_that_stop_a_stream_pass_at_once() {
    const SIZE: usize = 4096;
    const MESSAGES: usize = 40;
    // All of them leave less than a buffer of the credit, but enough for the end of each.
    const PART: usize = 720;
    bounded(|| {
        let options = AdvancedOptions::new().incoming_bytes(1);
        let (near, far) = pair_with(Format::V2, 8, SIZE, AdvancedOptions::new(), options);
        let (first, others) = std::thread::scope(|scope| {
            let mut writers = Vec::new();
            let mut sending = Vec::new();
            for _ in 0..MESSAGES {
                let (reader, mut writer) = std::io::pipe().unwrap();
                writer.write_all(&[7; PART]).unwrap();
                sending.push(scope.spawn(|| near.send_stream_until(reader, None, limit())));
                writers.push(writer);
            }
            eventually("the beginnings", || {
                look(&far);
                (near.stats().bytes_sent == (MESSAGES * PART) as u64).then_some(())
            });
            let died = || {
                let began = Instant::now();
                eventually("the end of its time", || {
                    look(&far);
                    far.take_dead()
                });
                began.elapsed()
            };
            let first = died();
            let others: Duration = (1..MESSAGES).map(|_| died()).sum();
            drop(writers);
            eventually("the ends", || {
                look(&far);
                let is_over = sending.iter().all(|sending| sending.is_finished());
                is_over.then_some(())
            });
            (first, others)
        });
        assert!(others < 10 * first, "{others:?} after {first:?}");
    });
}
