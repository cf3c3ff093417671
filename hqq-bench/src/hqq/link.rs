//! The links of `hqq-core` between two processes, spinning: exclusive, shared, of either format;
//! copying, lending and in batches.
#![allow(
    unsafe_code,
    reason = "vouches for the other process, which is this program, too"
)]

use hqq_core::ring::{Consumer, Handle, Producer};
use hqq_core::{
    AttachOptions, Dynamic, DynamicLink, Format1Link, InitOptions, Layout, Receiver, Role, Sender,
    SharedLink, initialise,
};

use crate::error::BenchError;
use crate::measure::DEPTH;
use crate::memory::{LINE, Lines, region};
use crate::patience::{Hint, Patience};
use crate::runner::{Measure, Part};
use crate::work::{End, Messages, Receiving, Sending, Sink, Source, Way, copying};

/// Messages in a batch.
pub(crate) const BATCH: u32 = 16;
/// Bytes in a page.
const PAGE: usize = 4096;
/// Bytes of all buffers of a direction, at most.
const MOST: usize = 4 << 20;

/// Who is on a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sides {
    /// One thread.
    Exclusive,
    /// Any number of threads; here one each.
    Shared,
    /// One thread, on a region of format 1.
    Format1,
}

/// How bytes get into a buffer and out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lending {
    /// `send` and `recv`.
    Copying,
    /// `reserve` and `next`, copying into grants and out of them.
    Grant,
    /// `trusted().send_with` and `recv_with`.
    Closure,
    /// `trusted().reserve` and `next`: slices over the buffers.
    TrustedGrant,
    /// `try_send_batch` and `try_recv_batch`.
    Batch,
}

/// Messages over a link of `hqq-core`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreLink {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) sides: Sides,
    pub(crate) way: Way,
    /// Of messages one way; round trips copy.
    pub(crate) lending: Lending,
    /// A multiple of 8.
    pub(crate) size: usize,
    /// Buffers in each direction.
    pub(crate) count: usize,
    pub(crate) hint: Hint,
}

impl CoreLink {
    /// Round trips of messages of `size` bytes over an exclusive link.
    pub(crate) fn round_trip(id: &'static str, name: &'static str, size: usize) -> Self {
        Self {
            id,
            name,
            sides: Sides::Exclusive,
            way: Way::RoundTrip,
            lending: Lending::Copying,
            size,
            count: 64,
            hint: Hint::SpinLoop,
        }
    }

    /// Messages of `size` bytes one way over an exclusive link.
    pub(crate) fn one_way(id: &'static str, name: &'static str, size: usize) -> Self {
        Self {
            way: Way::OneWay,
            count: Self::depth(size),
            ..Self::round_trip(id, name, size)
        }
    }

    /// The buffers that a link for messages of `size` bytes gets here, as many as queues that are
    /// compared with it; fewer where they are long.
    pub(crate) fn depth(size: usize) -> usize {
        (MOST / size).clamp(4, DEPTH)
    }

    pub(crate) const fn sides(mut self, sides: Sides) -> Self {
        self.sides = sides;
        self
    }

    pub(crate) const fn lending(mut self, lending: Lending) -> Self {
        self.lending = lending;
        self
    }

    pub(crate) const fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    pub(crate) const fn hint(mut self, hint: Hint) -> Self {
        self.hint = hint;
        self
    }

    fn layout(&self) -> Result<Layout, BenchError> {
        let size = match self.lending {
            // Room for a whole batch side by side, as whoever sends batches would choose it.
            Lending::Batch => self.size * BATCH as usize,
            _ => self.size,
        };
        Ok(match self.sides {
            Sides::Format1 => Layout::format_1(self.count, size, PAGE)?,
            _ => Layout::compact(self.count, size)?,
        })
    }

