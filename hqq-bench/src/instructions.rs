//! The area `instructions`: how many a send and a receive take, counted by Valgrind. A busy machine does
//! not change them, so that they are compared with a budget that is checked in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::report::{Entry, Report, Row, Standing};

/// Operations that are counted.
const COUNT: u32 = 2000;
/// What is counted: links of the example `send_receive`, and bytes.
const CASES: &[(&str, u32)] = &[
    ("format2", 8),
    ("format2", 64),
    ("format2", 256),
    ("grants", 64),
    ("closures", 64),
    ("shared", 8),
    ("shared", 64),
    ("std-format2", 64),
    ("format1", 64),
];
/// The case that the goal is about, and the most instructions that it may take.
const ASKED: (&str, u32) = ("format2", 64);
const LIMIT: f64 = 90.0;
/// How far a count may be from its budget.
const TOLERANCE: f64 = 0.02;

/// Instructions of one operation.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Cost {
    link: String,
    bytes: u32,
    send: f64,
    receive: f64,
}

/// The file that is checked in.
#[derive(Debug, Deserialize, Serialize)]
struct Budget {
    /// Counts hold for this one only.
    compiler: String,
    costs: Vec<Cost>,
}

/// A count that is not within its budget.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "{measured:.1} instructions against a budget of {budget:.1}: look where they went, or write the budget anew with `hqq-bench instructions --update`"
)]
pub(crate) struct OutOfBudget {
    measured: f64,
    budget: f64,
}

/// Adds the row of the goal, and those beside it.
///
/// # Errors
/// [`BenchError`], where Valgrind or the example cannot be run.
pub(crate) fn add(report: &mut Report) -> Result<(), BenchError> {
    let costs = count()?;
    for cost in &costs {
        let sum = cost.send + cost.receive;
        let asked = (cost.link.as_str(), cost.bytes) == ASKED;
        let row = Row {
            id: if asked {
                "instructions"
            } else {
                format!("instructions-{}-{}", cost.link, cost.bytes).leak()
            },
            name: format!(
                "instructions of a send and a receive, {}, {} bytes",
                cost.link, cost.bytes
            ),
            value: sum,
            unit: "instr.",
            ratio: sum / LIMIT,
            against: "90 instructions".to_owned(),
            goal: asked.then_some(1.0),
            met: asked.then_some(sum <= LIMIT),
            spread: [sum / LIMIT; 2],
        };
        report.add_figure(Entry {
            row,
            at_least: false,
            standing: if asked {
                Standing::Asked
            } else {
                Standing::Measured
            },
            used: None,
        });
    }
    Ok(())
}

/// Counts, prints the table, and compares it with the budget or makes it the budget.
///
/// # Errors
/// [`BenchError::OutOfBudget`] for the first count that is not within it, where the compiler is the
/// budget's; what [`add`] may fail of.
pub(crate) fn compare(update: bool) -> Result<String, BenchError> {
    let (costs, compiler) = (count()?, env!("HQQ_BENCH_COMPILER"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    if update {
        let budget = Budget {
            compiler: compiler.to_owned(),
            costs,
        };
        let text = serde_json::to_string_pretty(&budget)? + "\n";
        fs::write(&path, text).map_err(|source| BenchError::Write { path, source })?;
        return Ok(table(&budget.costs, Some(&budget.costs)));
    }
    let text = fs::read_to_string(&path).map_err(|source| BenchError::Read { path, source })?;
    let budget: Budget = serde_json::from_str(&text)?;
    if budget.compiler != compiler {
        let table = table(&costs, None);
        return Ok(format!(
            "{table}not compared: the budget is for {}, this is {compiler}\n",
            budget.compiler
        ));
    }
    let printed = table(&costs, Some(&budget.costs));
    for cost in &costs {
        let Some(allowed) = budget_of(&budget.costs, cost) else {
            continue;
        };
        for (measured, budget) in [(cost.send, allowed.send), (cost.receive, allowed.receive)] {
            if (measured - budget).abs() > budget * TOLERANCE {
                eprint!("{printed}");
                return Err(OutOfBudget { measured, budget }.into());
            }
        }
    }
    Ok(printed)
}

fn budget_of<'a>(budget: &'a [Cost], cost: &Cost) -> Option<&'a Cost> {
    let mut costs = budget.iter();
    costs.find(|other| other.link == cost.link && other.bytes == cost.bytes)
}

