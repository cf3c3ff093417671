//! Sending and calling on a stream that is named by its id, and messages in pieces.

use std::io::{self, Cursor, Read as _};
use std::time::{Duration, Instant};

use hqq_core::advanced::BeginError;
use hqq_std::advanced::error::{CallError, TransferError};
use hqq_std::{AdvancedOptions, Format, Message};

use super::common::bounded;
use super::support::{FORMATS, body, limit, pair, pair_with, stream};

#[test]
fn whatever_names_a_stream_goes_on_that_stream() {
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 8, 64);
            let (dialled, _accepted) = stream(&near, &far);
            let (id, sent) = (dialled.id(), body(1, 1000));
            std::thread::scope(|scope| {
                let receiving = scope.spawn(|| {
                    let mut came = Vec::new();
                    while came.len() < 6 {
                        let message = far.receive_until(limit()).unwrap();
                        assert!(message.body() == sent);
                        match message {
                            Message::Plain { connection, .. } => came.push((connection, None)),
                            Message::Request(request) => {
                                came.push((request.connection(), Some(request.method())));
                                far.respond(&request, request.body()).unwrap();
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    came
                });
                near.send_large_until(&sent, limit()).unwrap();
                near.send_large_on(id, &sent, limit()).unwrap();
                let streamed = near.send_stream_on(id, &sent[..], Some(1000), limit());
                assert_eq!(streamed.unwrap(), 1000);
                pollster::block_on(near.send_large_on_async(id, &sent)).unwrap();
                let answer = pollster::block_on(near.call_on_async(id, 4, &sent));
                assert!(answer.unwrap() == sent);
                let request = Cursor::new(sent.clone());
                let answer = near.call_stream_on(id, 5, request, Some(1000), limit());
                let mut answered = Vec::new();
                answer.unwrap().read_to_end(&mut answered).unwrap();
                assert!(answered == sent);
                let mut expected = vec![(id, None); 4];
                expected[0].0 = 0;
                expected.extend([(id, Some(4)), (id, Some(5))]);
                assert_eq!(receiving.join().unwrap(), expected);
            });
            if format == Format::V1 {
                // Any number is one that can be sent on.
                continue;
            }
            let none = id + 2;
            let unknown = |begun: Option<BeginError>| {
                let connection = none;
                assert_eq!(begun, Some(BeginError::UnknownConnection { connection }));
            };
            let of_sending = |sent: Result<u64, TransferError>| match sent {
                Err(TransferError::Begin(error)) => Some(error),
                _ => None,
            };
            let of_calling = |called: Result<(), CallError>| match called {
                Err(CallError::Begin(error)) => Some(error),
                _ => None,
            };
            let sent = |sent: Result<(), TransferError>| of_sending(sent.map(|()| 0));
            unknown(sent(near.send_large_on(none, b"", limit())));
            unknown(sent(pollster::block_on(
                near.send_large_on_async(none, b""),
            )));
            unknown(of_sending(near.send_stream_on(
                none,
                &b""[..],
                Some(0),
                limit(),
            )));
            let called = pollster::block_on(near.call_on_async(none, 4, b""));
            unknown(of_calling(called.map(drop)));
            let called = near.call_stream_on(none, 5, io::empty(), Some(0), limit());
            unknown(of_calling(called.map(drop)));
        }
    });
}

#[test]
fn pieces_are_one_message_whatever_their_sizes() {
    const SIZE: usize = 64;
    bounded(|| {
        for format in FORMATS {
            let (near, far) = pair(format, 8, SIZE);
            let (dialled, _accepted) = stream(&near, &far);
            for (round, lens) in [
                &[][..],
                &[0, 0],
                &[1, 2, 3],
                &[SIZE, SIZE],
                &[SIZE - 1, 1, SIZE + 1, 0, 3 * SIZE, 5],
                &[1, 10 * SIZE, 1, 1, 1],
                &[7; 100],
            ]
            .into_iter()
            .enumerate()
            {
                let whole = body(round as u64, lens.iter().sum());
                let mut rest = &whole[..];
                let pieces: Vec<&[u8]> = lens
                    .iter()
                    .map(|len| rest.split_off(..*len).unwrap())
                    .collect();
                let id = if round % 2 == 0 { 0 } else { dialled.id() };
                std::thread::scope(|scope| {
                    let (near, pieces) = (&near, &pieces);
                    scope.spawn(move || {
                        let pieces = pieces.iter().copied();
                        near.send_pieces_on(id, pieces, limit()).unwrap();
                    });
                    let Message::Plain {
                        connection, body, ..
                    } = far.receive_until(limit()).unwrap()
                    else {
                        panic!("not a message");
                    };
                    assert_eq!(connection, id);
                    assert!(body == whole, "{lens:?}");
                });
            }
            // Nobody receives: it does not wait for ever, and nothing of it is left.
            let soon = Instant::now().checked_add(Duration::from_millis(20));
            let long = [1; 100];
            let late = near.send_pieces(std::iter::repeat_n(&long[..], 1000), soon);
            assert!(matches!(late, Err(TransferError::TimedOut)), "{late:?}");
        }
        let options = AdvancedOptions::new().max_message_size(100);
        let (near, _far) = pair_with(Format::V2, 8, SIZE, options, options);
        let refused = near.send_pieces([&[0; 50][..], &[0; 51]], limit());
        let (len, max) = (101, 100);
        match refused {
            Err(TransferError::Begin(error)) => {
                assert_eq!(error, BeginError::TooLong { len, max });
            }
            other => panic!("{other:?}"),
        }
    });
}
