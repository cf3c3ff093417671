//! One actor's turn: what every kind of step needs, and who does which.

use hqq_core::ring::stamp::State;
use hqq_core::{Mode, Position};

use crate::explorer::{Fault, Model};
use crate::invariants;
use crate::setup::{Actor, Broken, Setup};
use crate::step::Step;
use crate::world::{Holder, MEMBERS, MESSAGE, Private, Side, TOMB, TOMBSTONE, World};

/// An actor at work on a state.
pub(crate) struct Turn<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) world: &'a mut World,
    pub(crate) actor: usize,
}

impl Turn<'_> {
    pub(crate) fn spec(&self) -> &Actor {
        &self.setup.actors[self.actor]
    }

    pub(crate) fn me(&mut self) -> &mut Private {
        &mut self.world.actors[self.actor]
    }

    pub(crate) fn go(&mut self, step: Step) {
        self.me().step = step;
    }

    pub(crate) fn position(&self, offset: u8) -> Position {
        self.setup.position(offset)
    }

    pub(crate) fn breaks(&self, rule: Broken) -> bool {
        self.setup.breaks(rule)
    }

    /// The stamp in the slot of a position.
    pub(crate) fn stamp(&self, offset: u8) -> u64 {
        self.world.stamps[self.setup.index(offset)]
    }

    /// Whether one load of `word` shows `state`: a 32-bit peer sees the low half.
    pub(crate) fn shows(&self, word: u64, state: State) -> bool {
        if self.spec().narrow {
            word as u32 == state.word() as u32
        } else {
            word == state.word()
        }
    }

    /// The opcode, where one load of the slot's stamp shows a packet at this position.
    pub(crate) fn packet_at(&self, offset: u8) -> Option<u8> {
        let position = self.position(offset);
        [MESSAGE, TOMBSTONE]
            .into_iter()
            .find(|opcode| self.shows(self.stamp(offset), State::Published(position, *opcode)))
    }

    pub(crate) fn store(&mut self, offset: u8, state: State) -> Result<(), Fault> {
        let index = self.setup.index(offset);
        self.world
            .set_stamp(self.setup, self.actor, index, state.word())
    }

    pub(crate) fn exchange(&mut self, index: usize, from: u64, to: State) -> Result<bool, Fault> {
        self.world
            .exchange(self.setup, self.actor, index, from, to.word())
    }

    /// The position of a counter, which is never torn here.
    pub(crate) fn offset(&self, counter: u64) -> Result<u8, Fault> {
        u8::try_from(self.setup.offset(Position::new(counter)))
            .map_err(|_| "a counter is far from every position in use")
    }

    /// T2: moves a side's counter on to `offset`; where it is then.
    pub(crate) fn move_on(&mut self, side: Side, offset: u8) -> Result<u8, Fault> {
        let to = self.position(offset);
        let counter = match side {
            Side::Producing => &mut self.world.w,
            Side::Consuming => &mut self.world.r,
        };
        if to.since(Position::new(*counter)) > 0 {
            *counter = to.get();
        }
        let counter = *counter;
        self.offset(counter)
    }

    /// Where a shared side begins to look: after what it claimed last, or at its counter.
    pub(crate) fn begin_at(&self, counter: u64) -> Result<u8, Fault> {
        match self.world.actors[self.actor].row {
            Some(next) => Ok(next),
            None => self.offset(counter),
        }
    }

    /// Whether T2 has to be done before `position` is claimed.
    pub(crate) fn moves_before(&self, position: u8) -> bool {
        self.spec().rows
            && self.world.actors[self.actor].row != Some(position)
            && !self.breaks(Broken::ClaimsBeforeMovingOn)
    }

    /// A shared side has claimed `position`; whether it does T2 now.
    pub(crate) fn ends_row(&mut self, position: u8) -> bool {
        let next = position + 1;
        let goes_on = self.me().row == Some(position)
            && (self.position(next).index(self.setup.row().into()) != 0
                || self.breaks(Broken::NeverMovesOn));
        let skipped = u8::from(self.breaks(Broken::SkipsInRow));
        self.me().row = self.spec().rows.then_some(next + skipped);
        !goes_on
    }

    /// How many members of `side` live, and how many will come.
    pub(crate) fn alive(&self, side: Side) -> usize {
        self.count(side, Private::is_alive)
    }

    pub(crate) fn to_come(&self, side: Side) -> usize {
        self.count(side, |private| private.step == Step::Away)
    }

    fn count(&self, side: Side, which: impl Fn(&Private) -> bool) -> usize {
        self.setup
            .actors
            .iter()
            .zip(&self.world.actors)
            .filter(|(spec, private)| spec.side == Some(side) && which(private))
            .count()
    }

    /// A member whose claim lies in the ring while nobody has its byte.
    pub(crate) fn dead_owner(&self, side: Side) -> Option<u8> {
        self.world
            .stamps
            .iter()
            .take(self.setup.count)
            .find_map(|word| {
                let member = match State::of(*word) {
                    State::Writing(_, member) if side == Side::Producing => member,
                    State::Reading(_, member, _) if side == Side::Consuming => member,
                    _ => return None,
                };
                (self.world.holder(side, member.get()) == Holder::Nobody).then(|| member.get())
            })
    }

    /// Publishes into the record what a store has just published.
    pub(crate) fn record(&mut self, offset: u8, tag: u8) -> Result<(), Fault> {
        invariants::record(self.world, offset, tag)
    }

    /// A payload or a tombstone's operands are written.
    pub(crate) fn fill(&mut self, index: usize, tag: u8) -> Result<(), Fault> {
        invariants::fill(self.setup, self.world, self.actor, index, tag)?;
        self.world.payloads[index] = tag;
        Ok(())
    }

    /// The name of this actor's next message.
    pub(crate) fn tag(&self) -> u8 {
        let sender = self.setup.sender(self.actor) as u8;
        sender << 4 | (self.world.actors[self.actor].done + 1)
    }

    fn take(&mut self) -> Result<bool, Fault> {
        let step = self.world.actors[self.actor].step;
        match self.spec().side {
            None => self.repair(step),
            Some(side) => match step {
                Step::Dead | Step::Gone { .. } => Ok(false),
                Step::Away => Ok(self.attach(side)),
                Step::Leave { informed } => Ok(self.leave(informed)),
                Step::Close { informed } => {
                    self.close(side, informed);
                    Ok(true)
                }
                _ => {
                    match side {
                        Side::Producing if self.produce(step)? => {}
                        Side::Consuming if self.consume(step)? => {}
                        _ => self.join(side, step)?,
                    }
                    Ok(true)
                }
            },
        }
    }
}

