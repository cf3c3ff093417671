//! Paths, queues and deadlines of sockets.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::JoinHandle;

use hqq_std::LinkOptions;
use hqq_std::handoff::{Allow, HandoffError, Listener};
use hqq_tests::Name;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::{PATIENCE, Place, SHORT, connector, small};

fn refused(path: impl AsRef<Path>) -> HandoffError {
    let connector = connector();
    connector
        .connect(path, &LinkOptions::new(), SHORT)
        .err()
        .unwrap()
}

/// Asks for a region, and says why it got none.
fn ask(place: &Place) -> JoinHandle<Option<HandoffError>> {
    let path = place.path();
    std::thread::spawn(move || {
        let connector = connector();
        connector.connect(path, &LinkOptions::new(), PATIENCE).err()
    })
}

#[test]
fn a_path_is_taken_once_and_given_back() {
    let place = Place::new();
    let path = place.path();
    let bind = || Listener::bind(&path, Allow::same_user());
    let listener = bind().unwrap();
    assert_eq!(listener.path(), path);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = bind().err().unwrap();
    assert!(
        matches!(&error, HandoffError::Exists { path: found } if *found == path),
        "{error:?}"
    );
    drop(listener);
    assert!(!path.exists());
    // What somebody else put there is left alone.
    let listener = bind().unwrap();
    fs::remove_file(&path).unwrap();
    File::create_new(&path).unwrap();
    drop(listener);
    assert!(path.is_file());
    assert!(matches!(bind(), Err(HandoffError::Exists { .. })));
    // Nor is a symbolic link followed.
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(place.directory.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(bind(), Err(HandoffError::Exists { .. })));
}

#[test]
fn paths_at_which_nobody_listens() {
    let place = Place::new();
    let path = place.path();
    let error = refused(&path);
    assert!(
        matches!(&error, HandoffError::NobodyListens { path: found } if *found == path),
        "{error:?}"
    );
    // One whose listener died: its socket is left.
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    drop(socket);
    assert!(matches!(refused(&path), HandoffError::NobodyListens { .. }));
    let long = place.directory.path().join("x".repeat(200));
    assert!(matches!(refused(&long), HandoffError::PathTooLong { .. }));
    assert!(matches!(
        Listener::bind(&long, Allow::nobody()),
        Err(HandoffError::PathTooLong { .. })
    ));
}

#[test]
fn nobody_comes() {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let error = listener.accept(Some(SHORT)).err().unwrap();
    assert!(
        matches!(error, HandoffError::TimedOut { waited } if waited == SHORT),
        "{error:?}"
    );
}

#[test]
fn nobody_accepts() {
    let place = Place::new();
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let address = SocketAddrUnix::new(place.path()).unwrap();
    rustix::net::bind(&socket, &address).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    // The first waits for a region, the second for room to wait in.
    let first = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::connect(&first, &address).unwrap();
    let error = refused(place.path());
    assert!(matches!(error, HandoffError::TimedOut { .. }), "{error:?}");
    rustix::net::accept(&socket).unwrap();
    let error = refused(place.path());
    assert!(matches!(error, HandoffError::TimedOut { .. }), "{error:?}");
}

#[test]
fn a_region_with_a_name_is_not_handed_over() {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let asking = ask(&place);
    let name = Name::new();
    let named = small().create(&name).unwrap();
    let guest = listener.accept(Some(PATIENCE)).unwrap();
    let error = guest.hand_over(&named, PATIENCE).err().unwrap();
    assert!(matches!(error, HandoffError::NotMemory), "{error:?}");
    let error = asking.join().unwrap().unwrap();
    assert!(matches!(error, HandoffError::Refused { .. }), "{error:?}");
}

#[test]
fn a_region_that_cannot_be_made() {
    let place = Place::new();
    let listener = Listener::bind(place.path(), Allow::same_user()).unwrap();
    let asking = ask(&place);
    let guest = listener.accept(Some(PATIENCE)).unwrap();
    let error = guest
        .make_region(&small().count(3), PATIENCE)
        .err()
        .unwrap();
    assert!(matches!(error, HandoffError::Open(_)), "{error:?}");
    let error = asking.join().unwrap().unwrap();
    assert!(error.to_string().contains("could not make"), "{error}");
}
