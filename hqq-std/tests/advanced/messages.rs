//! Messages of any length, assembled or read as they come.

use std::io::{self, Cursor, Read, Write as _};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use hqq_std::advanced::error::{BodyFailure, LinkFailure, ReceiveError, TransferError};
use hqq_std::{AdvancedLink, BodyReader, Format, Incoming, Message};

use super::common::LIMIT;
use super::support::{FORMATS, assert_idle, body, limit, pair};

fn incoming(far: &AdvancedLink) -> BodyReader {
    match far.receive_stream(limit()).unwrap() {
        Incoming::Plain { body, .. } => body,
        _ => panic!("not a message"),
    }
}

fn read(mut reader: BodyReader) -> io::Result<Vec<u8>> {
    reader.set_timeout(Some(LIMIT));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map(|_| bytes)
}

#[test]
fn every_length_arrives_assembled_and_streamed() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        for len in [0, 1, 63, 64, 65, 127, 128, 129, 4 * 64, 4 * 64 + 1, 100_000] {
            let sent = body(len as u64, len);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    near.send_large(&sent).unwrap();
                    let streamed = near.send_stream(sent.as_slice(), Some(len as u64));
                    assert_eq!(streamed.unwrap(), len as u64);
                    near.send_large(&sent).unwrap();
                    near.send_stream(sent.as_slice(), Some(len as u64)).unwrap();
                });
                for _ in 0..2 {
                    let Message::Plain { body, .. } = far.receive_until(limit()).unwrap() else {
                        panic!("not a message");
                    };
                    assert!(body == sent);
                }
                for _ in 0..2 {
                    let reader = incoming(&far);
                    assert_eq!(reader.len(), Some(len as u64));
                    assert!(read(reader).unwrap() == sent);
                }
            });
        }
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn memory_that_was_given_back_is_used_again_and_shows_nothing_of_before() {
    let (near, far) = pair(Format::V2, 16, 16 << 10);
    // The second is shorter than what the first leaves, the third as long, the last too short for it.
    let sent = [3 << 20, (1 << 20) + 5, 3 << 20, 100_000].map(|len| body(len as u64, len));
    let turns = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for sent in &sent {
                turns.wait();
                near.send_large(sent).unwrap();
            }
        });
        let mut before = None;
        for (index, sent) in sent.iter().enumerate() {
            turns.wait();
            let Message::Plain { body, .. } = far.receive_until(limit()).unwrap() else {
                panic!("not a message");
            };
            assert!(body == *sent, "message {index}");
            let at = body.as_ptr();
            let same = before == Some(at);
            assert_eq!(same, index == 1 || index == 2, "message {index}");
            before = Some(at);
            far.reuse(body);
        }
    });
    assert_idle(&near);
    assert_idle(&far);
}

/// A few bytes at a time.
struct Slowly<R>(R);

impl<R: Read> Read for Slowly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(7);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn a_length_that_is_not_known_needs_format_2() {
    let (near, far) = pair(Format::V2, 4, 64);
    for len in [0, 1, 64, 65, 128, 10_000] {
        let sent = body(1, len);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let reader = Slowly(sent.as_slice());
                assert_eq!(near.send_stream(reader, None).unwrap(), len as u64);
            });
            let reader = incoming(&far);
            assert_eq!(reader.len(), None);
            assert!(read(reader).unwrap() == sent);
        });
    }
    assert_idle(&far);

    let (near, _far) = pair(Format::V1, 4, 64);
    let error = near.send_stream(io::empty(), None).unwrap_err();
    assert!(matches!(error, TransferError::Begin(_)), "{error}");
}

/// Gives what it is told to, when it is told to, and ends when nobody is there to tell.
struct Told(mpsc::Receiver<&'static [u8]>);

impl Read for Told {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.recv_timeout(LIMIT);
        let bytes = bytes.unwrap_or_default();
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn what_a_reader_gives_is_sent_before_it_is_asked_for_more() {
    for (format, len) in [
        (Format::V2, None),
        (Format::V2, Some(6)),
        (Format::V1, Some(6)),
    ] {
        let (near, far) = pair(format, 4, 64);
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(near.send_stream(Told(told), len).unwrap(), 6));
            tell.send(b"one").unwrap();
            let mut reader = incoming(&far);
            reader.set_timeout(Some(LIMIT));
            let mut buffer = [0; 3];
            reader.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"one");
            // Only now there is more.
            tell.send(b"two").unwrap();
            reader.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"two");
            drop(tell);
            assert_eq!(read(reader).unwrap(), b"");
        });
        assert_idle(&far);
    }
}

