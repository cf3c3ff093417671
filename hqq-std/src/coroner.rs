//! Proves deaths of members, as the kernel's locks tell (PROTOCOL.md, "Repair").

#![allow(
    unsafe_code,
    reason = "vouches for deaths, which the kernel's locks prove"
)]

use hqq_core::repair::Liveness;
use hqq_core::{Member, MemberSet, Role};

use crate::attach::{SideByte, member_byte};
use crate::sys::{ByteLocks, LockKind};

/// Proves deaths: under ATTACH, by taking the locks of those who would hold them. It asks the kernel once for
/// each member, however often a damaged ring names it. Where locks do not tell who lives, nobody is dead.
///
/// # Invariants
/// ATTACH is held for as long as this exists, so that nobody takes a side or an id. The bytes of `dead`
/// members are held until this is dropped.
pub(crate) struct Coroner<'a> {
    locks: &'a ByteLocks,
    /// Whose locks the description holds besides: it gets them again whenever it asks.
    me: Option<(Role, Member)>,
    dead: [MemberSet; 2],
    /// Those who lived when they were asked for. Who of them has died since is for the next one to prove.
    living: [MemberSet; 2],
}

const fn index(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::Secondary => 1,
    }
}

impl<'a> Coroner<'a> {
    /// For who holds ATTACH, and through the same description the locks of `me`.
    pub(crate) fn new(locks: &'a ByteLocks, me: Option<(Role, Member)>) -> Self {
        Self {
            locks,
            me,
            dead: Default::default(),
            living: Default::default(),
        }
    }
}

// SAFETY: a member's byte that could be locked is held by nobody who lives, as the kernel frees it
// only when the last descriptor and mapping of its description are gone, with the process; it is kept
// until the drop. Nobody can take a side without ATTACH, which is held.
unsafe impl Liveness for Coroner<'_> {
    fn is_member_dead(&mut self, role: Role, member: Member) -> bool {
        let [dead, living] = [&mut self.dead, &mut self.living].map(|sets| &mut sets[index(role)]);
        if dead.contains(member) {
            return true;
        }
        if living.contains(member) || self.me == Some((role, member)) {
            return false;
        }
        let is_dead = ByteLocks::TELL_LIFE
            && matches!(
                self.locks
                    .try_lock(member_byte(role, member), LockKind::Write),
                Ok(true)
            );
        if is_dead { dead } else { living }.insert(member);
        is_dead
    }

    fn is_side_dead(&mut self, role: Role, consumer: bool) -> bool {
        // This description may hold its own role's bytes, which it would not be told.
        ByteLocks::TELL_LIFE
            && self.me.is_none_or(|(own, _)| own != role)
            && matches!(
                self.locks.holder(SideByte::new(role, consumer).offset()),
                Ok(None)
            )
    }
}

impl Drop for Coroner<'_> {
    fn drop(&mut self) {
        for (role, dead) in Role::BOTH.into_iter().zip(&self.dead) {
            for member in dead.iter() {
                // Nothing can be done about a failure; closing the description frees it.
                let _ = self.locks.unlock(member_byte(role, member));
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A damaged ring may name a member in every slot.
    #[test]
    fn the_kernel_is_asked_once_for_each_member() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || ByteLocks::new(file.reopen().unwrap());
        let (mine, other) = (open(), open());
        let member = |id| Member::new(id).unwrap();
        let byte = |id| member_byte(Role::Secondary, member(id));
        assert!(other.try_lock(byte(1), LockKind::Write).unwrap());
        let mut coroner = Coroner::new(&mine, None);
        let mut is_dead = |id| coroner.is_member_dead(Role::Secondary, member(id));
        assert!(!is_dead(1));
        assert!(is_dead(2));
        other.unlock(byte(1)).unwrap();
        assert!(!is_dead(1), "asked again");
        assert!(is_dead(2));
        drop(coroner);
        assert!(other.try_lock(byte(2), LockKind::Write).unwrap(), "kept");
        assert!(Coroner::new(&mine, None).is_member_dead(Role::Secondary, member(1)));
    }
}
