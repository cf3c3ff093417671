//! The command `profile`: where the two processes of one row spend their time, as `perf` samples it.

mod places;
mod samples;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use self::places::{Place, Program, Spots};
use crate::areas::Area;
use crate::error::BenchError;
use crate::process::Cores;
use crate::runner;
use crate::suite::{Plan, Suite};

/// Samples a second: not a multiple of what the system's own timers do.
const RATE: &str = "4999";
/// Some seconds, and nothing but turns of the row.
const PLAN: Plan = Plan {
    rounds: 1000,
    heats: 0,
    ..Plan::FULL
};
/// Places with less than this share of the samples are summed up, lines left out.
const LEAST: f64 = 0.005;
/// The most lines that are named of a place.
const LINES: usize = 8;

/// Runs the row with this id under `perf`, and says where its processes were.
///
/// # Errors
/// [`BenchError`], in particular [`BenchError::Tool`] where `perf` or binutils are not there.
pub(crate) fn profile(id: &str) -> Result<String, BenchError> {
    suite(id)?;
    let program = std::env::current_exe().map_err(BenchError::Start)?;
    let file = std::env::temp_dir().join(format!("hqq-bench-{}.perf", std::process::id()));
    let sampled = sample(&program, id, &file);
    // It may never have been written.
    let _ = fs::remove_file(&file);
    let processes = samples::processes(&sampled?, &program.to_string_lossy());
    let mut program = Program::new(&program)?;
    let mut text = String::new();
    for (process, who) in processes.iter().zip(["first", "second"]) {
        let (spots, all) = (Spots::of(process, &mut program)?, process.samples());
        text += &format!("{id}, {who} process, {all} samples\n\n");
        text += "by function of the library, with what is inlined into it:\n";
        text += &table(&spots.functions, all);
        text += "by file, with its lines:\n";
        text += &table(&spots.files, all);
    }
    Ok(text)
}

/// What `profile` looks at: the row, measured; or, as the second process of `first`, its part.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn run(id: &str, first: Option<u32>) -> Result<(), BenchError> {
    let (suite, cores) = (suite(id)?, Cores::find()?);
    match first {
        Some(first) => runner::serve(&suite, &cores, first),
        None => runner::measure(&suite, &PLAN, &cores, &["profile", id]).map(drop),
    }
}

/// The row with this id, and nothing else; the same in both processes.
fn suite(id: &str) -> Result<Suite, BenchError> {
    Area::ALL
        .iter()
        .map(|area| area.suite(&PLAN))
        .find_map(|mut suite| {
            suite.rows.retain(|row| row.measure.id() == id);
            suite.rows.truncate(1);
            // Nothing but turns.
            for row in &mut suite.rows {
                row.latency = false;
            }
            (!suite.rows.is_empty()).then_some(suite)
        })
        .ok_or_else(|| BenchError::NoSuchRow(id.to_owned()))
}

/// What `perf script` says of a run of the row, sampled into `file`.
fn sample(program: &Path, id: &str, file: &Path) -> Result<String, BenchError> {
    let file = file.as_os_str();
    let record = ["record", "--quiet", "--event=cpu-clock", "--freq", RATE];
    let mut arguments = record.map(OsStr::new).to_vec();
    arguments.extend([OsStr::new("--output"), file, program.as_os_str()]);
    arguments.extend(["profile", id, "--sampled"].map(OsStr::new));
    tool("perf", &arguments)?;
    let script = ["script", "--show-mmap-events", "--fields", "pid,ip,sym"];
    let mut arguments = script.map(OsStr::new).to_vec();
    arguments.extend([OsStr::new("--input"), file]);
    tool("perf", &arguments)
}

/// What a tool prints.
fn tool(tool: &'static str, arguments: &[&OsStr]) -> Result<String, BenchError> {
    let run = Command::new(tool).args(arguments).output();
    let Output {
        status,
        stdout,
        stderr,
    } = run.map_err(|source| BenchError::Tool { tool, source })?;
    if !status.success() {
        return Err(BenchError::ToolFailed {
            tool,
            status,
            said: String::from_utf8_lossy(&stderr).trim().to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Places, the most frequent first.
fn table(places: &BTreeMap<Place, Spot>, all: u64) -> String {
    let all = all.max(1) as f64;
    let mut spots: Vec<_> = places.iter().collect();
    spots.sort_by_key(|(_, spot)| std::cmp::Reverse(spot.samples));
    let mut text = String::new();
    let mut others = 0;
    for (place, spot) in spots {
        if (spot.samples as f64) < LEAST * all {
            others += spot.samples;
            continue;
        }
        let lines = spot.lines.iter();
        let mut lines: Vec<_> = lines
            .filter(|(_, samples)| **samples as f64 >= LEAST * all)
            .collect();
        lines.sort_by_key(|(_, samples)| std::cmp::Reverse(**samples));
        let lines: Vec<_> = lines
            .iter()
            .take(LINES)
            .map(|(line, samples)| format!("{line} ({:.1})", share(**samples, all)))
            .collect();
        let place = format!("{} {}", place.file, place.function);
        let line = format!(
            "{:>6.1}%  {place:<56}{}",
            share(spot.samples, all),
            lines.join(", ")
        );
        text += &(line.trim_end().to_owned() + "\n");
    }
    text + &format!("{:>6.1}%  others\n\n", share(others, all))
}

fn share(samples: u64, all: f64) -> f64 {
    samples as f64 * 100.0 / all
}

/// What was sampled at one place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Spot {
    samples: u64,
    /// Line by line; line 0 is what the compiler says of no line.
    lines: BTreeMap<u32, u64>,
}
