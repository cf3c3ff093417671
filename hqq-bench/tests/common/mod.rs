//! Running the program and what holds for all its reports.

use std::process::Command;

use serde_json::Value;

/// A very short run of this area.
pub(crate) fn program(area: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hqq-bench"));
    program.args([area, "--brief"]);
    program
}

/// What a very short run tells programs.
pub(crate) fn document(area: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let output = program(area).args(["--json", "-"]).output()?;
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout)?;
    assert!(document["machine"].is_object());
    Ok(document)
}

/// The rows of a very short run.
pub(crate) fn report(area: &str) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let document = document(area)?;
    let rows = document["rows"].as_array().ok_or("no rows")?;
    Ok(rows.clone())
}

/// That every row has its figures, and a row or a figure that it is compared with.
pub(crate) fn check(rows: &[Value]) -> Result<(), Box<dyn std::error::Error>> {
    assert!(!rows.is_empty());
    let mut ids: Vec<_> = rows.iter().map(|row| row["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rows.len(), "ids are not unique");
    for row in rows {
        let number = |value: &Value| value.as_f64().ok_or(format!("no number in {row}"));
        // What sleeps may use nothing.
        let least = if row["id"].as_str().is_some_and(|id| id.starts_with("idle")) {
            0.0
        } else {
            f64::MIN_POSITIVE
        };
        assert!(number(&row["value"])? >= least, "{row}");
        assert!(row["unit"].is_string(), "{row}");
        let against = row["against"].as_str().ok_or("compared with nothing")?;
        // Words describe a figure.
        let found = rows.iter().any(|other| other["id"] == *against);
        assert!(found || against.contains(' '), "{row}");
        let (lower, upper) = (number(&row["spread"][0])?, number(&row["spread"][1])?);
        assert!((lower..=upper).contains(&number(&row["ratio"])?));
        if !row["used"].is_null() {
            let used = ["cpu_ns", "switches", "peak_kib"].map(|used| row["used"][used].as_f64());
            assert!(
                used.iter().all(|used| used.is_some_and(|used| used >= 0.0)),
                "{row}"
            );
        }
        if row["id"] == row["against"] {
            assert_eq!(row["ratio"], 1.0);
        }
    }
    Ok(())
}
