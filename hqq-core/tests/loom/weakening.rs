//! Memory orderings are there for a reason: with one of them weakened to `Relaxed`, a model fails.

use std::process::Command;

use hqq_core::sync::ordering::{FAULTS, NAMES};

/// An ordering, and the model that fails without it; or a fault, and the model that fails with it.
const CAUGHT: &[(&str, &str)] = &[
    ("publish", "exclusive::inline"),
    ("publish", "format1::one_to_one"),
    ("publish_quickly", "exclusive::words_through_four_slots"),
    (
        "publish_quickly",
        "exclusive::other_messages_in_packets_through_four_slots",
    ),
    ("publish_quickly", "exclusive::lines_through_four_slots"),
    ("publish_quickly", "shared::shared_to_shared_lines"),
    ("see_published", "exclusive::inline"),
    // Words, and through the same look all others in their packets; lines; lines that are lent.
    (
        "see_published_quickly",
        "exclusive::words_through_four_slots",
    ),
    (
        "see_published_quickly",
        "exclusive::other_messages_in_packets_through_four_slots",
    ),
    (
        "see_published_quickly",
        "exclusive::lines_through_four_slots",
    ),
    (
        "see_published_quickly",
        "exclusive::lines_lent_through_four_slots",
    ),
    ("see_published", "format1::one_to_one"),
    ("claim_reading", "shared::exclusive_to_shared"),
    ("release_slot", "shared::exclusive_to_shared"),
    ("release_slot", "format1::one_to_one"),
    ("claim_writing", "shared::shared_to_shared_inline"),
    ("see_free", "shared::exclusive_to_shared"),
    ("see_free", "format1::one_to_one"),
    ("release_counter", "exclusive::inline"),
    ("see_released", "exclusive::inline"),
    // What was taken in few steps is told later.
    ("release_counter", "exclusive::words_through_four_slots"),
    ("see_released", "exclusive::words_through_four_slots"),
    ("release_counter", "exclusive::lines_through_four_slots"),
    ("see_released", "exclusive::lines_through_four_slots"),
    ("claim_position", "format1::a_sender_behind_the_others"),
    ("claim_position", "format1::a_receiver_behind_the_others"),
    ("see_position", "format1::a_sender_behind_the_others"),
    ("see_position", "format1::a_receiver_behind_the_others"),
    ("store_status", "closing::end_of_file_exclusive"),
    ("see_status", "closing::end_of_file_exclusive"),
    ("no_fence_of_the_publisher", "sleeping::one_receiver"),
    ("no_fence_of_the_sleeper", "sleeping::one_receiver"),
    ("no_fence_of_the_publisher", "sleeping::one_sender"),
    ("no_fence_of_the_sleeper", "sleeping::one_sender"),
    ("sequence_before_flag", "sleeping::one_receiver"),
    ("sequence_read_after_flag", "sleeping::one_receiver"),
    ("waking_one", "sleeping::two_receivers"),
];

/// Orderings that no model needs, and why.
const UNNEEDED: &[(&str, &str)] = &[
    (
        "store_received",
        "a successor reads `r` after it has seen its predecessor leave (see_status) or die (a lock); \
         others only count with it",
    ),
    ("see_received", "as store_received"),
    (
        "advance_sequence",
        "loom keeps the stores of one word in the order in which they were made, so that it never sees \
         a flag that is taken down after it was put up again",
    ),
    ("see_sequence", "as advance_sequence"),
];

/// Runs one model of this program in a process of its own; says whether it held, and what it wrote.
fn holds(model: &str, weakened: &str) -> (bool, String) {
    let program = std::env::current_exe().unwrap();
    let preemptions = match model {
        "sleeping::one_receiver" | "sleeping::one_sender" => "3",
        "sleeping::two_receivers" => "1",
        _ => "2",
    };
    let output = Command::new(program)
        .args(["--exact", model, "--nocapture", "--test-threads=1"])
        .env("HQQ_WEAKEN", weakened)
        .env("LOOM_MAX_PREEMPTIONS", preemptions)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        text.contains("running 1 test"),
        "there is a model {model}: {text}"
    );
    (output.status.success(), text)
}

#[test]
fn every_ordering_in_the_table_is_needed() {
    let mut sound = Vec::new();
    for (name, model) in CAUGHT {
        if !sound.contains(model) {
            let (held, text) = holds(model, "none");
            assert!(held, "{model} holds when nothing is weakened:\n{text}");
            sound.push(*model);
        }
        let (held, text) = holds(model, name);
        assert!(!held, "{model} fails when {name} is weakened:\n{text}");
        assert!(
            text.contains("panicked at") && !text.contains("exceeded maximum"),
            "{model} fails by what it checks, not by a limit:\n{text}"
        );
        println!("{name}: caught by {model}");
    }
}

#[test]
fn every_ordering_is_in_a_table() {
    for name in NAMES.iter().chain(FAULTS) {
        let named = |rows: &[(&str, &str)]| rows.iter().any(|(row, _)| row == name);
        assert!(named(CAUGHT) != named(UNNEEDED), "{name}");
    }
}
