//! What `hqq-bench profile` says where it cannot look.

use std::error::Error;
use std::process::Command;

/// What it says, having failed.
fn refused(row: &str, path: &str) -> Result<String, Box<dyn Error>> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hqq-bench"));
    let output = program.args(["profile", row]).env("PATH", path).output()?;
    assert!(!output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stderr)?)
}

#[test]
fn a_row_that_is_not_there_is_named() -> Result<(), Box<dyn Error>> {
    let said = refused("no-such-row", "")?;
    assert!(said.contains("no row has the id no-such-row"), "{said}");
    Ok(())
}

#[test]
fn a_missing_perf_is_named() -> Result<(), Box<dyn Error>> {
    let said = refused("exclusive-64", "/nonexistent")?;
    assert!(said.contains("cannot run perf"), "{said}");
    Ok(())
}
