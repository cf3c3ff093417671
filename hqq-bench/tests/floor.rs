//! The `floor` report, as a program reads it. No figure is checked against another: timings are
//! never asserted.

mod common;

use common::{check, report};

#[test]
fn reports_rows_with_ratios() -> Result<(), Box<dyn std::error::Error>> {
    let rows = report("floor")?;
    check(&rows)?;
    let mut with_goal = rows.iter().filter(|row| row["goal"].is_f64());
    assert!(with_goal.any(|row| row["id"] == "link-8"));
    assert!(rows.iter().all(|row| row["duplex_ratio"].is_f64()));
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
    let rows = report("floor")?;
    check(&rows)?;
    assert!(rows.iter().all(|row| row["met"].is_null()));
    Ok(())
}
