//! A process that forks while it has links.

use std::io::Read;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Message, Role, SendError, StandardLink};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, setrlimit, waitpid,
};

use crate::{CALL, LIFE, Result};

/// A link that has come upon the end of its file, behind which there is memory of its own.
fn cut(name: &str) -> Result<StandardLink> {
    let name = format!("{name}-cut");
    let options = LinkOptions::new().count(4).size(8192);
    let mut link = options.guard_truncation(true).create(&name)?;
    let path = hqq_std::RegionName::new(&name)?.path();
    std::fs::File::options()
        .write(true)
        .open(path)?
        .set_len(4096)?;
    hqq_std::unlink(&name)?;
    if link.send(b"cut") != Err(SendError::Truncated) {
        return Err("the end of the file was not found".into());
    }
    Ok(link)
}

/// Opens a link and forks. The child says what its calls do, and stays until it is killed.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork(name: &str) -> Result {
    let mut link = LinkOptions::new().role(Role::Primary).open(name)?;
    link.send(b"parent")?;
    let mut cut = cut(name)?;
    // Links with threads of their own, which the child has not.
    let (mut watched, _peer) = LinkOptions::new().pair()?;
    let told = [
        watched.receiver().readiness()?,
        watched.sender().readiness()?,
    ];
    let (near, _far) = LinkOptions::new().pair()?;
    let advanced = AdvancedLink::new(near, AdvancedOptions::new());
    {
        let mut received = pin!(advanced.receive_async());
        let _ = received
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
    // SAFETY: the other threads of this process sleep, and hold nothing that the child wants.
    let child = unsafe { nix::libc::fork() };
    if child > 0 {
        println!("child {child}");
        std::thread::sleep(LIFE);
        return Ok(());
    }
    let mut buffer = [0; 128];
    let sent = link.send(b"child");
    let received = link.recv(&mut buffer);
    let tried = link.receiver().try_recv(&mut buffer);
    let drained = link.wait_drained(Some(CALL));
    let comes = [
        link.sender().wait_for_peer(None),
        link.receiver().wait_for_peer(None),
    ];
    // What it finds is no news for its parent's event loop, to which the descriptors belong.
    let _ = watched.receiver().try_recv(&mut buffer);
    let _ = watched.sender().try_reserve();
    let _ = watched.sender().try_send(b"child");
    let mut polled = told.each_ref().map(|one| PollFd::new(one, PollFlags::IN));
    let readable = poll(&mut polled, Some(&Timespec::default()))?;
    drop(link);
    println!("readable {readable}");
    println!("{sent:?} {received:?} {tried:?} {drained:?}");
    println!("comes {comes:?}");
    println!("cut {:?} {:?}", cut.send(b"child"), cut.recv(&mut buffer));
    drop((cut, watched, advanced));
    // In its own right it can do everything.
    let mut own = LinkOptions::new().count(2).size(128).anonymous()?;
    own.send(b"own")?;
    println!("ready");
    std::thread::sleep(LIFE);
    Ok(())
}

/// Forks where the child can have no other descriptor: all numbers are taken (`full`), or those of its parent's
/// are beyond what it may have (`lowered`). It has its link until it is killed.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork_without(how: &str, name: &str) -> Result {
    let link = LinkOptions::new().role(Role::Primary).open(name)?;
    let few = if how == "full" { 64 } else { 3 };
    let limit = Rlimit {
        current: Some(few),
        maximum: Some(few),
    };
    setrlimit(Resource::Nofile, limit)?;
    let taken: Vec<_> = std::iter::from_fn(|| rustix::io::dup(std::io::stdin()).ok()).collect();
    // SAFETY: this process has one thread.
    let child = unsafe { nix::libc::fork() };
    if child > 0 {
        println!("child {child}");
    } else {
        println!("ready, {}", how == "full" && taken.is_empty());
    }
    std::thread::sleep(LIFE);
    drop(link);
    Ok(())
}

