//! Who of a region's members has died, as the kernel's locks tell, and repairing what they left
//! (PROTOCOL.md, "Repair").

#![allow(
    unsafe_code,
    reason = "vouches for deaths, which the kernel's locks prove"
)]

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hqq_core::packet::Packet;
use hqq_core::repair::{Liveness, Repaired, Repairer};
use hqq_core::ring::{Consumer, Obstacle, Producer};
use hqq_core::side::{SideState, SideStatus};
use hqq_core::{Delivery, Member, Receiver, Role, Sender};

use crate::attach::{ATTACH, SideByte, member_byte};
use crate::coroner::Coroner;
use crate::sys::{self, ByteLocks, LockKind};
use crate::wait::{Backoff, poll};

/// Longer than others need ATTACH to look whether somebody has died.
const LOOK: Duration = Duration::from_millis(10);

/// Repairs a region, with ATTACH held; `me` holds locks through the same description. [`wake`] comes after
/// this. Where locks do not tell who lives, it finds what members have left that others take over, and no more.
pub(crate) fn repair(
    locks: &ByteLocks,
    repairer: &Repairer,
    me: Option<(Role, Member)>,
) -> Repaired {
    if is_switched_off() {
        return Repaired::default();
    }
    let mut coroner = Coroner::new(locks, me);
    repairer.repair(&mut coroner)
}

/// Has everybody look who waits, where a repair has changed anything: best once ATTACH is free, as those who
/// learn of a death may need it.
pub(crate) fn wake(repairer: &Repairer, repaired: &Repaired) {
    if repaired.has_changed()
        && let Some(hook) = sys::wake_hook()
    {
        repairer.wake_all(&hook);
    }
}

/// For the tests that show what repair is good for.
fn is_switched_off() -> bool {
    #[cfg(debug_assertions)]
    {
        std::env::var_os("HQQ_NO_REPAIR").is_some()
    }
    #[cfg(not(debug_assertions))]
    false
}

/// What an attached endpoint knows of the others, and does for them.
pub(crate) struct Life {
    repairer: Repairer,
    me: (Role, Member),
    /// The peer's producing side, as it was when this endpoint was made: where it was dead then, that is no death of
    /// this endpoint's peer.
    earlier: SideStatus,
}

impl Life {
    /// With ATTACH held, so that nobody comes meanwhile.
    pub(crate) fn new(repairer: Repairer, role: Role, member: Member) -> Self {
        Self {
            earlier: repairer.side(role.peer(), false),
            repairer,
            me: (role, member),
        }
    }

    /// Whether somebody seems to have died and left something: a side or a member that is recorded as
    /// open and whose lock nobody holds; or to have left with messages in doubt that it had not come to. Proves
    /// nothing, as ATTACH is not held. At most as many system calls as there are members, and five; where messages are
    /// delivered at least once, also a look at each slot and one for each id that readers have there, which are 254 at
    /// most where somebody lies.
    pub(crate) fn is_suspicious(&self, locks: &ByteLocks) -> bool {
        let is_left =
            || self.repairer.delivery() == Delivery::AtLeastOnce && self.has_heritage(locks);
        if !ByteLocks::TELL_LIFE {
            return is_left();
        }
        let (own, me) = self.me;
        let is_free = |byte| matches!(locks.holder(byte), Ok(None));
        let other = own.peer();
        let side = [false, true].into_iter().any(|consumer| {
            self.repairer.side(other, consumer).state() == SideState::Open
                && is_free(SideByte::new(other, consumer).offset())
        });
        let has_member_died = |role| {
            self.repairer
                .ids()
                .filter(|id| (role, *id) != (own, me))
                .filter(|id| self.repairer.is_recorded_open(role, *id))
                .any(|id| is_free(member_byte(role, id)))
        };
        side || Role::BOTH.into_iter().any(has_member_died) || is_left()
    }

