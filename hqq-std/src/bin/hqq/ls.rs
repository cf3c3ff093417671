//! `hqq ls`: the regions on this machine.

use std::io::{self, Write};

use hqq_std::inspect::{Kind, Snapshot, kind};
use hqq_std::{RegionName, Role};
use serde_json::{Value, json};

use crate::failure::Failure;

/// List the regions on this machine
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// A row: a region's name, and what could be learnt of it.
struct Row {
    name: RegionName,
    kind: Kind,
    snapshot: Result<Snapshot, String>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let names = hqq_std::list()
        .map_err(|error| Failure::Failed(format!("cannot list regions: {error}")))?;
    let rows: Vec<Row> = names
        .into_iter()
        .map(|name| Row {
            kind: kind(&name.path()),
            snapshot: Snapshot::of_name(name.as_str()).map_err(|error| error.to_string()),
            name,
        })
        .collect();
    let mut out = io::stdout().lock();
    let printed = if args.json {
        let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
        writeln!(out, "{:#}", Value::from(rows))
    } else {
        print(&mut out, &rows)
    };
    printed.map_err(Failure::of_output)
}

fn print(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let width = rows
        .iter()
        .map(|row| row.name.as_str().chars().count())
        .max()
        .unwrap_or(0)
        .max(4);
    writeln!(
        out,
        "{:width$}  FORMAT  {:>14}  {:>12}  {:17}  UNREAD",
        "NAME", "GEOMETRY", "BYTES", "ROLES",
    )?;
    for row in rows {
        write!(out, "{:width$}  {:6}  ", row.name, row.format())?;
        match &row.snapshot {
            Ok(snapshot) => {
                let layout = &snapshot.identity.layout;
                writeln!(
                    out,
                    "{:>14}  {:>12}  {:17}  {}",
                    format!("{}x{}", layout.count(), layout.size()),
                    snapshot.len,
                    roles(snapshot).join("+"),
                    fill(snapshot),
                )?;
            }
            Err(error) => writeln!(out, "{error}")?,
        }
    }
    Ok(())
}

/// The roles that are in use, a dash, or that nobody can tell: processes of HQQ-Go leave no mark.
fn roles(snapshot: &Snapshot) -> Vec<&'static str> {
    let mut roles = Vec::new();
    for (role, name) in [(Role::Primary, "primary"), (Role::Secondary, "secondary")] {
        if snapshot.is_in_use(role) == Some(true) {
            roles.push(name);
        }
    }
    if Role::BOTH
        .iter()
        .any(|role| snapshot.is_in_use(*role).is_none())
    {
        roles.push("?");
    } else if roles.is_empty() {
        roles.push("-");
    }
    roles
}

/// Unread messages in both directions.
fn fill(snapshot: &Snapshot) -> String {
    let counts: Vec<String> = snapshot
        .rings
        .iter()
        .map(|ring| ring.unread.to_string())
        .collect();
    counts.join(" / ")
}

impl Row {
    const fn format(&self) -> u8 {
        match self.kind {
            Kind::Format1 => 1,
            Kind::Format2 | Kind::Other => 2,
        }
    }

    fn to_json(&self) -> Value {
        match &self.snapshot {
            Ok(snapshot) => json!({
                "name": self.name.as_str(),
                "format": self.format(),
                "count": snapshot.identity.layout.count(),
                "size": snapshot.identity.layout.size(),
                "bytes": snapshot.len,
                "roles": Role::BOTH
                    .into_iter()
                    .filter(|role| snapshot.is_in_use(*role) == Some(true))
                    .map(|role| role.to_string())
                    .collect::<Vec<_>>(),
                "roles_known": Role::BOTH
                    .into_iter()
                    .all(|role| snapshot.is_in_use(role).is_some()),
                "unread": snapshot.rings.iter().map(|ring| ring.unread).collect::<Vec<_>>(),
            }),
            Err(error) => json!({
                "name": self.name.as_str(),
                "format": self.format(),
                "error": error,
            }),
        }
    }
}
