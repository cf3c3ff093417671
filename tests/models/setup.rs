//! What a configuration of the ring's model consists of: who takes part, in which modes, how many
//! may die, and which rule is broken, if one is.

use hqq_core::{Delivery, Member, Mode, Position};

use crate::world::{ACTORS, Side};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A rule that a configuration breaks, to show that the model notices.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Broken {
            $($(#[$doc])* $name,)*
        }

        impl Broken {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

rules! {
    /// T1 exchanges whatever it loaded.
    ClaimsAnything,
    /// T2 helps where the sequence is greater than what is looked for.
    HelpsGreater,
    /// T2 is left out at the end of a row, too.
    NeverMovesOn,
    /// Who does not get the position where its row goes on claims another one without T2.
    ClaimsBeforeMovingOn,
    /// A row goes on two positions after the one that was claimed.
    SkipsInRow,
    /// A consumer passes over a slot that is being written.
    SkipsWriting,
    /// T3 is done before the payload is there.
    PublishesFirst,
    /// T4x: `r` is stored after the message was handed out.
    ReceivesFirst,
    /// T5x: `released` is stored before the message was read.
    ReleasesFirst,
    /// T5x: at least once, `released` lags as far as at most once.
    LagsInDoubt,
    /// A2 does not store `w`.
    KeepsW,
    /// A2 believes every stamp, torn or not.
    MendsNothing,
    /// A2 leaves what dead producers were filling.
    BuriesNothing,
    /// A further member does not repair what its id left.
    TakesIdAsItIs,
    /// A3 goes on at the first message that waits, whatever `r` says.
    ResumesAtStamps,
    /// A3 goes past what was claimed by whole stamps, and takes a position that was claimed meanwhile for damage.
    RefusesClaimed,
    /// The same, and goes on there.
    StandsAtClaimed,
    /// A3 stores `released` as if nothing before it were being read.
    ReleasesAll,
    /// A3 leaves READING to nobody.
    KeepsReading,
    /// A3 stores `r` after the slots, where it may have lagged.
    StoresNextLast,
    /// A3 leaves what only `released` frees to shared consumers.
    KeepsFinished,
    /// An exclusive member joins though others live.
    JoinsOthers,
    /// T6 without ATTACH, beside producers that join.
    RepairsWithoutAttach,
    /// T6 without any lock.
    RepairsWithoutLocks,
    /// T7 gives the message back instead of taking it over.
    HandsBack,
    /// The same, and moves `r` back to it.
    HandsBackAndRewinds,
    /// T7 is said not to be in doubt.
    DoubtsNothing,
    /// The first of several members closes the side.
    ClosesEarly,
    /// C1: end-of-file without looking again.
    EndsAtOnce,
    /// C1: end-of-file unless there is a packet.
    EndsUnlessPublished,
    /// The dead: their end unless there is a packet, even where `r` lags.
    EndsDeadUnlessPublished,
    /// At least once: end-of-file though others are reading.
    EndsBesideReaders,
    /// A side is recorded as dead before halves of stamps are mended.
    KeepsHalves,
    /// T8 without ATTACH, beside consumers that join.
    RetractsWithoutAttach,
    /// T8 takes what a dead consumer had claimed.
    RetractsClaimed,
    /// T8 in one exchange, the tombstone's operands before it.
    RetractsAtOnce,
    /// The heir of a consumer that left amid a run does not look at `taken`.
    ForgetsTaken,
    /// Who leaves amid a run moves `r` back before it stores `taken`.
    RewindsFirst,
    /// The heir of a run's rest takes `taken` back before it stores `r`.
    ClearsTakenFirst,
}

/// One that takes part: one thread on one side, or a repairer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    /// `None`: it repairs for others.
    pub(crate) side: Option<Side>,
    pub(crate) mode: Mode,
    pub(crate) member: u8,
    /// Messages to send before it leaves; to receive, 0 for all there are.
    pub(crate) limit: u8,
    /// Not attached from the start.
    pub(crate) late: bool,
    /// Writes 64-bit words in halves and reads the low ones.
    pub(crate) narrow: bool,
    /// Is not killed.
    pub(crate) spared: bool,
    /// Takes back what dead consumers have not taken, once.
    pub(crate) retracts: bool,
    /// Of a shared side: begins after what it claimed last, and leaves T2 out in between.
    pub(crate) rows: bool,
}

impl Actor {
    pub(crate) const fn late(self) -> Self {
        Self { late: true, ..self }
    }

    pub(crate) const fn narrow(self) -> Self {
        Self {
            narrow: true,
            ..self
        }
    }

    pub(crate) const fn spared(self) -> Self {
        Self {
            spared: true,
            ..self
        }
    }

    /// A producer that takes back what dead consumers have not taken.
    pub(crate) const fn retracts(self) -> Self {
        Self {
            retracts: true,
            ..self
        }
    }

    /// One that moves its side's counter on at the end of each row of claims.
    pub(crate) const fn in_rows(self) -> Self {
        Self { rows: true, ..self }
    }

    /// A consumer that leaves after so many messages.
    pub(crate) const fn leaves_after(self, limit: u8) -> Self {
        Self { limit, ..self }
    }

    pub(crate) const fn is_exclusive(&self) -> bool {
        matches!(self.mode, Mode::Exclusive)
    }
}

/// One that sends `limit` messages.
pub(crate) const fn producer(mode: Mode, member: u8, limit: u8) -> Actor {
    Actor {
        side: Some(Side::Producing),
        mode,
        member,
        limit,
        late: false,
        narrow: false,
        spared: false,
        retracts: false,
        rows: false,
    }
}

/// One that receives until the end.
pub(crate) const fn consumer(mode: Mode, member: u8) -> Actor {
    Actor {
        side: Some(Side::Consuming),
        mode,
        member,
        limit: 0,
        late: false,
        narrow: false,
        spared: false,
        retracts: false,
        rows: false,
    }
}

/// One that is on no side, as `hqq doctor`, and repairs whatever it finds.
pub(crate) const fn repairer() -> Actor {
    Actor {
        side: None,
        mode: Mode::Shared,
        member: 0,
        limit: 0,
        late: false,
        narrow: false,
        spared: false,
        retracts: false,
        rows: false,
    }
}

/// A configuration.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) count: usize,
    /// The position that the ring begins at.
    pub(crate) base: u64,
    pub(crate) actors: Vec<Actor>,
    pub(crate) deaths: u8,
    pub(crate) delivery: Delivery,
    /// Each packet holds two messages.
    pub(crate) runs: bool,
    pub(crate) broken: Option<Broken>,
}

impl Setup {
    pub(crate) fn new(actors: &[Actor]) -> Self {
        assert!(actors.len() <= ACTORS, "a state has room for them");
        Self {
            count: 2,
            base: 0,
            actors: actors.to_vec(),
            deaths: 0,
            delivery: Delivery::AtMostOnce,
            runs: false,
            broken: None,
        }
    }

    /// One more who takes part.
    pub(crate) fn and(mut self, actor: Actor) -> Self {
        self.actors.push(actor);
        self
    }

    pub(crate) const fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    pub(crate) const fn base(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    pub(crate) const fn deaths(mut self, deaths: u8) -> Self {
        self.deaths = deaths;
        self
    }

    pub(crate) const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    pub(crate) const fn runs(mut self) -> Self {
        self.runs = true;
        self
    }

    pub(crate) const fn broken(mut self, broken: Broken) -> Self {
        self.broken = Some(broken);
        self
    }

    pub(crate) fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    pub(crate) fn at_least_once(&self) -> bool {
        self.delivery == Delivery::AtLeastOnce
    }

    /// Claims that a member may make before it moves the counter on.
    pub(crate) const fn row(&self) -> u8 {
        self.count as u8 / 2
    }

    /// The position `offset` after the first.
    pub(crate) const fn position(&self, offset: u8) -> Position {
        Position::new(self.base).plus(offset as usize)
    }

    /// How far after the first `position` is.
    pub(crate) fn offset(&self, position: Position) -> i32 {
        let offset = position.since(Position::new(self.base));
        i32::try_from(offset).unwrap_or(i32::MAX)
    }

    /// The slot of the position `offset` after the first.
    pub(crate) fn index(&self, offset: u8) -> usize {
        self.position(offset).index(self.count)
    }

    /// Which of the producers `actor` is.
    pub(crate) fn sender(&self, actor: usize) -> usize {
        self.actors[..actor]
            .iter()
            .filter(|other| other.side == Some(Side::Producing))
            .count()
    }
}

/// The member with this id.
pub(crate) fn member(id: u8) -> Member {
    Member::new(id).unwrap_or(Member::FIRST)
}
