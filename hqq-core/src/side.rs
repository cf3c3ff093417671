//! Who uses which side of which ring: taking a side, leaving it, watching the other one
//! (PROTOCOL.md, "Sides and members").

use core::fmt;
#[cfg(all(target_has_atomic = "64", not(loom)))]
use core::sync::atomic::fence;

use crate::counters::Counters;
use crate::layout::Direction;
use crate::member::{Member, Mode, Role};
use crate::region::{Region, StatusWord, SuperblockMemory};
use crate::sync::ordering;
#[cfg(all(target_has_atomic = "64", not(loom)))]
use crate::sync::ordering::Ordering;

const STATUS: usize = 0;
/// The bits of a status word that hold its state.
const STATE: u32 = 3;
const CLOSED: u32 = 2;
const DEAD: u32 = 3;
/// The bit that both have.
const ENDED: u32 = CLOSED & DEAD;
const MEMBER_STATUS: usize = 0;
const MEMBER_PID: usize = 1;
/// Words of a member's half that hold its totals, from here to the end.
#[cfg(all(target_has_atomic = "64", not(loom)))]
const TOTALS: usize = 2;

/// Whether a side has a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SideState {
    /// Nobody has taken it since the region was initialised.
    Vacant,
    /// At least one member has it.
    Open,
    /// The last member has left.
    Closed,
    /// The last member died, and what it had claimed was repaired.
    Dead,
}

/// The status word of a side: `epoch << 4 | mode << 2 | state`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SideStatus(u32);

impl SideStatus {
    /// The status that the word in the region stands for.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    const fn new(state: SideState, mode: Mode, epoch: u32) -> Self {
        let state = match state {
            SideState::Vacant => 0,
            SideState::Open => 1,
            SideState::Closed => CLOSED,
            SideState::Dead => DEAD,
        };
        Self(epoch << 4 | mode.code() << 2 | state)
    }

    /// Whether the side has a member.
    #[must_use]
    pub const fn state(self) -> SideState {
        match self.0 & STATE {
            0 => SideState::Vacant,
            1 => SideState::Open,
            CLOSED => SideState::Closed,
            _ => SideState::Dead,
        }
    }

    /// The mode it is or was used in; `None` before its first member.
    #[must_use]
    pub const fn mode(self) -> Option<Mode> {
        Mode::from_code(self.0 >> 2 & 3)
    }

    /// How often a first member has taken it, modulo 2^28.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.0 >> 4
    }

    /// Whether this is the record of a member that has the side since `epoch`: one of another
    /// epoch is what a member that died left behind.
    const fn is_open_in(self, epoch: u32) -> bool {
        matches!(self.state(), SideState::Open) && self.epoch() == epoch
    }
}

impl fmt::Debug for SideStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideStatus")
            .field("state", &self.state())
            .field("mode", &self.mode())
            .field("epoch", &self.epoch())
            .finish()
    }
}

/// The status of one side of `role`, as the region records it.
#[must_use]
pub fn status(region: &Region, role: Role, consumer: bool) -> SideStatus {
    Side { role, consumer }.status(&SuperblockMemory::new(region))
}

/// What the caller knows about a side's other members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Presence {
    /// Nothing: the region's own records are believed.
    #[default]
    Recorded,
    /// No other member lives; what the records say of one is what a dead one left.
    Alone,
    /// Other members live.
    Others,
}

/// Why a side cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SideError {
    /// Another member has it exclusively, or has it while this one wants it exclusively.
    Mode {
        /// The direction of the ring.
        direction: Direction,
        /// The mode asked for.
        wanted: Mode,
        /// The mode it is used in; `None` where its record is damaged.
        found: Option<Mode>,
    },
    /// The member id is in use.
    MemberInUse {
        /// The id.
        member: Member,
    },
    /// The member table has no such entry.
    NoSuchMember {
        /// The id.
        member: Member,
        /// Entries a role.
        members: usize,
    },
}

impl fmt::Display for SideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode {
                direction,
                wanted: Mode::Exclusive,
                found: Some(found),
            } => write!(
                f,
                "the side is in use ({found}, {direction}) and cannot be had for one alone: take the other role, share it at all ends, or wait until it is left"
            ),
            Self::Mode {
                direction,
                wanted,
                found: Some(found),
            } => write!(
                f,
                "the side is in use as {found} ({direction}), not as {wanted}: use the same mode, or wait until it is left"
            ),
            Self::Mode {
                direction,
                found: None,
                ..
            } => write!(
                f,
                "the record of the side ({direction}) is damaged: remove the region"
            ),
            Self::MemberInUse { member } => {
                write!(f, "member {member} is in use: choose another id")
            }
            Self::NoSuchMember { member, members } => write!(
                f,
                "member {member} does not exist: this region has ids 1 to {members}"
            ),
        }
    }
}

