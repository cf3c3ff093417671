//! The state of the ring's model: the words of one ring, the locks, what each actor is about to do,
//! and a record of the messages that no actor can see.
//!
//! Words hold real stamps and positions, so that the model works with the functions of
//! `hqq_core::ring::stamp`. What is private to an actor, and the record, count from the position
//! that the ring began at, in a byte.

use hqq_core::Mode;
use hqq_core::Position;
use hqq_core::ring::stamp::State;

use crate::explorer::Fault;
use crate::setup::Setup;
use crate::step::Step;

/// Slots that a state has room for; a setup uses 2 or 4 of them.
pub(crate) const SLOTS: usize = 4;
/// Positions that a state has room for.
pub(crate) const POSITIONS: usize = 16;
/// Actors that a state has room for.
pub(crate) const ACTORS: usize = 6;
/// Member ids of a side: 1 to this.
pub(crate) const MEMBERS: usize = 3;
/// Producers whose messages are told apart.
pub(crate) const SENDERS: usize = 4;

/// The payload that stands for a tombstone's operands.
pub(crate) const TOMB: u8 = 0xff;
/// Opcodes of a message and of a tombstone; the ring does not know what they mean.
pub(crate) const MESSAGE: u8 = 0xfd;
pub(crate) const TOMBSTONE: u8 = 0xfe;

/// Ends of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Producing,
    Consuming,
}

impl Side {
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Producing => Self::Consuming,
            Self::Consuming => Self::Producing,
        }
    }
}

/// Whether a side was ever taken, is, was left by its last member, or is recorded as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Taken {
    Vacant,
    Open,
    Closed,
    Dead,
}

/// The status word of a side; the mode in it decides nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    pub(crate) taken: Taken,
    pub(crate) epoch: u8,
}

/// Who holds the lock byte of a member id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Nobody,
    /// The process whose id it is.
    Member,
    /// An actor that repairs for a dead member.
    Repairer(u8),
}

/// An end of the producing side that a consumer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ending {
    pub(crate) dead: bool,
    /// Positions that were claimed when it was recorded.
    pub(crate) until: u8,
}

/// An actor's private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Private {
    pub(crate) step: Step,
    /// An exclusive side's position; a consumer that hands out messages in doubt: the next.
    pub(crate) position: u8,
    /// The position after the one that a shared side claimed last, where it begins at that.
    pub(crate) row: Option<u8>,
    /// Positions before it may have been read by a consumer that died.
    pub(crate) settled: u8,
    /// What an exclusive consumer last stored in `released`.
    pub(crate) flushed: u8,
    /// An exclusive producer's copy of `released`.
    pub(crate) cached: u32,
    /// Messages sent, or received.
    pub(crate) done: u8,
    /// The status of the other side when this one was taken, where it was not open.
    pub(crate) ignored: Option<Status>,
    /// The last message got from each sender, those in doubt excepted.
    pub(crate) seen: [u8; SENDERS],
    /// What a consumer goes by that looks for the end.
    pub(crate) ending: Option<Ending>,
    /// T8 was done.
    pub(crate) retracted: bool,
    /// Messages of the run at hand that were handed out; of a consumer that joined, of the next one.
    pub(crate) taken: u8,
}

impl Private {
    pub(crate) const fn at(step: Step) -> Self {
        Self {
            step,
            position: 0,
            row: None,
            settled: 0,
            flushed: 0,
            cached: 0,
            done: 0,
            ignored: None,
            seen: [0; SENDERS],
            ending: None,
            retracted: false,
            taken: 0,
        }
    }

    /// Attached, or about to be.
    pub(crate) const fn is_alive(&self) -> bool {
        !matches!(self.step, Step::Away | Step::Dead | Step::Gone { .. })
    }
}

