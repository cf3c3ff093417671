//! Whoever repairs a region, or makes one, may itself die at any instruction: the next one does it
//! again.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use hqq_core::Layout;
use hqq_std::{Delivery, LinkOptions, Role};
use hqq_tests::{Name, fill_message};

use crate::step::{RING, SIZE, drain, every_step, works};
use crate::stepper::{Stepper, image, region_of, states};

/// A region in which all have died: one with a buffer half filled, one with a message half read, and
/// two messages that wait.
pub(crate) fn abandoned(delivery: Delivery) -> Vec<u8> {
    let name = Name::new();
    let options = LinkOptions::new().count(RING).size(SIZE).delivery(delivery);
    options.create_region(&name).unwrap();
    let open = |role| options.shared().role(role).open(&name).unwrap();
    let (near, dying) = (open(Role::Primary), open(Role::Primary));
    let (_far, reading) = (open(Role::Secondary), open(Role::Secondary));
    let (mut sender, mut writer, mut reader) = (near.sender(), dying.sender(), reading.receiver());
    sender.try_send(&fill_message(1, 0, SIZE)).unwrap();
    sender.try_send(&fill_message(1, 1, SIZE)).unwrap();
    let _read = reader.try_next().unwrap();
    let _written = writer.try_reserve().unwrap();
    sender.try_send(&fill_message(1, 2, SIZE)).unwrap();
    image(&name.path())
}

/// That what was committed is there, and the region works.
pub(crate) fn recovered(name: &Name, delivery: Delivery, at: u64) {
    let mut far = LinkOptions::new().role(Role::Secondary).open(name).unwrap();
    let expected: &[(u64, bool)] = match delivery {
        Delivery::AtMostOnce => &[(1, false), (2, false)],
        Delivery::AtLeastOnce => &[(0, true), (1, false), (2, false)],
    };
    assert_eq!(drain(&mut far), expected, "after {at} instructions");
    let mut near = LinkOptions::new().role(Role::Primary).open(name).unwrap();
    works(&mut near, &mut far);
}

#[test]
fn a_repair_that_is_cut_off_anywhere_is_done_by_the_next() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let (instructions, states) = states(region_of(&abandoned(delivery)), &["repair"]);
        assert!(states.len() > 16, "it repaired nothing");
        for state in &states {
            let name = region_of(&state.image);
            let caretaker = LinkOptions::new().caretaker(&name).unwrap();
            caretaker.repair().unwrap();
            assert!(!caretaker.examine().needs_repair(), "after {}", state.at);
            assert!(!caretaker.repair().unwrap().has_changed());
            recovered(&name, delivery, state.at);
            // As well without: whoever attaches repairs.
            recovered(&region_of(&state.image), delivery, state.at);
        }
        // In earnest, so that its locks are seen to be free. Getting there takes a step for each instruction.
        let each = states.len().div_ceil(if every_step() { 32 } else { 3 });
        for state in states.iter().step_by(each) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("sheet");
            let _sheet = hqq_tests::Sheet::create(&path);
            let name = region_of(&abandoned(delivery));
            let child = Stepper::start(&["repair", &name], &path);
            for _ in 0..state.at {
                child.step();
            }
            drop(child);
            let caretaker = LinkOptions::new().caretaker(&name).unwrap();
            caretaker.repair().unwrap();
            recovered(&name, delivery, state.at);
        }
        println!(
            "repair, {delivery}: {instructions} instructions, {} states",
            states.len()
        );
    }
}

/// A file of zeros that nobody has touched for a while: it may become a region.
fn empty() -> Name {
    let name = Name::new();
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(name.path())
        .unwrap();
    let len = Layout::file(RING, SIZE).unwrap().len() as u64;
    file.set_len(len).unwrap();
    // A file that has just changed is left alone, as whoever made it may be at work.
    std::thread::sleep(Duration::from_millis(250));
    name
}

#[test]
fn a_region_whose_making_is_cut_off_anywhere_is_made_by_the_next() {
    let (count, size) = (RING.to_string(), SIZE.to_string());
    let (instructions, states) = states(empty(), &["create", &count, &size]);
    // Each word of the superblock is a change.
    assert!(states.len() > 16, "it made none");
    let options = LinkOptions::new().count(RING).size(SIZE);
    for state in &states {
        let name = region_of(&state.image);
        let of = |role| options.clone().role(role);
        let mut near = of(Role::Primary).create_or_open(&name).unwrap();
        let mut far = of(Role::Secondary).open(&name).unwrap();
        works(&mut near, &mut far);
    }
    println!(
        "making a region: {instructions} instructions, {} states",
        states.len()
    );
}

/// As a name comes to be usually: a file without one is filled, and then linked.
#[test]
fn whoever_makes_a_region_of_a_new_name_may_be_killed_anywhere() {
    let (count, size) = (RING.to_string(), SIZE.to_string());
    let arguments = ["create", &count, &size];
    // What is there at all is whole; before that there is nothing.
    let (instructions, states) = states(Name::new(), &arguments);
    let named = states[0].at;
    assert!(named > 0);
    for state in &states {
        let name = region_of(&state.image);
        let of = |role| LinkOptions::new().role(role);
        let mut near = of(Role::Primary).open(&name).unwrap();
        let mut far = of(Role::Secondary).open(&name).unwrap();
        works(&mut near, &mut far);
    }
    println!(
        "making a region of a new name: {instructions} instructions, {} states",
        states.len()
    );
    // In earnest, after which nothing is left of a file without a name.
    let options = LinkOptions::new().count(RING).size(SIZE);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sheet");
    let _sheet = hqq_tests::Sheet::create(&path);
    // Whether the name was there.
    let kill_at = |end: u64| {
        let name = Name::new();
        let child = Stepper::start(&["create", &name, &count, &size], &path);
        let _ = (0..end).all(|_| child.step());
        let is_there = name.path().exists();
        drop(child);
        if is_there {
            LinkOptions::new().open(&name).unwrap();
        }
        let of = |role| options.clone().role(role);
        let mut near = of(Role::Primary).create_or_open(&name).unwrap();
        let mut far = of(Role::Secondary).open(&name).unwrap();
        works(&mut near, &mut far);
        is_there
    };
    let kills = if every_step() { 32 } else { 2 };
    let found = (0..kills).filter(|kill| kill_at(named * 5 / 4 * (kill + 1) / kills));
    println!(
        "named after {named} instructions; {} of {kills} kills came after that",
        found.count()
    );
}

#[test]
fn repair_takes_as_long_as_it_takes() {
    let name = Name::new();
    let options = LinkOptions::new().count(4096).size(64);
    options.create_region(&name).unwrap();
    let open = |role| options.shared().role(role).open(&name).unwrap();
    let (near, far) = (open(Role::Primary), open(Role::Secondary));
    let mut sender = near.sender();
    let mut readers: Vec<_> = (0..1024).map(|_| far.receiver()).collect();
    for number in 0..4096 {
        sender.try_send(&fill_message(1, number, 64)).unwrap();
    }
    let held: Vec<_> = readers
        .iter_mut()
        .map(|reader| reader.try_next().unwrap())
        .collect();
    let caretaker_of = region_of(&image(&name.path()));
    drop(held);
    let caretaker = LinkOptions::new().caretaker(&caretaker_of).unwrap();
    let started = std::time::Instant::now();
    let repaired = caretaker.repair().unwrap();
    println!(
        "4096 buffers, 1024 of them claimed by the dead: repaired in {:?}",
        started.elapsed()
    );
    assert_eq!(
        (repaired.released, repaired.members, repaired.sides),
        (1024, 2, 4)
    );
}
