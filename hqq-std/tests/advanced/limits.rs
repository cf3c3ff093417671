//! Bounds: on messages, on what waits, on what arrives.

use std::io::Write as _;
use std::time::Duration;

use hqq_core::advanced::BeginError;
use hqq_core::packet::{Chunk, ConnectionCopy, CopyFlags, MessageKind};
use hqq_std::advanced::error::{CallError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Message, Server};

use super::common::eventually;
use super::support::{FORMATS, agree, assert_idle, body, limit, look, pair_with, serving};

/// The status of an error response.
#[track_caller]
fn status(answer: Result<Vec<u8>, CallError>) -> u64 {
    match answer {
        Err(CallError::Response { status, .. }) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_too_long_to_be_sent_is_not_begun() {
    let options = AdvancedOptions::new().max_message_size(1000);
    for format in FORMATS {
        let (near, far) = pair_with(format, 8, 64, options, options);
        let error = near.send_large(&[0; 1001]).unwrap_err();
        assert!(
            matches!(
                error,
                TransferError::Begin(BeginError::TooLong {
                    len: 1001,
                    max: 1000
                })
            ),
            "{error}"
        );
        let error = near.call(1, &[0; 1001]).unwrap_err();
        assert!(
            matches!(error, CallError::Begin(BeginError::TooLong { .. })),
            "{error}"
        );
        let call = near.start_call(1, b"").unwrap();
        let request = far.receive_request(limit()).unwrap();
        let error = far.respond(&request, &[0; 1001]).unwrap_err();
        assert!(
            matches!(error, TransferError::Begin(BeginError::TooLong { .. })),
            "{error}"
        );
        drop(call);
        std::thread::scope(|scope| {
            scope.spawn(|| near.send_large(&[0; 1000]).unwrap());
            assert_eq!(far.receive_until(limit()).unwrap().body().len(), 1000);
        });
        assert_idle(&near);
    }
}

#[test]
fn a_request_that_is_too_long_for_its_receiver_is_refused() {
    let patient = AdvancedOptions::new();
    let short = patient
        .max_message_size(1000)
        .patience(Duration::from_millis(300));
    let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
    for format in FORMATS {
        for len in [1001, 5000, 1 << 20] {
            // One chunk, some, and many more than the ring has.
            let (near, far) = pair_with(format, 8, 2048, patient, short);
            serving(&server, &far, || {
                let code = status(near.call_on(0, 1, &body(1, len), limit()));
                assert!(code == 6 || code == 7, "{code}");
                // It is over with that.
                let request = body(2, 1000);
                assert_eq!(near.call_on(0, 1, &request, limit()).unwrap(), request);
            });
            eventually("the rest", || {
                look(&near);
                look(&far);
                (far.stats().arriving == 0).then_some(())
            });
            assert_idle(&near);
            assert_idle(&far);
        }
    }
}

#[test]
fn an_answer_that_is_too_long_for_its_caller_fails_the_call() {
    let options = AdvancedOptions::new();
    for format in FORMATS {
        // Of many chunks; of one.
        for (size, len) in [(64, 100_000), (2048, 1500), (2048, 1001)] {
            let short = options.max_message_size(1000);
            let (near, far) = pair_with(format, 8, size, short, options);
            let server = Server::new()
                .method(1, move |_| Ok(vec![0; len]))
                .method(2, |_| Ok(vec![0; 1000]));
            serving(&server, &far, || {
                let mut answer = Vec::new();
                for _ in 0..2 {
                    let error = near.call_on(0, 1, b"", limit()).unwrap_err();
                    assert!(matches!(error, CallError::Failed(_)), "{error}");
                    let error = near.call_into(1, b"", &mut answer, limit()).unwrap_err();
                    assert!(matches!(error, CallError::Failed(_)), "{error}");
                    near.call_into(2, b"", &mut answer, limit()).unwrap();
                    assert_eq!(answer.len(), 1000);
                }
            });
            assert_idle(&near);
        }
    }
}

#[test]
fn requests_beyond_those_that_may_wait_are_refused() {
    let options = AdvancedOptions::new();
    let bounds = [options.incoming_queue(8), options.incoming_bytes(8 * 30)];
    for format in FORMATS {
        for bound in bounds {
            let (near, far) = pair_with(format, 64, 64, options, bound);
            let calls: Vec<_> = (0..20).map(|_| near.start_call(1, &[7; 30])).collect();
            look(&far);
            assert_eq!(far.stats().requests_received, 8);
            let server = Server::new().method(1, |_| Ok(b"served".to_vec()));
            serving(&server, &far, || {
                let answers = calls
                    .into_iter()
                    .map(|call| call.unwrap().wait_until(limit()));
                let answers: Vec<_> = answers.collect();
                for (index, answer) in answers.into_iter().enumerate() {
                    if index < 8 {
                        assert_eq!(answer.unwrap(), b"served");
                    } else {
                        assert_eq!(status(answer), 7, "{index}");
                    }
                }
                // There is room again; one of any length has always some.
                let request = [7; 2000];
                assert_eq!(near.call_on(0, 1, &request, limit()).unwrap(), b"served");
            });
            assert_idle(&near);
            assert_idle(&far);
        }
    }
}

/// What waits on a stream must not keep the answers off it that its handler waits for.
#[test]
fn requests_that_wait_do_not_stop_an_answer() {
    let request = body(1, 1000);
    for format in FORMATS {
        let options = AdvancedOptions::new().incoming_queue(16);
        let (near, far) = pair_with(format, 2, 64, options, options);
        let outer = Server::new().method(1, |request| {
            let answer = far.call_on(0, 2, request.body(), limit());
            Ok(answer.unwrap())
        });
        let inner = Server::new().method(2, |request| Ok(request.body().to_vec()));
        serving(&inner, &near, || {
            serving(&outer, &far, || {
                let calls: Vec<_> = (0..10)
                    .map(|_| near.start_call_on(0, 1, &request, limit()).unwrap())
                    .collect();
                for call in calls {
                    assert_eq!(call.wait_until(limit()).unwrap(), request);
                }
            });
        });
    }
}

#[test]
fn parts_of_messages_take_no_more_memory_than_they_may() {
    let options = AdvancedOptions::new();
    let bounded = options.max_assembly_bytes(4096);
    let server = Server::new().method(1, |request| Ok(request.body().to_vec()));
    for format in FORMATS {
        let (near, far) = pair_with(format, 8, 64, options, bounded);
        serving(&server, &far, || {
            for _ in 0..3 {
                assert_eq!(status(near.call_on(0, 1, &body(1, 20_000), limit())), 7);
                let request = body(2, 4000);
                assert_eq!(near.call_on(0, 1, &request, limit()).unwrap(), request);
            }
        });
        assert!(far.stats().dropped.discarded >= 3);
        assert_idle(&near);
        assert_idle(&far);
    }
}

/// Messages that are begun and not continued give way to one that goes on.
#[test]
fn begun_messages_do_not_push_out_one_that_goes_on() {
    const BEGUN: usize = 40;
    let options = AdvancedOptions::new();
    let few = options.max_assemblies(8);
    for format in FORMATS {
        let (near, far) = pair_with(format, 8, 64, options, few);
        let pipes: Vec<_> = (0..BEGUN).map(|_| std::io::pipe().unwrap()).collect();
        let (readers, mut writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        let good = body(3, 50_000);
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| far.receive_until(limit()).unwrap());
            let (half, mut rest) = std::io::pipe().unwrap();
            let len = good.len() as u64;
            let sending = scope.spawn({
                let near = &near;
                move || near.send_stream(half, Some(len)).unwrap()
            });
            rest.write_all(&good[..1000]).unwrap();
            eventually("more than its beginning", || {
                (near.stats().bytes_sent > 64).then_some(())
            });
            let mut begun = Vec::new();
            for (reader, writer) in readers.into_iter().zip(&mut writers) {
                // A chunk, and no other.
                writer.write_all(&[9; 64]).unwrap();
                let near = &near;
                begun.push(scope.spawn(move || near.send_stream(reader, Some(64 << 20))));
            }
            eventually("the beginnings", || {
                (near.stats().bytes_sent >= 64 * BEGUN as u64).then_some(())
            });
            rest.write_all(&good[1000..]).unwrap();
            assert!(receiving.join().unwrap().body() == good);
            // Nor do they keep out one that comes later.
            let late = scope.spawn(|| near.send_large(&good).unwrap());
            assert!(far.receive_until(limit()).unwrap().body() == good);
            late.join().unwrap();
            sending.join().unwrap();
            drop(writers);
            eventually("the end of the others", || {
                look(&far);
                begun
                    .iter()
                    .all(|sending| sending.is_finished())
                    .then_some(())
            });
            for sending in begun {
                let error = sending.join().unwrap().unwrap_err();
                assert!(matches!(error, TransferError::Input(_)), "{error}");
            }
        });
        eventually("the ends", || {
            look(&near);
            look(&far);
            (far.stats().arriving == 0).then_some(())
        });
        assert_idle(&near);
        assert_idle(&far);
        println!(
            "format {format}: {} messages gave way",
            far.stats().dropped.discarded
        );
    }
}

