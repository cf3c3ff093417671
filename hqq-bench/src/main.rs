//! `hqq-bench`: what HQQ costs, measured between two processes and against the machine's own
//! limits. docs/performance.md says how to read the numbers.
#![deny(unsafe_code)]

mod advanced;
mod cache_line;
mod end;
mod error;
mod floor;
mod format1;
mod hand_written;
mod link;
mod memory;
mod patience;
mod process;
mod report;
mod runner;
mod statistics;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use error::BenchError;
use process::Cores;
use report::Style;
use runner::{Plan, Suite};

/// Measures HQQ between two processes, pinned to one core each.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Round trips of the exclusive link against those of a bare cache line.
    Floor(Options),
    /// Links on a region of format 1 against a ring of that format written by hand.
    Format1(Options),
    /// Calls of the Advanced protocol against the Standard link's round trip.
    Advanced(Options),
}

#[derive(Args)]
struct Options {
    /// Fewer rounds: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Makes this process the second one of the process with this id.
    #[arg(long, hide = true, value_name = "PID")]
    second_process_of: Option<u32>,
}

impl Command {
    /// What to measure, how to name it to the second process, and how to go about it.
    fn parts(&self) -> (Suite, &'static str, &Options) {
        match self {
            Self::Floor(options) => (floor::suite(), "floor", options),
            Self::Format1(options) => (format1::suite(), "format1", options),
            Self::Advanced(options) => (advanced::suite(), "advanced", options),
        }
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hqq-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), BenchError> {
    let (suite, name, options) = cli.command.parts();
    let cores = Cores::find()?;
    if let Some(parent) = options.second_process_of {
        return runner::serve(&suite, &cores, parent);
    }
    if cores.is_single() {
        eprintln!(
            "hqq-bench: one core only: the processes take turns on it, and ratios say nothing about the link"
        );
    }
    let plan = if options.quick {
        Plan::QUICK
    } else {
        Plan::FULL
    };
    let samples = runner::measure(&suite, &plan, &cores, name)?;
    let report = report::Report::new(&suite, &samples, !cores.is_single());
    let style = if options.json {
        Style::Json
    } else {
        Style::Table
    };
    let text = report.render(style)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(BenchError::Print)
}