/// A state of the model.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) stamps: [u64; SLOTS],
    pub(crate) payloads: [u8; SLOTS],
    pub(crate) w: u64,
    pub(crate) r: u64,
    pub(crate) released: u32,
    pub(crate) taken: u32,
    pub(crate) status: [Status; 2],
    /// Member records that are open in the side's epoch, one bit an id.
    pub(crate) records: [u8; 2],
    /// Who holds ATTACH.
    pub(crate) attach: Option<u8>,
    pub(crate) bytes: [[Holder; MEMBERS]; 2],
    pub(crate) actors: [Private; ACTORS],
    /// Deaths that may still come.
    pub(crate) deaths: u8,
    /// What was published where: the sender and the number of its message, or `TOMB`.
    pub(crate) published: [u8; POSITIONS],
    /// One bit a position: handed out; handed out in doubt; claimed by a consumer that died.
    pub(crate) delivered: u16,
    /// The same of the second message of a run.
    pub(crate) rest_delivered: u16,
    pub(crate) doubted: u16,
    pub(crate) excused: u16,
    /// How many positions were claimed, by producers and by consumers.
    pub(crate) claimed: [u8; 2],
    /// Positions claimed when the producing side was recorded as closed or dead last.
    pub(crate) ended_at: u8,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut world = Self {
            stamps: [0; SLOTS],
            payloads: [0; SLOTS],
            w: setup.base,
            r: setup.base,
            released: setup.position(0).low(),
            taken: 0,
            status: [Status {
                taken: Taken::Vacant,
                epoch: 0,
            }; 2],
            records: [0; 2],
            attach: None,
            bytes: [[Holder::Nobody; MEMBERS]; 2],
            actors: [Private::at(Step::Away); ACTORS],
            deaths: setup.deaths,
            published: [0; POSITIONS],
            delivered: 0,
            rest_delivered: 0,
            doubted: 0,
            excused: 0,
            claimed: [0; 2],
            ended_at: 0,
        };
        for offset in 0..setup.count {
            let position = setup.position(offset as u8);
            world.stamps[position.index(setup.count)] = State::Free(position).word();
        }
        for (actor, spec) in setup.actors.iter().enumerate() {
            let Some(side) = spec.side else {
                world.actors[actor].step = Step::Idle;
                continue;
            };
            if spec.late {
                continue;
            }
            world.actors[actor].step = Step::Idle;
            world.actors[actor].cached = world.released;
            world.bytes[side as usize][usize::from(spec.member) - 1] = Holder::Member;
            world.records[side as usize] |= 1 << spec.member;
            world.status[side as usize] = Status {
                taken: Taken::Open,
                epoch: 1,
            };
        }
        world
    }

    pub(crate) fn holder(&self, side: Side, member: u8) -> Holder {
        self.bytes[side as usize][usize::from(member) - 1]
    }

    pub(crate) fn set_holder(&mut self, side: Side, member: u8, holder: Holder) {
        self.bytes[side as usize][usize::from(member) - 1] = holder;
    }

    /// Stores `new` in a slot.
    pub(crate) fn set_stamp(
        &mut self,
        setup: &Setup,
        actor: usize,
        index: usize,
        new: u64,
    ) -> Result<(), Fault> {
        let old = self.stamps[index];
        self.check_owner(setup, actor, old)?;
        let distance = Position::new(new >> 16).since(Position::new(old >> 16));
        if distance < 0 {
            return Err("invariant 2: a stamp goes back");
        }
        self.stamps[index] = new;
        Ok(())
    }

    /// Exchanges the stamp of a slot; says whether it was `expected`.
    pub(crate) fn exchange(
        &mut self,
        setup: &Setup,
        actor: usize,
        index: usize,
        expected: u64,
        new: u64,
    ) -> Result<bool, Fault> {
        let same = self.stamps[index] == expected;
        if same {
            self.set_stamp(setup, actor, index, new)?;
        }
        Ok(same)
    }

    /// Invariant 7: nobody ends the claim of a member whose byte somebody else holds.
    fn check_owner(&self, setup: &Setup, actor: usize, old: u64) -> Result<(), Fault> {
        let (side, member) = match State::of(old) {
            State::Writing(_, member) => (Side::Producing, member.get()),
            State::Reading(_, member, _) => (Side::Consuming, member.get()),
            _ => return Ok(()),
        };
        let spec = &setup.actors[actor];
        let own = spec.side == Some(side) && spec.member == member;
        match self.holder(side, member) {
            Holder::Member if own => Ok(()),
            Holder::Nobody => Ok(()),
            Holder::Repairer(by) if usize::from(by) == actor => Ok(()),
            _ => Err("invariant 7: a claim is ended by another than the holder of its byte"),
        }
    }
}

/// The mode of the members that live on `side`, `None` where nobody does.
pub(crate) fn mode(world: &World, setup: &Setup, side: Side) -> Option<Mode> {
    setup
        .actors
        .iter()
        .zip(&world.actors)
        .find(|(spec, private)| spec.side == Some(side) && private.is_alive())
        .map(|(spec, _)| spec.mode)
}