impl core::error::Error for SideError {}

/// One side of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) role: Role,
    pub(crate) consumer: bool,
}

impl Side {
    pub(crate) const fn direction(self) -> Direction {
        if self.consumer {
            self.role.receives()
        } else {
            self.role.sends()
        }
    }

    pub(crate) fn status(self, memory: &SuperblockMemory) -> SideStatus {
        let word = memory.side(self.direction(), self.consumer, STATUS);
        // Pairs with the Release in `take`, in `Attached::drop` and in `record_death`.
        SideStatus(word.load(ordering::see_status()))
    }

    fn opposite_status(self, memory: &SuperblockMemory) -> SideStatus {
        let word = memory.side(self.direction(), !self.consumer, STATUS);
        // Pairs as in `status`.
        SideStatus(word.load(ordering::see_status()))
    }

    pub(crate) fn member_status(
        self,
        memory: &SuperblockMemory,
        member: Member,
    ) -> Option<SideStatus> {
        let secondary = self.role.is_secondary();
        let word = memory.member(secondary, member, self.consumer, MEMBER_STATUS)?;
        // Pairs with the Release in `set_member`.
        Some(SideStatus(word.load(ordering::see_status())))
    }

    fn set_member(self, memory: &SuperblockMemory, member: Member, status: SideStatus, pid: u32) {
        let secondary = self.role.is_secondary();
        let word = |index| memory.member(secondary, member, self.consumer, index);
        if let (Some(pid_word), Some(status_word)) = (word(MEMBER_PID), word(MEMBER_STATUS)) {
            // Pairs with the Acquire in `member_status`.
            pid_word.store(pid, ordering::store_status());
            status_word.store(status.0, ordering::store_status());
        }
    }

