//! The ring with one rule broken: the model must notice, by the invariant that the rule is for.

use hqq_core::Delivery::AtLeastOnce;
use hqq_core::Mode::{Exclusive, Shared};

use crate::configurations::{LIMIT, STAMP_TEARS, STEPS, holds};
use crate::explorer::{Finding, explore_for};
use crate::setup::{Broken, Setup, consumer, producer, repairer};

/// What tells that a rule is broken.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    /// A fault that begins so.
    Fault(&'static str),
    /// A state from which not everybody can finish: invariant 8.
    Stuck,
}

/// A rule, a configuration that notices when it is broken and holds otherwise, and how.
fn broken() -> Vec<(Broken, Sign, Setup)> {
    use Broken as B;
    let invariant = |number: u8| Sign::Fault(INVARIANTS[usize::from(number)]);
    let (p, c) = (producer, consumer);
    let setup = |actors: &[_]| Setup::new(actors);
    let one_to_one = [p(Exclusive, 1, 3), c(Exclusive, 1)];
    let two_to_one = [p(Shared, 1, 3), p(Shared, 2, 3), c(Exclusive, 1)];
    let one_to_two = [p(Exclusive, 1, 3), c(Shared, 1), c(Shared, 2), repairer()];
    let torn_to_two = [p(Exclusive, 1, 4).narrow(), c(Shared, 1), c(Shared, 2)];
    let torn_heir = [
        p(Exclusive, 1, 3).narrow(),
        c(Exclusive, 1),
        p(Exclusive, 1, 2).late(),
        repairer(),
    ];
    let torn_to_heir = [
        p(Exclusive, 1, 3).narrow(),
        c(Shared, 1),
        c(Shared, 1).late(),
        repairer(),
    ];
    let torn_to_lone_heir = [
        p(Exclusive, 1, 4).narrow(),
        c(Shared, 1),
        c(Exclusive, 1).late(),
        repairer(),
    ];
    let heir = [
        p(Exclusive, 1, 2),
        c(Exclusive, 1),
        c(Exclusive, 1).late(),
        repairer(),
    ];
    let other_heir = [
        p(Exclusive, 1, 3),
        c(Exclusive, 1).leaves_after(1),
        c(Shared, 1).late(),
    ];
    let late_heir = [
        p(Exclusive, 1, 6),
        c(Exclusive, 1),
        c(Exclusive, 2).late(),
        repairer(),
    ];
    let stepping = [
        p(Exclusive, 1, 5),
        c(Exclusive, 1).leaves_after(1),
        c(Shared, 1).late(),
    ];
    let writers = [
        p(Shared, 1, 2),
        c(Exclusive, 1),
        p(Shared, 1, 2).late(),
        repairer(),
    ];
    let lone_writer = [
        p(Shared, 1, 2),
        c(Exclusive, 1),
        p(Exclusive, 2, 3).late().spared(),
    ];
    let repaired_writer = [
        p(Shared, 1, 2),
        c(Exclusive, 1),
        p(Exclusive, 2, 3).late(),
        repairer(),
    ];
    let id_taken = [
        p(Shared, 1, 1),
        p(Shared, 2, 2),
        c(Exclusive, 1),
        p(Shared, 1, 1).late(),
        repairer(),
    ];
    let readers = setup(&one_to_two).deaths(1).delivery(AtLeastOnce);
    let joins_others = [p(Exclusive, 1, 4), c(Shared, 1), c(Exclusive, 2).late()];
    let dead_reader = [
        p(Shared, 1, 4).spared(),
        c(Shared, 1),
        c(Exclusive, 2).late(),
    ];
    let dead_receiver = [
        p(Shared, 1, 4).spared(),
        c(Exclusive, 1),
        c(Exclusive, 2).late(),
        repairer(),
    ];
    let retracting = [
        p(Exclusive, 1, 3).retracts(),
        c(Exclusive, 1),
        c(Exclusive, 2).late(),
        repairer(),
    ];
    let retracting_and_dying = [
        p(Exclusive, 1, 2).retracts(),
        c(Exclusive, 1),
        c(Exclusive, 2).late(),
        repairer(),
    ];
    let runs = setup(&[
        p(Exclusive, 1, 2),
        c(Exclusive, 1).leaves_after(1),
        c(Exclusive, 1).late().leaves_after(2),
        c(Exclusive, 1).late(),
        repairer(),
    ])
    .runs();
    let rows = [
        p(Shared, 1, 3).in_rows(),
        p(Shared, 2, 2).in_rows(),
        c(Shared, 1).in_rows(),
    ];
    let rows = setup(&rows).count(4);
    vec![
        (B::NeverMovesOn, invariant(3), rows.clone()),
        (B::ClaimsBeforeMovingOn, invariant(3), rows.clone()),
        (B::SkipsInRow, invariant(3), rows),
        (
            B::RetractsWithoutAttach,
            invariant(1),
            setup(&retracting).deaths(1),
        ),
        (
            B::RetractsClaimed,
            invariant(5),
            setup(&retracting).deaths(1),
        ),
        (
            B::RetractsAtOnce,
            invariant(1),
            setup(&retracting_and_dying).deaths(2),
        ),
        (B::ForgetsTaken, invariant(5), runs.clone()),
        (B::RewindsFirst, invariant(5), runs.clone().deaths(1)),
        (B::ClearsTakenFirst, invariant(5), runs.deaths(1)),
        (B::ClaimsAnything, invariant(7), setup(&two_to_one)),
        (B::ClaimsAnything, invariant(2), setup(&two_to_one)),
        (
            B::HelpsGreater,
            invariant(3),
            setup(&torn_to_two).base(STAMP_TEARS),
        ),
        (
            B::SkipsWriting,
            invariant(3),
            setup(&two_to_one[..2]).and(c(Shared, 1)),
        ),
        (B::PublishesFirst, invariant(1), setup(&one_to_one)),
        (B::ReceivesFirst, invariant(5), setup(&heir).deaths(1)),
        (B::ReleasesFirst, invariant(1), setup(&one_to_one)),
        (
            B::LagsInDoubt,
            invariant(5),
            setup(&late_heir).count(4).deaths(1).delivery(AtLeastOnce),
        ),
        (
            B::KeepsW,
            Sign::Stuck,
            setup(&[p(Exclusive, 1, 3), p(Shared, 2, 1).late(), c(Exclusive, 1)]),
        ),
        (
            B::MendsNothing,
            Sign::Fault("A2"),
            setup(&torn_heir).base(STAMP_TEARS).deaths(1),
        ),
        (B::BuriesNothing, Sign::Stuck, setup(&lone_writer).deaths(1)),
        (B::TakesIdAsItIs, Sign::Stuck, setup(&id_taken).deaths(1)),
        (B::ResumesAtStamps, invariant(3), setup(&other_heir)),
        (
            B::RefusesClaimed,
            Sign::Fault("A3"),
            setup(&torn_to_heir).base(STAMP_TEARS).deaths(1),
        ),
        (
            B::StandsAtClaimed,
            Sign::Stuck,
            setup(&torn_to_lone_heir).base(STAMP_TEARS).deaths(1),
        ),
        (
            B::ReleasesAll,
            invariant(4),
            setup(&dead_receiver).deaths(1).delivery(AtLeastOnce),
        ),
        (B::KeepsReading, Sign::Stuck, setup(&dead_reader).deaths(1)),
        (
            B::StoresNextLast,
            invariant(3),
            setup(&dead_reader).and(c(Exclusive, 1).late()).deaths(2),
        ),
        (B::KeepsFinished, Sign::Stuck, setup(&stepping).base(STEPS)),
        (B::JoinsOthers, invariant(4), setup(&joins_others)),
        (B::JoinsOthers, invariant(1), setup(&joins_others)),
        (
            B::RepairsWithoutAttach,
            invariant(7),
            setup(&repaired_writer).deaths(1),
        ),
        (
            B::RepairsWithoutLocks,
            invariant(7),
            setup(&writers).deaths(1),
        ),
        (B::HandsBack, invariant(3), readers.clone()),
        (B::HandsBackAndRewinds, invariant(5), readers.clone()),
        (B::HandsBackAndRewinds, invariant(10), readers.clone()),
        (B::DoubtsNothing, invariant(5), readers.clone()),
        (B::DoubtsNothing, invariant(10), readers.clone()),
        (
            B::ClosesEarly,
            invariant(6),
            setup(&[p(Shared, 1, 1), p(Shared, 1, 1), c(Exclusive, 1)]),
        ),
        (B::EndsAtOnce, invariant(6), setup(&one_to_one)),
        (B::EndsUnlessPublished, invariant(6), setup(&one_to_two)),
        (
            B::EndsDeadUnlessPublished,
            invariant(6),
            setup(&one_to_two).deaths(1),
        ),
        (B::EndsBesideReaders, invariant(6), readers),
        (
            B::KeepsHalves,
            Sign::Stuck,
            setup(&torn_to_heir).base(STAMP_TEARS).deaths(1),
        ),
    ]
}

