//! Cameras through Video4Linux2: the node is opened, the best format chosen ([`select`]), frames arrive in memory shared
//! with the driver ([`ring`]), and the newest one is copied out.
//!
//! Terms. *Node*: a device file such as /dev/video0; one camera has several, and only some give pictures ([`kind`]).
//! *Sequence*: the driver's count of frames; a gap means that frames were lost before they reached us.
//! *Identity*: what a camera can be found again by when it returns under another node ([`seeker`]).
//!
//! The `v4l` crate gives the ioctl numbers, structures and enumerations. Its own devices and streams are not used: they
//! panic on names that are not UTF-8, on colour spaces they don't know and on errors while closing, and leave the file
//! open in children.
//!
//! Left out on purpose: multi-planar nodes, controls (exposure, focus: the camera's own automatics stay on), decoding.

pub mod kind;
pub mod node;
mod ring;
pub mod seeker;
pub mod select;

pub use node::Node;
pub use seeker::{Seeker, Wanted};
pub use select::Wish;

use crate::frame::{Frame, Timestamp};
use crate::source::{Delivery, FrameSource, SourceError};
use node::Stream;
use ring::{Filled, Ring};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Frames that the driver may fill while one is being copied. Three keep a USB camera running; one is spare.
const BUFFERS: u32 = 4;
/// Some cameras take so long to their first frame. One that is opened anew before that never gets there.
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// A camera that delivers. Dropping it stops the stream and gives everything back, also after an unplug.
#[derive(Debug)]
pub struct Camera {
    // Before `node`: mappings go before the file.
    ring: Ring,
    node: Node,
    stream: Stream,
    name: String,
    sequence: Counter,
}

impl Camera {
    /// Opens `path`, chooses a format by `wish` and starts the stream.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`]: absent (with a list of the nodes there are), no permission, busy (with the holder),
    /// not a node that gives pictures (with what it is), no format that can be read.
    pub fn open(path: &Path, wish: &Wish) -> Result<Self, SourceError> {
        let name = format!("v4l2:{}", path.display());
        let refuse = |reason| SourceError::Unavailable { source_name: name.clone(), reason };
        let node = Node::open(path).map_err(|e| refuse(why_not_open(path, &e)))?;
        let card = node.capability().card.clone();
        let offers = node.offers();
        kind::check(node.capability(), &offers).map_err(|what| refuse(format!("{what}{}", others(path))))?;
        let readable = select::readable(&offers);
        let best = select::choose(&readable, wish).ok_or_else(|| {
            refuse(format!("{card} offers no format that moodlight reads: {}", select::list(&offers)))
        })?;
        let stream = node.set_format(best).map_err(|e| refuse(why_not_start(path, "format", &e)))?;
        let mut ring = Ring::map(&node, BUFFERS).map_err(|e| refuse(why_not_start(path, "buffers", &e)))?;
        node.watch_source_changes();
        ring.start(&node).map_err(|e| refuse(why_not_start(path, "stream", &e)))?;
        Ok(Self { ring, node, stream, name, sequence: Counter::default() })
    }