    /// Records totals (PROTOCOL.md, "Totals"). Relaxed throughout but for what brackets them: they are
    /// for people, and nothing is decided by them.
    ///
    /// Not where programs have to be small, nor in models, which have no members.
    #[cfg_attr(
        any(loom, not(target_has_atomic = "64")),
        allow(unused_variables, clippy::unused_self, reason = "nothing is recorded")
    )]
    #[cfg_attr(any(loom, not(target_has_atomic = "64")), inline)]
    fn set_totals(self, memory: &SuperblockMemory, member: Member, totals: &Counters) {
        #[cfg(all(target_has_atomic = "64", not(loom)))]
        {
            let secondary = self.role.is_secondary();
            let word = |index| memory.member(secondary, member, self.consumer, TOTALS + index);
            let Some(version) = word(0) else {
                return;
            };
            let recorded = version.load(Ordering::Relaxed);
            if recorded == 0 && *totals == Counters::default() {
                return;
            }
            let writing = recorded | 1;
            version.store(writing, Ordering::Relaxed);
            // Whoever sees a word of what follows sees that it is being written; pairs with the
            // Acquire of a reader that looks at the version last.
            fence(Ordering::Release);
            let low = |value: u64| (value & u64::from(u32::MAX)) as u32;
            let high = |value: u64| (value >> 32) as u32;
            let values = [
                low(totals.messages),
                high(totals.messages),
                low(totals.bytes),
                high(totals.bytes),
                low(totals.tombstones),
                high(totals.tombstones),
                low(totals.blocked),
                high(totals.blocked),
                low(totals.errors),
                high(totals.errors),
            ];
            for (index, value) in (2..).zip(values) {
                if let Some(word) = word(index) {
                    word.store(value, Ordering::Relaxed);
                }
            }
            // Whoever sees this sees all of it; pairs with the Acquire of a reader.
            version.store(writing.wrapping_add(1), Ordering::Release);
        }
    }

    /// The process id that a member has recorded here.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn member_pid(self, memory: &SuperblockMemory, member: Member) -> Option<u32> {
        let secondary = self.role.is_secondary();
        let word = memory.member(secondary, member, self.consumer, MEMBER_PID)?;
        // Pairs with the Release in `set_member`.
        Some(word.load(ordering::see_status()))
    }

    /// Records that a member which is recorded as open has died; says whether it was.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn bury_member(self, memory: &SuperblockMemory, member: Member) -> bool {
        match self.member_status(memory, member) {
            Some(status) if status.state() == SideState::Open => {
                let dead = SideStatus(status.0 | DEAD);
                self.set_member(memory, member, dead, 0);
                true
            }
            _ => false,
        }
    }

    /// Records that the last member of a side which is recorded as open has died: nobody takes or
    /// leaves the side meanwhile, and what its members had claimed was repaired. Says whether it was.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn record_death(self, memory: &SuperblockMemory) -> bool {
        let found = self.status(memory);
        found.state() == SideState::Open
            && exchange(memory, self, found, SideStatus(found.0 | DEAD))
    }

    /// Whether the side can be taken: what its status is and what it will be, and whether others
    /// have it. Writes nothing.
    pub(crate) fn check(
        self,
        memory: &SuperblockMemory,
        mode: Mode,
        member: Member,
        presence: Presence,
    ) -> Result<Vacancy, SideError> {
        let found = self.status(memory);
        let occupied = match presence {
            Presence::Recorded => found.state() == SideState::Open,
            Presence::Alone => false,
            Presence::Others => true,
        };
        if occupied && (mode, found.mode()) != (Mode::Shared, Some(Mode::Shared)) {
            return Err(self.mismatch(mode, found));
        }
        let Some(recorded) = self.member_status(memory, member) else {
            return Err(SideError::NoSuchMember {
                member,
                members: memory.members(),
            });
        };
        if presence == Presence::Recorded && occupied && recorded.is_open_in(found.epoch()) {
            return Err(SideError::MemberInUse { member });
        }
        let status = if occupied {
            found
        } else {
            SideStatus::new(SideState::Open, mode, found.epoch().wrapping_add(1))
        };
        Ok(Vacancy {
            found,
            status,
            occupied,
        })
    }

    const fn mismatch(self, wanted: Mode, found: SideStatus) -> SideError {
        SideError::Mode {
            direction: self.direction(),
            wanted,
            found: found.mode(),
        }
    }

    /// Takes the side; says whether as its first member. Serialised with every other taking and
    /// leaving of the region by the caller (PROTOCOL.md A1), except that two which both believe
    /// the records cannot both get it exclusively where there is compare-and-swap.
    pub(crate) fn take(
        self,
        memory: &SuperblockMemory,
        mode: Mode,
        member: Member,
        pid: u32,
        presence: Presence,
    ) -> Result<(Attached, bool), SideError> {
        let Vacancy {
            found,
            status,
            occupied,
        } = self.check(memory, mode, member, presence)?;
        if !occupied && !exchange(memory, self, found, status) {
            return Err(self.mismatch(mode, found));
        }
        self.set_member(memory, member, status, pid);
        self.set_totals(memory, member, &Counters::default());
        let peer_status = self.opposite_status(memory);
        let attached = Attached {
            memory: memory.clone(),
            side: self,
            peer: memory.status_word(self.direction(), !self.consumer),
            mode,
            member,
            ignored: (peer_status.state() != SideState::Open).then_some(peer_status),
            restore: (!occupied).then_some(found),
        };
        Ok((attached, !occupied))
    }
}

/// How a side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// Its last member has left.
    Closed,
    /// Its last member has died.
    Dead,
}

/// A side that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vacancy {
    found: SideStatus,
    status: SideStatus,
    occupied: bool,
}

/// Moves the status of a side from `found` to `status`; `false` where somebody else has moved it.
fn exchange(memory: &SuperblockMemory, side: Side, found: SideStatus, status: SideStatus) -> bool {
    let word = memory.side(side.direction(), side.consumer, STATUS);
    #[cfg(target_has_atomic = "32")]
    {
        // Pairs with the Acquire in `status`.
        word.compare_exchange(
            found.0,
            status.0,
            ordering::store_status(),
            ordering::see_status(),
        )
        .is_ok()
    }
    #[cfg(not(target_has_atomic = "32"))]
    {
        let _ = found;
        // Pairs as above. Without an exchange the role was agreed beforehand.
        word.store(status.0, ordering::store_status());
        true
    }
}

