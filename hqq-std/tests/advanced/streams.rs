//! Logical streams: opening, refusing, closing, and one that nobody reads.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use hqq_std::advanced::error::{BodyFailure, CallError, DialError, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming, Message, Server, Stream};

use super::common::{bounded, eventually};
use super::support::{FORMATS, assert_idle, body, limit, look, pair, pair_with, serving, stream};

#[test]
fn streams_are_accepted_used_and_closed() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        let (dialled, accepted) = stream(&near, &far);
        let (other, _other_end) = stream(&near, &far);
        assert_ne!(dialled.id(), other.id());
        assert_eq!((near.stats().streams, far.stats().streams), (2, 2));

        for (sender, receiver, id) in [
            (&dialled, &far, dialled.id()),
            (&accepted, &near, dialled.id()),
            (&other, &far, other.id()),
        ] {
            let sent = body(id, 1000);
            std::thread::scope(|scope| {
                scope.spawn(|| sender.send_large(&sent).unwrap());
                let Message::Plain {
                    connection, body, ..
                } = receiver.receive_until(limit()).unwrap()
                else {
                    panic!("not a message");
                };
                assert_eq!(connection, id);
                assert!(body == sent);
            });
        }
        drop(dialled);
        eventually("the end of the stream", || {
            look(&far);
            (far.stats().streams == 1).then_some(())
        });
        assert_eq!(near.stats().streams, 1);
        let closed = accepted.send_large(b"to nobody");
        match format {
            Format::V2 => assert!(matches!(closed, Err(TransferError::Begin(_))), "{closed:?}"),
            // Any number is one that can be sent on.
            _ => closed.unwrap(),
        }
    }
}

/// Why `far` does not take a stream.
fn refused(near: &AdvancedLink, far: &AdvancedLink) -> DialError {
    std::thread::scope(|scope| {
        let dialling = scope.spawn(|| near.dial(limit()).map(drop).unwrap_err());
        eventually("the refusal", || {
            look(far);
            dialling.is_finished().then_some(())
        });
        dialling.join().unwrap()
    })
}

#[test]
fn a_stream_is_refused_where_nobody_listens() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        assert!(matches!(refused(&near, &far), DialError::Refused(_)));
        assert_eq!(near.stats().streams, 0);
        // Later it does.
        let (dialled, _accepted) = stream(&near, &far);
        far.listen(false);
        assert!(matches!(refused(&near, &far), DialError::Refused(_)));
        assert_eq!(near.stats().streams, 1);
        drop(dialled);
    }
}

/// More at once than wait for room in the ring.
#[test]
fn every_dial_is_answered() {
    for format in FORMATS {
        let (near, far) = pair(format, 64, 256);
        std::thread::scope(|scope| {
            let dials: Vec<_> = (0..40)
                .map(|_| scope.spawn(|| near.dial(limit()).map(drop).unwrap_err()))
                .collect();
            eventually("the dials", || (near.stats().streams == 40).then_some(()));
            look(&near);
            eventually("the refusals", || {
                look(&far);
                let mut dials = dials.iter();
                dials.all(|dial| dial.is_finished()).then_some(())
            });
            for dial in dials {
                let refused = dial.join().unwrap();
                assert!(matches!(refused, DialError::Refused(_)), "{refused:?}");
            }
        });
        assert_eq!(far.stats().dropped.unsent, 0);
    }
}

#[test]
fn nobody_accepting_is_a_timeout() {
    let (near, far) = pair(Format::V2, 8, 64);
    far.listen(true);
    let soon = Instant::now().checked_add(Duration::from_millis(20));
    assert!(matches!(
        near.dial(soon).map(drop),
        Err(DialError::TimedOut)
    ));
    assert_eq!(near.stats().streams, 0);
    // What was offered meanwhile is over: there is nothing to accept.
    let soon = Instant::now().checked_add(Duration::from_millis(20));
    assert!(far.accept(soon).is_err());
    assert_eq!(far.stats().streams, 0);
}

