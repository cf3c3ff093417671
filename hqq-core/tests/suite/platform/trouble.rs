//! What goes wrong while a core does nothing but ask: it sees that, too.

use std::ops::ControlFlow;

use hqq_core::repair::{Liveness, Repairer};
use hqq_core::{Identity, Member, RecvError, Role, SendError, TrySendError, Waiting};

use super::machine::Core;
use super::{Geometry, cores};

/// Everybody on this side is dead.
struct Dead(Role);

// SAFETY: the test uses none of them afterwards.
#[allow(unsafe_code, reason = "this test decides who is dead")]
unsafe impl Liveness for Dead {
    fn is_member_dead(&mut self, role: Role, _: Member) -> bool {
        role == self.0
    }

    fn is_side_dead(&mut self, role: Role, _: bool) -> bool {
        role == self.0
    }
}

#[test]
fn whoever_asks_sees_that_a_third_core_has_recorded_the_peer_s_death() {
    let ((near, (sender, _receiver)), (_, there)) = cores();
    std::mem::forget(there);
    assert!(!sender.is_peer_dead());
    let (third, region) = Core::new(&near.memory);
    third.refresh();
    let identity = Identity::read(&region).unwrap();
    let repairer = Repairer::new(&region, &identity).unwrap();
    assert!(repairer.repair(&mut Dead(Role::Secondary)).has_changed());
    region.clean(&third);
    assert!(sender.is_peer_dead());
}

/// No rule leads to it.
const NONSENSE: [u8; 8] = [0xff; 8];

/// The memory where the first slot of the ring lies is damaged, at the last moment of a wait: what is
/// reported then is looked up anew.
fn damages(core: &Core, sender: Role) -> impl FnMut(&Waiting) -> ControlFlow<()> {
    let memory = core.memory.clone();
    let slot = Geometry::LAYOUT.slots(sender.sends());
    move |_| {
        memory.borrow_mut()[slot..slot + 8].copy_from_slice(&NONSENSE);
        ControlFlow::Break(())
    }
}

#[test]
fn a_sender_that_gives_up_sees_what_was_damaged_meanwhile() {
    let ((near, (mut sender, _receiver)), (_, _there)) = cores();
    while sender.try_send(b"x").is_ok() {}
    assert_eq!(sender.try_send(b"x"), Err(TrySendError::Full));
    let error = sender
        .send(b"x", &mut damages(&near, Role::Primary))
        .unwrap_err();
    assert!(matches!(error, SendError::Corrupt(_)), "{error:?}");
}

#[test]
fn a_receiver_that_gives_up_sees_what_was_damaged_meanwhile() {
    let ((_, _sending), (far, (_back, mut there))) = cores();
    let mut wait = damages(&far, Role::Primary);
    let error = there.recv(&mut [0; 136], &mut wait).unwrap_err();
    assert!(matches!(error, RecvError::Corrupt(_)), "{error:?}");
}
