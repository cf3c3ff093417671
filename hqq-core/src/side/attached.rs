//! A side that is taken, until it is left.

#[cfg(not(loom))]
use super::taking::MEMBER_STATUS;
use super::taking::STATUS;
use super::{CLOSED, DEAD, ENDED, End, STATE, Side, SideState, SideStatus};
use crate::counters::Counters;
use crate::member::{Member, Mode};
use crate::region::{StatusWord, SuperblockMemory};
use crate::sync::ordering;

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
        let secondary = side.role.is_secondary();
        let words = [
            memory.member(secondary, member, side.consumer, MEMBER_STATUS),
            Some(memory.side(side.direction(), side.consumer, STATUS)),
        ];
        // The process is 0 from the start.
        for word in words.into_iter().flatten() {
            // Pairs with the Acquire in `Side::status` and `Side::member_status`.
            word.store(status.0, ordering::store_status());
        }
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

    /// A side that `member` is recorded as having; `restore` is what was recorded of it before, where
    /// this is its first member.
    pub(super) fn taken(
        memory: &SuperblockMemory,
        side: Side,
        mode: Mode,
        member: Member,
        restore: Option<SideStatus>,
    ) -> Self {
        let peer_status = side.opposite_status(memory);
        Self {
            memory: memory.clone(),
            side,
            peer: memory.status_word(side.direction(), !side.consumer),
            mode,
            member,
            ignored: (peer_status.state() != SideState::Open).then_some(peer_status),
            restore,
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

    /// Records how long the member's calls take, for people.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow), not(loom)))]
    pub(crate) fn record_latency(&self, latency: [u32; 2]) {
        self.side.set_latency(&self.memory, self.member, latency);
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
