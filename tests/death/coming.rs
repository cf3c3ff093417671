//! Whoever attaches, takes over what a dead receiver had, takes back what it had not, or leaves, may die at any
//! instruction of it: those who come next find all that they should.

use std::cell::Cell;
use std::time::Instant;

use hqq_core::packet::Opcode;
use hqq_std::{AdvancedLink, AdvancedOptions, Delivery, LinkOptions, Mode, Role};
use hqq_tests::{LIMIT, Name, Sheet, fill_message};

use crate::interrupted::{abandoned, recovered};
use crate::step::{RING, SIZE, drain, every_step, works};
use crate::stepper::{Stepper, image, region_of, states};

const DELIVERIES: [Delivery; 2] = [Delivery::AtMostOnce, Delivery::AtLeastOnce];
/// Of the flags of a chunk of a message.
const BEGIN: u8 = 1;

const MODES: [Mode; 2] = [Mode::Exclusive, Mode::Shared];

/// Every state that a child leaves which does this, and some kills in earnest: `check` is told what the child had
/// noted by then, and after how many instructions that was. Prints how many
/// states there are.
fn killed_anywhere(arguments: &[&str], region: impl Fn() -> Name, check: impl Fn(&Name, u64, u64)) {
    let (instructions, states) = states(region(), arguments);
    for state in &states {
        check(&region_of(&state.image), state.noted, state.at);
    }
    // Its locks are seen to be free. Getting there takes a step for each instruction.
    let each = states.len().div_ceil(if every_step() { 32 } else { 2 });
    for state in states.iter().step_by(each) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sheet");
        let sheet = Sheet::create(&path);
        let name = region();
        let named: Vec<&str> = [arguments[0], &*name]
            .into_iter()
            .chain(arguments[1..].iter().copied())
            .collect();
        let child = Stepper::start(&named, &path);
        // It may come to its end sooner than the one before: not all of it is the same each time.
        let _ = (0..state.at).all(|_| child.step());
        drop(child);
        check(&name, sheet.count(0), state.at);
    }
    println!(
        "{}: {instructions} instructions, {} states",
        arguments.join(" "),
        states.len()
    );
    assert!(states.len() > 4, "it changed nothing");
}

#[test]
fn whoever_attaches_may_be_killed_anywhere() {
    for delivery in DELIVERIES {
        let left = abandoned(delivery);
        for (role, mode) in each_end() {
            // It is long: CI has each of them with one policy.
            let is_one_of_two = (role == Role::Primary) ^ (mode == Mode::Shared);
            if !every_step() && is_one_of_two == (delivery == Delivery::AtMostOnce) {
                continue;
            }
            killed_anywhere(
                &["attach", &role.to_string(), &mode.to_string()],
                || region_of(&left),
                |name, _, at| recovered(name, delivery, at),
            );
        }
    }
}

fn each_end() -> impl Iterator<Item = (Role, Mode)> {
    Role::BOTH
        .into_iter()
        .flat_map(|role| MODES.map(|mode| (role, mode)))
}

/// All that is left, and that the region works.
fn rest(name: &Name) -> Vec<(u64, bool)> {
    let mut far = LinkOptions::new().role(Role::Secondary).open(name).unwrap();
    let seen = drain(&mut far);
    let mut near = LinkOptions::new().role(Role::Primary).open(name).unwrap();
    works(&mut near, &mut far);
    seen
}

#[test]
fn whoever_takes_over_from_the_dead_may_be_killed_anywhere() {
    for delivery in DELIVERIES {
        let region = || {
            let name = Name::new();
            let options = LinkOptions::new().count(RING).size(SIZE).delivery(delivery);
            options.create_region(&name).unwrap();
            name
        };
        killed_anywhere(&["take"], region, |name, noted, at| {
            let seen = rest(name);
            // It had read the message and was giving it back.
            let is_done = seen.is_empty() && noted == 1;
            match delivery {
                Delivery::AtMostOnce => assert_eq!((seen, noted), (vec![], 0), "after {at}"),
                Delivery::AtLeastOnce => {
                    assert!(is_done || seen == [(0, true)], "after {at}: {seen:?}");
                }
            }
        });
    }
}

