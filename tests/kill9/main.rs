//! Kills senders and receivers with SIGKILL, `--runs N` times in all, and prints what it has seen:
//! `cargo test --release -p hqq-tests --test kill9 -- --runs 10000`. The rest of its command line is that of
//! every other test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper that fails fails the test"
)]

mod crew;
mod ledger;
mod tests;

use clap::Parser;
use libtest_mimic::{Arguments, Trial};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    arguments: Arguments,

    /// How many are killed. A tenth as many of each role are replaced under traffic, every second one
    /// of them killed.
    #[arg(long, value_name = "N", default_value_t = 500)]
    runs: usize,

    /// Nobody repairs what the killed leave: then the first test is to fail. Of builds with debug assertions.
    #[cfg(debug_assertions)]
    #[arg(long)]
    no_repair: bool,
}

fn main() {
    let options = Options::parse();
    let (arguments, runs) = (options.arguments, options.runs);
    #[cfg(debug_assertions)]
    let no_repair = options.no_repair;
    #[cfg(not(debug_assertions))]
    let no_repair = false;
    let trials = vec![
        Trial::test(
            "what_was_committed_comes_once_whoever_is_killed",
            move || {
                tests::what_was_committed_comes_once_whoever_is_killed(runs, no_repair);
                Ok(())
            },
        ),
        Trial::test("either_role_is_replaced_again_and_again", move || {
            tests::either_role_is_replaced_again_and_again(runs.div_ceil(10));
            Ok(())
        }),
        #[cfg(debug_assertions)]
        Trial::test("without_repair_a_killed_one_stops_the_others", || {
            tests::without_repair_a_killed_one_stops_the_others();
            Ok(())
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
