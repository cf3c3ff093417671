//! Creating and opening regions as options say, and taking roles in them.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hqq_core::layout::{FILE_ALIGNMENT, FILE_MEMBERS};
use hqq_core::{Format, InitOptions, Layout, Role};

use super::place::Place;
use super::{Access, DEFAULT_COUNT, DEFAULT_SIZE, LinkOptions};
use crate::attach::Endpoint;
use crate::error::OpenError;
use crate::identify::no_space;
use crate::link::StandardLink;
use crate::name::RegionName;
use crate::prepare::{Ready, Request, prepare};
use crate::repair::Caretaker;
use crate::sys;
use crate::trace::event;

impl<A> LinkOptions<A> {
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
            locked: true,
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
        let mut is_named = false;
        let mut create = |earlier: Option<&File>| {
            if let Some(named) = earlier.filter(|_| is_named) {
                return reopen(named, &path);
            }
            match sys::create_unnamed(&path, self.permissions).map_err(of_io)? {
                Some(unnamed) => Ok(unnamed),
                None => {
                    let named = place.create(self.permissions).map_err(of_io)?;
                    is_named = true;
                    Ok(named)
                }
            }
        };
        let ready = prepare(&mut create, path.clone(), &request);
        if is_named {
            return ready.and_then(then).inspect_err(|_| place.remove());
        }
        let ready = ready?;
        // Not the same description, which holds the locks: no child is to have that, whenever it is forked.
        let unnamed = sys::without_description(ready.locks.file()).map_err(of_io)?;
        let made = then(ready)?;
        sys::give_name(&unnamed, &path).map_err(of_io)?;
        event!(DEBUG, path = %path.display(), "region created");
        Ok(made)
    }

    /// Opens what is there; initialises it where `layout` says how and it is empty.
    fn open_in(&self, place: &Place, layout: Option<Layout>) -> Result<Ready, OpenError> {
        self.open_as(place, &self.request(layout))
    }

    /// Opens what is there to look at it, whoever has it locked.
    fn look_in(&self, place: &Place) -> Result<Ready, OpenError> {
        let mut request = self.request(None);
        request.locked = false;
        self.open_as(place, &request)
    }

    fn open_as(&self, place: &Place, request: &Request) -> Result<Ready, OpenError> {
        let of_io = |error| OpenError::of_io(place.path(), "open", error);
        let mut open = |_: Option<&File>| {
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
            Ok(file)
        };
        prepare(&mut open, place.path(), request)
    }

    /// Opens a named region to look after it, without taking a role in it; see
    /// [`repair`](crate::repair). Others who are attaching, even one that has stopped there, do not keep
    /// it from that.
    ///
    /// # Errors
    /// As [`LinkOptions::open`], never `Busy`.
    pub fn caretaker(&self, name: &str) -> Result<Caretaker, OpenError> {
        let place = Place::Name(RegionName::new(name)?);
        Caretaker::new(self.look_in(&place)?, self.patience)
    }

    /// As [`LinkOptions::caretaker`], for a region in a file.
    ///
    /// # Errors
    /// As there.
    pub fn caretaker_path(&self, path: impl AsRef<Path>) -> Result<Caretaker, OpenError> {
        let place = Place::Path(path.as_ref().to_owned());
        Caretaker::new(self.look_in(&place)?, self.patience)
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
        let mut request = self.request(Some(layout));
        request.created = true;
        let mut create = |earlier: Option<&File>| match earlier {
            // Not another one: a child that has this one has its memory.
            Some(made) => reopen(made, &path),
            None => sys::anonymous(needed).map_err(|error| no_space(&path, needed, error)),
        };
        self.finish(prepare(&mut create, path.clone(), &request)?)
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
        let mut open = |_: Option<&File>| reopen(&given, &path);
        self.finish(prepare(&mut open, path.clone(), &self.request(None))?)
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
            .map_err(|error| OpenError::of_reopening(PathBuf::from("(anonymous)"), error))?;
        let far = self.clone().role(Role::Secondary).from_fd(fd)?;
        Ok((near, far))
    }
}

/// Another description of a file.
fn reopen(file: &File, path: &Path) -> Result<File, OpenError> {
    sys::reopen(file).map_err(|error| OpenError::of_reopening(path.to_owned(), error))
}

/// A number that tells one initialisation from another.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