    /// The processes that records of open members name, the peer's first, some of them more than once.
    pub(crate) fn processes(&self) -> impl Iterator<Item = u32> + '_ {
        let (own, _) = self.me;
        let sides = [own.peer(), own]
            .into_iter()
            .flat_map(|role| [(role, false), (role, true)]);
        sides.flat_map(move |(role, consumer)| {
            self.repairer.ids().filter_map(move |id| {
                let (status, process) = self.repairer.member(role, id, consumer)?;
                (status.state() == SideState::Open && process != 0).then_some(process)
            })
        })
    }

    /// How often the peer's sides were taken.
    pub(crate) fn epochs(&self) -> [u32; 2] {
        let peer = self.me.0.peer();
        [false, true].map(|consumer| self.repairer.side(peer, consumer).epoch())
    }

    /// Has everybody look who sleeps at the region.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn wake_all(&self) {
        if let Some(hook) = sys::wake_hook() {
            self.repairer.wake_all(&hook);
        }
    }

    /// Whether whoever has claimed what is in the way may go on: it holds its lock, and has not left what it was to hand
    /// out to others. Where somebody repairs just now, that is waited for, for a moment.
    pub(crate) fn is_kept(&self, locks: &ByteLocks, role: Role, obstacle: &Obstacle) -> bool {
        let member = obstacle.member;
        let is_left = !obstacle.writing
            && self.repairer.delivery() == Delivery::AtLeastOnce
            && self.repairer.has_left(role, member);
        let is_held =
            || !ByteLocks::TELL_LIFE || is_held_for_good(locks, member_byte(role, member), LOOK);
        !is_left && (self.me == (role, member) || is_held())
    }

    /// Whether a member holds its lock.
    fn lives(&self, locks: &ByteLocks, role: Role, member: Member) -> bool {
        self.me == (role, member)
            || !ByteLocks::TELL_LIFE
            || !matches!(locks.holder(member_byte(role, member)), Ok(None))
    }

    /// Whether a message is claimed by a receiver of the own role that holds its lock no longer, or has left. Takes a
    /// system call for each member that has claimed one; proves nothing, as ATTACH is not held.
    pub(crate) fn has_heritage(&self, locks: &ByteLocks) -> bool {
        let (own, me) = self.me;
        let mut asked = [false; 256];
        let mut claims = self.repairer.claims(own.receives());
        claims.any(|claim| {
            let is_news = asked
                .get_mut(usize::from(claim.member.get()))
                .is_some_and(|asked| !std::mem::replace(asked, true));
            let reader = claim.member;
            is_news
                && !claim.writing
                && reader != me
                && (self.repairer.has_left(own, reader) || !self.lives(locks, own, reader))
        })
    }

    /// Repairs what dead members left; `None` where somebody else holds what that needs.
    pub(crate) fn repair(&self, serial: &Mutex<()>, locks: &ByteLocks) -> Option<Repaired> {
        let held = Serial::take(serial, locks)?;
        let repaired = repair(locks, &self.repairer, Some(self.me));
        drop(held);
        wake(&self.repairer, &repaired);
        Some(repaired)
    }

    /// Gives `receiver`, one of this endpoint's, a message that a dead member of its side was reading, or one that has
    /// left it was to hand out;
    /// `false` where there is none, or somebody else holds what that needs.
    pub(crate) fn take_over<C: Consumer>(
        &self,
        serial: &Mutex<()>,
        locks: &ByteLocks,
        receiver: &mut Receiver<C>,
    ) -> bool {
        let Some(_held) = Serial::take(serial, locks) else {
            return false;
        };
        if is_switched_off() {
            return false;
        }
        let (role, _) = self.me;
        let mut coroner = Coroner::new(locks, Some(self.me));
        let mut is_gone = |member| {
            // Sides are taken under ATTACH, which is held.
            self.repairer.has_left(role, member) || coroner.is_member_dead(role, member)
        };
        // SAFETY: the coroner's word is good until it is dropped, after this.
        unsafe { receiver.take_over(&mut is_gone) }
    }

    /// T8: takes back what nobody has received, of that what `choose` says, if the receivers have died;
    /// `taken` is told. Nothing where somebody else keeps what that needs: others notice the same death at
    /// the same time, and look.
    pub(crate) fn retract<P: Producer>(
        &self,
        serial: &Mutex<()>,
        locks: &ByteLocks,
        sender: &mut Sender<P>,
        choose: impl FnMut(&Packet) -> bool,
        taken: impl FnMut(&Packet),
    ) {
        if !ByteLocks::TELL_LIFE || is_switched_off() {
            return;
        }
        let Some(_held) = poll(Backoff::within(Some(LOOK)), || Serial::take(serial, locks)) else {
            return;
        };
        let mut coroner = Coroner::new(locks, Some(self.me));
        let peer = self.me.0.peer();
        let dead = coroner.is_side_dead(peer, true)
            && self
                .repairer
                .ids()
                .filter(|id| self.repairer.is_recorded_open(peer, *id))
                .all(|id| coroner.is_member_dead(peer, id));
        if dead {
            // SAFETY: the side has no member that lives, and ATTACH is held until after this.
            unsafe { sender.retract(choose, taken) };
        }
        drop(coroner);
    }

    /// Whether the peer's producing side is as a death has left it that came before this endpoint: a new member may still
    /// come.
    pub(crate) fn died_earlier(&self) -> bool {
        let now = self.repairer.side(self.me.0.peer(), false);
        now.state() == SideState::Dead && now == self.earlier
    }

    /// Whether a side's last member has died: that is recorded, or its record is open and nobody
    /// holds its lock. `false` where that cannot be told.
    pub(crate) fn is_side_dead(
        &self,
        serial: &Mutex<()>,
        locks: &ByteLocks,
        role: Role,
        consumer: bool,
    ) -> bool {
        if !ByteLocks::TELL_LIFE {
            return false;
        }
        match self.repairer.side(role, consumer).state() {
            SideState::Dead => return true,
            SideState::Open => {}
            _ => return false,
        }
        // Somebody alive has it: nothing more is to be asked, and ATTACH is left to those who need it.
        let byte = SideByte::new(role, consumer).offset();
        if !matches!(locks.holder(byte), Ok(None)) {
            return false;
        }
        // Sides are taken and left under ATTACH, so that record and lock are of the same member.
        let Some(_held) = Serial::take(serial, locks) else {
            return false;
        };
        self.repairer.side(role, consumer).state() == SideState::Open
            && matches!(locks.holder(byte), Ok(None))
    }
}

