//! Which region to use, how to make it, and which role to take in it.

mod access;
mod place;

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hqq_core::layout::{FILE_ALIGNMENT, FILE_MEMBERS};
use hqq_core::{Delivery, Format, InitOptions, Layout, Role};

use crate::attach::Endpoint;
use crate::error::OpenError;
use crate::identify::no_space;
use crate::link::StandardLink;
use crate::mapping::MapOptions;
use crate::name::RegionName;
use crate::prepare::{Ready, Request, prepare};
use crate::repair::Caretaker;
use crate::sys;
use crate::trace::event;
use crate::wait::Policy;

pub use access::{Access, Exclusive, Shared};
use place::Place;

/// Buffers in each direction, unless asked otherwise.
pub const DEFAULT_COUNT: usize = 64;
/// Bytes in a buffer, unless asked otherwise.
pub const DEFAULT_SIZE: usize = 16384;
/// Permission bits of a new region, unless asked otherwise.
pub const DEFAULT_MODE: u32 = 0o600;

/// Options for creating and opening regions, in the manner of [`std::fs::OpenOptions`].
///
/// ```
/// use hqq_std::LinkOptions;
/// # let name = format!("hqq-doc-options-{}", std::process::id());
/// let mut near = LinkOptions::new().count(16).size(256).create(&name)?;
/// let mut far = LinkOptions::new().open(&name)?;
/// hqq_std::unlink(&name)?; // both keep working
/// near.send(b"hello")?;
/// let mut message = [0; 256];
/// assert_eq!(far.recv(&mut message)?, 5);
/// # Ok::<(), hqq_std::Error>(())
/// ```
#[derive(Debug)]
pub struct LinkOptions<A = Exclusive> {
    format: Option<Format>,
    count: Option<usize>,
    size: Option<usize>,
    permissions: u32,
    owner: Option<u32>,
    any_owner: bool,
    role: Option<Role>,
    delivery: Delivery,
    map: MapOptions,
    huge_pages: bool,
    patience: Duration,
    wait_policy: Policy,
    access: std::marker::PhantomData<A>,
}

impl<A> Clone for LinkOptions<A> {
    fn clone(&self) -> Self {
        self.with_access()
    }
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl LinkOptions {
    /// 64 buffers of 16 KiB in each direction, for this user only, whichever role is free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            format: None,
            count: None,
            size: None,
            permissions: DEFAULT_MODE,
            owner: None,
            any_owner: false,
            role: None,
            delivery: Delivery::AtMostOnce,
            map: MapOptions {
                prefault: false,
                guard: false,
            },
            huge_pages: false,
            patience: Duration::from_secs(5),
            wait_policy: Policy::Adaptive,
            access: std::marker::PhantomData,
        }
    }

    /// For a [`SharedLink`](crate::SharedLink), which many threads use at once, beside other processes on its side.
    #[must_use]
    pub fn shared(&self) -> LinkOptions<Shared> {
        self.with_access()
    }
}

impl<A> LinkOptions<A> {
    fn with_access<B>(&self) -> LinkOptions<B> {
        LinkOptions {
            format: self.format,
            count: self.count,
            size: self.size,
            permissions: self.permissions,
            owner: self.owner,
            any_owner: self.any_owner,
            role: self.role,
            delivery: self.delivery,
            map: self.map,
            huge_pages: self.huge_pages,
            patience: self.patience,
            wait_policy: self.wait_policy,
            access: std::marker::PhantomData,
        }
    }

