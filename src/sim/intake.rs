//! Bytes from a file, a pipe or a child, gathered until enough are there.
//!
//! A pipe may dry up in mid-frame; the caller then gets [`Got::Idle`], asks again later, and nothing is lost. The buffer
//! grows with the bytes that arrive, never with what a header promises.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Where bytes come from.
pub trait Bytes: Send {
    /// Reads at most `buf.len()` bytes, waiting at most `timeout`. `None`: nothing came; `Some(0)`: there is no more.
    fn read(&mut self, buf: &mut [u8], timeout: Duration) -> io::Result<Option<usize>>;
}

/// What a wait for bytes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    Enough,
    /// The time is over; more may come.
    Idle,
    /// The stream ended before there were enough.
    Ended,
}

/// A growing window onto a byte stream.
pub struct Intake {
    bytes: Box<dyn Bytes>,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    taken: u64,
}

/// Bytes asked for at once when nobody knows how many are needed.
const CHUNK: usize = 64 << 10;
/// The buffer's growth per read: a promise of 64 megapixels costs no more until the bytes are there.
const MOST_AT_ONCE: usize = 4 << 20;

impl Intake {
    pub fn new(bytes: Box<dyn Bytes>) -> Self {
        Self { bytes, buf: Vec::new(), start: 0, end: 0, taken: 0 }
    }

    /// What is there and not yet consumed.
    pub fn buffered(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Offset in the stream of the first buffered byte.
    pub fn offset(&self) -> u64 {
        self.taken
    }

    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.taken += n as u64;
    }

    /// Waits until `n` bytes are buffered: `timeout` for the first of the missing ones and a fraction of it for each
    /// further piece, since a writer that has begun a frame has the rest at hand.
    pub fn want(&mut self, n: usize, timeout: Duration) -> io::Result<Got> {
        let mut wait = timeout;
        while self.end - self.start < n {
            let missing = n - (self.end - self.start);
            match self.read(missing.clamp(CHUNK, MOST_AT_ONCE), wait)? {
                None => return Ok(Got::Idle),
                Some(0) => return Ok(Got::Ended),
                Some(_) => wait = timeout / 16,
            }
        }
        Ok(Got::Enough)
    }

    /// Waits for at least one byte more than is buffered.
    pub fn more(&mut self, timeout: Duration) -> io::Result<Got> {
        self.want(self.end - self.start + 1, timeout)
    }

    fn read(&mut self, most: usize, timeout: Duration) -> io::Result<Option<usize>> {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buf.len() < self.end + most {
            self.buf.resize(self.end + most, 0);
        }
        let read = self.bytes.read(&mut self.buf[self.end..self.end + most], timeout)?;
        self.end += read.unwrap_or(0);
        Ok(read)
    }
}

/// A file or pipe that is polled before it is read, so that a silent writer cannot hold up a shutdown.
pub struct Polled(File);

impl Polled {
    pub fn file(path: &Path) -> io::Result<Self> {
        // A named pipe that nobody writes to yet would hold up the opening, and with it the first wish to end.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self(file))
    }

    pub fn stdin() -> io::Result<Self> {
        Ok(Self(File::from(io::stdin().as_fd().try_clone_to_owned()?)))
    }
}

impl Bytes for Polled {
    fn read(&mut self, buf: &mut [u8], timeout: Duration) -> io::Result<Option<usize>> {
        if ready(&[self.0.as_fd()], timeout)?[0] { retry_later(self.0.read(buf)) } else { Ok(None) }
    }
}

/// Bytes in memory: the bundled clip, tests, fuzzing.
pub struct InMemory<T = Vec<u8>>(pub io::Cursor<T>);

impl<T: AsRef<[u8]> + Send> Bytes for InMemory<T> {
    fn read(&mut self, buf: &mut [u8], _: Duration) -> io::Result<Option<usize>> {
        self.0.read(buf).map(Some)
    }
}

/// An interrupted or empty read is no error: the caller comes back.
pub fn retry_later(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Which of at most two descriptors can be read (or are at their end) within `timeout`. A signal counts as time over.
pub fn ready(fds: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<[bool; 2]> {
    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
    let mut polled: [PollFd<'_>; 2] =
        std::array::from_fn(|i| PollFd::from_borrowed_fd(fds[i.min(fds.len() - 1)], PollFlags::IN));
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => Ok(polled.map(|p| !p.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok([false; 2]),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Write;

    #[test]
    fn a_pipe_that_nobody_writes_to_yet_is_idle() {
        let (folder, mut buf, wait) = (tempfile::tempdir().unwrap(), [0; 8], Duration::from_millis(5));
        let path = folder.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut pipe = Polled::file(&path).unwrap();
        assert_eq!(pipe.read(&mut buf, wait).unwrap(), None);
        File::options().write(true).open(&path).unwrap().write_all(b"frame").unwrap();
        assert_eq!(pipe.read(&mut buf, wait).unwrap(), Some(5));
        assert_eq!(pipe.read(&mut buf, wait).unwrap(), Some(0), "the writer has gone");
    }
}