/// Whether others hold a byte, but for one who repairs: with ATTACH, that one holds the bytes of the dead, and frees
/// them first. One that is at it for longer than `patience` is not told from the byte's owner.
fn is_held_for_good(locks: &ByteLocks, byte: i32, patience: Duration) -> bool {
    let is_held = |byte| !matches!(locks.holder(byte), Ok(None));
    poll(Backoff::within(Some(patience)), || {
        if !is_held(byte) {
            return Some(false);
        }
        // Once it is free, the repair that may have held the byte is over.
        (!is_held(ATTACH)).then(|| is_held(byte))
    })
    .unwrap_or(true)
}

/// ATTACH, taken by one thread of this endpoint.
struct Serial<'a> {
    locks: &'a ByteLocks,
    /// Threads share the description, and so its locks.
    _threads: MutexGuard<'a, ()>,
}

impl<'a> Serial<'a> {
    /// `None` where somebody else is at it.
    fn take(serial: &'a Mutex<()>, locks: &'a ByteLocks) -> Option<Self> {
        let threads = match serial.try_lock() {
            Ok(guard) => guard,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        matches!(locks.try_lock(ATTACH, LockKind::Write), Ok(true)).then_some(Self {
            locks,
            _threads: threads,
        })
    }
}

impl Drop for Serial<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a failure; closing the description frees it.
        let _ = self.locks.unlock(ATTACH);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn who_is_repaired_is_not_taken_for_alive() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || ByteLocks::new(file.reopen().unwrap());
        let (mine, repairing, owner) = (open(), open(), open());
        let byte = member_byte(Role::Secondary, Member::FIRST);
        let lock = |locks: &ByteLocks, byte| locks.try_lock(byte, LockKind::Write).unwrap();
        assert!(lock(&repairing, ATTACH) && lock(&repairing, byte));
        assert!(
            is_held_for_good(&mine, byte, Duration::ZERO),
            "it is not waited for"
        );
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Time to look, while it is held.
                std::thread::sleep(Duration::from_millis(50));
                repairing.unlock(byte).unwrap();
                repairing.unlock(ATTACH).unwrap();
            });
            assert!(!is_held_for_good(&mine, byte, PATIENCE));
        });
        assert!(lock(&owner, byte));
        assert!(is_held_for_good(&mine, byte, PATIENCE));
    }
}