#[test]
fn both_ends_dial_at_once() {
    let (near, far) = pair(Format::V2, 8, 64);
    near.listen(true);
    far.listen(true);
    let mut ids = std::thread::scope(|scope| {
        let workers = [&near, &far].map(|end| {
            [
                scope.spawn(move || (0..20).map(|_| end.dial(limit()).unwrap()).collect()),
                scope.spawn(move || (0..20).map(|_| end.accept(limit()).unwrap()).collect()),
            ]
        });
        let streams: Vec<Vec<Stream>> = workers
            .into_iter()
            .flatten()
            .map(|worker| worker.join().unwrap())
            .collect();
        assert_eq!((near.stats().streams, far.stats().streams), (40, 40));
        let ids: Vec<u64> = streams.iter().flatten().map(Stream::id).collect();
        ids
    });
    ids.sort_unstable();
    let twice: Vec<u64> = (1..=40).flat_map(|id| [id, id]).collect();
    assert_eq!(ids, twice, "each once at either end");
}

#[test]
fn closing_fails_what_waits_on_the_stream_and_nothing_else() {
    for format in FORMATS {
        for closes_near in [true, false] {
            let (near, far) = pair(format, 8, 64);
            let (dialled, accepted) = stream(&near, &far);
            let waiting = dialled.start_call(1, b"on the stream").unwrap();
            let other = near.start_call(2, b"on the link").unwrap();
            // One that is given up is no concern of the stream's end.
            let given_up = dialled.start_call(3, b"").unwrap();
            let _unanswered = [1, 2, 3].map(|method| {
                let request = far.receive_request(limit()).unwrap();
                assert_eq!(request.method(), method);
                request
            });
            given_up.cancel();
            let answered = std::thread::spawn(move || waiting.wait_until(limit()));
            if closes_near {
                dialled.close(4);
                look(&far);
                eventually("the end of the stream", || {
                    look(&far);
                    (far.stats().streams == 0).then_some(())
                });
                drop(accepted);
            } else {
                accepted.close(4);
            }
            let failed = answered.join().unwrap();
            assert!(matches!(failed, Err(CallError::StreamClosed)), "{failed:?}");
            assert_eq!(near.stats().pending_calls, 1, "the one on the link");
            other.cancel();
            assert_idle(&near);
        }
    }
}

#[test]
fn closing_fails_whoever_reads_from_the_stream() {
    let (near, far) = pair(Format::V2, 8, 64);
    let (dialled, accepted) = stream(&near, &far);
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| dialled.send_stream(reader, Some(1000)));
        writer.write_all(&[1; 500]).unwrap();
        let Incoming::Plain { mut body, .. } = far.receive_stream(limit()).unwrap() else {
            panic!("not a message");
        };
        body.read_exact(&mut [0; 300]).unwrap();
        accepted.close(0);
        let error = body.read_to_end(&mut Vec::new()).unwrap_err();
        let failure = error.get_ref().unwrap().downcast_ref::<BodyFailure>();
        assert_eq!(failure, Some(&BodyFailure::StreamClosed));
        drop(writer);
        assert!(sending.join().unwrap().is_err());
    });
}

/// Also where the ring tells nothing of it, as nobody takes anything out of it.
#[test]
fn closing_fails_whoever_waits_for_room_on_the_stream() {
    bounded(|| {
        let (near, far) = pair(Format::V2, 8, 64);
        let (dialled, _accepted) = stream(&near, &far);
        let id = dialled.id();
        std::thread::scope(|scope| {
            let driving = scope.spawn(|| near.send_large_on(0, &[1; 4096], limit()));
            eventually("a full ring", || {
                (near.stats().bytes_sent >= 512).then_some(())
            });
            let waiting = scope.spawn(|| near.send_large_on(id, &[1; 64], None));
            // Long enough to wait, or it is refused at once: either way it fails.
            std::thread::sleep(Duration::from_millis(20));
            dialled.close(0);
            let failed = waiting.join().unwrap();
            let over = matches!(
                failed,
                Err(TransferError::StreamClosed | TransferError::Begin(_))
            );
            assert!(over, "{failed:?}");
            while !driving.is_finished() {
                look(&far);
                let _ = far.receive_timeout(Duration::from_millis(1));
            }
            driving.join().unwrap().unwrap();
        });
    });
}

