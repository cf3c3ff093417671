//! The `floor` report, as a program reads it. No figure is checked against another: timings are
//! never asserted.

mod common;

use common::{check, report};

#[test]
fn reports_rows_with_ratios() -> Result<(), Box<dyn std::error::Error>> {
    let rows = report("floor")?;
    check(&rows)?;
    for id in ["line-1", "line-2-hint", "link-8", "link-64", "two-lines-8"] {
        let row = rows.iter().find(|row| row["id"] == id);
        let cpu = row.and_then(|row| row["used"]["cpu_ns"].as_f64());
        assert!(cpu.is_some_and(|cpu| cpu > 0.0), "{id}: {row:?}");
    }
    Ok(())
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
    let rows = report("rtt")?;
    check(&rows)?;
    assert!(rows.iter().any(|row| row["goal"].is_f64()));
    assert!(rows.iter().all(|row| row["met"].is_null()));
    Ok(())
}