/// How faults begin, by the invariant's number.
const INVARIANTS: [&str; 11] = [
    "",
    "invariant 1:",
    "invariant 2:",
    "invariant 3:",
    "invariant 4:",
    "invariant 5:",
    "invariant 6:",
    "invariant 7:",
    "invariant 8:",
    "invariant 9:",
    "invariant 10:",
];

#[test]
fn ring_notices_broken_rules() {
    let mut sound: Option<Broken> = None;
    let mut missed = Vec::new();
    for (rule, sign, setup) in broken() {
        if sound.replace(rule) != Some(rule) {
            holds(&format!("unless {rule:?}"), &setup);
        }
        let wanted = match sign {
            Sign::Fault(fault) => fault,
            Sign::Stuck => "",
        };
        let report = explore_for(&setup.broken(rule), LIMIT, wanted);
        let found = match report.finding {
            Finding::Fault(fault) if sign != Sign::Stuck => fault,
            Finding::Stuck if sign == Sign::Stuck => "invariant 8: some can never finish",
            other => {
                missed.push((rule, wanted, other));
                continue;
            }
        };
        println!("{rule:?}: {found}, after {} states", report.states);
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}

#[test]
fn every_rule_that_can_be_broken_is() {
    for rule in Broken::ALL {
        assert!(broken().iter().any(|(tried, ..)| tried == rule), "{rule:?}");
    }
}
