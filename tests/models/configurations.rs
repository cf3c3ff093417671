//! The configurations of the ring in which everything must hold.

use hqq_core::Delivery::{self, AtLeastOnce, AtMostOnce};
use hqq_core::Mode::{Exclusive, Shared};

use crate::explorer::{Finding, Report, explore};
use crate::setup::{Setup, consumer, producer, repairer};

/// More states than this have not been explored, and would not fit into memory.
pub(crate) const LIMIT: usize = 30_000_000;

/// Just before a half of a 64-bit word changes: the high half of a stamp, and of `r`.
pub(crate) const STAMP_TEARS: u64 = (1 << 16) - 3;
const R_TEARS: u64 = (1 << 32) - 2;
/// Just before positions wrap, and before shared consumers move `released` on.
const WRAPS: u64 = (1 << 48) - 2;
pub(crate) const STEPS: u64 = (1 << 30) - 1;

/// Whether the long configurations were asked for.
pub(crate) fn all() -> bool {
    std::env::var("HQQ_MODELS").is_ok_and(|which| which == "all")
}

pub(crate) fn assert_holds(name: &str, report: &Report) {
    println!("{name}: {} states, {:.1} s", report.states, report.seconds);
    assert!(
        matches!(report.finding, Finding::Holds),
        "{name}: {:?}{}",
        report.finding,
        report.trace
    );
}

pub(crate) fn holds(name: &str, setup: &Setup) {
    assert_holds(name, &explore(setup, LIMIT));
}

/// Holds whatever the delivery policy.
fn hold(name: &str, setup: &Setup) {
    for delivery in [AtMostOnce, AtLeastOnce] {
        let setup = setup.clone().delivery(delivery);
        holds(&format!("{name}, {}", short(delivery)), &setup);
    }
}

fn short(delivery: Delivery) -> &'static str {
    match delivery {
        AtMostOnce => "at most once",
        AtLeastOnce => "at least once",
    }
}

#[test]
fn ring_holds_while_all_live() {
    let two_to_two = [
        producer(Shared, 1, 1),
        producer(Shared, 2, 2),
        consumer(Shared, 1),
        consumer(Shared, 2),
    ];
    holds("two shared to two shared", &Setup::new(&two_to_two));
    let two_to_one = [
        producer(Shared, 1, 3),
        producer(Shared, 2, 3),
        consumer(Exclusive, 1),
    ];
    holds("two shared to exclusive", &Setup::new(&two_to_one));
    // With four slots an exclusive consumer releases two at a time.
    let four = Setup::new(&two_to_one).count(4);
    holds("two shared to exclusive, 4 slots", &four);
    let one_to_two = [
        producer(Exclusive, 1, 4),
        consumer(Shared, 1),
        consumer(Shared, 2),
    ];
    holds("exclusive to two shared", &Setup::new(&one_to_two));
    let one_to_one = [producer(Exclusive, 1, 6), consumer(Exclusive, 1)];
    holds("exclusive to exclusive", &Setup::new(&one_to_one));
    let four = Setup::new(&one_to_one).count(4);
    holds("exclusive to exclusive, 4 slots", &four);
    if all() {
        let two_to_two = [
            producer(Shared, 1, 3),
            producer(Shared, 2, 3),
            consumer(Shared, 1),
            consumer(Shared, 2),
        ];
        let setup = Setup::new(&two_to_two);
        holds("two shared to two shared, 6 messages", &setup);
        let two_to_two = [
            producer(Shared, 1, 2),
            producer(Shared, 2, 3),
            consumer(Shared, 1),
            consumer(Shared, 2),
        ];
        let four = Setup::new(&two_to_two).count(4);
        holds("two shared to two shared, 5 messages, 4 slots", &four);
    }
}

/// Rows of claims, of which the counter is moved on with the last one only, beside members that do so with each.
#[test]
fn ring_holds_with_rows() {
    let two_to_two = [
        producer(Shared, 1, 3).in_rows(),
        producer(Shared, 2, 1).in_rows(),
        consumer(Shared, 1).in_rows(),
        consumer(Shared, 2).in_rows(),
    ];
    let setup = Setup::new(&two_to_two).count(4);
    holds("rows to rows, 4 slots", &setup);
    let beside_others = [
        producer(Shared, 1, 4).in_rows(),
        producer(Shared, 2, 2),
        consumer(Exclusive, 1),
    ];
    let setup = Setup::new(&beside_others).count(4).base(WRAPS);
    holds("rows beside others, 4 slots, as positions wrap", &setup);
    let beside_others = [
        producer(Exclusive, 1, 6),
        consumer(Shared, 1).in_rows(),
        consumer(Shared, 2),
    ];
    let setup = Setup::new(&beside_others).count(4);
    holds("to rows beside others, 4 slots", &setup);
    let dying = [
        producer(Shared, 1, 3).in_rows(),
        consumer(Shared, 1).in_rows(),
        producer(Shared, 1, 1).late().in_rows(),
        consumer(Shared, 1).late().in_rows(),
        repairer(),
    ];
    let setup = Setup::new(&dying).count(4).deaths(2);
    hold("rows and their heirs, 4 slots, 2 deaths", &setup);
    let to_exclusive = [
        producer(Shared, 1, 3).in_rows(),
        consumer(Shared, 1).in_rows(),
        producer(Exclusive, 1, 2).late(),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&to_exclusive).count(4).deaths(1);
    hold("rows, then exclusive, 4 slots, 1 death", &setup);
    if all() {
        let setup = Setup::new(&to_exclusive).count(4).deaths(2);
        hold("rows, then exclusive, 4 slots, 2 deaths", &setup);
        let setup = Setup::new(&two_to_two).and(repairer()).count(4).deaths(1);
        hold("rows to rows, 4 slots, 1 death", &setup);
    }
}

