//! Calls between two machines of `hqq-core`, each polled by its process.

use hqq_core::advanced::{AdvancedLink, Event, MessageKey, NegotiationState, SessionOptions};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{AttachOptions, DynamicLink, Format, InitOptions, Layout, Role, initialise};

use super::{BUFFER, Bodies, COUNT, METHOD, SIZE};
use crate::error::BenchError;
use crate::memory::{LINE, Lines, region};
use crate::patience::{Hint, Patience};
use crate::runner::{Measure, Part};

/// See the module.
pub(super) struct PolledCalls;

const ID: &str = "call-core";

type Machine<P, C> = AdvancedLink<P, C, 4, 1024, 4, 2>;

fn layout() -> Result<Layout, BenchError> {
    Ok(Layout::compact(COUNT, BUFFER)?)
}

fn machine(
    lines: Lines,
    role: Role,
) -> Result<Machine<impl Producer + use<>, impl Consumer + use<>>, BenchError> {
    let link = DynamicLink::attach(region(lines)?, &AttachOptions::new(role))?;
    let options = SessionOptions::new();
    Ok(Machine::new(link.split(), role, Format::V2, options))
}

impl Measure for PolledCalls {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "hqq-core, call, polled at both ends"
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(layout()?.len().div_ceil(LINE))
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        initialise(&region(lines)?, &layout()?, &InitOptions::new())?;
        Ok(Box::new(Calling {
            machine: machine(lines, Role::Primary)?,
            bodies: Bodies::new(ID),
        }))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Answering(machine(lines, Role::Secondary)?)))
    }
}

struct Calling<P: Producer, C: Consumer> {
    machine: Machine<P, C>,
    bodies: Bodies,
}

/// The next message of some bytes, whose key is asked for.
fn receive<P: Producer, C: Consumer>(
    machine: &mut Machine<P, C>,
    patience: &mut Patience<'_>,
    body: &mut [u8; SIZE],
) -> Result<(MessageKey, usize), BenchError> {
    patience.until(Hint::SpinLoop, || match machine.poll(0) {
        Ok(Some(Event::Message {
            key, body: bytes, ..
        })) => Some(Ok((key, bytes.copy_to(0, body)))),
        Ok(_) => None,
        Err(error) => Some(Err(error.into())),
    })?
}

impl<P: Producer, C: Consumer> Part for Calling<P, C> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let machine = &mut self.machine;
        if machine.session().negotiation() == NegotiationState::Idle {
            machine.negotiate(u64::MAX)?;
            patience.until(Hint::SpinLoop, || {
                if let Err(error) = machine.poll(0) {
                    return Some(Err(BenchError::from(error)));
                }
                machine.session().agreement().map(|_| Ok(()))
            })??;
        }
        let mut answer = [0; SIZE];
        for _ in 0..operations {
            let body = self.bodies.next();
            machine.try_request(METHOD, body)?.ok_or(BenchError::Busy)?;
            let (_, len) = receive(machine, patience, &mut answer)?;
            self.bodies.check(&answer[..len])?;
        }
        Ok(())
    }
}

struct Answering<P: Producer, C: Consumer>(Machine<P, C>);

impl<P: Producer, C: Consumer> Part for Answering<P, C> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let mut body = [0; SIZE];
        for _ in 0..operations {
            let (key, len) = receive(&mut self.0, patience, &mut body)?;
            if !self.0.try_respond(&key, 0, false, &body[..len])? {
                return Err(BenchError::Busy);
            }
        }
        Ok(())
    }
}
