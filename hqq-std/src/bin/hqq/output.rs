//! What commands print for people and for programs.

use std::fs::File;
use std::io::{self, Read, Write, stdout};
use std::os::fd::AsFd;

use serde::Serialize;

use crate::failure::Failure;
use crate::signals;

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

/// Writes all that `body` gives to standard output, each part as it comes, and tells `progress` how many
/// bytes it had; `failed` says what an error of the body's means.
pub fn copy(
    body: &mut impl Read,
    mut progress: impl FnMut(usize),
    failed: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 17];
    // Past the buffer that `stdout` has: a part that does not end a line may be the last for long.
    let output = stdout().as_fd().try_clone_to_owned();
    let mut output = File::from(output.map_err(Failure::of_output)?);
    loop {
        signals::check()?;
        let read = body.read(&mut buffer).map_err(&failed)?;
        if read == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        output.write_all(bytes).map_err(Failure::of_output)?;
        progress(read);
    }
}