#[test]
fn ring_holds_when_members_die() {
    let two_to_two = [
        producer(Shared, 1, 1),
        producer(Shared, 2, 1),
        consumer(Shared, 1),
        consumer(Shared, 2),
        repairer(),
    ];
    let setup = Setup::new(&two_to_two).deaths(1);
    hold("two shared to two shared, 1 death", &setup);
    // A reader dies at the position at which `released` has to move on.
    let one_to_two = [
        producer(Exclusive, 1, 3),
        consumer(Shared, 1),
        consumer(Shared, 2),
        repairer(),
    ];
    let setup = Setup::new(&one_to_two).deaths(1).base(STEPS);
    hold("exclusive to two shared at 2^30, 1 death", &setup);
    // Two threads of one process, and one of another.
    let threads = [
        producer(Shared, 1, 1),
        producer(Shared, 1, 2),
        producer(Shared, 2, 1),
        consumer(Exclusive, 1),
        repairer(),
    ];
    let setup = Setup::new(&threads).deaths(1);
    hold("three shared, two of one member, 1 death", &setup);
    if all() {
        let two_to_two = Setup::new(&two_to_two);
        hold(
            "two shared to two shared, 2 deaths",
            &two_to_two.clone().deaths(2),
        );
        hold("two shared to two shared, 3 deaths", &two_to_two.deaths(3));
        let more = [
            producer(Shared, 1, 2),
            producer(Shared, 2, 2),
            consumer(Shared, 1),
            consumer(Shared, 2),
            repairer(),
        ];
        hold(
            "two shared to two shared, 4 messages, 1 death",
            &Setup::new(&more).deaths(1),
        );
    }
}

/// T8: a producer takes back what dead consumers have not taken, and dies doing so.
#[test]
fn ring_holds_when_messages_are_taken_back() {
    for (consumers, messages) in [(Exclusive, 3), (Shared, 2)] {
        let actors = [
            producer(Exclusive, 1, messages).retracts(),
            consumer(consumers, 1),
            consumer(consumers, 2).late(),
            repairer(),
        ];
        let setup = Setup::new(&actors).deaths(2);
        hold(
            &format!("a retracting producer, {consumers}, 2 deaths"),
            &setup,
        );
        if all() || consumers == Exclusive {
            let setup = setup.and(producer(Exclusive, 1, 1).late());
            hold(
                &format!("the same with an heir, {consumers}, 2 deaths"),
                &setup,
            );
        }
    }
    let narrow = [
        producer(Exclusive, 1, 4).retracts(),
        consumer(Exclusive, 1).narrow(),
        consumer(Shared, 2).late(),
        repairer(),
    ];
    let setup = Setup::new(&narrow).deaths(1).base(R_TEARS);
    hold(
        "a retracting producer, a consumer in halves, 1 death",
        &setup,
    );
}

/// Packets of two messages, which consumers leave behind half received.
#[test]
fn ring_holds_with_runs() {
    for last in [Exclusive, Shared] {
        let actors = [
            producer(Exclusive, 1, 2),
            consumer(Exclusive, 1).leaves_after(1),
            consumer(Exclusive, 1).late().leaves_after(2),
            consumer(last, 1).late(),
            repairer(),
        ];
        let setup = Setup::new(&actors).runs();
        hold(
            &format!("runs, three consumers in turn, {last} at last"),
            &setup,
        );
        hold("the same, 1 death", &setup.deaths(1));
    }
    // Where the low half of a position wraps.
    let actors = [
        producer(Exclusive, 1, 4),
        consumer(Exclusive, 1).leaves_after(3),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&actors).runs().deaths(1).base(STAMP_TEARS);
    hold("runs at a wrap of 2^16, 1 death", &setup);
}