#[test]
fn whoever_leaves_may_be_killed_anywhere() {
    for delivery in DELIVERIES {
        let left = abandoned(delivery);
        for (role, mode) in each_end() {
            // With what it has taken over and nobody has seen.
            killed_anywhere(
                &["leave", &role.to_string(), &mode.to_string(), "0"],
                || region_of(&left),
                |name, _, at| recovered(name, delivery, at),
            );
            // With something that it has sent, or received.
            let region = || {
                let name = Name::new();
                let options = LinkOptions::new().count(RING).size(SIZE).delivery(delivery);
                options.create_region(&name).unwrap();
                if role == Role::Secondary {
                    let mut near = options.role(Role::Primary).open(&name).unwrap();
                    for number in 0..3 {
                        near.send(&fill_message(1, number, SIZE)).unwrap();
                    }
                }
                name
            };
            let expected: &[(u64, bool)] = match role {
                Role::Primary => &[(0, false), (1, false)],
                _ => &[(2, false)],
            };
            killed_anywhere(
                &["leave", &role.to_string(), &mode.to_string(), "2"],
                region,
                |name, _, at| assert_eq!(rest(name), expected, "{role}, {mode}, after {at}"),
            );
        }
    }
}

/// The messages of a run that it has not received are of the packet that it puts back.
#[test]
fn whoever_leaves_amid_a_run_may_be_killed_anywhere() {
    for delivery in DELIVERIES {
        let name = Name::new();
        // Three messages fit a buffer.
        let options = LinkOptions::new().count(RING).size(4 * SIZE);
        let options = options.delivery(delivery);
        options.create_region(&name).unwrap();
        let _far = options.clone().role(Role::Secondary).open(&name).unwrap();
        let mut near = options.role(Role::Primary).open(&name).unwrap();
        let run = [0, 1, 2].map(|number| fill_message(1, number, SIZE));
        assert_eq!(near.sender().try_send_batch(&run), Ok(3));
        let left = image(&name.path());
        killed_anywhere(
            &["leave", "secondary", "exclusive", "1"],
            || region_of(&left),
            |name, noted, at| {
                let seen = rest(name);
                let died_with_it = match delivery {
                    Delivery::AtMostOnce => seen.is_empty(),
                    Delivery::AtLeastOnce => seen == [(0, true), (1, true), (2, true)],
                };
                let is_put_back = seen == [(1, false), (2, false)];
                assert!(
                    is_put_back || died_with_it && noted == 0,
                    "{delivery}, after {at}: {seen:?}"
                );
            },
        );
    }
}

/// The request of a call whose server died before it took it: where it is said that the call was not executed, nobody
/// finds it any more.
#[test]
fn whoever_takes_a_request_back_may_be_killed_anywhere() {
    let region = || {
        let name = Name::new();
        let options = LinkOptions::new().count(RING).size(SIZE);
        options.create_region(&name).unwrap();
        name
    };
    let has_told = Cell::new(false);
    killed_anywhere(&["retract"], region, |name, noted, at| {
        // The slots of direction 0, whose stamps say which packets they hold: the call may have said since that it
        // gives up.
        let image = image(&name.path());
        let is_there = (0..RING)
            .map(|slot| &image[16384 + 384 + 64 * slot..][..64])
            .any(|slot| slot[0] == Opcode::ConnectionCopy as u8 && slot[48] & BEGIN != 0);
        assert!(!is_there || noted == 0, "after {at}");
        has_told.set(has_told.get() || noted == 1);
        let [near, far] = Role::BOTH.map(|role| {
            let link = LinkOptions::new().role(role).open(name).unwrap();
            AdvancedLink::new(link, AdvancedOptions::new())
        });
        let limit = Instant::now().checked_add(LIMIT);
        std::thread::scope(|scope| {
            let agreed = scope.spawn(|| near.negotiate(limit).unwrap());
            far.wait_for_negotiation(limit).unwrap();
            agreed.join().unwrap();
            let call = scope.spawn(|| near.call_timeout(1, b"another", LIMIT).unwrap());
            let request = far.receive_request(limit).unwrap();
            assert_eq!(request.body(), b"another");
            far.respond(&request, b"answer").unwrap();
            assert_eq!(call.join().unwrap(), b"answer");
        });
    });
    assert!(has_told.get());
}