/// What comes before the two have agreed is dropped, and costs nothing.
#[test]
fn a_flood_before_negotiation_is_dropped() {
    const FLOOD: u64 = 20_000;
    for format in FORMATS {
        let region = LinkOptions::new().format(format).count(8).size(64);
        let (mut near, far) = region.pair().unwrap();
        let far = AdvancedLink::new(far, AdvancedOptions::new());
        for id in 1..=FLOOD {
            let chunk = Chunk {
                connection_id: 0,
                message_id: id,
                total_size: 64 << 20,
                chunk_offset: 0,
                chunk_size: 64,
                flags: CopyFlags::from(MessageKind::Plain) | CopyFlags::BEGIN,
                aux: 0,
            };
            let packet = ConnectionCopy::new(chunk).unwrap();
            loop {
                if let Ok(grant) = near.sender().try_reserve() {
                    grant.commit_chunk(packet).unwrap();
                    break;
                }
                look(&far);
            }
        }
        let near = AdvancedLink::new(near, AdvancedOptions::new());
        agree(&near, &far);
        assert_eq!(far.stats().dropped.discarded, FLOOD);
        assert_idle(&far);
        near.send_large(b"hello").unwrap();
        let Message::Plain { body, .. } = far.receive_until(limit()).unwrap() else {
            panic!("not a message");
        };
        assert_eq!(body, b"hello");
    }
}