    fn part(&self, lines: Lines, role: Role) -> Result<Box<dyn Part>, BenchError> {
        let (region, options) = (region(lines)?, AttachOptions::new(role));
        Ok(match self.sides {
            Sides::Exclusive => {
                let (sender, receiver) = DynamicLink::attach(region, &options)?.split();
                self.moving(sender, receiver, role)
            }
            Sides::Shared => {
                // For as long as the program runs, as other threads could use it.
                let link = SharedLink::<Dynamic>::attach(region, &options)?;
                let link: &'static SharedLink<Dynamic> = Box::leak(Box::new(link));
                self.moving(link.sender(), link.receiver(), role)
            }
            Sides::Format1 => {
                let link = Format1Link::<Dynamic>::attach(region, &options)?;
                let (producer, consumer) = link.split();
                let sender = Sender::new(Handle::owned(producer));
                self.moving(sender, Receiver::new(Handle::owned(consumer)), role)
            }
        })
    }

    /// The part of the process that has this role.
    fn moving<P: Producer + 'static, C: Consumer + 'static>(
        &self,
        sender: Sender<P>,
        receiver: Receiver<C>,
        role: Role,
    ) -> Box<dyn Part> {
        let (messages, hint) = (Messages::new(self.id, self.size), self.hint);
        let (sends, buffer) = (role == Role::Primary, vec![0; self.size]);
        let end = LinkEnd {
            sender,
            receiver,
            hint,
        };
        let lent = |end| Lent {
            end,
            messages,
            buffer,
        };
        match (self.way, self.lending) {
            (Way::RoundTrip, _) | (Way::OneWay, Lending::Copying) => {
                copying(end, messages, self.way, role)
            }
            (Way::OneWay, Lending::Grant) => one_way(sends, lent(end)),
            (Way::OneWay, Lending::Closure) => one_way(sends, InClosures(lent(end))),
            (Way::OneWay, Lending::TrustedGrant) => one_way(sends, InPlace(lent(end))),
            (Way::OneWay, Lending::Batch) => one_way(sends, Batched::new(end, messages)),
        }
    }
}

fn one_way<E: Source + Sink + 'static>(sends: bool, end: E) -> Box<dyn Part> {
    if sends {
        Box::new(Sending::new(end))
    } else {
        Box::new(Receiving::new(end))
    }
}

impl Measure for CoreLink {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(self.layout()?.len().div_ceil(LINE))
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        initialise(&region(lines)?, &self.layout()?, &InitOptions::new())?;
        self.part(lines, Role::Primary)
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        self.part(lines, Role::Secondary)
    }

    fn batch(&self) -> u32 {
        match self.lending {
            Lending::Batch => BATCH,
            _ => 1,
        }
    }
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
        // Not moved, where nothing failed: it would be read in other pieces than it was written in.
        match self.sender.send(message, &mut wait) {
            Ok(()) => Ok(()),
            Err(error) => Err(wait.explain(error)),
        }
    }

    #[inline]
    fn recv(
        &mut self,
        buffer: &mut [u8],
        patience: &mut Patience<'_>,
    ) -> Result<usize, BenchError> {
        let mut wait = patience.waiting(self.hint);
        match self.receiver.recv(buffer, &mut wait) {
            Ok(len) => Ok(len),
            Err(error) => Err(wait.explain(error)),
        }
    }
}

/// Through grants, without trust.
struct Lent<P: Producer, C: Consumer> {
    end: LinkEnd<P, C>,
    messages: Messages,
    buffer: Vec<u8>,
}

impl<P: Producer, C: Consumer> Source for Lent<P, C> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        self.messages.write(&mut self.buffer, number);
        let mut wait = patience.waiting(self.end.hint);
        match self.end.sender.reserve(&mut wait) {
            Ok(mut grant) => {
                grant.copy_from(0, &self.buffer)?;
                grant.commit(self.messages.size)?;
                Ok(())
            }
            Err(error) => Err(wait.explain(error)),
        }
    }
}

impl<P: Producer, C: Consumer> Sink for Lent<P, C> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut wait = patience.waiting(self.end.hint);
        match self.end.receiver.next(&mut wait) {
            Ok(grant) => {
                let len = grant.copy_to(0, &mut self.buffer);
                drop(grant);
                let received = self.buffer.get(..len).unwrap_or_default();
                self.messages.check(received, number)
            }
            Err(error) => Err(wait.explain(error)),
        }
    }
}

