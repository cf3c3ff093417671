//! A peer that is known to have died: a link that is opened since waits for the next one, and none sends it requests.

use std::time::Duration;

use hqq_std::advanced::error::{CallError, LinkFailure, ReceiveError};
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions};

use super::common::{Name, bounded};
use super::processes::{Other, created, easily_full, is_served};
use super::support::{body, limit};

/// Longer than it takes to look for deaths for the first time.
const SOON: Duration = Duration::from_millis(300);

/// A region in which a peer was killed, and a link that is opened since. `seen`: this process was attached meanwhile,
/// and learned of it.
fn beside_a_dead_peer(seen: bool) -> (Name, AdvancedLink) {
    let name = Name::new();
    let link = created(&name);
    let mut peer = Other::start(&format!("deaf {}", &*name));
    let _ = link.negotiate(limit()).unwrap();
    assert_eq!(peer.says(), "deaf");
    if seen {
        peer.kill();
        let failed = link.receive_until(limit()).unwrap_err();
        assert_eq!(failed, ReceiveError::Link(LinkFailure::PeerDead));
        drop(link);
    } else {
        drop(link);
        peer.kill();
    }
    let link = AdvancedLink::open(&name, &LinkOptions::new(), AdvancedOptions::new()).unwrap();
    (name, link)
}

#[test]
fn a_new_link_waits_beside_a_dead_peer_and_talks_to_the_next() {
    for seen in [true, false] {
        bounded(move || {
            let (name, link) = beside_a_dead_peer(seen);
            let nothing = link.receive_timeout(SOON).unwrap_err();
            assert_eq!(nothing, ReceiveError::TimedOut);
            is_served(&name, link);
        });
    }
}

/// And learns of the next one's death.
#[test]
fn who_waits_to_be_asked_beside_a_dead_peer_is_asked_by_the_next() {
    bounded(|| {
        let (name, link) = beside_a_dead_peer(true);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| link.wait_for_negotiation(limit()));
            let nothing = link.receive_timeout(SOON).unwrap_err();
            assert_eq!(nothing, ReceiveError::TimedOut);
            let mut peer = Other::start(&format!("ask {}", &*name));
            let _ = asked.join().unwrap().unwrap();
            let request = link.receive_request(limit()).unwrap();
            link.respond(&request, b"").unwrap();
            assert_eq!(peer.says(), "answered");
            peer.kill();
            let failed = link.receive_until(limit()).unwrap_err();
            assert_eq!(failed, ReceiveError::Link(LinkFailure::PeerDead));
        });
    });
}

/// Nobody would take it back again. The ring stays full of what nobody receives.
#[test]
fn no_request_is_sent_to_a_peer_that_is_known_to_be_dead() {
    bounded(|| {
        let (name, link) = easily_full();
        let mut peer = Other::start(&format!("fill {}", &*name));
        let _ = link.negotiate(limit()).unwrap();
        let _ = peer.says();
        peer.kill();
        // Ends once it is known.
        let first = link.call(1, b"first").unwrap_err();
        assert!(matches!(first, CallError::NotExecuted), "{first}");
        let unread = link.unread();
        for len in [1, 5000] {
            let failed = link.call(1, &body(1, len)).unwrap_err();
            assert!(
                matches!(failed, CallError::NotExecuted),
                "{len} bytes: {failed}"
            );
        }
        assert_eq!(link.unread(), unread);
    });
}
