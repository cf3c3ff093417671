//! What two ends do with messages: numbered ones are written, moved and checked, whatever moves them.

use hqq_core::Role;

use crate::error::BenchError;
use crate::measure::Part;
use crate::patience::Patience;

/// Bytes of a message that are written and checked, at most: the work at the ends that is not the
/// carrier's.
pub(crate) const FRESH: usize = 4096;

/// What the messages of a measure are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages {
    /// For errors.
    pub(crate) measure: &'static str,
    /// A multiple of 8.
    pub(crate) size: usize,
    /// How many of its bytes differ from message to message and are checked, a multiple of 8.
    pub(crate) fresh: usize,
}

impl Messages {
    /// Messages of which every byte is written and checked, up to 4 KiB of them.
    pub(crate) fn new(measure: &'static str, size: usize) -> Self {
        Self {
            measure,
            size,
            fresh: size.min(FRESH),
        }
    }

    /// Makes `buffer` the message of this number.
    #[inline]
    pub(crate) fn write(&self, buffer: &mut [u8], number: u64) {
        let fresh = buffer.get_mut(..self.fresh).unwrap_or_default();
        let (words, _) = fresh.as_chunks_mut();
        for (word, number) in words.iter_mut().zip(number..) {
            *word = number.to_ne_bytes();
        }
    }

    /// That what was received is the message of this number.
    #[inline]
    pub(crate) fn check(&self, received: &[u8], number: u64) -> Result<(), BenchError> {
        if received.len() != self.size {
            return Err(self.changed());
        }
        let fresh = received.get(..self.fresh).unwrap_or_default();
        // Of these sizes the compiler knows what it checks, as it does where queues move items.
        let differ = if let Ok(line) = <&[u8; 64]>::try_from(fresh) {
            differ(line, number)
        } else if let Ok(word) = <&[u8; 8]>::try_from(fresh) {
            differ(word, number)
        } else {
            differ(fresh, number)
        };
        if differ {
            return Err(self.changed());
        }
        Ok(())
    }

    #[cold]
    pub(crate) fn changed(&self) -> BenchError {
        BenchError::Changed {
            measure: self.measure,
        }
    }
}

/// Whether these are not the words of the message of this number.
// Always: where the length is known, little is left of it.
#[inline(always)]
fn differ(received: &[u8], number: u64) -> bool {
    let (words, _) = received.as_chunks();
    let mut differences = 0;
    for (word, number) in words.iter().zip(number..) {
        differences |= u64::from_ne_bytes(*word) ^ number;
    }
    differences != 0
}

/// Sends numbered messages.
pub(crate) trait Source {
    /// Messages that one call sends.
    const BATCH: u32 = 1;

    /// Writes and sends the message of this number, and as many after it as belong to a batch.
    ///
    /// # Errors
    /// [`BenchError`], within the bounds of `patience`.
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError>;
}

/// Receives them.
pub(crate) trait Sink {
    /// Messages that one call receives.
    const BATCH: u32 = 1;

    /// Receives the next message, and as many after it as belong to a batch, and checks that the first
    /// has this number.
    ///
    /// # Errors
    /// As [`Source::send`].
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError>;
}

/// Sends messages back.
pub(crate) trait Echo {
    /// Receives the next message and sends it back as it is.
    ///
    /// # Errors
    /// As [`Source::send`].
    fn echo(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError>;
}

/// Moves bytes from end to end, from and to memory of its own.
pub(crate) trait End {
    /// # Errors
    /// [`BenchError`], within the bounds of `patience`.
    fn send(&mut self, message: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError>;

    /// # Errors
    /// As [`End::send`].
    fn recv(&mut self, buffer: &mut [u8], patience: &mut Patience<'_>)
    -> Result<usize, BenchError>;
}

/// An end and the memory for a message each way.
pub(crate) struct Buffered<E> {
    end: E,
    messages: Messages,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl<E> Buffered<E> {
    pub(crate) fn new(end: E, messages: Messages) -> Self {
        Self {
            end,
            messages,
            outgoing: vec![0; messages.size],
            incoming: vec![0; messages.size],
        }
    }
}

impl<E: End> Source for Buffered<E> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        self.messages.write(&mut self.outgoing, number);
        self.end.send(&self.outgoing, patience)
    }
}

impl<E: End> Sink for Buffered<E> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let len = self.end.recv(&mut self.incoming, patience)?;
        let received = self.incoming.get(..len).unwrap_or_default();
        self.messages.check(received, number)
    }
}

impl<E: End> Echo for Buffered<E> {
    #[inline]
    fn echo(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let len = self.end.recv(&mut self.incoming, patience)?;
        let received = self.incoming.get(..len).unwrap_or_default();
        self.end.send(received, patience)
    }
}

/// An end and messages of a size that the compiler knows, as a program does that sends values of a type: as it knows the
/// messages of queues and of rings by hand.
struct OfSize<E, const SIZE: usize> {
    end: E,
    messages: Messages,
    outgoing: [u8; SIZE],
    incoming: [u8; SIZE],
}

