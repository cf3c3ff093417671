//! What must hold in every state and at every step (PROTOCOL.md, "Invariants"), and when a model
//! has come to its end. Every fault says which invariant it breaks.

use hqq_core::ring::stamp::State;

use crate::explorer::Fault;
use crate::setup::Setup;
use crate::step::Step;
use crate::turn::is_tomb;
use crate::world::{Private, Side, TOMBSTONE, Taken, World};

/// Checks a state.
pub(crate) fn check(setup: &Setup, world: &World) -> Result<(), Fault> {
    one_holder(setup, world)?;
    let [writers, readers] = world.claimed;
    let beyond = |counter: u64, claimed: u8| {
        hqq_core::Position::new(counter).since(setup.position(claimed)) > 0
    };
    let narrow = setup.actors.iter().any(|actor| actor.narrow);
    if beyond(world.w, writers) || !narrow && beyond(world.r, readers) {
        return Err("invariant 3: a counter is beyond what was claimed");
    }
    // Where no exclusive side has left a counter behind.
    let behind = |side: Side, counter: u64, claimed: u8| {
        let mut actors = setup.actors.iter();
        let shared = actors.all(|actor| actor.side != Some(side) || !actor.is_exclusive());
        let most = i64::from(setup.row().max(1));
        shared
            && setup
                .position(claimed)
                .since(hqq_core::Position::new(counter))
                > most
    };
    if behind(Side::Producing, world.w, writers) || behind(Side::Consuming, world.r, readers) {
        return Err("invariant 3: a counter is further behind than a row");
    }
    Ok(())
}

/// Invariant 1: the slot that an actor may write the payload of, or is reading it of.
fn held(setup: &Setup, actor: usize, private: &Private) -> Option<usize> {
    let offset = match (private.step, setup.actors[actor].side?) {
        (
            Step::HelpW {
                position,
                claimed: true,
            },
            _,
        )
        | (
            Step::Fill { position } | Step::PublishHigh { position } | Step::Publish { position },
            _,
        )
        | (
            Step::HelpR {
                position,
                claimed: Some(_),
            }
            | Step::StoreRHigh { position, .. }
            | Step::StoreR { position, .. }
            | Step::ClearTaken { position, .. }
            | Step::StoreTaken { position }
            | Step::MoveBack { position }
            | Step::Read { position, .. },
            _,
        ) => position,
        _ => return None,
    };
    Some(setup.index(offset))
}

fn one_holder(setup: &Setup, world: &World) -> Result<(), Fault> {
    let mut taken = 0_u8;
    for actor in 0..setup.actors.len() {
        if let Some(index) = held(setup, actor, &world.actors[actor]) {
            if taken & 1 << index != 0 {
                return Err("invariant 1: two hold one slot");
            }
            taken |= 1 << index;
        }
    }
    Ok(())
}

/// A payload is written: nobody else may be at it, unless it is the tombstone that lies there.
pub(crate) fn fill(
    setup: &Setup,
    world: &World,
    actor: usize,
    index: usize,
    tag: u8,
) -> Result<(), Fault> {
    let disturbed = (0..setup.actors.len())
        .any(|other| other != actor && held(setup, other, &world.actors[other]) == Some(index));
    if disturbed && !(is_tomb(tag) && world.payloads[index] == tag) {
        return Err("invariant 1: a payload is written that another holds");
    }
    Ok(())
}

/// A position is published with the payload `tag`.
pub(crate) fn record(world: &mut World, offset: u8, tag: u8) -> Result<(), Fault> {
    let published = &mut world.published[usize::from(offset)];
    if *published != 0 {
        return Err("invariant 2: a position is published twice");
    }
    *published = tag;
    let open = world.status[Side::Producing as usize].taken == Taken::Open;
    if !is_tomb(tag) && !open {
        return Err("invariant 6: a message comes after the side was closed");
    }
    Ok(())
}

/// A message is taken back, and will be said not to have been executed: invariant 5.
pub(crate) fn retract(world: &mut World, offset: u8) -> Result<(), Fault> {
    let bit = 1_u16 << offset;
    if (world.delivered | world.doubted | world.excused) & bit != 0 {
        return Err("invariant 5: a message is taken back that a consumer had claimed");
    }
    // From here on it must not be handed out.
    world.published[usize::from(offset)] = 0;
    Ok(())
}

