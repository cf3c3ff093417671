//! Halves of a link for tasks of an executor: they sleep until somebody, such as an interrupt
//! handler, rings a bell.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use super::error::{RecvError, Retry, SendError};
use super::{Receiver, Sender};
use crate::ring::{Consumer, Producer};

/// Wakes the task that waits for a link, from wherever it becomes known that the peer has done
/// something: the handler of the interrupt that it raises, a timer, another task. Ring also those of a shared side's other
/// receivers after dropping one: what it let go of comes to them, and so may the end.
///
/// One bell for each half, as it holds one task's waker. [`Bell::ring`] never blocks where there
/// is compare-and-swap; elsewhere (`thumbv6m`) it masks interrupts for a few instructions, through
/// the program's implementation of the `critical-section` crate.
pub struct Bell(registration::Registration);

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}

impl Bell {
    /// A bell that nobody waits for.
    #[must_use]
    pub const fn new() -> Self {
        Self(registration::Registration::new())
    }

    /// Wakes the task that waits, if one does; it looks at the link again. For interrupt handlers
    /// and any other context.
    pub fn ring(&self) {
        self.0.wake();
    }

    /// Lets the task of `waker` be the one that [`Bell::ring`] wakes. Look at what is waited for
    /// again after this: it may have happened just before.
    pub fn register(&self, waker: &Waker) {
        self.0.register(waker);
    }
}

#[cfg(target_has_atomic = "ptr")]
mod registration {
    use core::task::Waker;

    pub(super) struct Registration(atomic_waker::AtomicWaker);

    impl Registration {
        pub(super) const fn new() -> Self {
            Self(atomic_waker::AtomicWaker::new())
        }

        pub(super) fn wake(&self) {
            self.0.wake();
        }

        pub(super) fn register(&self, waker: &Waker) {
            self.0.register(waker);
        }
    }
}

#[cfg(not(target_has_atomic = "ptr"))]
mod registration {
    use core::cell::Cell;
    use core::task::Waker;

    use critical_section::Mutex;

    pub(super) struct Registration(Mutex<Cell<Option<Waker>>>);

    impl Registration {
        pub(super) const fn new() -> Self {
            Self(Mutex::new(Cell::new(None)))
        }

        pub(super) fn wake(&self) {
            let waker = critical_section::with(|token| self.0.borrow(token).take());
            if let Some(waker) = waker {
                waker.wake();
            }
        }

        pub(super) fn register(&self, waker: &Waker) {
            let waker = waker.clone();
            // What was there is dropped outside: a waker's drop may be anybody's code.
            drop(critical_section::with(|token| {
                self.0.borrow(token).replace(Some(waker))
            }));
        }
    }
}

/// A half of a link that waits for a [`Bell`], for `embedded_io_async` and for whole messages.
///
/// Every future of it may be dropped at any `await` point: what it has not said to have sent was
/// not sent, what it has not returned is still there.
///
/// ```
/// use hqq_core::{Bell, StaticRegion};
/// static REGION: StaticRegion<8, 64> = StaticRegion::new();
/// static ARRIVED: Bell = Bell::new();
///
/// let (mut near, far) = REGION.take().ok_or("taken only once")?;
/// let (_, receiver) = far.split();
/// let mut receiver = receiver.notified(&ARRIVED);
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # let mut context = Context::from_waker(Waker::noop());
/// let mut message = [0; 64];
/// let mut receiving = pin!(receiver.recv(&mut message));
/// assert!(receiving.as_mut().poll(&mut context).is_pending());
/// near.try_send(b"ping")?;
/// ARRIVED.ring(); // what the handler of the peer's interrupt does
/// assert_eq!(receiving.poll(&mut context), Poll::Ready(Ok(4)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Notified<'b, H> {
    half: H,
    bell: &'b Bell,
}

impl<'b, H> Notified<'b, H> {
    const fn new(half: H, bell: &'b Bell) -> Self {
        Self { half, bell }
    }

    /// The half, for the calls that do not wait.
    pub const fn half(&mut self) -> &mut H {
        &mut self.half
    }

    /// The half again, without its bell.
    #[must_use]
    pub fn into_half(self) -> H {
        self.half
    }

    /// Attempts until it is not worth waiting any more, between two attempts asleep.
    pub(super) async fn until<T, E: Retry>(
        &mut self,
        mut attempt: impl FnMut(&mut H) -> Result<T, E>,
    ) -> Result<T, E::Final> {
        poll_fn(|context| {
            let first = poll(&mut self.half, &mut attempt);
            if first.is_ready() {
                return first;
            }
            self.bell.register(context.waker());
            // Again: the bell may have rung between the first look and the registration.
            poll(&mut self.half, &mut attempt)
        })
        .await
    }
}

/// One attempt, as a future sees it.
fn poll<H, T, E: Retry>(
    half: &mut H,
    attempt: &mut impl FnMut(&mut H) -> Result<T, E>,
) -> Poll<Result<T, E::Final>> {
    match attempt(half).map_err(Retry::settled) {
        Ok(value) => Poll::Ready(Ok(value)),
        Err(Some(error)) => Poll::Ready(Err(error)),
        Err(None) => Poll::Pending,
    }
}

/// Attempts at every poll, and asks to be polled again at once: for halves without a bell.
pub(super) async fn polling<H, T, E: Retry>(
    half: &mut H,
    mut attempt: impl FnMut(&mut H) -> Result<T, E>,
) -> Result<T, E::Final> {
    poll_fn(|context: &mut Context<'_>| {
        let result = poll(half, &mut attempt);
        if result.is_pending() {
            context.waker().wake_by_ref();
        }
        result
    })
    .await
}

impl<P: Producer> Sender<P> {
    /// This sender for a task that sleeps while there is no room; ring the bell when the peer has
    /// received something.
    pub const fn notified(self, bell: &Bell) -> Notified<'_, Self> {
        Notified::new(self, bell)
    }
}

impl<C: Consumer> Receiver<C> {
    /// This receiver for a task that sleeps while there is no message; ring the bell when the peer
    /// has sent something.
    pub const fn notified(self, bell: &Bell) -> Notified<'_, Self> {
        Notified::new(self, bell)
    }
}

impl<P: Producer> Notified<'_, Sender<P>> {
    /// Sends a message, after waiting for room.
    ///
    /// # Errors
    /// [`SendError`], but never [`SendError::TimedOut`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.until(|sender| sender.try_send(message)).await
    }
}

impl<C: Consumer> Notified<'_, Receiver<C>> {
    /// Copies the next message into `buffer`, after waiting for it; says how long it is.
    ///
    /// # Errors
    /// [`RecvError`], but never [`RecvError::TimedOut`].
    pub async fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.until(|receiver| receiver.try_recv(buffer)).await
    }
}