impl Model for Setup {
    type State = World;

    fn start(&self) -> World {
        World::new(self)
    }

    /// For each actor its next step, and its death.
    fn actions(&self) -> usize {
        2 * self.actors.len()
    }

    fn act(&self, world: &mut World, action: usize) -> Result<bool, Fault> {
        let actor = action / 2;
        let possible = if self.is_misfortune(action) {
            die(self, world, actor)?
        } else {
            let mut turn = Turn {
                setup: self,
                world,
                actor,
            };
            turn.take()?
        };
        if possible {
            invariants::check(self, world)?;
        }
        Ok(possible)
    }

    fn is_misfortune(&self, action: usize) -> bool {
        action % 2 == 1
    }

    fn is_done(&self, world: &World) -> bool {
        invariants::is_done(self, world)
    }

    fn describe(&self, before: &World, action: usize, after: &World) -> String {
        let actor = action / 2;
        let spec = &self.actors[actor];
        let who = match spec.side {
            Some(side) => format!("{side:?} {} member {}", spec.mode, spec.member),
            None => "repairer".into(),
        };
        if self.is_misfortune(action) {
            return format!("{actor} ({who}) dies");
        }
        let mut text = format!("{actor} ({who}): {:?}", before.actors[actor].step);
        for index in 0..self.count {
            if before.stamps[index] != after.stamps[index] {
                text += &format!("; slot {index} = {:?}", State::of(after.stamps[index]));
            }
        }
        if before.w != after.w {
            text += &format!("; w = {}", after.w);
        }
        if before.r != after.r {
            text += &format!("; r = {}", after.r);
        }
        if before.released != after.released {
            text += &format!("; released = {}", after.released);
        }
        text
    }
}

/// The process of `actor` is killed: all of its threads on this side, whatever they hold.
fn die(setup: &Setup, world: &mut World, actor: usize) -> Result<bool, Fault> {
    let spec = &setup.actors[actor];
    if world.deaths == 0 || spec.spared {
        return Ok(false);
    }
    let Some(side) = spec.side else {
        // Another repairer may come at once; one that has begun nothing leaves nothing.
        if world.actors[actor].step == Step::Idle {
            return Ok(false);
        }
        let_go(world, actor);
        world.actors[actor] = Private::at(Step::Idle);
        world.deaths -= 1;
        return Ok(true);
    };
    if !world.actors[actor].is_alive() {
        return Ok(false);
    }
    world.deaths -= 1;
    for (other, spec) in setup.actors.iter().enumerate() {
        let same = spec.side == Some(side) && spec.member == setup.actors[actor].member;
        if same && world.actors[other].is_alive() {
            if side == Side::Consuming {
                excuse(setup, world, other)?;
            }
            let_go(world, other);
            world.actors[other] = Private::at(Step::Dead);
        }
    }
    world.set_holder(side, spec.member, Holder::Nobody);
    Ok(true)
}

/// The kernel frees the locks of a dead `actor`, its own id's excepted.
fn let_go(world: &mut World, actor: usize) {
    if world.attach == Some(actor as u8) {
        world.attach = None;
    }
    for byte in world.bytes.iter_mut().flatten() {
        if *byte == Holder::Repairer(actor as u8) {
            *byte = Holder::Nobody;
        }
    }
}

/// What a consumer that dies had claimed may be lost, or in doubt: at least once, one message.
fn excuse(setup: &Setup, world: &mut World, actor: usize) -> Result<(), Fault> {
    let spec = &setup.actors[actor];
    let private = &world.actors[actor];
    let mut messages = 0;
    for offset in 0..world.claimed[Side::Producing as usize] {
        let position = setup.position(offset);
        let claimed = match State::of(world.stamps[setup.index(offset)]) {
            State::Reading(at, member, _) => at == position && member.get() == spec.member,
            // Claimed by counter, and not released since by its stamp.
            State::Published(at, _) => {
                spec.mode == Mode::Exclusive
                    && at == position
                    && (private.flushed..private.position).contains(&offset)
            }
            _ => false,
        };
        if claimed && world.excused & 1 << offset == 0 {
            world.excused |= 1 << offset;
            messages += u32::from(!is_tomb(world.published[usize::from(offset)]));
        }
    }
    if setup.at_least_once() && messages > 1 {
        return Err("invariant 5: a reader that dies leaves more than one message in doubt");
    }
    Ok(())
}

/// The ids there are.
pub(crate) fn members() -> impl Iterator<Item = u8> {
    1..=MEMBERS as u8
}

/// Whether the payload `tag` is a tombstone's.
pub(crate) const fn is_tomb(tag: u8) -> bool {
    tag == TOMB
}
