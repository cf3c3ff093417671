//! Areas run, and the page can be made; CI runs all of them, built for speed, with all peers. No figure is checked against another: timings are never
//! asserted.

mod common;

use std::error::Error;

use common::{check, report};

fn has(area: &str, ids: &[&str]) -> Result<(), Box<dyn Error>> {
    let rows = report(area)?;
    check(&rows)?;
    for id in ids {
        let row = rows.iter().find(|row| row["id"] == *id);
        let row = row.ok_or(format!("{area} has no {id}"))?;
        assert!(row["goal"].is_f64(), "{row}");
        assert!(row["met"].is_boolean() || row["met"].is_null(), "{row}");
    }
    Ok(())
}

#[test]
fn round_trips() -> Result<(), Box<dyn Error>> {
    has("rtt", &["rtt-8", "rtt-64", "rtt-1k", "rtt-64-shared"])
}

#[test]
fn messages() -> Result<(), Box<dyn Error>> {
    has("messages", &["batch-64"])
}

#[test]
fn trust() -> Result<(), Box<dyn Error>> {
    has("trust", &["untrusted-64", "untrusted-4k"])
}

#[test]
fn a_table_of_one_area_has_what_lost_its_heats() -> Result<(), Box<dyn Error>> {
    let output = common::program("trust").output()?;
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout)?;
    let (_, heats) = table.split_once("heats").ok_or("no heats")?;
    for id in ["trusted-64-closure", "trusted-64-grant"] {
        assert!(heats.contains(id), "{table}");
    }
    Ok(())
}

#[test]
fn waiting() -> Result<(), Box<dyn Error>> {
    has(
        "park",
        &["park-rtt", "one-core-rtt", "idle-cpu", "attach", "repair"],
    )
}

#[test]
fn a_page_with_plots() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("hqq-bench-{}.html", std::process::id()));
    let output = common::program("sweep").arg("--html").arg(&path).output()?;
    assert!(output.status.success(), "{output:?}");
    let page = std::fs::read_to_string(&path);
    std::fs::remove_file(&path)?;
    let page = page?;
    assert!(page.contains("<svg"), "no plot");
    assert!(page.trim_end().ends_with("</html>"));
    Ok(())
}
