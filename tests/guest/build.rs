//! Links the program at its fixed address.

use std::env;

fn main() {
    let directory = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rerun-if-changed=guest.x");
    println!("cargo::rustc-link-arg=-T{directory}/guest.x");
    // Position-independent code at a fixed address: nothing is left to relocate at start.
    println!("cargo::rustc-link-arg=--no-pie");
}
