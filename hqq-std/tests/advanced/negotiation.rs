//! Negotiation that fails, in time or for good, with peers of format 2: another end, or one that follows
//! no rules.
#![cfg(target_os = "linux")]

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hqq_core::advanced::NegotiateError;
use hqq_core::packet::{
    Capabilities, ErrorCode, ErrorPacket, Features, Negotiate, NegotiateAck, Packet,
    ProtocolVersion,
};
use hqq_core::{AttachOptions, DynamicLink, Presence, TryRecvError};
use hqq_std::advanced::error::{NegotiationError, TransferError};
use hqq_std::{AdvancedLink, AdvancedOptions, Format, LinkOptions, Role, StandIn};

use super::common::{Name, bare_region, bounded};
use super::support::{limit, look};

fn soon() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(30))
}

fn strangers() -> (AdvancedLink, AdvancedLink) {
    let ends = LinkOptions::new().count(4).size(64).pair().unwrap();
    let options = AdvancedOptions::new();
    (
        AdvancedLink::new(ends.0, options),
        AdvancedLink::new(ends.1, options),
    )
}

#[test]
fn a_peer_that_asks_late_is_answered_though_waiting_for_it_has_timed_out() {
    let (near, far) = strangers();
    for _ in 0..3 {
        let error = far.wait_for_negotiation(soon()).unwrap_err();
        assert!(matches!(error, NegotiationError::TimedOut), "{error:?}");
    }
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| near.negotiate(limit()).unwrap());
        let agreed = far.wait_for_negotiation(limit()).unwrap();
        assert_eq!(asking.join().unwrap(), agreed);
        assert_eq!(agreed.features, Features::KNOWN);
    });
}

#[test]
fn who_has_asked_in_vain_cannot_ask_again() {
    let (near, far) = strangers();
    let error = near.negotiate(soon()).unwrap_err();
    assert!(matches!(error, NegotiationError::TimedOut), "{error:?}");
    assert_repeated(&near);
    // The offer lies in the ring still: who comes now takes it, and no message follows.
    far.wait_for_negotiation(limit()).unwrap();
    look(&near);
    let unsent = near.send_large(b"").unwrap_err();
    assert!(matches!(unsent, TransferError::Begin(_)), "{unsent:?}");
}

#[test]
fn who_has_agreed_cannot_ask_again() {
    let (near, far) = strangers();
    super::support::agree(&near, &far);
    assert_repeated(&near);
    assert_repeated(&far);
    assert_eq!(near.agreement(), far.agreement());
    near.send_large(b"as before").unwrap();
    assert_eq!(far.receive_until(limit()).unwrap().body(), b"as before");
}

#[track_caller]
fn assert_repeated(link: &AdvancedLink) {
    let error = link.negotiate(limit()).unwrap_err();
    let repeated = NegotiationError::Negotiate(NegotiateError::Repeated);
    assert_eq!(error.to_string(), repeated.to_string());
}

/// A link, and a peer that sends `sent` once it has seen so many packets; it gives the next one that comes
/// before the link has gone.
fn beside_raw(sent: Packet, after: usize) -> (AdvancedLink, JoinHandle<Option<Packet>>) {
    let name = Name::new();
    let region = LinkOptions::new().count(4).size(64).role(Role::Primary);
    let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
    assert_eq!(link.format(), Format::V2);
    let stand_in = StandIn::for_role(&name, Role::Secondary).unwrap();
    let options = AttachOptions::new(Role::Secondary).presence(Presence::Alone, Presence::Alone);
    let raw = DynamicLink::attach(bare_region(&name), &options).unwrap();
    let peer = std::thread::spawn(move || {
        let (mut sender, mut receiver) = raw.split();
        let mut next = || {
            loop {
                match receiver.try_next_packet() {
                    Ok(grant) => return Some(*grant.packet()),
                    Err(TryRecvError::Disconnected) => return None,
                    Err(_) => std::thread::yield_now(),
                }
            }
        };
        for _ in 0..after {
            assert!(next().is_some());
        }
        sender.try_send_packet(&sent).unwrap();
        let came = next();
        drop(stand_in);
        came
    });
    (link, peer)
}

const OURS: ProtocolVersion = ProtocolVersion::CURRENT;

#[test]
fn a_peer_of_another_major_is_refused() {
    bounded(|| {
        let version = ProtocolVersion {
            major: OURS.major + 1,
            minor: 0,
        };
        let offer = Negotiate {
            version,
            features: Features::KNOWN,
            capabilities: Capabilities::KNOWN,
        };
        let (link, peer) = beside_raw(Packet::Negotiate(offer), 0);
        match link.wait_for_negotiation(limit()).unwrap_err() {
            NegotiationError::Negotiate(NegotiateError::Version { found }) => {
                assert_eq!(found, version);
            }
            other => panic!("{other:?}"),
        }
        let refusal = ErrorPacket {
            context_id: 0,
            code: ErrorCode::InvalidOperation,
        };
        assert_eq!(peer.join().unwrap(), Some(Packet::Error(refusal)));
    });
}

#[test]
fn an_answer_beyond_what_was_offered_is_none() {
    bounded(|| {
        let answer = NegotiateAck {
            version: OURS,
            features: Features::from_bits(1 << 40),
            capabilities: Capabilities::KNOWN,
        };
        let (link, peer) = beside_raw(Packet::NegotiateAck(answer), 1);
        match link.negotiate(limit()).unwrap_err() {
            NegotiationError::Negotiate(NegotiateError::Answer { features, .. }) => {
                assert_eq!(features, answer.features);
            }
            other => panic!("{other:?}"),
        }
        assert!(link.agreement().is_none());
        drop(link);
        assert_eq!(peer.join().unwrap(), None);
    });
}

#[test]
fn a_refusal_ends_asking() {
    bounded(|| {
        let refusal = ErrorPacket {
            context_id: 0,
            code: ErrorCode::BufferOverflow,
        };
        let (link, peer) = beside_raw(Packet::Error(refusal), 1);
        match link.negotiate(limit()).unwrap_err() {
            NegotiationError::Negotiate(NegotiateError::Refused { code }) => {
                assert_eq!(code, refusal.code);
            }
            other => panic!("{other:?}"),
        }
        assert_repeated(&link);
        drop(link);
        assert_eq!(peer.join().unwrap(), None);
    });
}
