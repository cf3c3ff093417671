//! Who looks whether its peer lives may stand still at any system call of that, while the peer sends its last message
//! and dies: the message comes first, and then the death.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use hqq_core::layout::{FILE_ALIGNMENT, FILE_MEMBERS};
use hqq_core::{Layout, Member};
use hqq_std::{LinkOptions, Role};
use hqq_tests::{Name, Process, Sheet};

use crate::step::{RING, SIZE};
use crate::stepper::Stepper;

/// Where a member's record has its process.
const PROCESS: usize = 4;

/// As where the peer is of another namespace: the kernel tells nobody when that process ends.
fn forget_process(name: &Name, role: Role) {
    let layout = Layout::new(RING, SIZE, FILE_ALIGNMENT, FILE_MEMBERS).unwrap();
    let file = File::options().write(true).open(name.path()).unwrap();
    for consumer in [false, true] {
        let record = layout.member(role, Member::FIRST, consumer).unwrap();
        let at = u64::try_from(record + PROCESS).unwrap();
        file.write_all_at(&[0; 4], at).unwrap();
    }
}

#[test]
fn the_last_message_of_a_peer_that_dies_while_it_is_looked_for_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sheet");
    let mut stops = 0;
    loop {
        let name = Name::new();
        let options = LinkOptions::new().count(RING).size(SIZE);
        options.create_region(&name).unwrap();
        let sheet = Sheet::create(&path);
        let mut command = Command::new(env!("CARGO_BIN_EXE_victim"));
        command.args(["step", "last", &name]);
        let mut peer = Process::start_with(&mut command, Stdio::piped());
        let looking = Stepper::start(&["look", &name], &path);
        peer.wait_for_output("agreed");
        forget_process(&name, Role::Primary);
        let is_within = (0..stops).all(|_| looking.to_system_call());
        peer.say("the last one");
        let _ = peer.wait().ok();
        looking.finish(is_within);
        assert_eq!(sheet.count(0), 1, "after {stops} stops");
        if !is_within {
            break;
        }
        stops += 1;
    }
    println!("{stops} stops");
    assert!(stops > 4, "it did not look");
}