/// A side that a member has taken; leaves it when dropped (C1).
///
/// # Invariants
/// `side` is recorded as open by `member`, unless a peer overwrote the records.
pub(crate) struct Attached {
    memory: SuperblockMemory,
    side: Side,
    /// The other side's status, which every call looks at.
    peer: StatusWord,
    mode: Mode,
    member: Member,
    /// The other side's status when this one was taken, where it was not open: it has left before
    /// this one came, so its being closed ends nothing yet.
    ignored: Option<SideStatus>,
    /// What the status was, until attaching has succeeded: failing must not look like leaving.
    restore: Option<SideStatus>,
}

impl Attached {
    /// Takes a side of a region that was initialised just now and that nobody else knows of.
    #[cfg(not(loom))]
    pub(crate) fn first(memory: &SuperblockMemory, side: Side) -> Self {
        let (mode, member) = (Mode::Exclusive, Member::FIRST);
        let status = SideStatus::new(SideState::Open, mode, 1);
        side.set_member(memory, member, status, 0);
        // Pairs with the Acquire in `Side::status`.
        memory
            .side(side.direction(), side.consumer, STATUS)
            .store(status.0, ordering::store_status());
        Self {
            memory: memory.clone(),
            side,
            peer: memory.status_word(side.direction(), !side.consumer),
            mode,
            member,
            ignored: None,
            restore: None,
        }
    }

    /// The other side has come and gone (Acquire: all it published can be seen).
    #[inline]
    pub(crate) fn is_peer_closed(&self) -> bool {
        self.is_peer_in(CLOSED)
    }

    /// The other side has died, which somebody has recorded.
    pub(crate) fn is_peer_dead(&self) -> bool {
        self.is_peer_in(DEAD)
    }

    #[inline]
    fn is_peer_in(&self, state: u32) -> bool {
        // Pairs with the Release in `take`, in `Attached::drop` and in `record_death`.
        let word = self.peer.get().load(ordering::see_status());
        word & STATE == state && self.ignored != Some(SideStatus(word))
    }

    /// How the other side has ended, if it has.
    #[inline]
    pub(crate) fn peer_end(&self) -> Option<End> {
        if self.is_peer_closed() {
            Some(End::Closed)
        } else if self.is_peer_dead() {
            Some(End::Dead)
        } else {
            None
        }
    }

    /// The member that has taken it.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) const fn member(&self) -> Member {
        self.member
    }

    /// The other side has not ended: in fewer steps than [`Attached::peer_end`], which has to be
    /// asked where this is not so.
    #[inline]
    pub(crate) fn is_peer_not_ended(&self) -> bool {
        // Pairs as above.
        self.peer.get().load(ordering::see_status()) & ENDED == 0
    }

    /// The other side has a member now, which has it for itself.
    pub(crate) fn is_peer_exclusive(&self) -> bool {
        let status = self.side.opposite_status(&self.memory);
        status.state() == SideState::Open && status.mode() == Some(Mode::Exclusive)
    }

    /// The other side has a member now.
    pub(crate) fn is_peer_open(&self) -> bool {
        self.side.opposite_status(&self.memory).state() == SideState::Open
    }

    /// Records the member's totals in the region, for people.
    #[cold]
    #[cfg_attr(target_has_atomic = "64", inline(never))]
    pub(crate) fn record(&self, totals: &Counters) {
        self.side.set_totals(&self.memory, self.member, totals);
    }

    /// Attaching has succeeded: from now on dropping this leaves the side.
    #[must_use]
    pub(crate) fn kept(mut self) -> Self {
        self.restore = None;
        self
    }

    /// Lets a close that came before this side count: there are messages from that time.
    pub(crate) fn heed_earlier_close(&mut self) {
        self.ignored = None;
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let Self {
            memory,
            side,
            mode,
            member,
            ..
        } = self;
        if let Some(before) = self.restore {
            side.set_member(memory, *member, before, 0);
            let word = memory.side(side.direction(), side.consumer, STATUS);
            // Pairs with the Acquire in `status`.
            word.store(before.0, ordering::store_status());
            return;
        }
        let status = side.status(memory);
        let closed = SideStatus::new(SideState::Closed, *mode, status.epoch());
        side.set_member(memory, *member, closed, 0);
        let others = *mode == Mode::Shared
            && (1..=u8::MAX)
                .filter_map(Member::new)
                .map_while(|other| side.member_status(memory, other))
                .any(|other| other.is_open_in(status.epoch()));
        if !others {
            let word = memory.side(side.direction(), side.consumer, STATUS);
            // Pairs with the Acquire in `opposite_status`: whoever sees this sees what was
            // published before.
            word.store(closed.0, ordering::store_status());
        }
    }
}
