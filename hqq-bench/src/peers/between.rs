//! Carriers of bytes between two processes, which the system gives. The first process makes one, the
//! second finds it by the first one's process id, and the connection is completed when the first message
//! goes.

use std::os::unix::process::parent_id;
use std::process;
use std::sync::atomic::Ordering;

use crate::error::BenchError;
use crate::hqq::link::BATCH;
use crate::measure::{Measure, Part};
use crate::memory::Lines;
use crate::patience::Patience;
use crate::work::{
    Asking, Buffered, Echoing, End, Messages, Receiving, Sending, Sink, Source, Way,
};

/// How much a carrier holds of what was sent and not received yet, where that can be set. Which is faster
/// depends on the machine's caches: more room means fewer waits, and more lines to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// As the system makes it.
    Default,
    /// [`LARGE`] bytes.
    Large,
}

/// What every user may have of a pipe, and more than the default of a socket; a system that allows less
/// gives less.
pub(crate) const LARGE: usize = 1 << 20;

/// How a carrier is made at both ends.
pub(crate) trait Carrier: Sized + 'static {
    /// The end of the first process, before the second one starts. `lines` are for what the second one
    /// needs to know, `name` is for what needs a name in the system.
    ///
    /// # Errors
    /// [`BenchError`].
    fn first(name: &str, size: usize, room: Room, lines: Lines) -> Result<Self, BenchError>;

    /// The end of the second process.
    ///
    /// # Errors
    /// [`BenchError`].
    fn second(name: &str, size: usize, room: Room, lines: Lines) -> Result<Self, BenchError>;

    /// Sends the bytes, all of them.
    ///
    /// # Errors
    /// [`BenchError`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError>;

    /// Receives as many bytes as have come, at least one and at most a buffer.
    ///
    /// # Errors
    /// [`BenchError`].
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BenchError>;

    /// Sends messages of `size` bytes each, which lie side by side, with one call where all go.
    ///
    /// # Errors
    /// [`BenchError`].
    #[inline]
    fn write_batch(&mut self, bytes: &[u8], _size: usize) -> Result<(), BenchError> {
        self.write(bytes)
    }

    /// Receives as many bytes as have come of such messages, at least one and at most a buffer.
    ///
    /// # Errors
    /// [`BenchError`].
    #[inline]
    fn read_batch(&mut self, buffer: &mut [u8], _size: usize) -> Result<usize, BenchError> {
        self.read(buffer)
    }
}

/// Lines of shared memory for a carrier.
const LINES: usize = 32;

/// Messages over a carrier: one write and one read each, or a batch at a time.
pub(crate) struct Between<C> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    pub(crate) size: usize,
    pub(crate) batched: bool,
    room: Room,
    pub(crate) carrier: std::marker::PhantomData<C>,
}

impl<C: Carrier> Between<C> {
    pub(crate) fn new(id: &'static str, name: &'static str, way: Way, size: usize) -> Self {
        Self {
            id,
            name,
            way,
            size,
            batched: false,
            room: Room::Default,
            carrier: std::marker::PhantomData,
        }
    }

    /// In batches.
    pub(crate) fn batched(mut self) -> Self {
        self.batched = true;
        self
    }

    /// With as much room.
    pub(crate) fn room(mut self, room: Room) -> Self {
        self.room = room;
        self
    }

    /// The carrier's name in the system.
    fn system_name(&self, first: u32) -> String {
        format!("hqq-bench-{first}-{}", self.id)
    }
}

impl<C: Carrier> Measure for Between<C> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(LINES)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let carrier = C::first(
            &self.system_name(process::id()),
            self.size,
            self.room,
            lines,
        )?;
        let messages = Messages::new(self.id, self.size);
        Ok(match (self.way, self.batched) {
            (Way::OneWay, true) => Box::new(Sending::new(Batches::new(carrier, messages))),
            (Way::OneWay, false) => Box::new(Sending::new(Buffered::new(Whole(carrier), messages))),
            (Way::RoundTrip, _) => Box::new(Asking::new(Buffered::new(Whole(carrier), messages))),
        })
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let carrier = C::second(&self.system_name(parent_id()), self.size, self.room, lines)?;
        let messages = Messages::new(self.id, self.size);
        Ok(match (self.way, self.batched) {
            (Way::OneWay, true) => Box::new(Receiving::new(Batches::new(carrier, messages))),
            (Way::OneWay, false) => {
                Box::new(Receiving::new(Buffered::new(Whole(carrier), messages)))
            }
            (Way::RoundTrip, _) => Box::new(Echoing(Buffered::new(Whole(carrier), messages))),
        })
    }

    fn batch(&self) -> u32 {
        if self.batched { BATCH } else { 1 }
    }
}

/// One message at a time.
struct Whole<C>(C);

impl<C: Carrier> End for Whole<C> {
    #[inline]
    fn send(&mut self, message: &[u8], _: &mut Patience<'_>) -> Result<(), BenchError> {
        self.0.write(message)
    }

    #[inline]
    fn recv(&mut self, buffer: &mut [u8], _: &mut Patience<'_>) -> Result<usize, BenchError> {
        // One read suffices but for messages that are longer than what the carrier holds.
        let mut filled = 0;
        while filled < buffer.len() {
            filled += self.0.read(&mut buffer[filled..])?;
        }
        Ok(filled)
    }
}

/// As many messages at a time as there are.
struct Batches<C> {
    carrier: C,
    messages: Messages,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// Bytes of `incoming` that came.
    filled: usize,
}

impl<C: Carrier> Batches<C> {
    fn new(carrier: C, messages: Messages) -> Self {
        let len = messages.size * BATCH as usize;
        Self {
            carrier,
            messages,
            outgoing: vec![0; len],
            incoming: vec![0; len],
            filled: 0,
        }
    }
}

impl<C: Carrier> Source for Batches<C> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn send(&mut self, number: u64, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let messages = self.outgoing.chunks_mut(self.messages.size);
        for (message, number) in messages.zip(number..) {
            self.messages.write(message, number);
        }
        let size = self.messages.size;
        self.carrier.write_batch(&self.outgoing, size)
    }
}

impl<C: Carrier> Sink for Batches<C> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn take(&mut self, number: u64, _: &mut Patience<'_>) -> Result<(), BenchError> {
        self.filled = 0;
        while self.filled < self.incoming.len() {
            let rest = &mut self.incoming[self.filled..];
            self.filled += self.carrier.read_batch(rest, self.messages.size)?;
        }
        let messages = self.incoming.chunks(self.messages.size);
        for (message, number) in messages.zip(number..) {
            self.messages.check(message, number)?;
        }
        Ok(())
    }
}

/// Leaves numbers in the lines for the second process.
pub(crate) fn tell(lines: Lines, numbers: &[u64]) {
    for (word, number) in lines[0].0.iter().zip(numbers) {
        // Relaxed: the second process is started after this.
        word.store(*number, Ordering::Relaxed);
    }
}

/// What the first process left.
pub(crate) fn told<const N: usize>(lines: Lines) -> [u64; N] {
    // Relaxed: stored before this process was started.
    std::array::from_fn(|index| lines[0].0[index].load(Ordering::Relaxed))
}

/// The bytes that `read` gives for a buffer; an end is an error.
pub(crate) fn some(peer: &'static str, len: usize) -> Result<usize, BenchError> {
    if len > 0 {
        return Ok(len);
    }
    Err(BenchError::Peer {
        peer,
        source: Box::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
    })
}