    /// The format of a region that is created; without this, format 2. Opening a region of another
    /// format is an error; without this any is accepted, and told from its magic.
    ///
    /// [`Format::V1`] is for sharing a region with HQQ-Go 1.0 processes. What such a region has not:
    ///
    /// - empty messages: sending one is an error;
    /// - end-of-file: a peer that leaves or dies is not noticed, [`Receiver::recv`] goes on waiting.
    ///   Give timeouts;
    /// - wakeups: waiting is polling, a millisecond apart once nothing came for a while;
    /// - sides of one's own: any number of processes, HQQ-Go ones too, may share a role, with
    ///   [`StandardLink`] as well as with [`SharedLink`](crate::SharedLink). Whoever creates the
    ///   region is primary and everybody who opens it secondary, unless [`LinkOptions::role`] says
    ///   otherwise;
    /// - repair: a process that dies between claiming a slot and publishing or releasing it blocks
    ///   its ring for good.
    ///
    /// [`Receiver::recv`]: crate::Receiver::recv
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Buffers in each direction, a power of two from 2 to 16384 (2^20 in format 1). Opening a region that has
    /// another number is an error; without this any is accepted.
    #[must_use]
    pub const fn count(mut self, buffers: usize) -> Self {
        self.count = Some(buffers);
        self
    }

    /// Bytes in a buffer, a multiple of 8: the longest message. As for [`LinkOptions::count`].
    #[must_use]
    pub const fn size(mut self, bytes: usize) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Permission bits of a region that is created, such as `0o660`; the umask does not apply.
    #[must_use]
    pub const fn permissions(mut self, mode: u32) -> Self {
        self.permissions = mode;
        self
    }

    /// The user that a region which is opened must belong to; without this, the user this process
    /// acts as.
    #[must_use]
    pub const fn owner(mut self, user: u32) -> Self {
        self.owner = Some(user);
        self
    }

    /// Opens regions of any user.
    #[must_use]
    pub const fn any_owner(mut self) -> Self {
        self.any_owner = true;
        self
    }

    /// What calls of the link do while they wait; without this, [`Policy::Adaptive`].
    #[must_use]
    pub const fn wait_policy(mut self, policy: Policy) -> Self {
        self.wait_policy = policy;
        self
    }

