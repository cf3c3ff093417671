//! Streams, as far as a call needs one.

use std::time::Duration;

use hqq_core::packet::{ErrorCode, Reason};
use hqq_std::advanced::error::{CallError, DialError};
use hqq_std::{Message, Role};

use crate::{AGREED, Meeting, content, reversed, soon};

#[test]
fn the_other_implementation_dials() {
    for role in [Role::Primary, Role::Secondary] {
        let arguments = ["adv-client", "--dial", "--length", "100", "--body", "100"];
        let (meeting, peer) = Meeting::new(role, (4, 64), &arguments);
        meeting.link.listen(true);
        meeting.link.wait_for_negotiation(soon()).unwrap();
        let stream = meeting.link.accept(soon()).unwrap();
        assert_eq!(stream.id(), 1);
        for _ in 0..2 {
            match meeting.link.receive_until(soon()).unwrap() {
                Message::Request(request) => {
                    assert_eq!(request.connection(), 1);
                    meeting.answer(&request);
                }
                message => assert_eq!(message.body(), content(100)),
            }
        }
        let expected = "accepted\nsent=100 chunks=2\nanswered=1 refused=0 aborted=0\n";
        assert_eq!(peer.wait().text(), format!("{AGREED}{expected}"));
        // The end of the stream is there by now.
        let _ = meeting.link.receive_timeout(Duration::ZERO);
        meeting.assert_clean();
        drop(stream);
    }
}

#[test]
fn the_other_implementation_dials_who_does_not_listen() {
    let (meeting, peer) = Meeting::new(Role::Primary, (4, 64), &["adv-client", "--dial"]);
    meeting.link.wait_for_negotiation(soon()).unwrap();
    assert_eq!(
        meeting.wait_idly(peer).with_code(7).stderr,
        "error context=1 code=5\n"
    );
    meeting.assert_clean();
}

#[test]
fn the_other_implementation_listens() {
    for role in [Role::Primary, Role::Secondary] {
        let arguments = ["adv-server", "--listen", "--length", "100", "--body", "100"];
        let (meeting, peer) = Meeting::new(role, (4, 64), &arguments);
        meeting.link.negotiate(soon()).unwrap();
        let stream = meeting.link.dial(soon()).unwrap();
        assert_eq!(stream.id(), 1);
        stream.send_large(&content(100)).unwrap();
        assert_eq!(
            stream.call(7, &content(100)).unwrap(),
            reversed(&content(100))
        );
        drop(stream);
        let expected = "accepted\nreceived=100 chunks=2\nanswered=1 given-up=0\nclosed\n";
        assert_eq!(peer.wait().text(), format!("{AGREED}{expected}"));
        meeting.assert_clean();
    }
}

#[test]
fn the_other_implementation_refuses_or_ends_a_stream() {
    let meeting = Meeting::as_primary((4, 64), hqq_std::AdvancedOptions::new());
    let peer = meeting.start(&["adv-server", "--no-message", "--calls", "0"]);
    meeting.link.negotiate(soon()).unwrap();
    let _ = peer.wait().ok();
    meeting.put([0, 1, 5, 0, 0, 0, 0, 0]);
    let refused = meeting.link.dial(soon()).map(|stream| stream.id());
    assert_eq!(
        refused,
        Err(DialError::Refused(ErrorCode::ConnectionNotFound))
    );
    meeting.put([2, 2, 0, 0, 0, 0, 0, 0]);
    let stream = meeting.link.dial(soon()).unwrap();
    let call = stream.start_call(7, b"who is there?").unwrap();
    meeting.put([3, 2, 0, 0, 0, 0, 0, 0]);
    let result = call.wait_until(soon());
    assert!(matches!(result, Err(CallError::StreamClosed)), "{result:?}");
    drop(stream);
    // A stream may also be closed in place of an answer.
    meeting.put([3, 3, 9, 0, 0, 0, 0, 0]);
    let closed = meeting.link.dial(soon()).map(|stream| stream.id());
    assert_eq!(closed, Err(DialError::Closed(Reason::new(9))));
    meeting.assert_clean();
}
