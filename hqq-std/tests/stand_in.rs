//! A peer without an operating system, as in a guest: others hold its locks, and it wakes nobody.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod common;

use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Name, bare_region, bounded, eventually};
use hqq_core::{AttachOptions, DynamicLink, Presence};
use hqq_std::wait::Policy;
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
    let options = AttachOptions::new(Role::Secondary).presence(Presence::Alone, Presence::Alone);
    DynamicLink::attach(bare_region(name), &options).unwrap()
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

/// Nothing tells a peer that was there before from one that has died since: that is recorded first.
#[test]
fn one_that_follows_another_hides_no_death_that_was_recorded() {
    let name = Name::new();
    let (sender, receiver) = host(&name).split();
    std::mem::forget(guest(&name));
    let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
    assert!(!sender.is_peer_dead() && !receiver.is_peer_dead());
    drop(stand_in);
    LinkOptions::new()
        .caretaker(&name)
        .unwrap()
        .repair()
        .unwrap();
    let _next = StandIn::for_role(&name, Role::Secondary).unwrap();
    assert!(sender.is_peer_dead() && receiver.is_peer_dead());
    let _guest = guest(&name);
    assert!(!sender.is_peer_dead() && !receiver.is_peer_dead());
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

/// A sleep would last until its slice of time ends, each time: nobody ends it.
#[test]
fn nobody_sleeps_for_a_peer_that_wakes_nobody() {
    const ROUNDS: u32 = 300;
    bounded(|| {
        for policy in [Policy::Adaptive, Policy::Park] {
            let name = Name::new();
            let host = host(&name);
            let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
            let mut guest = guest(&name);
            let answering = std::thread::spawn(move || {
                let mut message = [0; 64];
                for _ in 0..ROUNDS {
                    while guest.try_recv(&mut message).is_err() {
                        std::thread::yield_now();
                    }
                    // Longer than the host spins: it waits in earnest.
                    std::thread::sleep(Duration::from_micros(200));
                    assert_eq!(guest.try_send(&message[..4]), Ok(()));
                }
                guest
            });
            let (mut sender, mut receiver) = host.split();
            sender.set_wait_policy(policy);
            receiver.set_wait_policy(policy);
            for number in 0..ROUNDS {
                sender.send(&number.to_le_bytes()).unwrap();
                let mut answer = [0; 64];
                assert_eq!(receiver.recv(&mut answer), Ok(4));
                assert_eq!(answer[..4], number.to_le_bytes());
            }
            let stats = receiver.wait_stats();
            assert!(
                stats.waits >= u64::from(ROUNDS) / 2,
                "{policy:?}: {stats:?}"
            );
            assert_eq!(
                (stats.sleeps, stats.expired),
                (0, 0),
                "{policy:?}: {stats:?}"
            );

            // Neither does who waits for room.
            let mut guest = answering.join().unwrap();
            let reading = std::thread::spawn(move || {
                let mut message = [0; 64];
                for _ in 0..ROUNDS {
                    std::thread::sleep(Duration::from_micros(200));
                    while guest.try_recv(&mut message).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
            for number in 0..ROUNDS {
                sender.send(&number.to_le_bytes()).unwrap();
            }
            reading.join().unwrap();
            let stats = sender.wait_stats();
            assert!(stats.waits > 0, "{policy:?}: {stats:?}");
            assert_eq!(
                (stats.sleeps, stats.expired),
                (0, 0),
                "{policy:?}: {stats:?}"
            );
            drop(stand_in);
        }
    });
}
