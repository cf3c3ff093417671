//! `hqq-bench`: what HQQ costs, measured between two processes, against the machine's own limits and
//! against what could be used instead. docs/performance.md says how to read the numbers.
#![deny(unsafe_code)]

mod advanced;
mod areas;
mod bulk;
mod error;
mod floors;
mod hqq;
mod instructions;
mod machine;
mod measure;
mod memory;
mod patience;
#[cfg(feature = "peers")]
mod peers;
mod process;
mod profile;
mod report;
mod runner;
mod samples;
mod statistics;
mod suite;
mod threads;
mod usage;
mod watchdog;
mod work;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use areas::Area;
use error::BenchError;
use process::Cores;
use report::Report;
use suite::Plan;

/// Measures HQQ between two processes, pinned to one core each.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// In one report: rtt (of which `floor` is part), messages, threads, large, advanced, trust, park, sweep, format1
    /// and instructions.
    All(Options),
    /// There and back, one message at a time, against a bare cache line.
    Rtt(Options),
    /// One way, as fast as there is room.
    Messages(Options),
    /// Many threads that send to many others.
    Threads(Options),
    /// Copies of 64 MiB against bare copies through shared memory.
    Large(Options),
    /// Calls of the Advanced protocol against the Standard link's round trip.
    Advanced(Options),
    /// What not trusting the peer costs.
    Trust(Options),
    /// Waiting in the system, being idle, attaching, repairing.
    Park(Options),
    /// Sizes and ring depths, for the plots.
    Sweep(Options),
    /// Instructions of a send and of a receive, against a budget; needs Valgrind.
    Instructions {
        /// Makes what is counted now the budget.
        #[arg(long)]
        update: bool,
    },
    /// Where the processes of one row spend their time, by function, file and line; needs perf and binutils.
    Profile {
        /// The row's id, as tables have it.
        row: String,
        /// Runs the row, for perf to look at.
        #[arg(long, hide = true)]
        sampled: bool,
        /// As for areas.
        #[arg(long, hide = true, value_name = "PID")]
        second_process_of: Option<u32>,
    },
    /// Round trips of the exclusive link against those of a bare cache line.
    Floor(Options),
    /// Links on a region of format 1 against a ring of that format written by hand.
    Format1(Options),
    /// Claims every buffer of a region, and ends with them.
    #[command(hide = true)]
    Claim { path: PathBuf },
}

#[derive(Args)]
struct Options {
    /// Fewer rounds: for a look, not for a verdict.
    #[arg(long)]
    quick: bool,
    /// A few rounds: that everything runs.
    #[arg(long, conflicts_with = "quick")]
    brief: bool,
    /// Writes the figures to this file, for programs; `-` prints them instead of a table.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a page with plots to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes the table of docs/performance.md to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Makes this process the second one of the process with this id.
    #[arg(long, hide = true, value_name = "PID")]
    second_process_of: Option<u32>,
}

impl Options {
    const NONE: Self = Self {
        quick: false,
        brief: false,
        json: None,
        html: None,
        markdown: None,
        second_process_of: None,
    };

    fn plan(&self) -> (Plan, &'static [&'static str]) {
        match self {
            Self { quick: true, .. } => (Plan::QUICK, &["--quick"]),
            Self { brief: true, .. } => (Plan::BRIEF, &["--brief"]),
            _ => (Plan::FULL, &[]),
        }
    }
}

impl Command {
    /// What to measure, and how to go about it.
    fn parts(&self) -> (&'static [Area], &Options) {
        match self {
            Self::Instructions { .. } | Self::Profile { .. } | Self::Claim { .. } => {
                (&[], &Options::NONE)
            }
            Self::All(options) => (Area::ALL, options),
            Self::Rtt(options) => (&[Area::RoundTrips], options),
            Self::Messages(options) => (&[Area::Messages], options),
            Self::Threads(options) => (&[Area::Threads], options),
            Self::Large(options) => (&[Area::Large], options),
            Self::Advanced(options) => (&[Area::Advanced], options),
            Self::Trust(options) => (&[Area::Trust], options),
            Self::Park(options) => (&[Area::Waiting], options),
            Self::Sweep(options) => (&[Area::Sweep], options),
            Self::Floor(options) => (&[Area::Floor], options),
            Self::Format1(options) => (&[Area::Format1], options),
        }
    }
}

fn main() -> ExitCode {
    let result = run(&Cli::parse());
    #[cfg(feature = "peers")]
    peers::clean_up();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hqq-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), BenchError> {
    if let Command::Instructions { update } = cli.command {
        return print(&instructions::compare(update)?);
    }
    if let Command::Claim { path } = &cli.command {
        return hqq::repair::claim(path);
    }
    if let Command::Profile {
        row,
        sampled,
        second_process_of,
    } = &cli.command
    {
        return if *sampled || second_process_of.is_some() {
            profile::run(row, *second_process_of)
        } else {
            print(&profile::profile(row)?)
        };
    }
    let (areas, options) = cli.command.parts();
    let cores = Cores::find()?;
    let (plan, flags) = options.plan();
    if let Some(parent) = options.second_process_of {
        let area = areas.first().ok_or(BenchError::NoSuchMeasure(0))?;
        return runner::serve(&area.suite(&plan), &cores, parent);
    }
    if cores.is_single() {
        eprintln!(
            "hqq-bench: one core only: the processes take turns on it, and ratios say nothing about the link"
        );
    }
    let mut report = Report::new(!cores.is_single());
    for area in areas {
        let suite = area.suite(&plan);
        let mut arguments = vec![area.name()];
        arguments.extend(flags);
        eprintln!("hqq-bench: {}, {} rows", area.name(), suite.rows.len());
        let samples = runner::measure(&suite, &plan, &cores, &arguments)?;
        report.add(area.name(), &suite, &samples);
    }
    if matches!(cli.command, Command::All(_)) {
        eprintln!("hqq-bench: instructions");
        // Everything else was measured, and is worth a report without it.
        if let Err(error) = instructions::add(&mut report) {
            eprintln!("hqq-bench: no instructions were counted: {error}");
        }
    }
    if let Some(path) = &options.markdown {
        write(path, &report.markdown())?;
    }
    if let Some(path) = &options.html {
        write(path, &report.html()?)?;
    }
    let json = options.json.as_deref();
    if json == Some(Path::new("-")) {
        return print(&report.json()?);
    }
    if let Some(path) = json {
        write(path, &report.json()?)?;
    }
    print(&report.table(areas.len() == 1))
}

fn print(text: &str) -> Result<(), BenchError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(BenchError::Print)
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|source| BenchError::Write {
        path: path.to_owned(),
        source,
    })
}
