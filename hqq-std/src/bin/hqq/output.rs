//! What commands print for people and for programs.

use std::io::{Write, stdout};

use serde::Serialize;

use crate::failure::Failure;

/// Prints a text.
pub fn text(text: &str) -> Result<(), Failure> {
    let mut stdout = stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::of_output)
}

/// Prints one JSON object on a line.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(value)
        .map_err(|error| Failure::Failed(format!("cannot print as JSON: {error}")))?;
    line.push('\n');
    text(&line)
}
