//! Negotiation: what is agreed on, and what is refused.

use std::time::{Duration, Instant};

use hqq_core::advanced::{BeginError, NegotiateError};
use hqq_core::packet::Features;
use hqq_std::advanced::error::{CallError, NegotiationError, TransferError};
use hqq_std::{AdvancedOptions, Role};

use crate::{AGREED, Meeting, soon};

const REFUSED: &str = "error context=0 code=6\n";

fn meeting() -> Meeting {
    Meeting::as_primary((4, 64), AdvancedOptions::new())
}

#[test]
fn unknown_bits_and_a_later_minor_are_ignored() {
    let arguments = ["adv-client", "--version", "0x01ff", "--features"];
    let all = "0xffffffffffffffff";
    let arguments = [&arguments[..], &[all, "--capabilities", all]].concat();
    let (meeting, peer) = Meeting::new(Role::Primary, (4, 64), &arguments);
    let agreement = meeting.link.wait_for_negotiation(soon()).unwrap();
    assert_eq!(agreement.version.minor, 0);
    assert_eq!(agreement.features.bits(), 3);
    assert_eq!(agreement.capabilities.bits(), 7);
    meeting.serve(vec![0], 1);
    assert!(peer.wait().text().starts_with(AGREED));
}

#[test]
fn what_the_other_implementation_has_not_is_not_used() {
    let bits = ["--features", "1", "--capabilities", "4"];
    let agreed = "negotiated version=1.0 features=1 capabilities=4\n";
    for asks in [false, true] {
        let rest = if asks { "adv-server" } else { "adv-client" };
        let arguments = [&[rest, "--calls", "0"], &bits[..]].concat();
        let (meeting, peer) = Meeting::new(Role::Primary, (4, 64), &arguments);
        let agreement = match asks {
            true => meeting.link.negotiate(soon()),
            false => meeting.link.wait_for_negotiation(soon()),
        };
        let agreement = agreement.unwrap();
        assert_eq!(agreement.features.bits(), 1);
        assert_eq!(agreement.capabilities.bits(), 4);
        match meeting.link.call_on(0, 7, b"", soon()) {
            Err(CallError::Begin(BeginError::NotAgreed { features })) => {
                assert_eq!(features.bits(), 2);
            }
            other => unreachable!("{other:?}"),
        }
        if asks {
            meeting.link.send_large(b"").unwrap();
        } else {
            meeting.serve(vec![0], 0);
        }
        assert!(peer.wait().text().starts_with(agreed));
    }
}

#[test]
fn what_this_implementation_does_not_offer_is_not_agreed_on() {
    let features = Features::from_bits(2);
    let options = AdvancedOptions::new().features(features);
    let meeting = Meeting::as_primary((4, 64), options);
    let peer = meeting.start(&["adv-client", "--no-message"]);
    // The other implementation insists on what both have by the format.
    let agreement = meeting.link.wait_for_negotiation(soon()).unwrap();
    assert_eq!(agreement.features, features);
    peer.wait().with_code(8).complains(&["features: 6 256 2 7"]);
    let error = meeting.link.send_large(b"").unwrap_err();
    assert!(
        matches!(
            error,
            TransferError::Begin(BeginError::NotAgreed { features }) if features.bits() == 1
        ),
        "{error:?}"
    );
}

#[test]
fn another_major_is_refused() {
    for version in ["0x0200", "0", "0xff00"] {
        let (meeting, peer) = Meeting::new(
            Role::Primary,
            (4, 64),
            &["adv-client", "--version", version],
        );
        let error = meeting.link.wait_for_negotiation(soon()).unwrap_err();
        assert!(
            matches!(
                error,
                NegotiationError::Negotiate(NegotiateError::Version { .. })
            ),
            "{error:?}"
        );
        let outcome = peer.wait().with_code(7);
        assert_eq!(outcome.stderr, REFUSED);
        // Neither of them is asked again.
        let again = meeting.start(&["adv-client"]);
        let again = meeting.wait_idly(again).with_code(7);
        assert_eq!(again.stderr, REFUSED);
        assert!(meeting.link.negotiate(soon()).is_err());
    }
}

#[test]
fn a_second_negotiation_is_refused_and_the_first_one_stands() {
    for role in [Role::Primary, Role::Secondary] {
        let arguments = ["adv-client", "--again", "--length", "200", "--body", "200"];
        let (meeting, peer) = Meeting::new(role, (4, 64), &arguments);
        let agreement = meeting.link.wait_for_negotiation(soon()).unwrap();
        meeting.serve(vec![200], 1);
        let expected = "refused again\nsent=200 chunks=4\nanswered=1 refused=0 aborted=0\n";
        assert_eq!(peer.wait().text(), format!("{AGREED}{expected}"));
        assert_eq!(meeting.link.agreement(), Some(agreement));
        assert_eq!(
            meeting.link.negotiate(soon()).unwrap_err().to_string(),
            NegotiateError::Repeated.to_string()
        );
    }
}

#[test]
fn a_late_negotiation_is_refused_unless_successors_are_welcome() {
    let meeting = meeting();
    for code in [0, 7] {
        let peer = meeting.start(&["adv-client"]);
        if code == 0 {
            meeting.link.wait_for_negotiation(soon()).unwrap();
            meeting.serve(vec![0], 1);
            let _ = peer.wait().ok();
        } else {
            let late = meeting.wait_idly(peer).with_code(code);
            assert_eq!(late.stderr, REFUSED);
        }
    }

    let options = AdvancedOptions::new().successors(true);
    let meeting = Meeting::as_primary((4, 64), options);
    for len in [100, 5, 3000] {
        let length = len.to_string();
        let peer = meeting.start(&["adv-client", "--length", &length, "--body", &length]);
        meeting.serve(vec![len], 1);
        assert!(peer.wait().text().starts_with(AGREED));
        meeting.assert_clean();
    }
}

#[test]
fn an_answer_beyond_what_was_asked_for_is_no_agreement() {
    for answer in [
        [6, 0x0200, 3, 7],
        [6, 0x0000, 3, 7],
        [6, 0x0101, 3, 7],
        [6, 0x0100, 7, 7],
        [6, 0x0100, 3, 15],
        [6, 0x0100, 1 << 63, 0],
        [0, 0, 6, 0],
        [0, 0, 4, 0],
    ] {
        let meeting = meeting();
        let error = std::thread::scope(|scope| {
            let asking = scope.spawn(|| meeting.link.negotiate(soon()));
            // An answer that comes before the question is none: somebody takes that first, who
            // knows no such packet.
            let _ = meeting.run(&["read"]).with_code(8);
            let [opcode, first, second, third] = answer;
            meeting.put([opcode, first, second, third, 0, 0, 0, 0]);
            asking.join().unwrap()
        });
        assert!(
            matches!(
                error,
                Err(NegotiationError::Negotiate(
                    NegotiateError::Answer { .. } | NegotiateError::Refused { .. }
                ))
            ),
            "{answer:x?}: {error:?}"
        );
    }
}

#[test]
fn nobody_answers() {
    let meeting = meeting();
    let deadline = Instant::now() + Duration::from_millis(50);
    let error = meeting.link.negotiate(Some(deadline)).unwrap_err();
    assert!(matches!(error, NegotiationError::TimedOut), "{error:?}");
}
