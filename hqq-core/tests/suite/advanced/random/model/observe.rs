//! What an end sees, against what the other has done.

use hqq_core::advanced::{CallFailure, DiscardReason, Notice};

use super::{Call, Model, Side};
use crate::advanced::support::*;

impl<R: Rings> Model<R> {
    pub(super) fn observe(&mut self, at: usize, seen: Seen) {
        let [near, far] = &mut self.sides;
        let (side, peer) = if at == 0 { (near, far) } else { (far, near) };
        match seen {
            Seen::Message {
                key,
                aux,
                error,
                body,
            } => {
                if key.kind == MessageKind::Response {
                    side.answered(&key);
                    if !peer.sent.contains_key(&key) {
                        // Answered in place of a request that died.
                        let request = MessageKey {
                            kind: MessageKind::Request,
                            ..key
                        };
                        assert!(side.sent[&request].dead, "nobody answered {key:?}");
                        assert!(error && body.is_empty() && (5..=7).contains(&aux));
                        return;
                    }
                }
                let sent = peer.sent.get_mut(&key).expect("nobody sent it");
                assert!(!sent.arrived && !sent.dead, "{key:?} again");
                assert!(sent.is_whole, "{key:?} is not all there");
                assert_eq!((aux, error), (sent.aux, sent.error));
                assert_eq!(body, sent.body);
                sent.arrived = true;
                if key.kind == MessageKind::Request {
                    side.to_answer.push(key);
                }
            }
            Seen::Notice(Notice::Discarded(key, reason)) => {
                let sent = peer.sent.get_mut(&key).expect("nobody sent it");
                assert!(!sent.arrived && !sent.dead, "{key:?} died twice: {reason}");
                sent.dead = true;
                match reason {
                    DiscardReason::UnknownConnection => {
                        assert!(self.closed.contains(&key.connection), "{key:?}");
                    }
                    DiscardReason::TooLong { len, max } => assert!(len > max),
                    DiscardReason::NoRoom | DiscardReason::Stale => {}
                    other => panic!("{key:?}: {other}"),
                }
            }
            Seen::Notice(Notice::Aborted(key)) => {
                let sent = peer.sent.get_mut(&key).expect("nobody sent it");
                assert!(sent.given_up, "{key:?} was not given up");
                if key.kind == MessageKind::Plain {
                    assert!(!sent.arrived && !sent.dead, "{key:?} died twice");
                }
                sent.dead |= !sent.arrived;
                side.to_answer.retain(|request| *request != key);
            }
            Seen::Notice(Notice::CallFailed {
                connection,
                id,
                failure,
            }) => {
                let call = side.calls.get_mut(&id).expect("nobody called");
                assert!(*call != (connection, Call::Over), "{id} failed, too");
                assert_eq!(call.0, connection);
                call.1 = Call::Over;
                let answer = key(connection, id, MessageKind::Response);
                match failure {
                    CallFailure::Closed => assert!(self.closed.contains(&connection)),
                    CallFailure::Aborted => assert!(peer.sent[&answer].given_up),
                    _ => {
                        let sent = peer.sent.get_mut(&answer).expect("nobody answered");
                        assert!(!sent.arrived && !sent.dead);
                        sent.dead = true;
                        // The peer is told.
                        let request = key(connection, id, MessageKind::Request);
                        side.sent.get_mut(&request).expect("nobody called").given_up = true;
                    }
                }
            }
            Seen::Notice(Notice::Offered(id)) => side.offered.push(id),
            Seen::Notice(Notice::Closed { connection, .. }) => {
                assert!(self.closed.contains(&connection));
            }
            Seen::Notice(Notice::Opened(_) | Notice::Refused { .. }) => {}
            // Of a dial that was taken back before it was refused.
            Seen::Notice(Notice::PeerError { context, .. }) => {
                assert!(self.closed.contains(&context), "{context}");
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Side {
    fn answered(&mut self, key: &MessageKey) {
        let call = self.calls.get_mut(&key.id).expect("nobody called");
        assert_eq!(*call, (key.connection, Call::Waits));
        call.1 = Call::Over;
    }
}
