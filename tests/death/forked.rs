//! A forked child has none of its parent's links, and does not make a dead parent look alive.

use std::fs::File;

use hqq_std::{LinkOptions, RecvError, Role};
use hqq_tests::{LIMIT, Name, Process};
use rustix::process::{Pid, Signal, kill_process};

/// A process that is no child of this one.
struct Orphan(Pid);

impl Drop for Orphan {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// The one that this process says it has.
fn child_of(parent: &Process) -> Orphan {
    let output = parent.stdout();
    let id = output.lines().find_map(|line| line.strip_prefix("child "));
    Orphan(Pid::from_raw(id.unwrap().parse().unwrap()).unwrap())
}

#[test]
fn a_child_has_nothing_of_its_parents_links() {
    let name = Name::new();
    LinkOptions::new()
        .count(16)
        .size(128)
        .create_region(&name)
        .unwrap();
    let mut far = LinkOptions::new()
        .role(Role::Secondary)
        .open(&name)
        .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    command.args(["fork", &name]);
    let mut parent = Process::start(&mut command);
    parent.wait_for_output("child ");
    parent.wait_for_output("ready");
    let output = parent.stdout();
    let line = |start: &str| {
        let line = output.lines().find(|line| line.starts_with(start));
        line.map(str::to_owned).unwrap_or_default()
    };
    let _child = child_of(&parent);
    assert_eq!(
        line("Err"),
        "Err(Forked) Err(Forked) Err(Empty) Err(Forked)"
    );
    assert_eq!(
        line("readable"),
        "readable 2",
        "its parent's event loop has yet to look"
    );
    // In its memory nobody ever comes.
    assert_eq!(line("comes"), "comes [false, false]");
    assert_eq!(line("cut"), "cut Err(Truncated) Err(Truncated)");
    let mut buffer = [0; 128];
    assert_eq!(far.recv_timeout(&mut buffer, LIMIT), Ok(6));
    assert_eq!(&buffer[..6], b"parent");
    // The child has neither closed the link nor sent anything through it.
    assert_eq!(
        far.recv_timeout(&mut buffer, std::time::Duration::from_millis(50)),
        Err(RecvError::TimedOut)
    );
    parent.kill();
    // And nothing of it holds the dead parent's locks.
    assert_eq!(
        far.recv_timeout(&mut buffer, LIMIT),
        Err(RecvError::PeerDead)
    );
}

#[test]
fn a_child_ends_its_calls_whatever_threads_of_its_parent_did() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    let text = Process::start(command.arg("fork_advanced")).wait().text();
    let forked = "Err(Link(Forked)) Err(Link(Forked)) Err(Link(Forked)) false Secondary";
    let lines = text.lines().filter(|line| *line == forked);
    assert_eq!(lines.count(), 100, "{text}");
    assert!(
        text.ends_with("parent Ok([112, 97, 114, 101, 110, 116])\n"),
        "{text}"
    );
}

#[test]
fn a_child_without_descriptors_has_no_locks_either() {
    for how in ["full", "lowered"] {
        let name = Name::new();
        let options = LinkOptions::new().count(16).size(128);
        options.create_region(&name).unwrap();
        let mut far = options.role(Role::Secondary).open(&name).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
        command.args(["fork_without", how, &name]);
        let mut parent = Process::start(&mut command);
        parent.wait_for_output("child ");
        parent.wait_for_output("ready, false");
        let _child = child_of(&parent);
        parent.kill();
        assert_eq!(
            far.recv_timeout(&mut [0; 128], LIMIT),
            Err(RecvError::PeerDead),
            "{how}"
        );
    }
}

/// The child has the descriptor before its parent locks anything through it.
#[test]
fn a_child_that_is_forked_while_a_link_is_opened_has_no_locks_of_it() {
    let name = Name::new();
    let options = LinkOptions::new().count(16).size(128);
    options.create_region(&name).unwrap();
    let mut far = options.role(Role::Secondary).open(&name).unwrap();
    let attach = File::options()
        .read(true)
        .write(true)
        .open(name.path())
        .unwrap();
    lock_attach(&attach);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    command.args(["fork_opening", &name]);
    let mut parent = Process::start(&mut command);
    parent.wait_for_output("child ");
    // Lets it go on.
    drop(attach);
    parent.wait_for_output("ready");
    let _child = child_of(&parent);
    parent.kill();
    assert_eq!(
        far.recv_timeout(&mut [0; 128], LIMIT),
        Err(RecvError::PeerDead)
    );
}

/// Takes the lock under which others attach, until the description is closed.
fn lock_attach(file: &File) {
    let narrow = |value: i32| i16::try_from(value).unwrap();
    let lock = nix::libc::flock {
        l_type: narrow(nix::libc::F_WRLCK),
        l_whence: narrow(nix::libc::SEEK_SET),
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).unwrap();
}

#[test]
fn no_child_that_is_forked_while_regions_are_made_has_locks_of_them() {
    let name = Name::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    let text = Process::start(command.args(["fork_making", &name]))
        .wait()
        .text();
    assert_eq!(text, "0 children with locks\n");
}

/// Theirs were there before hqq-std's, and run amid its own.
fn handlers_open_and_drop_links_of_their_own_process_alone(victim: &str) {
    let names = [(); 4].map(|()| Name::new());
    let options = LinkOptions::new().count(16).size(128).role(Role::Secondary);
    let mut far = names.each_ref().map(|name| {
        options.create_region(name).unwrap();
        options.open(name).unwrap()
    });
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    command.arg(victim);
    command.args(names.each_ref().map(|name| &**name));
    let mut parent = Process::start(&mut command);
    for told in [
        "opened 0",
        "opened 1",
        "opened 2",
        "child ",
        "sent [Err(Forked), Ok(())]",
    ] {
        parent.wait_for_output(told);
    }
    let child = child_of(&parent);
    let mut buffer = [0; 128];
    assert_eq!(
        far[3].recv_timeout(&mut buffer, std::time::Duration::from_millis(50)),
        Err(RecvError::TimedOut),
        "the child has dropped its parent's link"
    );
    parent.kill();
    let mut receive = |link: usize| far[link].recv_timeout(&mut buffer, LIMIT);
    assert_eq!(receive(3), Err(RecvError::PeerDead));
    // What the parent has opened goes with it.
    assert_eq!(receive(0), Err(RecvError::PeerDead));
    assert_eq!(receive(1), Err(RecvError::PeerDead));
    assert_eq!(receive(2), Ok(5));
    drop(child);
    assert_eq!(receive(2), Err(RecvError::PeerDead));
}

#[test]
fn handlers_of_fork_open_and_drop_links_of_their_own_process_alone() {
    handlers_open_and_drop_links_of_their_own_process_alone("fork_handlers");
}

#[test]
fn handlers_of_fork_that_fork_do_so_too() {
    handlers_open_and_drop_links_of_their_own_process_alone("fork_handlers_that_fork");
}

#[test]
fn links_are_opened_beside_threads_that_fork_without_a_pause() {
    let name = Name::new();
    LinkOptions::new()
        .count(4)
        .size(8)
        .create_region(&name)
        .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_victim"));
    let text = Process::start(command.args(["fork_beside", &name]))
        .wait()
        .text();
    assert_eq!(text, "[]\n");
}
