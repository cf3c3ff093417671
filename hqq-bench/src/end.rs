//! One end of what is measured, and what two of them do with messages.

use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Sender};

use crate::error::BenchError;
use crate::patience::{Hint, Patience};
use crate::runner::Part;

/// The longest message, in bytes.
pub(crate) const LONGEST: usize = 1024;

/// Sends and receives, spinning.
pub(crate) trait End {
    /// # Errors
    /// [`BenchError`], within the bounds of `patience`.
    fn send(&mut self, message: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError>;

    /// # Errors
    /// As [`End::send`].
    fn recv(&mut self, buffer: &mut [u8], patience: &mut Patience<'_>)
    -> Result<usize, BenchError>;
}

/// Both halves of a link.
pub(crate) struct LinkEnd<P: Producer, C: Consumer> {
    pub(crate) sender: Sender<P>,
    pub(crate) receiver: Receiver<C>,
    pub(crate) hint: Hint,
}

impl<P: Producer, C: Consumer> End for LinkEnd<P, C> {
    #[inline]
    fn send(&mut self, message: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut wait = patience.waiting(self.hint);
        let sent = self.sender.send(message, &mut wait);
        sent.map_err(|error| wait.explain(error))
    }

    #[inline]
    fn recv(
        &mut self,
        buffer: &mut [u8],
        patience: &mut Patience<'_>,
    ) -> Result<usize, BenchError> {
        let mut wait = patience.waiting(self.hint);
        let received = self.receiver.recv(buffer, &mut wait);
        received.map_err(|error| wait.explain(error))
    }
}

/// What the messages of a measure are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages {
    /// For errors.
    pub(crate) measure: &'static str,
    /// A multiple of 8, at most [`LONGEST`].
    pub(crate) size: usize,
    /// How many of its bytes differ from message to message and are compared, a multiple of 8: the
    /// work at the ends that is not the link's.
    pub(crate) fresh: usize,
}

impl Messages {
    /// Makes `buffer` the message of this number.
    #[inline]
    fn write(self, buffer: &mut [u8; LONGEST], number: u64) -> &[u8] {
        let (words, _) = buffer[..self.fresh].as_chunks_mut();
        for (word, number) in words.iter_mut().zip(number..) {
            *word = number.to_ne_bytes();
        }
        &buffer[..self.size]
    }

    /// That what was received is this message.
    #[inline]
    fn check(self, received: &[u8], message: &[u8]) -> Result<(), BenchError> {
        if received.len() != message.len() || received[..self.fresh] != message[..self.fresh] {
            return Err(BenchError::Changed {
                measure: self.measure,
            });
        }
        Ok(())
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each is sent back before the next one.
    RoundTrip,
    /// From the first process to the second one, as fast as there is room.
    OneWay,
}

impl Way {
    /// The part of the first process.
    pub(crate) fn first<E: End + 'static>(self, end: E, messages: Messages) -> Box<dyn Part> {
        let numbered = Numbered {
            end,
            messages,
            count: 0,
        };
        match self {
            Self::RoundTrip => Box::new(Asking(numbered)),
            Self::OneWay => Box::new(Sending(numbered)),
        }
    }

    /// The part of the second process.
    pub(crate) fn second<E: End + 'static>(self, end: E, messages: Messages) -> Box<dyn Part> {
        match self {
            Self::RoundTrip => Box::new(Echoing(end)),
            Self::OneWay => Box::new(Receiving(Numbered {
                end,
                messages,
                count: 0,
            })),
        }
    }
}

/// An end and how many messages came before.
struct Numbered<E> {
    end: E,
    messages: Messages,
    count: u64,
}

/// Sends, and compares what comes back.
struct Asking<E>(Numbered<E>);

impl<E: End> Part for Asking<E> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self(Numbered {
            end,
            messages,
            count,
        }) = self;
        let (mut sent, mut received) = ([0; LONGEST], [0; LONGEST]);
        for _ in 0..operations {
            *count += 1;
            let message = messages.write(&mut sent, *count);
            end.send(message, patience)?;
            let len = end.recv(&mut received, patience)?;
            messages.check(&received[..len], message)?;
        }
        Ok(())
    }
}

/// Sends back what came.
struct Echoing<E>(E);

impl<E: End> Part for Echoing<E> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self(end) = self;
        let mut buffer = [0; LONGEST];
        for _ in 0..operations {
            let len = end.recv(&mut buffer, patience)?;
            end.send(&buffer[..len], patience)?;
        }
        Ok(())
    }
}

/// Sends.
struct Sending<E>(Numbered<E>);

impl<E: End> Part for Sending<E> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self(Numbered {
            end,
            messages,
            count,
        }) = self;
        let mut sent = [0; LONGEST];
        for _ in 0..operations {
            *count += 1;
            end.send(messages.write(&mut sent, *count), patience)?;
        }
        Ok(())
    }
}

/// Compares what comes with what was to be sent.
struct Receiving<E>(Numbered<E>);

impl<E: End> Part for Receiving<E> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self(Numbered {
            end,
            messages,
            count,
        }) = self;
        let (mut expected, mut received) = ([0; LONGEST], [0; LONGEST]);
        for _ in 0..operations {
            *count += 1;
            let len = end.recv(&mut received, patience)?;
            messages.check(&received[..len], messages.write(&mut expected, *count))?;
        }
        Ok(())
    }
}