    /// The node's device file.
    pub fn path(&self) -> &Path {
        self.node.path()
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Waits until the driver has something, at most `timeout`. `false` when it has nothing, or a signal came.
    fn wait(&self, timeout: Duration) -> Result<bool, SourceError> {
        let mut fds = [PollFd::new(&self.node, PollFlags::IN | PollFlags::PRI)];
        let span = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match rustix::event::poll(&mut fds, Some(&span)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(e) => return Err(self.lost(format!("waiting failed: {e}"))),
        }
        let got = fds[0].revents();
        if got.contains(PollFlags::PRI) && self.node.source_changed() {
            return Err(self.lost("its picture size or format changed; it is opened anew".into()));
        }
        if got.contains(PollFlags::HUP) || got.contains(PollFlags::NVAL) {
            return Err(self.lost("unplugged".into()));
        }
        if got.contains(PollFlags::ERR) && !got.contains(PollFlags::IN) {
            // Before the driver says so by itself: an empty queue that can't fill is an error that lasts.
            return Err(self.lost("the driver reports an error; it is opened anew".into()));
        }
        Ok(got.contains(PollFlags::IN))
    }

    /// Takes the frames that are ready and keeps the newest good one; the others go back to the driver. No more than the
    /// ring holds: a driver that hands every buffer straight back, marked as damaged, must not keep this thread.
    fn newest(&mut self) -> Result<Batch, SourceError> {
        let mut batch = Batch::default();
        for _ in 0..self.ring.len() {
            let Some(filled) = self.ring.take(&self.node).map_err(|e| self.broken(&e))? else { break };
            let flaw = self.flaw(&filled);
            batch.seen = true;
            let back = match flaw {
                Some(reason) => {
                    batch.flaw = Some(reason);
                    Some(filled)
                }
                None => batch.best.replace(filled),
            };
            if let Some(old) = back {
                self.ring.give_back(&self.node, &old).map_err(|e| self.broken(&e))?;
            }
        }
        Ok(batch)
    }

    /// What is wrong with a frame, if something is.
    fn flaw(&self, filled: &Filled) -> Option<String> {
        if filled.is_damaged {
            return Some("the driver marked it as damaged".into());
        }
        let Stream { format, width, height, stride, .. } = self.stream;
        let expected = format.luma_bytes(width, height, stride).max(1);
        (filled.used < expected).then(|| format!("it has {} of {expected} bytes", filled.used))
    }

    /// Copies a frame out and gives its buffer back.
    fn copy(&mut self, filled: &Filled, frame: &mut Frame) -> Result<(), SourceError> {
        let Stream { format, range, width, height, stride, .. } = self.stream;
        frame.data.clear();
        frame.data.extend_from_slice(self.ring.bytes(filled));
        (frame.width, frame.height, frame.stride) = (width, height, stride);
        (frame.format, frame.range) = (format, range);
        frame.sequence = self.sequence.widen(filled.sequence);
        frame.timestamp = Timestamp::from_duration(filled.at);
        self.ring.give_back(&self.node, filled).map_err(|e| self.broken(&e))
    }

    fn lost(&self, reason: String) -> SourceError {
        SourceError::Lost { source_name: self.name.clone(), reason }
    }

    /// A failed buffer call. After most of them buffers are stale, so the device is always opened anew.
    fn broken(&self, e: &io::Error) -> SourceError {
        match Errno::from_io_error(e) {
            Some(Errno::NODEV) => self.lost("unplugged".into()),
            _ => self.lost(format!("reading failed ({e}); it is opened anew")),
        }
    }
}

/// What one look at the driver's queue brought.
#[derive(Debug, Default)]
struct Batch {
    best: Option<Filled>,
    flaw: Option<String>,
    seen: bool,
}

impl FrameSource for Camera {
    /// Time stamps are the driver's: its monotonic clock at the frame's exposure or arrival; the runtime, which knows
    /// when the run began, puts its own in their place.
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError> {
        if !self.wait(timeout)? {
            return Ok(Delivery::Idle);
        }
        match self.newest()? {
            Batch { best: Some(filled), .. } => self.copy(&filled, frame).map(|()| Delivery::Frame),
            Batch { flaw: Some(reason), .. } => {
                Err(SourceError::BadFrame { source_name: self.name.clone(), reason })
            }
            Batch { .. } => Ok(Delivery::Idle),
        }
    }

    fn describe(&self) -> String {
        format!("{} {} ({})", self.name, self.stream, self.node.capability().card)
    }

    fn is_live(&self) -> bool {
        true
    }

