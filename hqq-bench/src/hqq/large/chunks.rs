//! Large messages between two machines of `hqq-core`, each polled by its process.

use hqq_core::advanced::{
    AdvancedLink, Event, NegotiationState, Progress, Reception, SessionOptions,
};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{AttachOptions, DynamicLink, Format, InitOptions, Layout, Role, initialise};

use crate::bulk::{self, BULK};
use crate::error::BenchError;
use crate::measure::Part;
use crate::memory::{Lines, region};
use crate::patience::{Hint, Patience};

/// Nothing is assembled, and nobody calls.
type Machine<P, C> = AdvancedLink<P, C, 1, 8, 2, 2>;

/// Chunks that are sent before the ring is looked at again.
const CHUNKS: usize = 4;

pub(super) fn layout(count: usize, size: usize) -> Result<Layout, BenchError> {
    Ok(Layout::compact(count, size)?)
}

fn machine(
    lines: Lines,
    role: Role,
) -> Result<Machine<impl Producer + use<>, impl Consumer + use<>>, BenchError> {
    let link = DynamicLink::attach(region(lines)?, &AttachOptions::new(role))?;
    let options = SessionOptions::new().max_message_size(BULK as u64);
    let machine = Machine::new(link.split(), role, Format::V2, options);
    Ok(machine.with_reception(Reception::Stream))
}

pub(super) fn first(
    lines: Lines,
    count: usize,
    size: usize,
    in_place: bool,
) -> Result<Box<dyn Part>, BenchError> {
    initialise(&region(lines)?, &layout(count, size)?, &InitOptions::new())?;
    Ok(Box::new(Sending {
        machine: machine(lines, Role::Primary)?,
        in_place,
        number: 0,
    }))
}

pub(super) fn second(lines: Lines, measure: &'static str) -> Result<Box<dyn Part>, BenchError> {
    Ok(Box::new(Receiving {
        measure,
        machine: machine(lines, Role::Secondary)?,
        number: 0,
    }))
}

struct Sending<P: Producer, C: Consumer> {
    machine: Machine<P, C>,
    in_place: bool,
    number: u64,
}

/// Takes in what the peer has to say, which is no message here.
fn listen<P: Producer, C: Consumer>(machine: &mut Machine<P, C>) -> Result<(), BenchError> {
    machine.poll(0)?;
    Ok(())
}

impl<P: Producer, C: Consumer> Sending<P, C> {
    fn negotiate(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let machine = &mut self.machine;
        if machine.session().negotiation() != NegotiationState::Idle {
            return Ok(());
        }
        machine.negotiate(u64::MAX)?;
        patience.until(Hint::SpinLoop, || match listen(machine) {
            Ok(()) => machine.session().agreement().map(|_| Ok(())),
            Err(error) => Some(Err(error)),
        })?
    }

    fn send(&mut self, bytes: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let machine = &mut self.machine;
        let mut transfer = machine.begin_message(0, BULK as u64)?;
        while !transfer.is_finished() {
            patience.until(Hint::SpinLoop, || {
                match machine.advance(&mut transfer, bytes, CHUNKS) {
                    Ok(Progress::Finished | Progress::More) => Some(Ok(())),
                    Ok(_) => listen(machine).err().map(Err),
                    Err(error) => Some(Err(error.into())),
                }
            })??;
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let machine = &mut self.machine;
        let mut transfer = machine.begin_message(0, BULK as u64)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = patience.until(Hint::SpinLoop, || {
                let sent = match machine.try_reserve_chunk(&mut transfer) {
                    Ok(Some(mut grant)) => {
                        let len = grant.capacity().min(rest.len());
                        let chunk = rest.get(..len).unwrap_or_default();
                        let copied = grant.copy_from(0, chunk);
                        let sent = copied.and_then(|()| grant.commit(len, len == rest.len()));
                        Some(sent.map(|()| len).map_err(BenchError::from))
                    }
                    Ok(None) => None,
                    Err(error) => Some(Err(error.into())),
                };
                // No room: the peer may have something to say about it.
                sent.or_else(|| listen(machine).err().map(Err))
            })??;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}

impl<P: Producer, C: Consumer> Part for Sending<P, C> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        self.negotiate(patience)?;
        let mut bytes = bulk::memory();
        for _ in 0..operations {
            self.number += 1;
            bulk::write(&mut bytes, self.number);
            if self.in_place {
                self.fill(&bytes, patience)?;
            } else {
                self.send(&bytes, patience)?;
            }
        }
        Ok(())
    }
}

struct Receiving<P: Producer, C: Consumer> {
    measure: &'static str,
    machine: Machine<P, C>,
    number: u64,
}

impl<P: Producer, C: Consumer> Part for Receiving<P, C> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let machine = &mut self.machine;
        let mut bytes = bulk::memory();
        for _ in 0..operations {
            self.number += 1;
            let mut last = false;
            while !last {
                last = patience.until(Hint::SpinLoop, || match machine.poll(0) {
                    Ok(Some(Event::Chunk { arrival, body })) => {
                        let at = usize::try_from(arrival.offset).unwrap_or(usize::MAX);
                        let to = bytes.get_mut(at..).unwrap_or_default();
                        body.copy_to(0, to);
                        Some(Ok(arrival.last))
                    }
                    Ok(_) => None,
                    Err(error) => Some(Err(BenchError::from(error))),
                })??;
            }
            bulk::check(self.measure, &bytes, self.number)?;
        }
        Ok(())
    }
}
