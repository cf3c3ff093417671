//! Round trips of the exclusive link, spinning.

use hqq_core::{AttachOptions, DynamicLink, InitOptions, Layout, Role, initialise};

use crate::error::BenchError;
use crate::memory::{LINE, Lines, region};
use crate::patience::{Hint, Patience};
use crate::runner::{Measure, Part};

/// Buffers in each direction.
const COUNT: usize = 64;
/// Bytes in a buffer, and the longest message measured.
const SIZE: usize = 256;

/// Round trips of messages of `size` bytes, written, echoed and compared.
pub(crate) struct LinkRoundTrip {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// A multiple of 8, at most [`SIZE`].
    pub(crate) size: usize,
    pub(crate) hint: Hint,
}

impl LinkRoundTrip {
    fn layout() -> Result<Layout, BenchError> {
        Ok(Layout::compact(COUNT, SIZE)?)
    }

    fn part(&self, lines: Lines, role: Role) -> Result<LinkPart, BenchError> {
        Ok(LinkPart {
            measure: self.id,
            link: DynamicLink::attach(region(lines)?, &AttachOptions::new(role))?,
            hint: self.hint,
            size: self.size,
            count: 0,
        })
    }
}

impl Measure for LinkRoundTrip {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(Self::layout()?.len().div_ceil(LINE))
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        initialise(&region(lines)?, &Self::layout()?, &InitOptions::new())?;
        Ok(Box::new(Asking(self.part(lines, Role::Primary)?)))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Echoing(self.part(lines, Role::Secondary)?)))
    }
}

struct LinkPart {
    measure: &'static str,
    link: DynamicLink,
    hint: Hint,
    size: usize,
    count: u64,
}

impl LinkPart {
    #[inline]
    fn send(&mut self, message: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut wait = patience.waiting(self.hint);
        let sent = self.link.send(message, &mut wait);
        sent.map_err(|error| wait.explain(error))
    }

    #[inline]
    fn recv<'b>(
        &mut self,
        buffer: &'b mut [u8; SIZE],
        patience: &mut Patience<'_>,
    ) -> Result<&'b [u8], BenchError> {
        let mut wait = patience.waiting(self.hint);
        match self.link.recv(buffer, &mut wait) {
            Ok(len) => Ok(&buffer[..len]),
            Err(error) => Err(wait.explain(error)),
        }
    }
}

/// The first process: sends, and compares what comes back.
struct Asking(LinkPart);

impl Part for Asking {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self(part) = self;
        let (mut sent, mut received) = ([0; SIZE], [0; SIZE]);
        for _ in 0..operations {
            part.count += 1;
            let (words, _) = sent[..part.size].as_chunks_mut();
            for (word, number) in words.iter_mut().zip(part.count..) {
                *word = number.to_ne_bytes();
            }
            let message = &sent[..part.size];
            part.send(message, patience)?;
            if part.recv(&mut received, patience)? != message {
                return Err(BenchError::Changed {
                    measure: part.measure,
                });
            }
        }
        Ok(())
    }
}

/// The second process: sends back what came.
struct Echoing(LinkPart);

impl Part for Echoing {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self(part) = self;
        let mut buffer = [0; SIZE];
        for _ in 0..operations {
            let message = part.recv(&mut buffer, patience)?;
            part.send(message, patience)?;
        }
        Ok(())
    }
}
