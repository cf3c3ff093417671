//! Senders and receivers are killed at random instants under full traffic: nothing that was committed
//! is lost or comes twice but what a killed receiver held, and the ring goes on after every kill.

use std::collections::BTreeMap;
use std::time::Duration;

use hqq_std::Delivery::{AtLeastOnce, AtMostOnce};
use hqq_tests::Phase;

use crate::crew::{Plan, Side, run};

const PATIENCE: Duration = Duration::from_secs(60);

fn plans(kills: usize) -> [Plan; 8] {
    let plan = |name, sending, receiving, delivery| Plan {
        name,
        sending,
        receiving,
        delivery,
        kills: kills.div_ceil(8),
        leave: false,
        no_repair: false,
        patience: PATIENCE,
    };
    let (one, many) = (Side::exclusive(), Side::shared(2, 2));
    let (three_to_one, one_to_three) = (Side::shared(3, 1), Side::shared(1, 3));
    [
        plan("one to one, at most once", one, one, AtMostOnce),
        plan("one to one, at least once", one, one, AtLeastOnce),
        plan("many to many, at most once", many, many, AtMostOnce),
        plan("many to many, at least once", many, many, AtLeastOnce),
        plan("many to one, at most once", three_to_one, one, AtMostOnce),
        plan("many to one, at least once", three_to_one, one, AtLeastOnce),
        plan("one to many, at most once", one, one_to_three, AtMostOnce),
        plan("one to many, at least once", one, one_to_three, AtLeastOnce),
    ]
}

pub(crate) fn what_was_committed_comes_once_whoever_is_killed(kills: usize, no_repair: bool) {
    let mut hit: BTreeMap<Phase, u64> = BTreeMap::new();
    for plan in plans(kills) {
        let plan = if no_repair {
            plan.without_repair()
        } else {
            plan
        };
        for (phase, times) in run(&plan).unwrap().killed {
            *hit.entry(phase).or_default() += times;
        }
    }
    let all: u64 = hit.values().sum();
    let of = |phases: &[Phase]| {
        phases
            .iter()
            .filter_map(|phase| hit.get(phase))
            .sum::<u64>()
    };
    let states = [
        ("WRITING", of(&[Phase::Writing])),
        ("READING", of(&[Phase::Reading, Phase::Noted])),
        ("sending", of(&[Phase::Sending])),
        ("receiving", of(&[Phase::Claiming])),
        ("between", of(&[Phase::Between])),
    ];
    for (state, times) in states {
        println!(
            "{state:>10} {times:>6} {:>5.1} %",
            100.0 * times as f64 / all as f64
        );
    }
    // A few kills may miss one.
    for (state, times) in [states[0], states[1], states[4]] {
        assert!(
            all < 300 || 20 * times >= all,
            "{state}: {times} of {all} kills"
        );
    }
}

/// The test above would fail without repair: this one does what it does, and gets stuck.
#[cfg(debug_assertions)]
pub(crate) fn without_repair_a_killed_one_stops_the_others() {
    let [_, _, plan, ..] = plans(0);
    let mut plan = plan.without_repair();
    plan.kills = 100;
    let stuck = run(&plan).map(|outcome| outcome.killed).unwrap_err();
    let stuck = format!("{stuck:?}");
    // Not because this machine is slow: somebody who is dead still has a slot.
    assert!(stuck.contains("Some(Member("), "{stuck}");
    println!("as it should: {stuck}");
}

/// So many of each role.
pub(crate) fn either_role_is_replaced_again_and_again(replacements: usize) {
    let [first, _, second, ..] = plans(0);
    let mut replaced = [0; 2];
    for mut plan in [first, second] {
        plan.leave = true;
        // Half of them for each role.
        plan.kills = replacements.next_multiple_of(2);
        let of_this = run(&plan).unwrap().replaced;
        for (all, some) in replaced.iter_mut().zip(of_this) {
            *all += some;
        }
    }
    let [senders, receivers] = replaced;
    println!("replaced under traffic: {senders} senders, {receivers} receivers");
    assert!(senders.min(receivers) >= replacements);
}
