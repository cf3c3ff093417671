//! The halves of a link as byte streams of `embedded_io`.
#![cfg(feature = "embedded-io")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are tests, too"
)]

mod common;

use common::{Memory, in_every_pairing};
use embedded_io::{Error, ErrorKind, Read, ReadReady, Write, WriteReady};
use hqq_core::packet::{ErrorCode, PacketError};
use hqq_core::ring::{Consumer, Corruption, Producer};
use hqq_core::{Position, Receiver, RecvError, SendError, Sender};

const SIZE: usize = 48;

#[test]
fn bytes_stream_through() {
    fn stream<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        assert_eq!(sender.write_ready(), Ok(true));
        assert_eq!(receiver.read_ready(), Ok(false));
        // No bytes are no message.
        assert_eq!(sender.write(&[]), Ok(0));
        assert_eq!(receiver.read_ready(), Ok(false));
        let bytes: Vec<u8> = (0..100).collect();
        assert_eq!(sender.write(&bytes), Ok(SIZE));
        sender.write_all(&bytes[SIZE..]).unwrap();
        assert_eq!(sender.flush(), Ok(()));
        assert_eq!(receiver.read_ready(), Ok(true));
        let mut read = [0; 100];
        assert_eq!(Read::read(receiver, &mut read), Ok(SIZE));
        receiver.read_exact(&mut read[SIZE..]).unwrap();
        assert_eq!(read[..], bytes);
        while sender.write_ready() == Ok(true) {
            sender.write_all(b"x").unwrap();
        }
        assert_eq!(Read::read(receiver, &mut []), Ok(0));
    }
    in_every_pairing!(Memory::new(4, SIZE, 0), stream);
}

#[test]
fn the_end_of_the_stream_reads_nothing() {
    let memory = Memory::new(4, SIZE, 0);
    let ((mut sender, _back), (_answers, mut receiver)) = memory.one_way();
    sender.write_all(b"end").unwrap();
    drop(sender);
    let mut read = [0; 8];
    assert_eq!(Read::read(&mut receiver, &mut read), Ok(3));
    for _ in 0..2 {
        assert_eq!(Read::read(&mut receiver, &mut read), Ok(0));
    }
}

#[test]
fn writing_to_nobody_is_a_broken_pipe() {
    let memory = Memory::new(4, SIZE, 0);
    let ((mut sender, _back), (_answers, receiver)) = memory.one_way();
    drop(receiver);
    assert_eq!(
        sender.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn each_error_has_its_kind() {
    let corruption = Corruption {
        position: Position::new(1),
        stamp: 2,
    };
    let malformed = PacketError::UnknownOpcode(7);
    let (needed, capacity, len, max) = (2, 1, 2, 1);
    for (error, kind) in [
        (RecvError::TimedOut, ErrorKind::TimedOut),
        (RecvError::Disconnected, ErrorKind::ConnectionReset),
        (
            RecvError::BufferTooSmall { needed, capacity },
            ErrorKind::InvalidInput,
        ),
        (RecvError::Peer(ErrorCode::InvalidSize), ErrorKind::Other),
        (RecvError::Malformed(malformed), ErrorKind::InvalidData),
        (RecvError::Corrupt(corruption), ErrorKind::InvalidData),
    ] {
        assert_eq!(error.kind(), kind);
    }
    for (error, kind) in [
        (SendError::TimedOut, ErrorKind::TimedOut),
        (SendError::TooLong { len, max }, ErrorKind::InvalidInput),
        (SendError::Disconnected, ErrorKind::BrokenPipe),
        (SendError::Corrupt(corruption), ErrorKind::InvalidData),
    ] {
        assert_eq!(error.kind(), kind);
    }
}