/// Forks again and again while threads drive an Advanced link, and have its lock at any moment. A child
/// says what its calls do, which have no deadline; whoever does not come to an end is killed.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork_advanced() -> Result {
    let (far, near) = LinkOptions::new().pair()?;
    let [near, far] = [near, far].map(|link| AdvancedLink::new(link, AdvancedOptions::new()));
    let server = far.clone();
    std::thread::spawn(move || {
        server.wait_for_negotiation(None)?;
        while let Ok(Message::Request(request)) = server.receive() {
            server.respond(&request, request.body())?;
        }
        Ok::<(), std::io::Error>(())
    });
    near.negotiate(None)?;
    // One that waits all the time, and is driven for; one that has the lock most of the time.
    let waiting = near.clone();
    std::thread::spawn(move || waiting.receive().map(|_| ()));
    let calling = near.clone();
    std::thread::spawn(move || while calling.call(1, b"again").is_ok() {});
    for number in 0..100 {
        // SAFETY: the child takes no lock that a thread of this process may hold, but the link's.
        let child = unsafe { nix::libc::fork() };
        if child == 0 {
            if number % 2 == 0 {
                // Whatever stands in for the link does without descriptors.
                let none = Rlimit {
                    current: Some(0),
                    maximum: Some(0),
                };
                setrlimit(Resource::Nofile, none)?;
            }
            let call = near.call(1, b"child");
            let sent = near.send_large(b"child");
            let received = near.receive().map(|_| ());
            let is_there = near.wait_for_peer(None);
            let role = near.role();
            println!("{call:?} {sent:?} {received:?} {is_there} {role:?}");
            drop((near, far));
            std::process::exit(0);
        }
        let end = Instant::now() + Duration::from_secs(20);
        let child = Pid::from_raw(child);
        loop {
            if waitpid(child, WaitOptions::NOHANG)?.is_some() {
                break;
            }
            if Instant::now() >= end {
                kill_process(child.ok_or("no child")?, Signal::KILL)?;
                return Err("a child waits without end".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    println!("parent {:?}", near.call(1, b"parent"));
    std::process::exit(0);
}

/// Forks while a thread opens a link, and has no lock yet. The child stays until it is killed.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork_opening(name: &str) -> Result {
    let path = hqq_std::RegionName::new(name)?.path();
    let name = name.to_owned();
    let opening = std::thread::spawn(move || {
        let options = LinkOptions::new().role(Role::Primary);
        options.attach_timeout(LIFE).open(&name)
    });
    let is_open = || {
        let descriptors = std::fs::read_dir("/proc/self/fd")?;
        // They come and go meanwhile.
        let mut targets =
            descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        std::io::Result::Ok(targets.any(|target| target == path))
    };
    while !is_open()? {
        std::thread::yield_now();
    }
    // SAFETY: the child does nothing but sleep.
    let child = unsafe { nix::libc::fork() };
    if child > 0 {
        println!("child {child}");
        let _link = opening.join().map_err(|_| "panicked")??;
        println!("ready");
        std::thread::sleep(LIFE);
    }
    std::thread::sleep(LIFE);
    Ok(())
}

/// Forks again and again while a thread makes, opens and drops links; says how many children had locks of its.
#[allow(unsafe_code, reason = "fork is an unsafe call")]
pub(crate) fn fork_making(name: &str) -> Result {
    let mut with_locks = 0;
    for round in 0..100 {
        let (made, is_forked) = (AtomicUsize::new(0), AtomicBool::new(false));
        // What was made stays until the child has looked.
        let make = || -> Result<_> {
            let mut links = Vec::new();
            while links.is_empty() || !is_forked.load(Ordering::Acquire) {
                let name = format!("{name}-{}", links.len());
                let near = LinkOptions::new().count(2).size(8).create(&name)?;
                let far = LinkOptions::new().open(&name);
                hqq_std::unlink(&name)?;
                links.push((near, far?));
                drop(LinkOptions::new().pair()?);
                made.store(links.len(), Ordering::Release);
            }
            Ok(links)
        };
        let had_locks = std::thread::scope(|scope| -> Result<_> {
            let making = scope.spawn(make);
            while made.load(Ordering::Acquire) < round % 4 && !making.is_finished() {
                std::thread::yield_now();
            }
            let (mut told, tell) = std::io::pipe()?;
            // SAFETY: the child takes no lock that a thread of this process may hold.
            let child = unsafe { nix::libc::fork() };
            if child == 0 {
                drop(tell);
                // To the end: the parent says nothing.
                told.read_to_end(&mut Vec::new())?;
                std::process::exit(i32::from(has_locks()?));
            }
            is_forked.store(true, Ordering::Release);
            let links = making.join().map_err(|_| "panicked")??;
            drop(tell);
            let ended = waitpid(Pid::from_raw(child), WaitOptions::empty())?;
            drop(links);
            Ok(ended.ok_or("no child")?.1.exit_status() != Some(0))
        })?;
        with_locks += usize::from(had_locks);
    }
    println!("{with_locks} children with locks");
    Ok(())
}

/// Whether a descriptor of this process is of a description that has locked a region.
fn has_locks() -> std::io::Result<bool> {
    let descriptors = std::fs::read_dir("/proc/self/fdinfo")?;
    // The one of the directory itself is not there any more.
    let mut texts =
        descriptors.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    // Of the kind that regions are locked with: whoever started the test may have left it others.
    Ok(texts.any(|text| text.contains("OFDLCK")))
}
