//! The `format1` report, as a program reads it. No figure is checked against another: timings are
//! never asserted.

mod common;

use common::report;

#[test]
fn compares_links_with_what_is_written_by_hand() -> Result<(), Box<dyn std::error::Error>> {
    let rows = report("format1")?;
    common::check(&rows)?;
    for size in [8, 64, 1024] {
        for way in ["round-trip", "one-way"] {
            let hand = format!("hand-{way}-{size}");
            for link in ["link", "either"] {
                let id = format!("{link}-{way}-{size}");
                let row = rows.iter().find(|row| row["id"] == *id).ok_or(id)?;
                assert_eq!(row["against"], *hand);
                assert_eq!(row["goal"], 1.1);
            }
            let row = rows.iter().find(|row| row["id"] == *hand).ok_or(hand)?;
            assert_eq!(row["against"], row["id"]);
        }
    }
    Ok(())
}

#[test]
fn prints_a_table_with_a_line_for_each_row() -> Result<(), Box<dyn std::error::Error>> {
    let rows = report("format1")?;
    let output = common::program("format1").output()?;
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout)?;
    for row in rows {
        let id = row["id"].as_str().ok_or("no id")?;
        let mut lines = table.lines();
        assert!(
            lines.any(|line| line.starts_with(&format!("{id} "))),
            "{table}"
        );
    }
    Ok(())
}
