//! Looking at regions from outside, as library and as command.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hqq_std::OpenError;
use hqq_std::inspect::Snapshot;
use hqq_tests::{Process, hqq};

use super::keeper::Keeper;
use super::tally::{SOON, Tally};

pub(super) fn inspect(keepers: &[Keeper], tally: &Tally, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for keeper in keepers {
            match tally.timed("inspect", SOON, || Snapshot::of_name(keeper.name())) {
                Ok(snapshot) => {
                    let count = keeper.victim().count;
                    for ring in &snapshot.rings {
                        assert!(ring.unread <= count && ring.slots.len() <= count);
                    }
                    // Whatever it holds can be printed.
                    assert!(!format!("{snapshot:?}").is_empty());
                }
                Err(OpenError::NotFound { .. }) => {}
                Err(error) => tally.error("OpenError of inspecting", &error),
            }
            for shared in [false, true] {
                let options = keeper.options();
                let opened = tally.timed("attach", super::keeper::PATIENCE, || {
                    if shared {
                        options.shared().open(keeper.name()).map(drop)
                    } else {
                        options.open(keeper.name()).map(drop)
                    }
                });
                if let Err(error) = opened {
                    tally.error("OpenError of attaching", &error);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The command, again and again: whatever it finds, it ends by itself and not by a panic.
pub(super) fn commands(keepers: &[Keeper], tally: &Tally, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for keeper in keepers {
            let name = keeper.name();
            for command in [
                &mut hqq!["inspect", name],
                &mut hqq!["inspect", name, "--json"],
                &mut hqq!["ls"],
                &mut hqq!["stats", name, "--json"],
                &mut hqq!["top", name, "--once", "--interval", "0.05"],
                &mut hqq!["top", "--once", "--json", "--interval", "0.05"],
                &mut hqq!["doctor", name, "--fix", "--watch", "0.05"],
                &mut hqq!["doctor", name, "--json", "--watch", "0.05"],
            ] {
                let outcome = Process::start(command).wait();
                let code = outcome.status.code();
                assert!(
                    matches!(code, Some(0 | 1)),
                    "{command:?}: {}: {}",
                    outcome.status,
                    outcome.stderr
                );
                if code == Some(1) {
                    tally.error("hqq", &"failed");
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}
