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
fn heats_are_in_the_json() -> Result<(), Box<dyn Error>> {
    let document = common::document("trust")?;
    let heats = document["heats"].as_array().ok_or("no heats")?;
    for group in ["trusted-64", "trusted-4k"] {
        for way in ["closure", "grant"] {
            let id = format!("{group}-{way}-256");
            let heat = heats.iter().find(|heat| heat["id"] == *id).ok_or(id)?;
            assert_eq!(heat["group"], *group, "{heat}");
            assert_eq!(heat["unit"], "ns", "{heat}");
            let value = heat["value"].as_f64();
            assert!(value.is_some_and(|value| value > 0.0), "{heat}");
        }
    }
    Ok(())
}

/// What a run of an area writes: the terminal, the figures for programs, the page and the table in Markdown.
fn everything(area: &str) -> Result<[String; 4], Box<dyn Error>> {
    let place = std::env::temp_dir().join(format!("hqq-bench-{area}-{}", std::process::id()));
    std::fs::create_dir(&place)?;
    let files = ["json", "html", "markdown"].map(|kind| (kind, place.join(kind)));
    let mut program = common::program(area);
    for (kind, file) in &files {
        program.arg(format!("--{kind}")).arg(file);
    }
    let output = program.output();
    let written = files.map(|(_, file)| std::fs::read_to_string(file));
    std::fs::remove_dir_all(&place)?;
    let output = output?;
    assert!(output.status.success(), "{output:?}");
    let [json, page, markdown] = written;
    Ok([String::from_utf8(output.stdout)?, json?, page?, markdown?])
}

/// The part of a text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

/// That all outputs count the same goals, and that these are among them, or not.
fn counts(area: &str, among: &[&str], not_among: &[&str]) -> Result<(), Box<dyn Error>> {
    let [terminal, json, page, markdown] = everything(area)?;
    let document: serde_json::Value = serde_json::from_str(&json)?;
    let rows = document["rows"].as_array().ok_or("no rows")?;
    let asked: Vec<_> = rows.iter().filter(|row| row["asked"] == true).collect();
    assert!(asked.iter().all(|row| row["goal"].is_f64()), "{asked:?}");
    let judged = asked.iter().filter(|row| row["met"].is_boolean()).count();
    let met = asked.iter().filter(|row| row["met"] == true).count();
    let sum = format!("{met} of the {judged} goals met in this run");
    for text in [&terminal, &page, &markdown] {
        assert!(text.contains(&sum), "{sum}: {text}");
    }
    let ids: Vec<_> = asked.iter().filter_map(|row| row["id"].as_str()).collect();
    // What starts a line of each, with the id.
    let in_terminal = between(&terminal, "asked for", "\n\n").unwrap_or_default();
    let in_terminal = in_terminal.lines().skip(1);
    let in_terminal = in_terminal.map(|line| line.split(' ').next().unwrap_or_default());
    assert_eq!(in_terminal.collect::<Vec<_>>(), ids, "{terminal}");
    let in_page = between(&page, "What is asked for</h2>", "</table>").unwrap_or_default();
    let in_page = in_page.split("<tr><td><code>").skip(1);
    let in_page = in_page.map(|line| line.split('<').next().unwrap_or_default());
    assert_eq!(in_page.collect::<Vec<_>>(), ids, "{page}");
    let in_markdown = between(&markdown, "|---|---|---|---|---|---|---|---|\n", "\n\n");
    let in_markdown = in_markdown.unwrap_or_default().lines();
    let in_markdown = in_markdown.map(|line| line.split(' ').nth(1).unwrap_or_default());
    assert_eq!(in_markdown.collect::<Vec<_>>(), ids, "{markdown}");
    for id in among {
        assert!(ids.contains(id), "{id}: {ids:?}");
    }
    for id in not_among {
        let measured = rows.iter().any(|row| row["id"] == **id);
        assert!(measured && !ids.contains(id), "{id}: {ids:?}");
    }
    Ok(())
}

#[test]
fn every_output_counts_the_goals_of_calls() -> Result<(), Box<dyn Error>> {
    counts("advanced", &["call-link", "call-core"], &["call-server"])
}

#[test]
fn every_output_counts_the_goals_of_round_trips_and_no_ring_by_hand() -> Result<(), Box<dyn Error>>
{
    let among = ["rtt-8", "rtt-64", "rtt-1k", "rtt-64-shared"];
    let not_among = ["rtt-8-by-hand", "rtt-8-to-hand", "rtt-64-two-lines"];
    counts("rtt", &among, &not_among)
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
