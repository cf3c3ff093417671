//! Every `sh` block of the README is run as it stands.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use hqq_tests::Process;

const README: &str = include_str!("../README.md");

/// What `cargo` is while a block runs: it maps `cargo hqq` to the command, and knows the other
/// lines of the README by heart, because running those takes a registry or this very test.
const CARGO: &str = r#"
cargo() {
    case "$*" in
    "hqq "*)
        shift
        hqq "$@"
        ;;
    "test --workspace") ;;
    *)
        echo "the test of the README does not know \`cargo $*\`" >&2
        return 127
        ;;
    esac
}
"#;

/// The blocks of Markdown that are marked with `language`.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in markdown.lines() {
        match &mut block {
            None if line.trim_end() == fence => block = Some(String::new()),
            None => {}
            Some(_) if line.starts_with("```") => blocks.extend(block.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(block.is_none(), "a block without an end");
    blocks
}

/// A directory of a user's PATH that has `hqq`.
fn tools() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let command = env!("CARGO_BIN_EXE_hqq-under-test");
    symlink(command, directory.path().join("hqq")).unwrap();
    directory
}

/// Ends whatever a block has left running: all of it is in this group.
struct Group(Process);

impl Drop for Group {
    fn drop(&mut self) {
        let id = i32::try_from(self.0.id()).unwrap();
        if let Some(group) = rustix::process::Pid::from_raw(id) {
            // Fails where nothing is left, as it should be.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

fn run(block: &str, tools: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = format!(
        "{}:{}",
        tools.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new("sh");
    command
        .args(["-e", "-c", &format!("{CARGO}{block}")])
        .env("PATH", path)
        .current_dir(directory.path())
        .process_group(0);
    let mut group = Group(Process::start(&mut command));
    hqq_tests::eventually(&format!("the end of\n{block}"), || {
        (!group.0.is_running()).then_some(())
    });
    let status = group.0.child().wait().unwrap();
    assert!(status.success(), "{status}: {}\n{block}", group.0.stderr());
    group.0.stdout()
}

/// Names of regions that a block works on.
fn names(block: &str) -> Vec<&str> {
    let words: Vec<&str> = block.split_whitespace().collect();
    words
        .windows(3)
        .filter(|words| words[0] == "hqq")
        .filter(|words| ["send", "recv", "echo", "ping", "create", "rm"].contains(&words[1]))
        .map(|words| words[2])
        .collect()
}

#[test]
fn the_commands_of_the_readme_work() {
    let blocks = blocks(README, "sh");
    assert!(!blocks.is_empty());
    assert!(
        blocks
            .iter()
            .any(|block| block == "cargo test --workspace\n"),
        "the README says how to run the tests"
    );
    let tools = tools();
    let mut printed = String::new();
    for block in &blocks {
        printed.push_str(&run(block, tools.path()));
        for name in names(block) {
            let path = hqq_std::RegionName::new(name).unwrap().path();
            assert!(!path.exists(), "{} is left of\n{block}", path.display());
        }
    }
    for part in ["checksum match", "100000", "p99"] {
        assert!(printed.contains(part), "`{part}` in\n{printed}");
    }
}

#[test]
fn blocks_that_fail_are_noticed() {
    let tools = tools();
    for block in ["false\n", "cargo frobnicate\n", "hqq rm hqq-test-no-such\n"] {
        let outcome = std::panic::catch_unwind(|| run(block, tools.path()));
        assert!(outcome.is_err(), "{block}");
    }
}

#[test]
fn code_of_the_readme_is_compiled() {
    // The doc-test of `hqq_tests` runs them; here only that it has something to run.
    let marked = README.matches("\n```rust").count();
    assert!(marked > 0);
    assert_eq!(README.matches("\n```").count() % 2, 0);
}