    /// It is waited for, and the light says so all the same: a camera that gives nothing is told as fast as ever.
    fn longest_start(&self) -> Duration {
        FIRST_FRAME
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // An error means that the device is gone or stopped already; closing the file frees the rest.
        let _ = self.ring.stop(&self.node);
    }
}

/// The driver's 32-bit frame counter, widened. A counter that starts anew goes on from where it was.
#[derive(Debug, Default)]
struct Counter {
    last: Option<u32>,
    wide: u64,
}

impl Counter {
    fn widen(&mut self, sequence: u32) -> u64 {
        let step = match self.last.replace(sequence) {
            None => u64::from(sequence),
            // A step back that is no wrap: the driver started to count again.
            Some(last) => match sequence.wrapping_sub(last) {
                back if back > u32::MAX / 2 => 1,
                step => u64::from(step),
            },
        };
        self.wide += step;
        self.wide
    }
}

fn why_not_open(path: &Path, e: &io::Error) -> String {
    match Errno::from_io_error(e) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => format!("no such camera{}", others(path)),
        // The file's mode refuses with EACCES; a service manager's list of devices with EPERM (kernel, cgroup-v2: device controller).
        Some(Errno::PERM) => {
            "not allowed: the service may open no cameras; start it anew (sudo systemctl restart moodlight), its unit needs DeviceAllow=char-video4linux"
                .into()
        }
        Some(Errno::ACCESS) => {
            "no permission: add the user to the group `video` (sudo usermod -aG video $USER) and log in again"
                .into()
        }
        Some(Errno::BUSY) => why_not_start(path, "device", e),
        Some(Errno::NOTTY | Errno::INVAL) => {
            format!("this is no camera: it doesn't speak V4L2{}", others(path))
        }
        _ => format!("cannot be opened: {e}"),
    }
}

fn why_not_start(path: &Path, what: &str, e: &io::Error) -> String {
    match Errno::from_io_error(e) {
        Some(Errno::BUSY) => match seeker::holders(path).as_slice() {
            [] => "busy: another program uses this camera; end it (`sudo fuser -v` with the node names it)"
                .into(),
            list => format!("busy: {} uses this camera; end it first", list.join(" and ")),
        },
        Some(Errno::NODEV) => "unplugged while it was being opened".into(),
        Some(Errno::NOSPC) => {
            "the USB bus has no bandwidth left for it: use another port, or fewer cameras".into()
        }
        _ => format!("the {what} could not be set up: {e}"),
    }
}

/// "; there is /dev/video0 (HD Webcam), …", or what to do when there is none.
fn others(path: &Path) -> String {
    let nodes: Vec<PathBuf> = seeker::Places::system().nodes().into_iter().filter(|n| n != path).collect();
    let told: Vec<String> = nodes
        .iter()
        .filter_map(|n| Some(format!("{} ({})", n.display(), Node::open(n).ok()?.summary())))
        .collect();
    match told.as_slice() {
        [] => "; there is no other: plug a camera in, `lsusb` must show it".into(),
        list => format!("; there is {}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::in_order(&[0, 1, 2], &[0, 1, 2])]
    #[case::starts_late(&[7, 8], &[7, 8])]
    #[case::gap(&[0, 1, 5], &[0, 1, 5])]
    #[case::wraps(&[u32::MAX - 1, u32::MAX, 0, 2], &[4_294_967_294, 4_294_967_295, 4_294_967_296, 4_294_967_298])]
    #[case::starts_anew(&[10, 11, 0, 1], &[10, 11, 12, 13])]
    fn counts(#[case] given: &[u32], #[case] expect: &[u64]) {
        let mut counter = Counter::default();
        let got: Vec<u64> = given.iter().map(|s| counter.widen(*s)).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn an_absent_camera_is_named_with_what_to_do() {
        let error = Camera::open(Path::new("/dev/video-none"), &Wish::default()).unwrap_err().to_string();
        assert!(error.starts_with("v4l2:/dev/video-none: no such camera; there is"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_camera_is_refused() {
        let error = Camera::open(Path::new("/dev/null"), &Wish::default()).unwrap_err().to_string();
        assert!(error.contains("this is no camera"), "{error}");
    }
}
