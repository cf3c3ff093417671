//! Any bytes as a region: a typed error, or links whose every call stays in bounds and in time,
//! whatever a peer does to the region between the calls and during them.
#![no_main]

mod input;
mod memory;
mod peer;
mod receive;
mod scribble;
mod send;
mod steps;
mod tally;

use hqq_core::{AttachError, AttachOptions, Dynamic, Fixed, Geometry, Link, Region, SharedLink};
use libfuzzer_sys::fuzz_target;

use input::{Attach, Call, FIXED_COUNT, FIXED_SIZE, Input, Kind};
use memory::Memory;
use peer::Peer;
use receive::ReceiveHalf;
use send::SendHalf;
use steps::Steps;

/// Calls made of one input at most; more of them find nothing that a second input would not.
const MAX_CALLS: usize = 64;
/// Senders, and receivers, that one input has at a time at most.
const MAX_HALVES: usize = 6;

fuzz_target!(init: tally::start(), |input: Input| {
    let memory = Memory::new(&input.region);
    let has_attached = run(&memory, &input);
    tally::note(has_attached);
});

/// Makes the calls of an input; says whether any attach succeeded.
fn run(memory: &Memory, input: &Input) -> bool {
    let mut session = Session {
        memory,
        senders: Vec::new(),
        receivers: Vec::new(),
        has_attached: false,
    };
    for attach in &input.attaches {
        session.attach(attach);
        memory.check_canaries();
    }
    for call in input.calls.iter().take(MAX_CALLS) {
        session.make(call);
        memory.check_canaries();
    }
    session.has_attached
}

/// The halves of links that are open.
struct Session<'a> {
    memory: &'a Memory,
    senders: Vec<SendHalf>,
    receivers: Vec<ReceiveHalf>,
    has_attached: bool,
}

impl Session<'_> {
    fn make(&mut self, call: &Call) {
        match call {
            Call::Attach(attach) => self.attach(attach),
            Call::Send { half, call, peer } => {
                if let Some(sender) = pick(&mut self.senders, *half) {
                    sender.make(call, Peer::new(self.memory, peer));
                }
            }
            Call::Receive { half, call, peer } => {
                if let Some(receiver) = pick(&mut self.receivers, *half) {
                    receiver.make(call, Peer::new(self.memory, peer));
                }
            }
            Call::CloneSender(half) => {
                if let Some(clone) = pick(&mut self.senders, *half).and_then(|half| half.share()) {
                    push(&mut self.senders, clone);
                }
            }
            Call::CloneReceiver(half) => {
                if let Some(clone) = pick(&mut self.receivers, *half).and_then(|half| half.share())
                {
                    push(&mut self.receivers, clone);
                }
            }
            Call::CloseSender(half) => remove(&mut self.senders, *half),
            Call::CloseReceiver(half) => remove(&mut self.receivers, *half),
            Call::Scribble(scribble) => self.memory.scribble(scribble),
        }
    }

    fn attach(&mut self, attach: &Attach) {
        let Ok(region) = self.memory.region() else {
            return;
        };
        let (sending, receiving) = attach.presence();
        let options = AttachOptions::new(attach.role())
            .member(attach.member())
            .pid(1)
            .presence(sending, receiving);
        let steps = Steps::start();
        let halves = open(attach.kind, region, &options);
        let layout = self.memory.layout();
        steps.check(1, layout.count(), layout.size());
        match halves {
            Ok((sender, receiver)) => {
                self.has_attached = true;
                push(&mut self.senders, sender);
                push(&mut self.receivers, receiver);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Attaches with the type of link that `kind` says.
fn open(
    kind: Kind,
    region: Region,
    options: &AttachOptions,
) -> Result<(SendHalf, ReceiveHalf), AttachError> {
    match kind {
        Kind::Dynamic => {
            let (sender, receiver) = exclusive::<Dynamic>(region, options)?.split();
            Ok((SendHalf::Dynamic(sender), ReceiveHalf::Dynamic(receiver)))
        }
        Kind::Fixed => {
            let link = exclusive::<Fixed<FIXED_COUNT, FIXED_SIZE>>(region, options)?;
            let (sender, receiver) = link.split();
            Ok((SendHalf::Fixed(sender), ReceiveHalf::Fixed(receiver)))
        }
        Kind::Shared => {
            let (producer, consumer) = SharedLink::<Dynamic>::attach(region, options)?.split();
            Ok((
                SendHalf::shared(producer.into()),
                ReceiveHalf::shared(consumer.into()),
            ))
        }
    }
}

fn exclusive<G: Geometry>(region: Region, options: &AttachOptions) -> Result<Link<G>, AttachError> {
    Link::attach(region, options)
}

/// The half that `index` means, of those that are there.
fn pick<T>(halves: &mut [T], index: u8) -> Option<&mut T> {
    let index = usize::from(index).checked_rem(halves.len())?;
    halves.get_mut(index)
}

/// Adds a half; where there are many, the oldest closes.
fn push<T>(halves: &mut Vec<T>, half: T) {
    if halves.len() >= MAX_HALVES {
        halves.remove(0);
    }
    halves.push(half);
}

/// Closes the half that `index` means.
fn remove<T>(halves: &mut Vec<T>, index: u8) {
    if let Some(index) = usize::from(index).checked_rem(halves.len()) {
        halves.swap_remove(index);
    }
}