#[test]
fn where_the_sender_has_no_more_the_reader_fails() {
    /// The end of what there is, once the message was taken: one that was not is nobody's concern.
    struct End<'a> {
        taken: &'a Barrier,
        fails: bool,
    }
    impl Read for End<'_> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.taken.wait();
            if self.fails {
                Err(io::Error::other("on purpose"))
            } else {
                Ok(0)
            }
        }
    }
    for format in FORMATS {
        // Room for all of it: while the end is waited for nobody takes anything out.
        let (near, far) = pair(format, 16, 64);
        for fails in [true, false] {
            let taken = Barrier::new(2);
            let end = End {
                taken: &taken,
                fails,
            };
            // Not more than the ring takes before anybody reads.
            let reader = Cursor::new([1; 200]).chain(end);
            std::thread::scope(|scope| {
                let sending = scope.spawn(|| near.send_stream(reader, Some(1000)));
                let reader = incoming(&far);
                taken.wait();
                let error = read(reader).unwrap_err();
                let failure = error.get_ref().unwrap().downcast_ref::<BodyFailure>();
                assert_eq!(failure, Some(&BodyFailure::Aborted));
                let error = sending.join().unwrap().unwrap_err();
                assert!(matches!(error, TransferError::Input(_)), "{error}");
            });
            std::thread::scope(|scope| {
                scope.spawn(|| near.send_large(b"the next").unwrap());
                assert_eq!(read(incoming(&far)).unwrap(), b"the next");
            });
        }
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn a_reader_that_is_dropped_half_way_drops_the_rest() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        let sent = body(1, 100_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                near.send_large(&sent).unwrap();
                near.send_large(b"the next").unwrap();
            });
            let mut reader = incoming(&far);
            let mut half = vec![0; 50_000];
            reader.read_exact(&mut half).unwrap();
            assert!(half == sent[..50_000]);
            drop(reader);
            assert_eq!(far.receive_until(limit()).unwrap().body(), b"the next");
        });
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn requests_and_answers_are_streamed_too() {
    for format in FORMATS {
        let (near, far) = pair(format, 4, 64);
        let sent = body(1, 100_000);
        let len = sent.len() as u64;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let Incoming::Request { request, body } = far.receive_stream(limit()).unwrap()
                else {
                    panic!("not a request");
                };
                assert_eq!(request.method(), 5);
                // As it comes: both are under way at once.
                assert_eq!(far.respond_stream(&request, body, Some(len)).unwrap(), len);
            });
            let reader = Cursor::new(sent.clone());
            let answer = near.call_stream(5, reader, Some(len), limit()).unwrap();
            assert_eq!(answer.len(), Some(len));
            assert!(read(answer).unwrap() == sent);
        });
        assert_idle(&near);
        assert_idle(&far);
    }
}

#[test]
fn no_more_is_read_than_is_sent() {
    let (near, far) = pair(Format::V2, 32, 64);
    let (mut source, mut writer) = io::pipe().unwrap();
    // The end of the pipe does not come.
    writer.write_all(&body(1, 1000)).unwrap();
    let mut received = Vec::new();
    for len in [0, 1, 64, 65, 300, 570] {
        near.send_stream(&mut source, Some(len)).unwrap();
        received.extend(read(incoming(&far)).unwrap());
    }
    assert!(received == body(1, 1000));
}

#[test]
fn a_read_that_waits_too_long_can_be_tried_again() {
    let (near, far) = pair(Format::V2, 4, 64);
    let (source, mut writer) = io::pipe().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| near.send_stream(source, Some(200)).unwrap());
        writer.write_all(&[1; 150]).unwrap();
        let mut reader = incoming(&far);
        reader.set_timeout(Some(Duration::from_millis(20)));
        let error = reader.read_exact(&mut [0; 151]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        writer.write_all(&[2; 50]).unwrap();
        let rest = read(reader).unwrap();
        assert!(rest.ends_with(&[2; 50]) && rest.len() <= 150);
    });
}

/// Also where its receiver has something to say that nobody hears any more.
#[test]
fn what_was_sent_before_its_sender_left_is_received() {
    for streamed in [false, true] {
        let (near, far) = pair(Format::V2, 4, 64);
        let sent = body(1, 256);
        near.send_large(&sent).unwrap();
        drop(near);
        if streamed {
            assert!(read(incoming(&far)).unwrap() == sent);
        } else {
            assert!(far.receive_until(limit()).unwrap().body() == sent);
        }
        let nothing = far.receive_until(limit());
        assert!(
            matches!(nothing, Err(ReceiveError::Link(LinkFailure::Disconnected))),
            "{nothing:?}"
        );
    }
}
