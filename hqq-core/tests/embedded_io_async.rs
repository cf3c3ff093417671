//! The halves of a link as byte streams of `embedded_io_async`, with and without a bell.
#![cfg(feature = "embedded-io-async")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are tests, too"
)]

mod common;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{Memory, in_every_pairing};
use embedded_io_async::{Read, Write};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Bell, Receiver, RecvError, SendError, Sender};

const SIZE: usize = 48;

/// Counts how often its task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future>(future: Pin<&mut F>, woken: &Arc<Woken>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

#[test]
fn bytes_stream_through() {
    fn stream<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let woken = Arc::default();
        // No bytes are no message.
        assert_eq!(poll(pin!(sender.write(&[])), &woken), Poll::Ready(Ok(0)));
        let mut read = [0; 100];
        {
            let mut reading = pin!(Read::read(receiver, &mut read));
            assert_eq!(poll(reading.as_mut(), &woken), Poll::Pending);
            // Without a bell the task asks to be polled again.
            assert_eq!(woken.times(), 1);
            let bytes: Vec<u8> = (0..100).collect();
            assert_eq!(
                poll(pin!(sender.write(&bytes)), &woken),
                Poll::Ready(Ok(SIZE))
            );
            assert_eq!(poll(reading, &woken), Poll::Ready(Ok(SIZE)));
        }
        assert!((0..SIZE).all(|at| usize::from(read[at]) == at));
        let everything = poll(pin!(sender.write_all(&[7; 2 * SIZE])), &woken);
        assert!(matches!(everything, Poll::Ready(Ok(()))));
        assert_eq!(poll(pin!(sender.flush()), &woken), Poll::Ready(Ok(())));
        let exactly = poll(pin!(receiver.read_exact(&mut read[..2 * SIZE])), &woken);
        assert!(matches!(exactly, Poll::Ready(Ok(()))));
        assert_eq!(read[..2 * SIZE], [7; 2 * SIZE]);
        assert_eq!(woken.times(), 1);
    }
    in_every_pairing!(Memory::new(4, SIZE, 0), stream);
}

#[test]
fn a_task_sleeps_until_the_bell_rings() {
    let memory = Memory::new(2, SIZE, 0);
    let ((mut sender, _back), (_answers, receiver)) = memory.one_way();
    let (arrived, woken) = (Bell::new(), Arc::default());
    let mut receiver = receiver.notified(&arrived);
    let mut message = [0; SIZE];
    {
        let mut receiving = pin!(receiver.recv(&mut message));
        assert_eq!(poll(receiving.as_mut(), &woken), Poll::Pending);
        sender.try_send(b"hello").unwrap();
        assert_eq!(woken.times(), 0);
        arrived.ring();
        // Nobody waits any more: the second is not heard.
        arrived.ring();
        assert_eq!(woken.times(), 1);
        assert_eq!(poll(receiving, &woken), Poll::Ready(Ok(5)));
    }
    assert_eq!(&message[..5], b"hello");
    {
        // A ring for nothing is harmless: the task looks and sleeps again.
        let mut reading = pin!(receiver.read(&mut message));
        assert_eq!(poll(reading.as_mut(), &woken), Poll::Pending);
        arrived.ring();
        assert_eq!(woken.times(), 2);
        assert_eq!(poll(reading.as_mut(), &woken), Poll::Pending);
        drop(sender);
        arrived.ring();
        assert_eq!(poll(reading, &woken), Poll::Ready(Ok(0)));
    }
    let gone = poll(pin!(receiver.recv(&mut message)), &woken);
    assert_eq!(gone, Poll::Ready(Err(RecvError::Disconnected)));
}

#[test]
fn a_sender_sleeps_until_there_is_room() {
    let memory = Memory::new(2, SIZE, 0);
    let ((sender, _back), (_answers, mut receiver)) = memory.one_way();
    let (room, woken) = (Bell::default(), Arc::default());
    let mut sender = sender.notified(&room);
    for _ in 0..2 {
        assert_eq!(poll(pin!(sender.send(b"x")), &woken), Poll::Ready(Ok(())));
    }
    {
        let mut sending = pin!(sender.write(b"third"));
        assert_eq!(poll(sending.as_mut(), &woken), Poll::Pending);
        receiver.try_recv(&mut [0; SIZE]).unwrap();
        room.ring();
        assert_eq!(woken.times(), 1);
        assert_eq!(poll(sending, &woken), Poll::Ready(Ok(5)));
    }
    let too_long = poll(pin!(sender.send(&[0; SIZE + 1])), &woken);
    let (len, max) = (SIZE + 1, SIZE);
    assert_eq!(too_long, Poll::Ready(Err(SendError::TooLong { len, max })));
    {
        // A future that is dropped has sent nothing.
        let mut dropped = pin!(sender.send(b"never"));
        assert_eq!(poll(dropped.as_mut(), &woken), Poll::Pending);
    }
    assert_eq!(receiver.try_recv(&mut [0; SIZE]), Ok(1));
    assert_eq!(receiver.try_recv(&mut [0; SIZE]), Ok(5));
    assert!(receiver.try_recv(&mut [0; SIZE]).is_err());
    drop(receiver);
    let gone = poll(pin!(sender.send(b"x")), &woken);
    assert_eq!(gone, Poll::Ready(Err(SendError::Disconnected)));
    assert!(sender.half().is_peer_closed());
    assert_eq!(sender.into_half().counters().messages, 3);
}

#[test]
fn rings_and_polls_race_without_a_lost_message() {
    let memory = Memory::new(2, SIZE, 0);
    let ((sender, back), (_answers, receiver)) = memory.one_way();
    const MESSAGES: usize = 20_000;
    let (arrived, room) = (Arc::new(Bell::new()), Arc::new(Bell::new()));
    let other = std::thread::spawn({
        let (arrived, room) = (arrived.clone(), room.clone());
        move || {
            let _back = back;
            let mut sender = sender.notified(&room);
            for number in 0..MESSAGES {
                block_on(sender.send(&number.to_le_bytes())).unwrap();
                arrived.ring();
            }
        }
    });
    let mut receiver = receiver.notified(&arrived);
    for number in 0..MESSAGES {
        let mut message = [0; SIZE];
        let len = block_on(receiver.recv(&mut message)).unwrap();
        assert_eq!(message[..len], number.to_le_bytes());
        room.ring();
    }
    other.join().unwrap();
}

/// Runs a future on this thread, asleep while it waits. A lost wakeup hangs, and fails the test at
/// its end.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    let started = std::time::Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park_timeout(std::time::Duration::from_secs(60));
        assert!(started.elapsed().as_secs() < 60, "a wakeup was lost");
    }
}
