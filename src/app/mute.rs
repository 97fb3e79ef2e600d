//! The mute button: a press closes the camera, the next one opens it again. For people who want to be sure.
//!
//! While muted the camera's device file is closed, not merely ignored; lights and screens show it in a way of its own. This
//! sits between the runtime and the camera: both keep their ways. What a hand has closed, only a hand opens: a config that is read
//! anew does not, nor does a service that starts again.

use crate::classifier::store::{Disk, KernelDisk, Step};
use crate::frame::Frame;
use crate::hal::gpio::Button;
use crate::runtime::SourceOpener;
use crate::source::{Delivery, FrameSource, SourceError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a button was pressed since it was asked last; never waits.
pub trait Presses: Send {
    fn presses(&mut self) -> usize;
}

impl Presses for Button {
    fn presses(&mut self) -> usize {
        Button::presses(self).unwrap_or_else(|e| {
            log::warn!("{e}");
            0
        })
    }
}

/// A button that cannot be had is never pressed.
pub struct NoButton;

impl Presses for NoButton {
    fn presses(&mut self) -> usize {
        0
    }
}

/// Whether the camera is closed by hand. Outlives a run and, kept in a folder, the process and a power cut.
#[derive(Debug, Clone, Default)]
pub struct Shutter {
    is_closed: Arc<AtomicBool>,
    /// There while it is closed.
    file: Option<PathBuf>,
}

impl Shutter {
    /// As the last process with this `folder` left it.
    pub fn kept_in(folder: &Path) -> Self {
        let file = folder.join("muted");
        Self { is_closed: Arc::new(AtomicBool::new(file.exists())), file: Some(file) }
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn turn(&self) {
        let closed = !self.is_closed();
        self.is_closed.store(closed, Ordering::Relaxed);
        log::info!("{}", if closed { "the button closes the camera" } else { "the button opens the camera" });
        let Some(file) = &self.file else { return };
        let turned = match closed {
            true => Step::Write { to: file.clone(), bytes: Vec::new() },
            false => Step::Remove(file.clone()),
        };
        let on_disk = file.parent().map(|folder| Step::Sync(folder.into()));
        if let Err(e) = [turned].iter().chain(&on_disk).try_for_each(|step| KernelDisk.carry_out(step)) {
            log::warn!("{}: {e}; the next start will not know that the button was pressed", file.display());
        }
    }
}

/// An opener that keeps the camera closed while the button says so.
pub struct Muted {
    camera: Box<dyn SourceOpener>,
    switch: Arc<Mutex<Switch>>,
    /// As the last attempt to open found the switch.
    was_muted: bool,
}

impl Muted {
    /// Muted at first if `shutter` is closed.
    pub fn new(camera: Box<dyn SourceOpener>, button: Box<dyn Presses>, shutter: Shutter) -> Self {
        let was_muted = shutter.is_closed();
        Self { camera, switch: Arc::new(Mutex::new(Switch { button, shutter })), was_muted }
    }
}

impl SourceOpener for Muted {
    fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
        self.was_muted = lock(&self.switch).is_muted();
        if self.was_muted {
            return Err(muted());
        }
        let camera = self.camera.open()?;
        Ok(Box::new(MutedSource { camera, switch: self.switch.clone() }))
    }

    /// A press cuts the wait short, also one that closes a camera which did not open: that is shown at once.
    fn wait(&mut self, timeout: Duration) -> bool {
        let came = self.camera.wait(timeout);
        let is_muted = lock(&self.switch).is_muted();
        is_muted != self.was_muted || (came && !is_muted)
    }
}

fn muted() -> SourceError {
    SourceError::Muted { source_name: "camera".into() }
}

struct Switch {
    button: Box<dyn Presses>,
    shutter: Shutter,
}

impl Switch {
    fn is_muted(&mut self) -> bool {
        if self.button.presses() % 2 == 1 {
            self.shutter.turn();
        }
        self.shutter.is_closed()
    }
}

/// A panic while the lock was held can't have left a switch half set.
fn lock(switch: &Mutex<Switch>) -> MutexGuard<'_, Switch> {
    switch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A camera that ends when the button is pressed; the runtime drops it, which closes the device.
struct MutedSource {
    camera: Box<dyn FrameSource>,
    switch: Arc<Mutex<Switch>>,
}

impl FrameSource for MutedSource {
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError> {
        if lock(&self.switch).is_muted() {
            return Err(muted());
        }
        self.camera.next_frame(frame, timeout)
    }

    fn describe(&self) -> String {
        self.camera.describe()
    }

    fn is_live(&self) -> bool {
        self.camera.is_live()
    }

    fn longest_silence(&self, before_the_first: bool) -> Duration {
        self.camera.longest_silence(before_the_first)
    }

    fn longest_start(&self) -> Duration {
        self.camera.longest_start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// Presses to come, counted by both ends.
    #[derive(Clone, Default)]
    struct Finger(Arc<AtomicUsize>);

    impl Presses for Finger {
        fn presses(&mut self) -> usize {
            self.0.swap(0, SeqCst)
        }
    }

    /// Counts how many cameras are open.
    #[derive(Clone, Default)]
    struct Camera(Arc<AtomicUsize>);

    impl SourceOpener for Camera {
        fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
            self.0.fetch_add(1, SeqCst);
            Ok(Box::new(self.clone()))
        }
        fn wait(&mut self, _timeout: Duration) -> bool {
            false
        }
    }

    impl FrameSource for Camera {
        fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Result<Delivery, SourceError> {
            Ok(Delivery::Frame)
        }
        fn describe(&self) -> String {
            "camera".into()
        }
        fn is_live(&self) -> bool {
            true
        }
        fn longest_silence(&self, before_the_first: bool) -> Duration {
            Duration::from_secs(if before_the_first { 2 } else { 1 })
        }
        fn longest_start(&self) -> Duration {
            Duration::from_secs(3)
        }
    }

    fn muted_by(finger: &Finger, camera: impl SourceOpener + 'static, shutter: Shutter) -> Muted {
        Muted::new(Box::new(camera), Box::new(finger.clone()), shutter)
    }

    /// A run that follows another in the same process, or in the next one, after so many presses → whether its camera opens.
    #[rstest]
    #[case::not_pressed(0, true)]
    #[case::closed(1, false)]
    #[case::closed_and_opened(2, true)]
    fn what_a_hand_closed_stays_closed(#[case] presses: usize, #[case] expect: bool) {
        let folder = tempfile::tempdir().unwrap();
        let (finger, shutter) = (Finger::default(), Shutter::kept_in(folder.path()));
        let mut first = muted_by(&finger, Camera::default(), shutter.clone());
        for _ in 0..presses {
            finger.0.store(1, SeqCst);
            let _ = first.open();
        }
        for shutter in [shutter, Shutter::kept_in(folder.path())] {
            let mut next = muted_by(&Finger::default(), Camera::default(), shutter.clone());
            assert_eq!(next.open().is_ok(), expect);
            let mut without = Muted::new(Box::new(Camera::default()), Box::new(NoButton), shutter);
            assert_eq!(without.open().is_ok(), expect, "nor does a button that is gone open it");
        }
    }

    #[test]
    fn a_folder_that_refuses_closes_the_camera_all_the_same() {
        let (finger, shutter) = (Finger::default(), Shutter::kept_in(Path::new("/no/such/folder")));
        finger.0.store(1, SeqCst);
        assert!(muted_by(&finger, Camera::default(), shutter).open().is_err());
    }

    #[test]
    fn a_cameras_times_are_its_own() {
        let mut opener = muted_by(&Finger::default(), Camera::default(), Shutter::default());
        let source = opener.open().unwrap();
        let times = [source.longest_silence(false), source.longest_silence(true), source.longest_start()];
        assert_eq!(times, [1, 2, 3].map(Duration::from_secs));
    }

    #[test]
    fn a_press_closes_and_the_next_opens() {
        let (finger, camera) = (Finger::default(), Camera::default());
        let mut opener = muted_by(&finger, camera.clone(), Shutter::default());
        let mut source = opener.open().unwrap();
        let mut next = || source.next_frame(&mut Frame::default(), Duration::ZERO);
        assert!(matches!(next(), Ok(Delivery::Frame)));
        finger.0.store(1, SeqCst);
        assert!(matches!(next(), Err(SourceError::Muted { .. })), "the first press ends the stream");
        assert!(opener.open().err().unwrap().to_string().contains("press it again"));
        assert!(!opener.wait(Duration::ZERO), "nothing to open for");
        assert_eq!(camera.0.load(SeqCst), 1, "the camera was not opened while muted");
        finger.0.store(1, SeqCst);
        assert!(opener.open().is_ok());
    }

    /// A camera that is not there, and how often the button is pressed while it is tried and while it is waited for.
    struct Absent {
        finger: Finger,
        while_opening: usize,
        while_waiting: usize,
    }

    impl SourceOpener for Absent {
        fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
            self.finger.0.store(self.while_opening, SeqCst);
            Err(SourceError::Unavailable { source_name: "camera".into(), reason: "no such camera".into() })
        }
        fn wait(&mut self, _timeout: Duration) -> bool {
            self.finger.0.fetch_add(self.while_waiting, SeqCst);
            false
        }
    }

    /// Presses before the camera is tried, meanwhile, and while it is waited for → whether the wait is cut short.
    #[rstest]
    #[case::none(0, 0, 0, false)]
    #[case::closed_before(1, 0, 0, false)]
    #[case::opened_while_waiting(1, 0, 1, true)]
    #[case::closed_while_waiting(0, 0, 1, true)]
    #[case::closed_while_it_is_tried(0, 1, 0, true)]
    #[case::closed_and_opened(0, 1, 1, false)]
    fn a_press_cuts_the_wait_short(
        #[case] before: usize,
        #[case] while_opening: usize,
        #[case] while_waiting: usize,
        #[case] expect: bool,
    ) {
        let finger = Finger::default();
        let camera = Absent { finger: finger.clone(), while_opening, while_waiting };
        let mut opener = muted_by(&finger, camera, Shutter::default());
        finger.0.store(before, SeqCst);
        assert!(opener.open().is_err());
        assert_eq!(opener.wait(Duration::ZERO), expect);
    }

    #[test]
    fn two_presses_between_looks_change_nothing() {
        let finger = Finger::default();
        let mut opener = muted_by(&finger, Camera::default(), Shutter::default());
        finger.0.store(2, SeqCst);
        assert!(opener.open().is_ok());
    }
}