#[test]
fn ring_holds_with_successors() {
    let shared_to_one = [
        producer(Shared, 1, 1),
        producer(Shared, 2, 1),
        consumer(Exclusive, 1),
        producer(Shared, 1, 1).late(),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&shared_to_one).deaths(1);
    hold("shared to exclusive, successors, 1 death", &setup);
    let one_to_shared = [
        producer(Exclusive, 1, 2),
        consumer(Shared, 1),
        producer(Exclusive, 1, 1).late(),
        consumer(Shared, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&one_to_shared).deaths(2);
    hold("exclusive to shared, successors, 2 deaths", &setup);
    let one_to_one = [
        producer(Exclusive, 1, 2),
        consumer(Exclusive, 1),
        producer(Exclusive, 1, 2).late(),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&one_to_one).deaths(3);
    hold("exclusive to exclusive, successors, 3 deaths", &setup);
    // Ids that are taken over while others of the side live, on both sides.
    let reused = [
        producer(Shared, 1, 1),
        producer(Shared, 2, 1),
        consumer(Shared, 1),
        producer(Shared, 1, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&reused).deaths(1);
    hold("a producer's id is taken over, 1 death", &setup);
    let reused = [
        producer(Exclusive, 1, 2),
        consumer(Shared, 1),
        consumer(Shared, 2),
        consumer(Shared, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&reused).deaths(1);
    hold("a consumer's id is taken over, 1 death", &setup);
    if all() {
        hold(
            "shared to exclusive, successors, 2 deaths",
            &Setup::new(&shared_to_one).deaths(2),
        );
        hold(
            "shared to exclusive, successors, 3 deaths",
            &Setup::new(&shared_to_one).deaths(3),
        );
        hold(
            "a consumer's id is taken over, 2 deaths",
            &Setup::new(&reused).deaths(2),
        );
        let four = Setup::new(&shared_to_one).count(4).deaths(2);
        hold("shared to exclusive, successors, 4 slots, 2 deaths", &four);
    }
}

#[test]
fn ring_holds_when_modes_change() {
    let to_shared = [
        producer(Exclusive, 1, 2),
        consumer(Exclusive, 1),
        producer(Shared, 1, 2).late(),
        consumer(Shared, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&to_shared).deaths(2);
    hold("exclusive, then shared, 2 deaths", &setup);
    let to_exclusive = [
        producer(Shared, 1, 2),
        consumer(Shared, 1),
        producer(Exclusive, 1, 2).late(),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&to_exclusive).deaths(2);
    hold("shared, then exclusive, 2 deaths", &setup);
    let there_and_back = [
        producer(Shared, 1, 3),
        consumer(Shared, 1).leaves_after(1),
        consumer(Exclusive, 2).late().leaves_after(1),
        consumer(Shared, 3).late(),
        repairer(),
    ];
    let setup = Setup::new(&there_and_back).deaths(1);
    hold("shared, exclusive, shared, 1 death", &setup);
    let stepping = [
        producer(Exclusive, 1, 5),
        consumer(Exclusive, 1).leaves_after(2),
        consumer(Shared, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&stepping).base(STEPS);
    holds("exclusive, then shared, as released moves on", &setup);
    holds("as positions wrap", &setup.base(WRAPS).deaths(1));
    if all() {
        hold(
            "exclusive, then shared, 3 deaths",
            &Setup::new(&to_shared).deaths(3),
        );
        hold(
            "shared, then exclusive, 3 deaths",
            &Setup::new(&to_exclusive).deaths(3),
        );
        hold(
            "shared, exclusive, shared, 2 deaths",
            &Setup::new(&there_and_back).deaths(2),
        );
        let four = Setup::new(&to_shared).count(4).deaths(2);
        hold("exclusive, then shared, 4 slots, 2 deaths", &four);
    }
}

/// Exclusive sides of machines that store 64 bits in halves, beside and before others.
#[test]
fn ring_holds_with_halves() {
    let to_two = [
        producer(Exclusive, 1, 4).narrow(),
        consumer(Shared, 1),
        consumer(Shared, 2),
    ];
    let setup = Setup::new(&to_two).base(STAMP_TEARS);
    holds("halves to two shared", &setup);
    let in_turn = [
        producer(Exclusive, 1, 3).narrow(),
        consumer(Exclusive, 1).narrow(),
        producer(Exclusive, 1, 2).late(),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    for (base, tears) in [(STAMP_TEARS, "stamps"), (R_TEARS, "r and stamps")] {
        let setup = Setup::new(&in_turn).base(base).deaths(2);
        hold(
            &format!("halves, then whole words, {tears} tear, 2 deaths"),
            &setup,
        );
    }
    let to_shared = [
        producer(Exclusive, 1, 3).narrow(),
        consumer(Shared, 1),
        producer(Shared, 1, 2).late(),
        consumer(Shared, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&to_shared).base(STAMP_TEARS).deaths(2);
    hold("halves to shared, then shared, 2 deaths", &setup);
    let to_exclusive = [
        producer(Exclusive, 1, 4).narrow(),
        consumer(Shared, 1),
        consumer(Exclusive, 1).late(),
        repairer(),
    ];
    let setup = Setup::new(&to_exclusive).base(STAMP_TEARS).deaths(1);
    hold("halves to shared, then exclusive, 1 death", &setup);
}
