//! A batch that shares a buffer is one packet: of a reader that is killed amid it, all of that packet and
//! nothing else is lost, or comes again.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

use std::process::Stdio;

use hqq_core::{Delivery, TryRecvError};
use hqq_std::{LinkOptions, Role};
use hqq_tests::{LIMIT, Name, Process, rogue};

fn small() -> LinkOptions {
    LinkOptions::new().count(8).size(64)
}

/// The messages that are there, and whether each is in doubt.
fn rest(name: &Name) -> Vec<(u8, bool)> {
    let mut next = small().role(Role::Secondary).open(name).unwrap();
    let mut took = Vec::new();
    loop {
        match next.receiver().try_next() {
            Ok(message) => {
                let mut byte = [0];
                message.copy_to(0, &mut byte);
                took.push((byte[0], message.is_in_doubt()));
            }
            Err(error) => {
                assert_eq!(error, TryRecvError::Empty);
                return took;
            }
        }
    }
}

#[test]
fn a_reader_killed_amid_a_run_loses_or_repeats_that_run_and_no_other() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        for taken in 1..=12 {
            let name = Name::new();
            small().delivery(delivery).create_region(&name).unwrap();
            let mut near = small().role(Role::Primary).open(&name).unwrap();
            let mut reader = rogue!["read", &*name, taken.to_string()];
            let mut reader = Process::start_with(&mut reader, Stdio::piped());
            reader.wait_for_output("ready");
            let sender = near.sender();
            // Three packets of four messages each: runs, as an exclusive reader is there.
            for first in [0_u8, 4, 8] {
                let batch = [first, first + 1, first + 2, first + 3].map(|byte| [byte; 8]);
                assert_eq!(sender.try_send_batch(&batch), Ok(4));
            }
            reader.wait_for_output("holds");
            reader.kill();
            // The packet of which the last message was being read.
            let begun = (taken - 1) / 4 * 4;
            let expected: Vec<(u8, bool)> = match delivery {
                Delivery::AtLeastOnce => (begun..12).map(|at| (at, at < begun + 4)).collect(),
                _ => (begun + 4..12).map(|at| (at, false)).collect(),
            };
            assert_eq!(rest(&name), expected, "{delivery}, {taken} taken");
            near.sender().wait_drained(Some(LIMIT)).unwrap();
        }
    }
}
