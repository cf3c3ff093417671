//! Puts the linker scripts where the linker looks, and names the one of the target. Not in
//! `.cargo/config.toml`: what stands there is part of every crate's identity, `core` included.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    for script in ["memory.x", "bare.x"] {
        fs::copy(script, out.join(script))?;
        println!("cargo::rerun-if-changed={script}");
    }
    println!("cargo::rustc-link-search={}", out.display());
    let arguments: &[&str] = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("arm") => &["-Tlink.x"],
        Ok("riscv32" | "riscv64") => &["-Tbare.x", "--defsym=START=0x80000000"],
        Ok("aarch64") => &["-Tbare.x", "--defsym=START=0x40080000"],
        _ => &[],
    };
    for argument in arguments {
        println!("cargo::rustc-link-arg={argument}");
    }
    Ok(())
}