fn table(costs: &[Cost], budget: Option<&[Cost]>) -> String {
    let mut text = format!(
        "{:<14}{:>7}{:>10}{:>10}{:>10}{:>20}\n",
        "link", "bytes", "send", "receive", "both", "budget"
    );
    for cost in costs {
        let allowed = budget.and_then(|budget| budget_of(budget, cost));
        let allowed = allowed.map_or_else(String::new, |allowed| {
            format!("{:.1} + {:.1}", allowed.send, allowed.receive)
        });
        text += &format!(
            "{:<14}{:>7}{:>10.1}{:>10.1}{:>10.1}{allowed:>20}\n",
            cost.link,
            cost.bytes,
            cost.send,
            cost.receive,
            cost.send + cost.receive
        );
    }
    text
}

/// Builds the example and counts every case.
fn count() -> Result<Vec<Cost>, BenchError> {
    let example = example()?;
    CASES
        .iter()
        .map(|(link, bytes)| {
            let output = run(&example, link, *bytes)?;
            let of = |function| {
                inclusive(&output, function)
                    .map(|sum| sum as f64 / f64::from(COUNT))
                    .ok_or(BenchError::NotCounted { function })
            };
            Ok(Cost {
                link: (*link).to_owned(),
                bytes: *bytes,
                send: of("send_receive::sending")?,
                receive: of("send_receive::receiving")?,
            })
        })
        .collect()
}

/// The example, as it is now.
fn example() -> Result<PathBuf, BenchError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--release", "--quiet", "-p", "hqq-bench"];
    let status = Command::new(cargo)
        .args(arguments)
        .args(["--example", "send_receive"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(BenchError::Start)?;
    if !status.success() {
        return Err(BenchError::Example(status));
    }
    // In the directory of this program, or in that of the profile beside it.
    let program = std::env::current_exe().map_err(BenchError::Start)?;
    let target = program.parent().and_then(Path::parent);
    let target = target.unwrap_or_else(|| Path::new("target"));
    Ok(target.join("release/examples/send_receive"))
}

/// What callgrind says of the functions that one case runs.
fn run(example: &Path, link: &str, bytes: u32) -> Result<String, BenchError> {
    let file = std::env::temp_dir().join(format!("hqq-bench-{}.callgrind", std::process::id()));
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(example)
        .args([bytes.to_string(), COUNT.to_string(), link.to_owned()])
        // Otherwise the first call of a library's function costs thousands.
        .env("LD_BIND_NOW", "1")
        .output()
        .map_err(BenchError::Start);
    let annotated = counted.and_then(|counted| {
        if !counted.status.success() {
            return Err(BenchError::Example(counted.status));
        }
        Command::new("callgrind_annotate")
            .args(["--inclusive=yes", "--threshold=100"])
            .arg(&file)
            .output()
            .map_err(BenchError::Start)
    });
    // It may never have been written.
    let _ = fs::remove_file(&file);
    Ok(String::from_utf8_lossy(&annotated?.stdout).into_owned())
}

/// Instructions of a function and of what it calls, in all. Lines are `1,234 (5.6%)  file:function [object]`.
fn inclusive(annotated: &str, function: &str) -> Option<u64> {
    let line = annotated
        .lines()
        .filter(|line| line.contains(function))
        .find(|line| {
            line.trim_start()
                .starts_with(|first: char| first.is_ascii_digit())
        })?;
    let number = line.split_whitespace().next()?;
    number.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found() {
        let text =
            "  Ir\n 12,345 (60.00%)  src/a.rs:send_receive::sending [/x/y]\n 1 (0.1%)  b:c [/x]\n";
        assert_eq!(inclusive(text, "send_receive::sending"), Some(12_345));
        assert_eq!(inclusive(text, "send_receive::receiving"), None);
    }

    #[test]
    fn the_budget_is_of_every_case() -> Result<(), Box<dyn std::error::Error>> {
        let budget: Budget = serde_json::from_str(include_str!("../instructions.json"))?;
        let costs = budget.costs.iter();
        let cases: Vec<_> = costs.map(|cost| (cost.link.as_str(), cost.bytes)).collect();
        assert_eq!(cases, CASES);
        Ok(())
    }
}
