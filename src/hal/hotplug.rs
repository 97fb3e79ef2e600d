//! A hint that a device came or went: the kernel's inotify on /dev. No netlink, so the service can do without network.
//!
//! It only wakes; whoever asked looks for itself what there is.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Watches a folder for entries whose name starts with a prefix.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
    prefix: &'static str,
}

impl Watch {
    /// `prefix` is a device's name without its number: "video". A change of its rights counts too, since udev gives the
    /// group its access only after the node is there.
    pub fn new(folder: &Path, prefix: &'static str) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let events = WatchFlags::CREATE | WatchFlags::ATTRIB | WatchFlags::MOVED_TO;
        inotify::add_watch(&fd, folder, events)?;
        Ok(Self { fd, prefix })
    }

    /// Waits up to `timeout`; true when a device with the prefix came.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let span = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match rustix::event::poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&span)) {
            Ok(n) if n > 0 => self.read(),
            _ => false,
        }
    }

    /// Takes all events that are there.
    fn read(&mut self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut came = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    came |=
                        event.file_name().is_some_and(|n| n.to_bytes().starts_with(self.prefix.as_bytes()));
                }
                Err(Errno::INTR) => {}
                Err(_) => return came,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_the_named_kind_wakes() {
        let dev = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(dev.path(), "video").unwrap();
        assert!(!watch.wait(Duration::ZERO));
        fs::write(dev.path().join("ttyUSB0"), "").unwrap();
        assert!(!watch.wait(Duration::ZERO));
        fs::write(dev.path().join("video2"), "").unwrap();
        assert!(watch.wait(Duration::ZERO));
        assert!(!watch.wait(Duration::ZERO), "each event counts once");
        fs::remove_file(dev.path().join("video2")).unwrap();
        assert!(!watch.wait(Duration::ZERO), "going away is no hint");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(Watch::new(Path::new("/no/such/folder"), "video").is_err());
    }
}
