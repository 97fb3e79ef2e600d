//! Small duties beside a run, once a second: has the config changed, has the first minute passed?
//!
//! A thread of its own, so that they come also while the run waits for a camera. It ends with the value.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);

/// Calls a duty once a second until dropped.
#[derive(Debug)]
pub struct Caretaker {
    quit: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Caretaker {
    /// `duty` is told how long it has been since the beginning. Without a thread (out of memory) nothing is taken care of.
    pub fn spawn(mut duty: impl FnMut(Duration) + Send + 'static) -> Self {
        let quit = Arc::new(AtomicBool::new(false));
        let (seen, started) = (quit.clone(), Instant::now());
        let thread = std::thread::Builder::new().name("caretaker".into()).spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                duty(started.elapsed());
                std::thread::park_timeout(PERIOD);
            }
        });
        Self { quit, thread: thread.map_err(|e| log::error!("the caretaker thread: {e}")).ok() }
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join(); // a duty that panicked has said so
        }
    }
}

/// Notices that a file was written, replaced, removed or put there. Asked again and again; a file that is still being
/// written (it differs at each look) is not reported yet.
#[derive(Debug, Clone)]
pub struct FileWatch {
    path: PathBuf,
    known: Option<Print>,
    last: Option<Print>,
}

/// Device, inode, length, time of change with nanoseconds.
type Print = (u64, u64, u64, i64, i64);

impl FileWatch {
    /// As it is now is how it is known.
    pub fn new(path: &Path) -> Self {
        let known = print(path);
        Self { path: path.into(), known, last: known }
    }

    /// True when the file differs from when it was known, and looked the same the last two times.
    pub fn changed(&mut self) -> bool {
        let now = print(&self.path);
        let is_still = now == std::mem::replace(&mut self.last, now);
        is_still && now != self.known
    }
}

fn print(path: &Path) -> Option<Print> {
    let of = |m: Metadata| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec());
    std::fs::metadata(path).ok().map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_is_told_once_the_file_is_still() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        fs::write(&file, "a").unwrap();
        let mut watch = FileWatch::new(&file);
        assert!(!watch.changed());
        fs::write(&file, "ab").unwrap();
        assert!(!watch.changed(), "it may still be written");
        fs::write(&file, "abc").unwrap();
        assert!(!watch.changed());
        assert!(watch.changed());
    }

    #[test]
    fn replacing_removing_and_returning_are_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        let mut absent = FileWatch::new(&file);
        fs::write(dir.path().join("new"), "a").unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
        assert_eq!([absent.changed(), absent.changed()], [false, true]);
        let mut there = FileWatch::new(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!([there.changed(), there.changed()], [false, true]);
    }

    #[test]
    fn duties_end_with_the_value() {
        let (tell, told) = std::sync::mpsc::channel();
        let caretaker = Caretaker::spawn(move |_| tell.send(()).unwrap());
        told.recv().unwrap();
        drop(caretaker);
        assert!(told.iter().count() < 10, "the sender is gone");
    }
}
