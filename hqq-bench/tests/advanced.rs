//! The `advanced` report, as a program reads it. No figure is checked against another: timings are
//! never asserted.

mod common;

#[test]
fn compares_calls_with_the_standard_links_round_trip() -> Result<(), Box<dyn std::error::Error>> {
    let rows = common::report("advanced")?;
    common::check(&rows)?;
    let references = [
        ("standard-64", "standard-64", None),
        ("call-core", "standard-64", Some(1.35)),
        ("standard-std-64", "standard-std-64", None),
        ("call-link", "standard-std-64", Some(1.35)),
        ("call-server", "standard-std-64", None),
    ];
    for (id, against, goal) in references {
        let row = rows.iter().find(|row| row["id"] == *id).ok_or(id)?;
        assert_eq!(row["against"], *against, "{row}");
        assert_eq!(row["goal"].as_f64(), goal, "{row}");
    }
    Ok(())
}