/// A message is handed out: invariants 1, 5 and 11.
pub(crate) fn deliver(
    setup: &Setup,
    world: &mut World,
    actor: usize,
    offset: u8,
    opcode: u8,
    doubt: bool,
) -> Result<(), Fault> {
    let published = world.published[usize::from(offset)];
    let payload = world.payloads[setup.index(offset)];
    if published == 0 {
        return Err("invariant 5: what was not published is handed out");
    }
    if payload != published {
        return Err("invariant 1: the payload read is not the one published");
    }
    let tomb = opcode == TOMBSTONE;
    if tomb != is_tomb(published) {
        return Err("invariant 1: the opcode read is not the one published");
    }
    if tomb {
        return Ok(());
    }
    let bit = 1_u16 << offset;
    // Of a run the second message.
    let second = setup.runs && world.actors[actor].taken == 1;
    if doubt {
        if world.excused & bit == 0 {
            return Err("invariant 5: in doubt though nobody that had claimed it died");
        }
        if !setup.at_least_once() {
            return Err("invariant 5: handed out in doubt where delivery is at most once");
        }
        if second || !setup.runs {
            world.doubted |= bit;
        }
        return Ok(());
    }
    let delivered = if second {
        &mut world.rest_delivered
    } else {
        &mut world.delivered
    };
    if (*delivered | world.doubted) & bit != 0 {
        return Err("invariant 5: a message is delivered twice");
    }
    *delivered |= bit;
    let (sender, number) = (usize::from(payload >> 4), payload & 0xf);
    let number = 2 * number + u8::from(second);
    let seen = &mut world.actors[actor].seen[sender];
    if *seen >= number {
        return Err("invariant 10: a sender's messages are out of order");
    }
    *seen = number;
    Ok(())
}

/// `released` was stored: invariant 4.
pub(crate) fn released(
    setup: &Setup,
    world: &World,
    actor: usize,
    offset: u8,
) -> Result<(), Fault> {
    let unread = (0..offset).any(|before| {
        let held = (0..setup.actors.len()).any(|other| {
            other != actor
                && matches!(world.actors[other].step, Step::Read { position, .. } if position == before)
        });
        held || !accounted(setup, world, before)
    });
    if unread {
        return Err("invariant 4: released is beyond what was read");
    }
    Ok(())
}

/// Whether a position needs no consumer any more: a tombstone, or handed out as the policy says.
fn accounted(setup: &Setup, world: &World, offset: u8) -> bool {
    let bit = 1_u16 << offset;
    let published = world.published[usize::from(offset)];
    let lost = world.excused & bit != 0 && !setup.at_least_once();
    let delivered = if setup.runs {
        world.delivered & world.rest_delivered
    } else {
        world.delivered
    };
    published == 0 || is_tomb(published) || (delivered | world.doubted) & bit != 0 || lost
}

/// A consumer reports that nothing is left of the positions before `until`, which were claimed when
/// the producing side closed, or was seen to be dead: invariant 6.
pub(crate) fn end(setup: &Setup, world: &World, until: u8) -> Result<(), Fault> {
    let left = (0..until).any(|offset| {
        // At most once, another may still be reading: whatever becomes of it, it is not this one's.
        let at = setup.position(offset);
        let reading = matches!(State::of(world.stamps[setup.index(offset)]),
            State::Reading(found, ..) if found == at);
        let elsewhere = reading && !setup.at_least_once();
        !accounted(setup, world, offset) && !elsewhere
    });
    if left {
        return Err("invariant 6: end-of-file though a message is left");
    }
    Ok(())
}

/// Whether everybody has left or died and everything is where it should be.
pub(crate) fn is_done(setup: &Setup, world: &World) -> bool {
    let mut consumers = setup
        .actors
        .iter()
        .zip(&world.actors)
        .filter(|(spec, _)| spec.side == Some(Side::Consuming))
        .map(|(_, private)| private);
    let informed = consumers
        .clone()
        .any(|private| private.step == Step::Gone { informed: true });
    // Nobody is left who could receive: whoever sends waits for one to come.
    if !informed && consumers.all(has_ended) {
        return true;
    }
    let status = world.status[Side::Producing as usize];
    let all = || setup.actors.iter().zip(&world.actors);
    let senders =
        all().any(|(spec, private)| spec.side == Some(Side::Producing) && !has_ended(private));
    let at_rest = all().all(|(spec, private)| {
        // One that came after the end, or is yet to come, waits for others.
        let waits = !senders && (private.step == Step::Away || private.ignored == Some(status));
        spec.side.is_none() || has_ended(private) || waits
    });
    let everything =
        (0..world.claimed[Side::Producing as usize]).all(|offset| accounted(setup, world, offset));
    at_rest && everything
}

fn has_ended(private: &Private) -> bool {
    matches!(private.step, Step::Dead | Step::Gone { .. })
}
