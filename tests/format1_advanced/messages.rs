//! Messages and calls of every length, in both roles.

use hqq_std::{AdvancedOptions, Role};

use crate::{AGREED, Geometry, Meeting, content, reversed, soon};

const ROLES: [Role; 2] = [Role::Primary, Role::Secondary];

/// Messages as long as a buffer and around that, and much longer.
const LENGTHS: [(Geometry, &[usize]); 2] = [
    ((8, 4096), &[0, 1, 4096, 4097, 1 << 20]),
    ((2, 8), &[0, 1, 8, 9, 1000]),
];

fn each(test: impl Fn(Role, Geometry, usize)) {
    for (geometry, lengths) in LENGTHS {
        for len in lengths {
            for role in ROLES {
                test(role, geometry, *len);
            }
        }
    }
}

/// How many parts a message is sent in, at least.
fn chunks(len: usize, (_, size): Geometry) -> usize {
    len.div_ceil(size).max(1)
}

/// Sends a message and makes a call of this length on a connection, which the other one checks.
fn send_and_call(role: Role, geometry: Geometry, len: usize, connection: u64) {
    let [length, on] = [len.to_string(), connection.to_string()];
    let arguments = ["adv-server", "--length", &length, "--body", &length];
    let (meeting, peer) = Meeting::new(
        role,
        geometry,
        &[&arguments[..], &["--connection", &on]].concat(),
    );
    let link = &meeting.link;
    let agreement = link.negotiate(soon()).unwrap();
    assert_eq!((agreement.version.major, agreement.version.minor), (1, 0));
    assert_eq!(agreement.features.bits(), 3);
    assert_eq!(agreement.capabilities.bits(), 7);
    let bytes = content(len);
    link.send_large_on(connection, &bytes, soon()).unwrap();
    let answer = link.call_on(connection, 7, &bytes, soon()).unwrap();
    assert!(answer == reversed(&bytes), "another answer");
    let chunks = chunks(len, geometry);
    let expected = format!("{AGREED}received={len} chunks={chunks}\nanswered=1 given-up=0\n");
    assert_eq!(peer.wait().text(), expected);
    meeting.assert_clean();
}

/// Takes a message and answers calls from this length on, which the other one makes on a connection.
fn take_and_answer(role: Role, geometry: Geometry, len: usize, rest: &[&str]) {
    const CALLS: usize = 3;
    let length = len.to_string();
    let arguments = ["adv-client", "--length", &length, "--body", &length];
    let arguments = [&arguments[..], &["--calls", "3"], rest].concat();
    let (meeting, peer) = Meeting::new(role, geometry, &arguments);
    let agreement = meeting.link.wait_for_negotiation(soon()).unwrap();
    assert_eq!(meeting.link.agreement(), Some(agreement));
    meeting.serve(vec![len], CALLS);
    let chunks = chunks(len, geometry);
    let answered = format!("answered={CALLS} refused=0 aborted=0");
    let expected = format!("{AGREED}sent={len} chunks={chunks}\n{answered}\n");
    assert_eq!(peer.wait().text(), expected);
    meeting.assert_clean();
}

#[test]
fn the_other_implementation_takes_messages_and_answers_calls_of_any_length() {
    each(|role, geometry, len| send_and_call(role, geometry, len, 0));
}

#[test]
fn the_other_implementation_sends_messages_and_makes_calls_of_any_length() {
    each(|role, geometry, len| take_and_answer(role, geometry, len, &[]));
}

#[test]
fn parts_of_messages_and_requests_interleave() {
    each(|role, geometry, len| take_and_answer(role, geometry, len, &["--interleave"]));
}

/// As HQQ-Go does, which takes any connection as it comes.
#[test]
fn messages_and_calls_on_a_connection_that_nobody_created() {
    for role in ROLES {
        send_and_call(role, (4, 64), 1000, 7);
        take_and_answer(role, (4, 64), 1000, &["--connection", "7"]);
    }
}

#[test]
fn a_longer_message_than_allowed_is_not_sent_and_a_longer_request_is_refused() {
    let options = AdvancedOptions::new().max_message_size(1000);
    let meeting = Meeting::as_primary((4, 64), options);
    // Method 7 is answered, at its full length; one byte more is "buffer overflow".
    let arguments = ["adv-client", "--no-message", "--calls", "2"];
    let peer = meeting.start(&[&arguments[..], &["--body", "1000", "--status", "7"]].concat());
    meeting.link.wait_for_negotiation(soon()).unwrap();
    let error = meeting.link.send_large(&content(1001)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the message has 1001 bytes, at most 1000 are allowed: raise the limit at both ends, or stream it"
    );
    meeting.serve(vec![], 1);
    // The refusal is sent by whoever drives the link.
    let _ = meeting.link.wait_drained(soon());
    let expected = format!("{AGREED}answered=1 refused=1 aborted=0\n\n");
    assert_eq!(peer.wait().text(), expected);
}