/// What is sent on a stream that nobody reads stops there, whatever it consists of.
#[test]
fn a_stream_that_nobody_reads_stops_nothing_else() {
    let small = AdvancedOptions::new().incoming_queue(8).incoming_bytes(1);
    for options in [AdvancedOptions::new(), small] {
        for len in [0, 8, 1000, 50_000] {
            bounded(move || unread_stream(options, len));
        }
    }
}

fn unread_stream(options: AdvancedOptions, len: usize) {
    let (near, far) = pair_with(Format::V2, 16, 256, options, options);
    let (unread, unread_end) = stream(&near, &far);
    let (used, _used_end) = stream(&near, &far);
    let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let message = body(9, len);
            let mut sent = 0;
            loop {
                match unread.send_large(&message) {
                    Ok(()) => sent += 1,
                    Err(error) => return (sent, error),
                }
            }
        });
        serving(&server, &far, || {
            // Long enough for the stream to be full, and more.
            for index in 0..400 {
                let request = body(index, 300);
                let deadline = Instant::now().checked_add(Duration::from_secs(20));
                let id = if index % 2 == 0 { 0 } else { used.id() };
                assert_eq!(near.call_on(id, 1, &request, deadline).unwrap(), request);
            }
        });
        assert!(!flooding.is_finished());
        drop(unread_end);
        let (sent, error) = flooding.join().unwrap();
        assert!(
            matches!(error, TransferError::StreamClosed | TransferError::Begin(_)),
            "{error}"
        );
        println!("{len} bytes: {sent} messages before the stream stopped");
    });
}

#[test]
fn a_stream_receives_what_comes_on_it_and_nothing_else() {
    for format in FORMATS {
        let (near, far) = pair(format, 8, 64);
        let (first, first_end) = stream(&near, &far);
        let (second, second_end) = stream(&near, &far);
        near.send_large(b"on the link").unwrap();
        second.send_large(b"on the second").unwrap();
        let sent = body(1, 300);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                first
                    .send_stream_until(&sent[..], Some(300), limit())
                    .unwrap()
            });
            let Incoming::Plain {
                connection,
                mut body,
            } = first_end.receive_stream(limit()).unwrap()
            else {
                panic!("not a message");
            };
            assert_eq!(connection, first_end.id());
            let mut received = Vec::new();
            body.read_to_end(&mut received).unwrap();
            assert!(received == sent);
        });
        let message = pollster::block_on(second_end.receive_async()).unwrap();
        assert_eq!(message.body(), b"on the second");
        let nothing = second_end.receive_timeout(Duration::from_millis(20));
        assert!(matches!(nothing, Err(ReceiveError::TimedOut)));
        assert_eq!(far.receive_until(limit()).unwrap().body(), b"on the link");

        // Calls, too; and what came before the end is received before it.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    let Message::Request(request) = second_end.receive_until(limit()).unwrap()
                    else {
                        panic!("not a request");
                    };
                    far.respond(&request, request.body()).unwrap();
                }
            });
            assert_eq!(second.call_until(1, b"one", limit()).unwrap(), b"one");
            let two = pollster::block_on(second.call_async(1, b"two"));
            assert_eq!(two.unwrap(), b"two");
            let mut answer = second
                .call_stream(1, &b"three"[..], Some(5), limit())
                .unwrap();
            let mut three = Vec::new();
            answer.read_to_end(&mut three).unwrap();
            assert_eq!(three, b"three");
        });
        first.send_large(b"the last").unwrap();
        drop(first);
        assert_eq!(
            first_end.receive_until(limit()).unwrap().body(),
            b"the last"
        );
        let over = first_end.receive_until(limit());
        assert!(matches!(over, Err(ReceiveError::StreamClosed)), "{over:?}");
        let over = first_end.receive_stream(limit()).map(|_| ());
        assert!(matches!(over, Err(ReceiveError::StreamClosed)), "{over:?}");
    }
}