/// In place, in closures.
struct InClosures<P: Producer, C: Consumer>(Lent<P, C>);

impl<P: Producer, C: Consumer> Source for InClosures<P, C> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Lent { end, messages, .. } = &mut self.0;
        let mut wait = patience.waiting(end.hint);
        // SAFETY: the other process is this program, which keeps to the protocol.
        let mut sender = unsafe { end.sender.trusted() };
        let sent = sender.send_with(messages.size, &mut wait, |bytes| {
            messages.write(bytes, number);
        });
        sent.map_err(|error| wait.explain(error))
    }
}

impl<P: Producer, C: Consumer> Sink for InClosures<P, C> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Lent { end, messages, .. } = &mut self.0;
        let mut wait = patience.waiting(end.hint);
        // SAFETY: as in `send`.
        let mut receiver = unsafe { end.receiver.trusted() };
        match receiver.recv_with(&mut wait, |bytes| messages.check(bytes, number)) {
            Ok(checked) => checked,
            Err(error) => Err(wait.explain(error)),
        }
    }
}

/// In place, in grants.
struct InPlace<P: Producer, C: Consumer>(Lent<P, C>);

impl<P: Producer, C: Consumer> Source for InPlace<P, C> {
    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Lent { end, messages, .. } = &mut self.0;
        let mut wait = patience.waiting(end.hint);
        // SAFETY: the other process is this program, which keeps to the protocol.
        let mut sender = unsafe { end.sender.trusted() };
        match sender.reserve(&mut wait) {
            Ok(mut grant) => {
                messages.write(&mut grant, number);
                grant.commit(messages.size)?;
                Ok(())
            }
            Err(error) => Err(wait.explain(error)),
        }
    }
}

impl<P: Producer, C: Consumer> Sink for InPlace<P, C> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Lent { end, messages, .. } = &mut self.0;
        let mut wait = patience.waiting(end.hint);
        // SAFETY: as in `send`.
        let mut receiver = unsafe { end.receiver.trusted() };
        match receiver.next(&mut wait) {
            Ok(grant) => messages.check(&grant, number),
            Err(error) => Err(wait.explain(error)),
        }
    }
}

/// Many at a time.
struct Batched<P: Producer, C: Consumer> {
    end: LinkEnd<P, C>,
    messages: Messages,
    outgoing: Vec<Vec<u8>>,
    incoming: Vec<u8>,
}

impl<P: Producer, C: Consumer> Batched<P, C> {
    fn new(end: LinkEnd<P, C>, messages: Messages) -> Self {
        Self {
            end,
            messages,
            outgoing: vec![vec![0; messages.size]; BATCH as usize],
            incoming: vec![0; messages.size],
        }
    }
}

impl<P: Producer, C: Consumer> Source for Batched<P, C> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn send(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for (message, number) in self.outgoing.iter_mut().zip(number..) {
            self.messages.write(message, number);
        }
        let mut rest = self.outgoing.as_slice();
        while !rest.is_empty() {
            let sender = &mut self.end.sender;
            let sent = patience.until(self.end.hint, || match sender.try_send_batch(rest) {
                Err(hqq_core::TrySendError::Full) => None,
                result => Some(result),
            })??;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}

impl<P: Producer, C: Consumer> Sink for Batched<P, C> {
    const BATCH: u32 = BATCH;

    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let Self {
            end,
            messages,
            incoming,
            ..
        } = self;
        let (mut next, after) = (number, number + u64::from(BATCH));
        while next < after {
            let mut checked = Ok(());
            let limit = (after - next) as usize;
            let receiver = &mut end.receiver;
            patience.until(end.hint, || {
                let received = receiver.try_recv_batch(limit, |message| {
                    let len = message.copy_to(0, incoming);
                    let bytes = incoming.get(..len).unwrap_or_default();
                    if let Err(error) = messages.check(bytes, next) {
                        checked = Err(error);
                    }
                    next += 1;
                });
                match received {
                    Err(hqq_core::TryRecvError::Empty) => None,
                    result => Some(result),
                }
            })??;
            checked?;
        }
        Ok(())
    }
}