    /// The role to take; without this, the one that is free, primary first. In format 1, where that
    /// cannot be told: primary when creating, secondary when opening.
    #[must_use]
    pub const fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// What a region that is created does with messages whose reader died.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Touches every page when mapping, so that no message pays for a page fault.
    #[must_use]
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.map.prefault = prefault;
        self
    }

    /// Bears that somebody makes the region's file shorter while it is in use, which anybody can who
    /// may write it: without this, touching what is gone ends the process with a SIGBUS. With it, calls
    /// fail with `Truncated` from then on (those that do not wait, with `Corrupt` at position 0), and
    /// the link is of no more use. An [`AdvancedLink`](crate::AdvancedLink) fails with its next packet, and the message that
    /// was arriving may have ended in zeros.
    ///
    /// For this a handler of SIGBUS is installed in the process, once, which hands on what it is not
    /// for to the one that was there before; one that is installed later must do the same. Messages
    /// that were read in place may have ended in zeros: ask [`Half::is_truncated`] after reading them.
    /// Regions without a name need none of this: nobody can change their length.
    ///
    /// Linux only: elsewhere opening fails with [`OpenError::Io`].
    ///
    /// [`Half::is_truncated`]: crate::link::Half::is_truncated
    #[must_use]
    pub const fn guard_truncation(mut self, guard: bool) -> Self {
        self.map.guard = guard;
        self
    }

    /// Asks for huge pages, where the system has them; opening fails where it refuses.
    #[must_use]
    pub const fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.huge_pages = huge_pages;
        self
    }

    /// How long to wait for another process that is setting the region up; without this, five seconds.
    #[must_use]
    pub const fn attach_timeout(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn layout(&self) -> Result<Layout, OpenError> {
        let count = self.count.unwrap_or(DEFAULT_COUNT);
        let size = self.size.unwrap_or(DEFAULT_SIZE);
        Ok(match self.format.unwrap_or_default() {
            Format::V1 => Layout::format_1(count, size, rustix::param::page_size())?,
            Format::V2 => Layout::new(count, size, FILE_ALIGNMENT, FILE_MEMBERS)?,
        })
    }

    fn request(&self, initialise: Option<Layout>) -> Request {
        let options = InitOptions::new().session(random()).delivery(self.delivery);
        Request {
            format: self.format,
            count: self.count,
            size: self.size,
            created: false,
            initialise: initialise.map(|layout| (layout, options)),
            map: self.map,
            huge_pages: self.huge_pages,
            patience: self.patience,
        }
    }

    /// Makes a region, lets `then` attach to it, and gives it its name last: nobody sees it before
    /// it is ready, and nothing is left where something fails.
    fn create_in<T>(
        &self,
        place: &Place,
        then: impl FnOnce(Ready) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let mut request = self.request(Some(self.layout()?));
        request.created = true;
        let path = place.path();
        let of_io = |error| OpenError::of_io(path.clone(), "create", error);
        if path.symlink_metadata().is_ok() {
            return Err(OpenError::Exists { path });
        }
        let Some(file) = sys::create_unnamed(&path, self.permissions).map_err(of_io)? else {
            let file = place.create(self.permissions).map_err(of_io)?;
            return prepare(file, path, &request)
                .and_then(then)
                .inspect_err(|_| place.remove());
        };
        // The same description: it holds the locks until the last descriptor is closed.
        let unnamed = file.try_clone().map_err(of_io)?;
        let made = prepare(file, path.clone(), &request).and_then(then)?;
        sys::give_name(&unnamed, &path).map_err(of_io)?;
        event!(DEBUG, path = %path.display(), "region created");
        Ok(made)
    }

    /// Opens what is there; initialises it where `layout` says how and it is empty.
    fn open_in(&self, place: &Place, layout: Option<Layout>) -> Result<Ready, OpenError> {
        let of_io = |error| OpenError::of_io(place.path(), "open", error);
        let file = place.open().map_err(of_io)?;
        let metadata = file.metadata().map_err(of_io)?;
        if !metadata.is_file() && !place.is_object() {
            return Err(OpenError::NotAFile { path: place.path() });
        }
        let expected = self.owner.unwrap_or_else(sys::effective_user);
        if !self.any_owner && metadata.uid() != expected {
            return Err(OpenError::ForeignOwner {
                path: place.path(),
                owner: metadata.uid(),
                expected,
            });
        }
        prepare(file, place.path(), &self.request(layout))
    }

    /// Opens a named region to look after it, without taking a role in it; see
    /// [`repair`](crate::repair).
    ///
    /// # Errors
    /// As [`LinkOptions::open`].
    pub fn caretaker(&self, name: &str) -> Result<Caretaker, OpenError> {
        let place = Place::Name(RegionName::new(name)?);
        Caretaker::new(self.open_in(&place, None)?, self.patience)
    }

    /// As [`LinkOptions::caretaker`], for a region in a file.
    ///
    /// # Errors
    /// As there.
    pub fn caretaker_path(&self, path: impl AsRef<Path>) -> Result<Caretaker, OpenError> {
        let place = Place::Path(path.as_ref().to_owned());
        Caretaker::new(self.open_in(&place, None)?, self.patience)
    }

    /// Creates a named region without taking a role in it.
    ///
    /// # Errors
    /// As [`LinkOptions::create`].
    pub fn create_region(&self, name: &str) -> Result<(), OpenError> {
        let place = Place::Name(RegionName::new(name)?);
        self.create_in(&place, |ready| {
            drop(ready);
            Ok(())
        })
    }
}

impl<A: Access> LinkOptions<A> {
    /// Creates a named region and takes a role in it.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind then.
    pub fn create(&self, name: &str) -> Result<A::Link, OpenError> {
        let place = Place::Name(RegionName::new(name)?);
        self.create_in(&place, |ready| self.finish(ready))
    }

