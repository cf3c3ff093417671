//! Tells the program which compiler made it: counts of instructions hold for one compiler only.

use std::process::Command;

fn main() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    println!("cargo::rustc-env=HQQ_BENCH_COMPILER={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
