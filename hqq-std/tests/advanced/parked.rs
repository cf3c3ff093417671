//! Who waits to send, while somebody else drives, learns what became of that: beside a full ring, which tells
//! nothing.

use std::io::{self, Read, Write as _};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use hqq_core::packet::Features;
use hqq_std::{AdvancedLink, AdvancedOptions, Format, Incoming};

use super::common::{LIMIT, bounded, eventually};
use super::support::{limit, look, pair, pair_with};

const COUNT: usize = 4;
const SIZE: usize = 64;
/// More than both ends take.
const LONG: usize = 1 << 20;

/// Waits until nothing more can be sent, as the other end takes nothing.
fn fills(link: &AdvancedLink) {
    eventually("a full ring", || (link.unread() == COUNT).then_some(()));
}

#[test]
fn a_request_that_waits_for_room_ends_with_its_answer() {
    bounded(|| {
        let (near, far) = pair(Format::V1, COUNT, SIZE);
        std::thread::scope(|scope| {
            let calling = scope.spawn(|| pollster::block_on(near.call_async(1, &[0; LONG])));
            let incoming = far.receive_stream(limit()).unwrap();
            let Incoming::Request { request, body } = incoming else {
                panic!("not a request");
            };
            fills(&near);
            far.respond(&request, b"early").unwrap();
            assert_eq!(calling.join().unwrap().unwrap(), b"early");
            drop(body);
        });
    });
}

#[test]
fn an_answer_that_waits_for_room_ends_with_its_call() {
    bounded(|| {
        let (near, far) = pair(Format::V1, COUNT, SIZE);
        let call = near.start_call(1, b"").unwrap();
        let request = far.receive_request(limit()).unwrap();
        std::thread::scope(|scope| {
            let answering =
                scope.spawn(|| pollster::block_on(far.respond_async(&request, &[0; LONG])));
            fills(&far);
            drop(call);
            answering.join().unwrap().unwrap();
        });
    });
}

/// Zeros, and tells when it is dropped.
struct Zeros(#[allow(dead_code, reason = "for its drop")] Sender<()>);

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// How often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn get(&self) -> usize {
        // Relaxed: a count.
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // Relaxed: a count.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<T>(task: Pin<&mut impl Future<Output = T>>, count: &Arc<Count>) -> Poll<T> {
    task.poll(&mut Context::from_waker(&Waker::from(Arc::clone(count))))
}

#[test]
fn a_streamed_request_that_waits_for_room_ends_with_the_reader_of_its_answer() {
    bounded(|| {
        let (near, far) = pair(Format::V1, COUNT, SIZE);
        // For a task the thread in the background drives: from when another one is woken by it.
        let count = Arc::new(Count::default());
        let mut driven = pin!(near.call_async(1, b""));
        assert!(poll(driven.as_mut(), &count).is_pending());
        let unanswered = far.receive_request(limit()).unwrap();
        let mut receiving = pin!(near.receive_async());
        assert!(poll(receiving.as_mut(), &count).is_pending());
        far.send_large(b"here").unwrap();
        eventually("the driver", || (count.get() > 0).then_some(()));
        let (sender, over) = channel();
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"part").unwrap();
        std::thread::scope(|scope| {
            let callee = &far;
            scope.spawn(move || {
                let incoming = callee.receive_stream(limit()).unwrap();
                let Incoming::Request { request, body } = incoming else {
                    panic!("not a request");
                };
                // The reader ends before.
                assert!(callee.respond_stream(&request, reader, Some(100)).is_err());
                drop(body);
            });
            let len = Some(1 << 40);
            let mut answer = near.call_stream(2, Zeros(sender), len, limit()).unwrap();
            answer.read_exact(&mut [0; 4]).unwrap();
            fills(&near);
            drop(answer);
            let ended = over.recv_timeout(LIMIT);
            drop(writer);
            assert_eq!(ended, Err(RecvTimeoutError::Disconnected));
        });
        drop(unanswered);
    });
}

/// Keeps who calls it until that is allowed.
struct Keeper {
    called: Sender<()>,
    allowed: Mutex<Receiver<()>>,
}

impl Wake for Keeper {
    fn wake(self: Arc<Self>) {
        let _ = self.called.send(());
        // Also where the test has failed.
        let _ = self.allowed.lock().unwrap().recv();
    }
}

/// Somebody else makes use of the room for it before whoever drives looks.
#[test]
fn a_message_that_waits_for_the_acceptance_of_its_stream_learns_that_it_was_sent() {
    bounded(|| {
        let options = AdvancedOptions::new();
        let few = options.features(Features::FORMAT_1).incoming_queue(COUNT);
        let (near, far) = pair_with(Format::V2, COUNT, SIZE, few, options);
        far.listen(true);
        // As many as may wait, and as many in the ring.
        for _ in 0..2 {
            for _ in 0..COUNT {
                far.send_large(b"unread").unwrap();
            }
            look(&near);
        }
        let (called, calls) = channel();
        let (allow, allowed) = channel();
        let allowed = Mutex::new(allowed);
        let keeper = Waker::from(Arc::new(Keeper { called, allowed }));
        let mut receiving = pin!(far.receive_async());
        let polled = receiving.as_mut().poll(&mut Context::from_waker(&keeper));
        assert!(polled.is_pending());
        let count = Arc::new(Count::default());
        let mut dialling = pin!(near.dial_async());
        assert!(poll(dialling.as_mut(), &count).is_pending());
        // The thread that drives for the task has taken the offer in.
        calls.recv_timeout(LIMIT).unwrap();
        let accepted = far.accept(limit()).unwrap();
        let told = Arc::new(Count::default());
        let mut sending = pin!(accepted.send_large_async(b"on it"));
        assert!(poll(sending.as_mut(), &told).is_pending());
        for _ in 0..2 {
            assert_eq!(near.receive_until(limit()).unwrap().body(), b"unread");
        }
        eventually("room", || {
            look(&near);
            (far.unread() + 2 <= COUNT).then_some(())
        });
        assert_eq!(told.get(), 0);
        far.send_large(b"beside").unwrap();
        let woken = told.get();
        drop(allow);
        assert_eq!(woken, 1);
        std::thread::scope(|scope| {
            scope.spawn(|| pollster::block_on(sending).unwrap());
            while near.receive_until(limit()).unwrap().body() != b"on it" {}
        });
    });
}