impl<E: End, const SIZE: usize> OfSize<E, SIZE> {
    const fn new(end: E, messages: Messages) -> Self {
        Self {
            end,
            messages,
            outgoing: [0; SIZE],
            incoming: [0; SIZE],
        }
    }

    #[inline]
    fn receive(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        if self.end.recv(&mut self.incoming, patience)? == SIZE {
            Ok(())
        } else {
            Err(self.messages.changed())
        }
    }
}

impl<E: End, const SIZE: usize> Source for OfSize<E, SIZE> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        if let Ok(word) = <&mut [u8; 8]>::try_from(&mut self.outgoing[..]) {
            *word = number.to_ne_bytes();
        } else {
            // Not of this size, so that the compiler makes vectors of it: what is written word by word just before it
            // is sent has to get to the cache before it can be copied in larger pieces.
            self.messages.write(&mut self.outgoing, number);
        }
        self.end.send(&self.outgoing, patience)
    }
}

impl<E: End, const SIZE: usize> Sink for OfSize<E, SIZE> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        self.receive(patience)?;
        if differ(&self.incoming, number) {
            return Err(self.messages.changed());
        }
        Ok(())
    }
}

impl<E: End, const SIZE: usize> Echo for OfSize<E, SIZE> {
    #[inline]
    fn echo(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        self.receive(patience)?;
        self.end.send(&self.incoming, patience)
    }
}

/// What the process of this role does with an end and such messages.
pub(crate) fn copying<E: End + 'static>(
    end: E,
    messages: Messages,
    way: Way,
    role: Role,
) -> Box<dyn Part> {
    match messages.size {
        8 => way.part(OfSize::<E, 8>::new(end, messages), role),
        64 => way.part(OfSize::<E, 64>::new(end, messages), role),
        _ => way.part(Buffered::new(end, messages), role),
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
    /// The part of the process of this role.
    fn part<E: Source + Sink + Echo + 'static>(self, end: E, role: Role) -> Box<dyn Part> {
        match role {
            Role::Primary => self.first(end),
            Role::Secondary => self.second(end),
        }
    }

    /// The part of the first process.
    pub(crate) fn first<E: Source + Sink + 'static>(self, end: E) -> Box<dyn Part> {
        match self {
            Self::RoundTrip => Box::new(Asking::new(end)),
            Self::OneWay => Box::new(Sending::new(end)),
        }
    }

    /// The part of the second process.
    pub(crate) fn second<E: Sink + Echo + 'static>(self, end: E) -> Box<dyn Part> {
        match self {
            Self::RoundTrip => Box::new(Echoing(end)),
            Self::OneWay => Box::new(Receiving::new(end)),
        }
    }
}

/// Numbers of the messages that a number of operations are, in steps of a batch.
fn numbers(count: &mut u64, operations: u32, batch: u32) -> impl Iterator<Item = u64> + use<> {
    let first = *count;
    *count += u64::from(operations.next_multiple_of(batch));
    (first..*count).step_by(batch as usize)
}

/// Sends, and checks what comes back.
pub(crate) struct Asking<E> {
    end: E,
    count: u64,
}

impl<E> Asking<E> {
    pub(crate) fn new(end: E) -> Self {
        Self { end, count: 0 }
    }
}

impl<E: Source + Sink> Part for Asking<E> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self { end, count } = self;
        for number in numbers(count, operations, 1) {
            end.send(number, patience)?;
            end.take(number, patience)?;
        }
        Ok(())
    }
}

/// Sends back what came.
pub(crate) struct Echoing<E>(pub(crate) E);

impl<E: Echo> Part for Echoing<E> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            self.0.echo(patience)?;
        }
        Ok(())
    }
}

/// Sends.
pub(crate) struct Sending<S> {
    source: S,
    count: u64,
}

impl<S> Sending<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, count: 0 }
    }
}

impl<S: Source> Part for Sending<S> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self { source, count } = self;
        for number in numbers(count, operations, S::BATCH) {
            source.send(number, patience)?;
        }
        Ok(())
    }
}

/// Receives and checks.
pub(crate) struct Receiving<S> {
    sink: S,
    count: u64,
}

impl<S> Receiving<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self { sink, count: 0 }
    }
}

impl<S: Sink> Part for Receiving<S> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self { sink, count } = self;
        for number in numbers(count, operations, S::BATCH) {
            sink.take(number, patience)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_from_the_next_one() -> Result<(), BenchError> {
        let messages = Messages::new("test", 8192);
        let mut buffer = vec![0; 8192];
        messages.write(&mut buffer, 7);
        messages.check(&buffer, 7)?;
        assert!(messages.check(&buffer, 8).is_err());
        assert!(messages.check(&buffer[..8184], 7).is_err());
        buffer[FRESH - 1] ^= 1;
        assert!(messages.check(&buffer, 7).is_err());
        Ok(())
    }

    #[test]
    fn batches_are_whole() {
        let mut count = 3;
        let numbers: Vec<_> = numbers(&mut count, 20, 16).collect();
        assert_eq!((numbers, count), (vec![3, 19], 35));
    }
}
