//! Tasks over a link, as embassy runs them: each sleeps until an interrupt handler rings its bell.
//!
//! The executor here is a few lines for the host, and threads stand in for the other core and for
//! the interrupts that both sides raise. On a microcontroller `block_on` is the executor's business
//! (`#[embassy_executor::task]`), and the two `ring()` calls are the body of a `#[interrupt]`
//! handler.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use embedded_io_async::{Read, Write};
use hqq_core::{Bell, StaticRegion};

static REGION: StaticRegion<8, 64> = StaticRegion::new();

// One bell for each half that a task waits with.
static ROOM: Bell = Bell::new();
static ARRIVED: Bell = Bell::new();

const BYTES: usize = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (near, far) = REGION.take().ok_or("the region is taken once")?;

    // The other core. It raises an interrupt when it has sent or received something.
    let other = thread::spawn(move || {
        let (mut sender, mut receiver) = far.split();
        let mut bytes = [0; 64];
        loop {
            match receiver.try_read(&mut bytes) {
                Ok(len) => {
                    ROOM.ring();
                    while sender.try_send(&bytes[..len]).is_err() {
                        thread::yield_now();
                    }
                    ARRIVED.ring();
                }
                Err(hqq_core::TryRecvError::Disconnected) => break,
                Err(_) => thread::yield_now(),
            }
        }
        drop(sender);
        ARRIVED.ring();
    });

    let (sender, receiver) = near.split();
    let writer = async move {
        let mut sender = sender.notified(&ROOM);
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
        sender.write_all(&bytes).await
    };
    let reader = async move {
        let mut receiver = receiver.notified(&ARRIVED);
        let mut echoed = vec![0; BYTES];
        receiver.read_exact(&mut echoed).await?;
        assert!((0..BYTES).all(|at| echoed[at] == (at % 251) as u8));
        // The other core leaves when our sender is gone.
        let end = receiver.read(&mut echoed).await;
        Ok::<_, embedded_io_async::ReadExactError<hqq_core::RecvError>>(end)
    };
    let (written, read) = block_on(join(writer, reader));
    written?;
    assert_eq!(read, Ok(Ok(0)));
    other.join().map_err(|_| "the other core panicked")?;
    println!("{BYTES} bytes echoed");
    Ok(())
}

/// Both futures at once, in one task.
async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    std::future::poll_fn(|context| {
        if a.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(context)
        {
            a = Some(output);
        }
        if b.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(context)
        {
            b = Some(output);
        }
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (unfinished_a, unfinished_b) => {
                (a, b) = (unfinished_a, unfinished_b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs one task; the thread sleeps while it has nothing to do, as a core does in `wfe`.
fn block_on<F: Future>(task: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = pin!(task);
    loop {
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
