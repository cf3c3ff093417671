//! Two processes, and two users.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use hqq_std::handoff::{Allow, Connector, HandoffError, Listener, Refusal};
use hqq_std::{LinkOptions, StandardLink};
use hqq_tests::{LIMIT, Process, rogue};

use super::{PATIENCE, Place, connector, small};

/// A user and a group that own nothing here.
const NOBODY: u32 = 65_534;

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Sends a few messages to a peer that echoes them.
fn converse(mut link: StandardLink) {
    link.set_read_timeout(Some(LIMIT)).unwrap();
    for message in [&b"a"[..], b"", &[7; 64]] {
        link.send(message).unwrap();
        assert_eq!(link.recv_vec().unwrap(), message);
    }
}

#[test]
fn a_region_goes_to_another_process() {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let path = place.path().display().to_string();
    for _ in 0..2 {
        let child = Process::start(&mut rogue!["connect", path, user().to_string()]);
        let guest = listener.accept(Some(PATIENCE)).unwrap();
        assert_eq!(guest.credentials().pid, child.id());
        assert_eq!(guest.credentials().user, user());
        converse(guest.make_region(&small(), PATIENCE).unwrap());
        let _ = child.wait().ok();
    }
}

#[test]
fn a_region_comes_from_another_process() {
    let place = Place::new();
    let path = place.path().display().to_string();
    let mut child = Process::start(&mut rogue!["listen", path, user().to_string()]);
    child.wait_for_output("listening");
    converse(
        connector()
            .connect(&path, &LinkOptions::new(), PATIENCE)
            .unwrap(),
    );
    let printed = child.wait().text();
    let pid = std::process::id();
    assert!(printed.contains(&format!("process {pid}\n")), "{printed}");
    assert!(!place.path().exists(), "the socket is left");
}

/// What a stranger's process says that connects to a listener which allows these; and what the
/// listener gets.
fn strangers(allow: Allow) -> Result<StandardLink, (HandoffError, String)> {
    let place = Place::new();
    // Whoever can write it may connect.
    let listener = Listener::bind(place.path(), allow).unwrap();
    for (path, mode) in [
        (place.directory.path().to_owned(), 0o755),
        (place.path(), 0o666),
    ] {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let program = place.directory.path().join("rogue");
    // By another process: a descriptor of this one that writes it would be inherited by whatever
    // another test starts meanwhile, and nobody could start the program until then.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_rogue")).arg(&program);
    let _ = Process::start(&mut copy).wait().ok();
    let mut command = Command::new(&program);
    command
        .args(["connect", &place.path().display().to_string()])
        .arg(user().to_string())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY);
    let child = Process::start(&mut command);
    match listener.accept(Some(PATIENCE)) {
        Ok(guest) => {
            assert_eq!(guest.credentials().user, NOBODY);
            let link = guest.make_region(&small(), PATIENCE).unwrap();
            converse(link);
            let _ = child.wait().ok();
            Ok(small().anonymous().unwrap())
        }
        Err(error) => Err((error, child.wait().with_code(1).stderr)),
    }
}

#[test]
fn another_user_gets_in_only_where_it_is_allowed() {
    if user() != 0 {
        // Nobody else can start a process of another user.
        return;
    }
    for allow in [
        Allow::nobody(),
        Allow::same_user(),
        Allow::nobody().user(1).group(1).when(|peer| peer.user == 1),
    ] {
        let (error, says) = strangers(allow).err().unwrap();
        assert!(
            matches!(error, HandoffError::Unauthorised { peer }
                if (peer.user, peer.group) == (NOBODY, NOBODY)),
            "{error:?}"
        );
        assert!(says.contains("Unauthorised"), "{says}");
    }
    for allow in [
        Allow::nobody().user(NOBODY),
        Allow::nobody().group(NOBODY),
        Allow::nobody().when(|peer| peer.group == NOBODY && peer.pid != 0),
    ] {
        drop(strangers(allow).map_err(|(error, _)| error).unwrap());
    }
}

#[test]
fn a_listener_of_another_user_is_not_asked() {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let asking = std::thread::spawn({
        let path = place.path();
        move || {
            let connector = Connector::new(Allow::nobody().user(user() + 1));
            connector.connect(path, &LinkOptions::new(), PATIENCE).err()
        }
    });
    let guest = listener.accept(Some(PATIENCE)).unwrap();
    let error = asking.join().unwrap().unwrap();
    assert!(
        matches!(error, HandoffError::Unauthorised { peer } if peer.user == user()),
        "{error:?}"
    );
    // It has hung up, before or after the region came.
    let error = guest.make_region(&small(), PATIENCE).err().unwrap();
    assert!(
        matches!(
            error,
            HandoffError::HungUp
                | HandoffError::Refused {
                    refusal: Refusal::Unauthorised
                }
        ),
        "{error:?}"
    );
}

#[test]
fn one_region_goes_to_several_peers() {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let region = small().shared().anonymous().unwrap();
    let workers: Vec<_> = (0..3_u8)
        .map(|worker| {
            let path = place.path();
            std::thread::spawn(move || {
                let options = LinkOptions::new().shared();
                let options = options.role(hqq_std::Role::Secondary);
                let link = connector().connect(path, &options, PATIENCE).unwrap();
                link.sender().send(&[worker]).unwrap();
            })
        })
        .collect();
    for _ in &workers {
        let guest = listener.accept(Some(PATIENCE)).unwrap();
        guest.hand_over(&region, PATIENCE).unwrap();
    }
    for worker in workers {
        worker.join().unwrap();
    }
    let mut seen: Vec<_> = (0..3)
        .map(|_| region.receiver().recv_vec().unwrap())
        .collect();
    seen.sort();
    assert_eq!(seen, [[0], [1], [2]]);
}
