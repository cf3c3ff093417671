//! Locks for a peer that cannot take any, as a guest's: alive while they are held, wherever they are.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::process::{Command, Stdio};
use std::ptr::NonNull;

use common::{Name, eventually};
use hqq_core::{AttachOptions, DynamicLink, Presence, Region};
use hqq_std::{LinkOptions, OpenError, Role, StandIn, StandardLink};

fn host(name: &Name) -> StandardLink {
    LinkOptions::new()
        .count(4)
        .size(64)
        .role(Role::Primary)
        .create(name)
        .unwrap()
}

/// An endpoint of hqq-core over the file, without a lock: all that a guest has.
fn guest(name: &Name) -> DynamicLink {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(name.path())
        .unwrap();
    let mapping = Box::leak(Box::new(memmap2::MmapRaw::map_raw(&file).unwrap()));
    let base = NonNull::new(mapping.as_mut_ptr()).unwrap();
    // SAFETY: nobody shortens the file; the mapping is kept for ever, and reached through the
    // region only.
    let region = unsafe { Region::from_raw(base, mapping.len()) }.unwrap();
    let options = AttachOptions::new(Role::Secondary).presence(Presence::Alone, Presence::Alone);
    DynamicLink::attach(region, &options).unwrap()
}

#[test]
fn a_peer_without_locks_lives_as_long_as_its_stand_in() {
    let name = Name::new();
    let (mut sender, receiver) = host(&name).split();
    let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
    assert_eq!(stand_in.role(), Role::Secondary);
    let mut guest = guest(&name);
    assert!(!sender.is_peer_dead() && !receiver.is_peer_dead());
    sender.send(b"hello").unwrap();
    assert_eq!(guest.try_recv(&mut [0; 64]), Ok(5));
    drop(stand_in);
    assert!(sender.is_peer_dead() && receiver.is_peer_dead());
}

#[test]
fn nobody_else_gets_the_role() {
    let name = Name::new();
    let _host = host(&name);
    let stand_in = StandIn::for_role_in(name.path(), Role::Secondary).unwrap();
    let taken = LinkOptions::new().open(&name).map(drop);
    assert!(
        matches!(taken, Err(OpenError::RolesTaken { .. })),
        "{taken:?}"
    );
    let twice = StandIn::for_role(&name, Role::Secondary);
    assert!(
        matches!(twice, Err(OpenError::RolesTaken { .. })),
        "{twice:?}"
    );
    let primary = StandIn::for_role(&name, Role::Primary);
    assert!(
        matches!(primary, Err(OpenError::RolesTaken { .. })),
        "{primary:?}"
    );
    // Refused ones have left nothing behind.
    drop(stand_in);
    LinkOptions::new().open(&name).unwrap();
}

#[test]
fn the_process_that_runs_the_peer_carries_the_locks() {
    let name = Name::new();
    let (sender, _receiver) = host(&name).split();
    let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
    let _guest = guest(&name);
    let mut vm = Command::new("sleep")
        .arg("120")
        .stdin(Stdio::from(stand_in))
        .spawn()
        .unwrap();
    assert!(!sender.is_peer_dead());
    vm.kill().unwrap();
    vm.wait().unwrap();
    eventually("the kernel to free the locks", || {
        sender.is_peer_dead().then_some(())
    });
}
