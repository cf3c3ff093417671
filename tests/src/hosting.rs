//! The host of a guest, or of anything else that does what `tests/guest/src/service.rs` does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::io::Read as _;
use std::time::{Duration, Instant};

use hqq_std::{
    AdvancedLink, AdvancedOptions, Incoming, LinkOptions, Receiver, RecvError, Role, Sender,
};

use crate::{LIMIT, Name};

/// The methods of the guest.
const INCREMENT: u64 = 1;
const STREAM: u64 = 2;
/// Its stream's bytes repeat after so many.
const PERIOD: u64 = 251;

/// How much is exchanged.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// Messages to be echoed.
    pub messages: u64,
    /// Calls.
    pub calls: u64,
    /// Bytes of the stream.
    pub stream: u64,
}

impl Amounts {
    /// To a million messages belong 10,000 calls and 64 MiB.
    #[must_use]
    pub const fn of(messages: u64) -> Self {
        Self {
            messages,
            calls: messages.div_ceil(100),
            stream: messages * (64 << 20) / 1_000_000,
        }
    }
}

/// Of the region that host and guest share.
#[must_use]
pub fn options() -> LinkOptions {
    LinkOptions::new().count(256).size(4096).role(Role::Primary)
}

/// Byte `at` of message `number`.
fn byte(number: u64, at: usize) -> u8 {
    (number.wrapping_mul(31) as usize + at * 7) as u8
}

fn fill(number: u64, message: &mut Vec<u8>, longest: usize) {
    let len = (number.wrapping_mul(2_654_435_761) >> 7) as usize % (longest + 1);
    message.clear();
    message.extend((0..len).map(|at| byte(number, at)));
}

/// Sends messages of up to 300 bytes, and now and then of a whole buffer, and checks what comes back;
/// says what it took.
pub fn echo(sender: &mut Sender, receiver: &mut Receiver, messages: u64) -> Duration {
    let longest = |number: u64| {
        if number.is_multiple_of(1000) {
            4096
        } else {
            300
        }
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut message = Vec::new();
            for number in 0..messages {
                fill(number, &mut message, longest(number));
                sender.send(&message).unwrap();
            }
        });
        let (mut expected, mut buffer) = (Vec::new(), vec![0; 4096]);
        for number in 0..messages {
            fill(number, &mut expected, longest(number));
            let len = receiver.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], expected, "echo {number}");
        }
    });
    started.elapsed()
}

/// Lets the guest go; when this returns it has left.
pub fn part(sender: Sender, mut receiver: Receiver) {
    drop(sender);
    let end = receiver.recv_timeout(&mut [0; 64], LIMIT);
    assert_eq!(end, Err(RecvError::Disconnected));
}

/// Calls of up to 8 KiB, then a message that the guest sends; says what both took.
pub fn advanced(name: &Name, amounts: Amounts) -> (Duration, Duration) {
    let link = options().create_or_open(name).unwrap();
    let link = AdvancedLink::new(link, AdvancedOptions::new());
    let limit = Instant::now() + LIMIT;
    link.negotiate(Some(limit)).unwrap();
    let started = Instant::now();
    let mut body = Vec::new();
    for number in 0..amounts.calls {
        fill(number, &mut body, 8192);
        let answer = link.call(INCREMENT, &body).unwrap();
        assert_eq!(answer.len(), body.len());
        let wrong = answer
            .iter()
            .zip(&body)
            .position(|(got, sent)| *got != sent.wrapping_add(1));
        assert_eq!(wrong, None, "call {number}");
    }
    let calls = started.elapsed();

    let started = Instant::now();
    assert_eq!(
        link.call(STREAM, &amounts.stream.to_le_bytes()).unwrap(),
        b""
    );
    let Incoming::Plain { mut body, .. } = link.receive_stream(Some(limit)).unwrap() else {
        panic!("a request where a stream was expected");
    };
    let (mut received, mut buffer) = (0_u64, vec![0; 1 << 16]);
    loop {
        let len = body.read(&mut buffer).unwrap();
        if len == 0 {
            break;
        }
        for (at, byte) in buffer[..len].iter().enumerate() {
            assert_eq!(
                u64::from(*byte),
                (received + at as u64) % PERIOD,
                "byte {}",
                received + at as u64
            );
        }
        received += len as u64;
    }
    assert_eq!(received, amounts.stream);
    (calls, started.elapsed())
}
