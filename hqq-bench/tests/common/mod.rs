//! Running the program and what holds for all its reports.

use std::process::Command;

use serde_json::Value;

/// A short run of this suite.
pub(crate) fn program(suite: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hqq-bench"));
    program.args([suite, "--quick"]);
    program
}

/// The rows of a short run.
pub(crate) fn report(suite: &str) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let output = program(suite).arg("--json").output()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

/// That every row has its figures, and a row that it is compared with.
pub(crate) fn check(rows: &[Value]) -> Result<(), Box<dyn std::error::Error>> {
    assert!(!rows.is_empty());
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
