//! Compiles the program in `format1`, the implementation of format 1 that the tests run against.

use std::error::Error;
use std::path::PathBuf;

const SOURCES: [&str; 3] = ["format1/peer.c", "format1/region.c", "format1/advanced.c"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=format1");
    let program = PathBuf::from(std::env::var("OUT_DIR")?).join("format1-peer");
    let compiler = cc::Build::new().try_get_compiler()?;
    let mut command = compiler.to_command();
    command.args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2"]);
    command.args(["-Wall", "-Wextra", "-Werror"]);
    command.args(SOURCES).arg("-o").arg(&program);
    let status = command.status().map_err(|error| {
        format!(
            "cannot run the C compiler {}: {error}; install one (on Debian and Ubuntu: apt-get install gcc libc6-dev), or name one in CC",
            compiler.path().display()
        )
    })?;
    if !status.success() {
        return Err(format!(
            "{command:?} ended with {status}: it needs a C11 compiler and the headers of the C library (on Debian and Ubuntu: apt-get install gcc libc6-dev)"
        )
        .into());
    }
    println!("cargo:rustc-env=FORMAT1_PEER={}", program.display());
    Ok(())
}
