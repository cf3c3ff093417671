//! The configurations of the handshake: what must hold, and one broken rule each that must be
//! noticed.

use super::{Broken, Handshake, PUBLISHERS};
use crate::configurations::{all, assert_holds};
use crate::explorer::{Finding, explore};

#[test]
fn wake_holds() {
    let holds = |name: &str, handshake: Handshake| {
        assert_holds(name, &explore(&handshake, 20_000_000));
    };
    let new = Handshake::new;
    holds("1 publisher, 1 sleeper", new(1, 1, 4));
    holds("1 publisher, 2 sleepers", new(1, 2, 3));
    holds("2 publishers, 1 sleeper", new(2, 1, 2));
    let unregistered = [false; PUBLISHERS];
    let fences = Handshake {
        registered: unregistered,
        ..new(1, 2, 3)
    };
    holds("1 publisher that fences, 2 sleepers", fences);
    let mixed = Handshake {
        registered: [true, false],
        ..new(2, 1, 2)
    };
    holds("2 publishers, one of which fences, 1 sleeper", mixed);
    let one_word = Handshake {
        one_word: true,
        ..new(1, 1, 4)
    };
    holds("1 publisher, 1 sleeper, one word", one_word);
    // A sleeper that nobody may be able to wake in time sleeps for a time only.
    let timed = Handshake {
        registered: unregistered,
        timed: true,
        broken: Some(Broken::NoFence),
        ..new(1, 2, 2)
    };
    holds(
        "1 publisher, 2 timed sleepers, neither fence nor barrier",
        timed,
    );
    if all() {
        holds("2 publishers, 2 sleepers", new(2, 2, 2));
        holds("1 publisher, 3 sleepers", new(1, 3, 4));
        holds("2 publishers, 3 sleepers", new(2, 3, 2));
    }
}

#[test]
fn wake_notices_broken_rules() {
    let new = Handshake::new;
    let unregistered = |handshake| Handshake {
        registered: [false; PUBLISHERS],
        ..handshake
    };
    let rules = [
        (Broken::NoFence, unregistered(new(1, 1, 1))),
        (Broken::NoBarrier, new(1, 1, 1)),
        (Broken::AsksForFences, unregistered(new(1, 1, 1))),
        (Broken::LooksOnce, new(1, 1, 1)),
        (Broken::LoadsLate, new(1, 2, 3)),
        (Broken::MovesFirst, new(1, 2, 3)),
        (Broken::WakesOne, new(1, 2, 2)),
        (Broken::OneWord, new(1, 2, 3)),
        (Broken::ClosesQuietly, new(1, 1, 1)),
    ];
    for (rule, handshake) in rules {
        let sound = explore(&handshake, 20_000_000);
        assert_holds(&format!("unless {rule:?}"), &sound);
        let handshake = Handshake {
            broken: Some(rule),
            ..handshake
        };
        let report = explore(&handshake, 20_000_000);
        println!("{rule:?}: noticed after {} states", report.states);
        assert!(
            matches!(report.finding, Finding::Stuck),
            "{rule:?} is not noticed: {:?}",
            report.finding
        );
    }
}