/// More at once than wait for room in the ring.
#[test]
fn every_request_that_is_refused_is_answered() {
    const CALLS: usize = 48;
    let options = AdvancedOptions::new();
    for format in FORMATS {
        let (near, far) = pair_with(format, 64, 256, options, options.max_assemblies(8));
        let pipes: Vec<_> = (0..CALLS).map(|_| std::io::pipe().unwrap()).collect();
        let (readers, writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        std::thread::scope(|scope| {
            let calls: Vec<_> = readers
                .into_iter()
                .map(|reader| {
                    let near = &near;
                    scope.spawn(move || near.call_stream(1, reader, Some(1024), limit()).map(drop))
                })
                .collect();
            for mut writer in &writers {
                writer.write_all(&[1; 256]).unwrap();
            }
            eventually("the beginnings", || {
                (near.stats().bytes_sent >= 256 * CALLS as u64).then_some(())
            });
            let refused = || calls.iter().filter(|call| call.is_finished()).count();
            eventually("the refusals", || {
                look(&far);
                look(&near);
                (refused() >= CALLS - 8).then_some(())
            });
            drop(writers);
            let answered = calls
                .into_iter()
                .map(|call| call.join().unwrap().unwrap_err())
                .filter(|error| matches!(error, CallError::Response { status: 7, .. }));
            assert_eq!(answered.count(), CALLS - 8);
        });
        assert_eq!(far.stats().dropped.unsent, 0);
    }
}
