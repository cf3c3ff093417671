//! The `floor` report, as a program reads it. No figure is checked against another: timings are
//! never asserted.

use std::process::Command;

use serde_json::Value;

fn floor(program: &mut Command) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let output = program.output()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

fn check(rows: &[Value]) -> Result<(), Box<dyn std::error::Error>> {
    let with_goal: Vec<_> = rows.iter().filter(|row| row["goal"].is_f64()).collect();
    assert!(with_goal.iter().any(|row| row["id"] == "link-8"));
    for row in rows {
        let number = |value: &Value| value.as_f64().ok_or(format!("no number in {row}"));
        assert!(number(&row["value"])? > 0.0, "{row}");
        assert_eq!(row["unit"], "ns");
        let (lower, upper) = (number(&row["spread"][0])?, number(&row["spread"][1])?);
        assert!((lower..=upper).contains(&number(&row["ratio"])?));
        assert!(rows.iter().any(|other| other["id"] == row["against"]));
        if row["id"] == row["against"] {
            assert_eq!(row["ratio"], 1.0);
        }
    }
    Ok(())
}

#[test]
fn reports_rows_with_ratios() -> Result<(), Box<dyn std::error::Error>> {
    let program = env!("CARGO_BIN_EXE_hqq-bench");
    let rows = floor(Command::new(program).args(["floor", "--quick", "--json"]))?;
    check(&rows)
}

#[test]
fn judges_no_goal_on_one_core() -> Result<(), Box<dyn std::error::Error>> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let core = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core));
    let mut one = CpuSet::new();
    one.set(core.ok_or("no core")?);
    // This thread only; what it starts inherits it.
    sched_setaffinity(None, &one)?;
    let program = env!("CARGO_BIN_EXE_hqq-bench");
    let rows = floor(Command::new(program).args(["floor", "--quick", "--json"]))?;
    check(&rows)?;
    assert!(rows.iter().all(|row| row["met"].is_null()));
    Ok(())
}