    /// Opens a named region and takes a role in it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, name: &str) -> Result<A::Link, OpenError> {
        let place = Place::Name(RegionName::new(name)?);
        self.finish(self.open_in(&place, None)?)
    }

    /// Opens a named region, or creates it where there is none. A file of that name which is empty, or
    /// all zero and long enough, becomes the region, once it has been so for a fifth of a second: it may
    /// be one that an HQQ-Go process is making.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn create_or_open(&self, name: &str) -> Result<A::Link, OpenError> {
        let place = Place::Name(RegionName::new(name)?);
        self.create_or_open_in(&place)
    }

    /// Creates a region in a file.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind then.
    pub fn create_path(&self, path: impl AsRef<Path>) -> Result<A::Link, OpenError> {
        let place = Place::Path(path.as_ref().to_owned());
        self.create_in(&place, |ready| self.finish(ready))
    }

    /// Opens a region in a file.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_path(&self, path: impl AsRef<Path>) -> Result<A::Link, OpenError> {
        let place = Place::Path(path.as_ref().to_owned());
        self.finish(self.open_in(&place, None)?)
    }

    /// Opens a region in a file, or creates it where there is none; a file that is empty, or all
    /// zero and long enough, is initialised in place, once it has been so for a fifth of a second.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn create_or_open_path(&self, path: impl AsRef<Path>) -> Result<A::Link, OpenError> {
        let place = Place::Path(path.as_ref().to_owned());
        self.create_or_open_in(&place)
    }

    /// Creates a region without a name; the other end gets it as a descriptor, see
    /// [`StandardLink::region_fd`] and [`LinkOptions::from_fd`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn anonymous(&self) -> Result<A::Link, OpenError> {
        let layout = self.layout()?;
        let path = PathBuf::from("(anonymous)");
        let needed = layout.len() as u64;
        let file = sys::anonymous(needed).map_err(|error| no_space(&path, needed, error))?;
        let mut request = self.request(Some(layout));
        request.created = true;
        self.finish(prepare(file, path, &request)?)
    }

    /// Opens the region that a descriptor refers to, such as one received over a Unix socket or
    /// inherited. Locks are taken on a description of its own.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn from_fd(&self, fd: OwnedFd) -> Result<A::Link, OpenError> {
        let path = PathBuf::from("(descriptor)");
        let of_io = |error| OpenError::of_io(path.clone(), "reopen", error);
        let given = File::from(fd);
        if !given.metadata().map_err(of_io)?.is_file() {
            return Err(OpenError::NotAFile { path });
        }
        let file = sys::reopen(&given).map_err(of_io)?;
        self.finish(prepare(file, path, &self.request(None))?)
    }

    fn create_or_open_in(&self, place: &Place) -> Result<A::Link, OpenError> {
        let layout = self.layout()?;
        let open = || self.finish(self.open_in(place, Some(layout))?);
        match open() {
            Err(OpenError::NotFound { .. }) => {
                match self.create_in(place, |ready| self.finish(ready)) {
                    Err(OpenError::Exists { .. }) => open(),
                    result => result,
                }
            }
            result => result,
        }
    }

    fn finish(&self, ready: Ready) -> Result<A::Link, OpenError> {
        let roles = match (&self.role, ready.identity.layout.format()) {
            (Some(role), _) => std::slice::from_ref(role),
            (None, Format::V2) => &Role::BOTH[..],
            (None, Format::V1) if ready.initialised => &[Role::Primary],
            (None, Format::V1) => &[Role::Secondary],
        };
        A::link(Endpoint::claim(ready, roles, A::MODE)?, self.wait_policy)
    }
}

/// Two links over one anonymous region, primary first, for threads and for tests.
///
/// # Errors
/// [`OpenError`] where there is no memory.
pub fn pair() -> Result<(StandardLink, StandardLink), OpenError> {
    LinkOptions::new().pair()
}

impl<A: Access> LinkOptions<A>
where
    A::Link: crate::link::HasRegion,
{
    /// Both ends of an anonymous region, primary first, for threads and for tests.
    ///
    /// # Errors
    /// [`OpenError`] where there is no memory.
    pub fn pair(&self) -> Result<(A::Link, A::Link), OpenError> {
        use crate::link::HasRegion;
        let near = self.clone().role(Role::Primary).anonymous()?;
        let fd = near
            .region_fd()
            .map_err(|error| OpenError::of_io(PathBuf::from("(anonymous)"), "reopen", error))?;
        let far = self.clone().role(Role::Secondary).from_fd(fd)?;
        Ok((near, far))
    }
}

/// A number that tells one initialisation from another.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
