//! Programs for other machines: built with Debian's compiler, which has its library's source, and
//! run on emulators. What is not installed fails the test by name of its Debian package.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a helper that fails fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler that can build `core` for any target.
const COMPILER: &str = "/usr/bin/rustc";
const LIBRARY: &str = "/usr/lib/rustlib/src/rust/library/Cargo.toml";

/// A program of a package that lies beside this one, for another machine.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    /// The package's directory in `tests`.
    pub package: &'a str,
    /// The machine.
    pub target: &'a str,
    /// Which of its programs.
    pub program: &'a str,
    /// Cargo's profile.
    pub profile: &'a str,
    /// Cargo's features, with commas.
    pub features: &'a str,
}

impl Foreign<'_> {
    /// Builds it; says where it lies.
    #[must_use]
    pub fn build(&self) -> PathBuf {
        require(COMPILER, "rustc-web");
        require(LIBRARY, "rust-web-src");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Shared with the other builds of that compiler, so that `core` is built once.
        let artifacts = tests.join("../target/foreign");
        let mut command = Command::new("cargo");
        command
            .args([
                "build",
                "--locked",
                "-Zbuild-std=core",
                "--target",
                self.target,
            ])
            .args(["--bin", self.program, "--profile", self.profile])
            .args(["--features", self.features])
            .current_dir(tests.join(self.package))
            .env("RUSTC", COMPILER)
            // -Zbuild-std is unstable.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", &artifacts)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("PATH", with_linker())
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET");
        let output = command.output().expect("cargo");
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let directory = match self.profile {
            "dev" => "debug",
            other => other,
        };
        artifacts
            .join(self.target)
            .join(directory)
            .join(self.program)
    }
}

/// `PATH` with the `rust-lld` of rustup's toolchain, which Debian's compiler comes without.
fn with_linker() -> std::ffi::OsString {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .env_remove("RUSTC")
        .output()
        .expect("rustc of rustup");
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let tools = libraries.with_file_name("bin");
    assert!(
        tools.join("rust-lld").exists(),
        "there is no rust-lld in {}: install a toolchain of rustup's",
        tools.display()
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(tools).chain(std::env::split_paths(&path));
    std::env::join_paths(all).expect("paths without a colon")
}

/// Fails unless the file is there.
fn require(path: impl AsRef<Path>, package: &str) {
    let path = path.as_ref();
    assert!(
        path.exists(),
        "{} is missing: install it (Debian: apt-get install {package})",
        path.display()
    );
}

/// The command of an emulator; fails with the name of its Debian package where there is none.
#[must_use]
pub fn emulator(program: &str, package: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    assert!(
        std::env::split_paths(&path).any(|directory| directory.join(program).exists()),
        "{program} is missing: install it (Debian: apt-get install {package})"
    );
    Command::new(program)
}
