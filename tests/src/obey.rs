//! What the programs that tests start do with their arguments and with what goes wrong.

use std::error::Error;
use std::process::ExitCode;

/// Does what the arguments say. What goes wrong is printed for people and then for tests.
pub fn obey(run: impl FnOnce(&[&str]) -> Result<(), Box<dyn Error + Send + Sync>>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{error:?}");
            ExitCode::FAILURE
        }
    }
}
