//! The mute button: a press closes the camera, the next one opens it again. For people who want to be sure.
//!
//! While muted the camera's device file is closed, not merely ignored; lights and screens show it in a way of its own. This
//! sits between the runtime and the camera: both keep their ways.

use crate::frame::Frame;
use crate::hal::gpio::Button;
use crate::runtime::SourceOpener;
use crate::source::{Delivery, FrameSource, SourceError};
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

/// An opener that keeps the camera closed while the button says so.
pub struct Muted {
    camera: Box<dyn SourceOpener>,
    switch: Arc<Mutex<Switch>>,
}

impl Muted {
    /// Not muted at first.
    pub fn new(camera: Box<dyn SourceOpener>, button: Box<dyn Presses>) -> Self {
        Self { camera, switch: Arc::new(Mutex::new(Switch { button, is_muted: false })) }
    }
}

impl SourceOpener for Muted {
    fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
        if lock(&self.switch).is_muted() {
            return Err(muted());
        }
        let camera = self.camera.open()?;
        Ok(Box::new(MutedSource { camera, switch: self.switch.clone() }))
    }

    /// A press that opens the camera again cuts the wait short.
    fn wait(&mut self, timeout: Duration) -> bool {
        let was_muted = lock(&self.switch).is_muted();
        let came = self.camera.wait(timeout);
        let is_muted = lock(&self.switch).is_muted();
        !is_muted && (came || was_muted)
    }
}

fn muted() -> SourceError {
    SourceError::Muted { source_name: "camera".into() }
}

struct Switch {
    button: Box<dyn Presses>,
    is_muted: bool,
}

impl Switch {
    fn is_muted(&mut self) -> bool {
        if self.button.presses() % 2 == 1 {
            self.is_muted = !self.is_muted;
            log::info!(
                "{}",
                if self.is_muted { "the button closes the camera" } else { "the button opens the camera" }
            );
        }
        self.is_muted
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
}

#[cfg(test)]
mod tests {
    use super::*;
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
    }

    #[test]
    fn a_press_closes_and_the_next_opens() {
        let (finger, camera) = (Finger::default(), Camera::default());
        let mut opener = Muted::new(Box::new(camera.clone()), Box::new(finger.clone()));
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

    #[test]
    fn a_press_while_waiting_cuts_the_wait_short() {
        let finger = Finger::default();
        let mut opener = Muted::new(Box::new(Camera::default()), Box::new(finger.clone()));
        finger.0.store(1, SeqCst);
        assert!(opener.open().is_err());
        struct Late(Finger);
        impl SourceOpener for Late {
            fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
                Ok(Box::new(Camera::default()))
            }
            fn wait(&mut self, _timeout: Duration) -> bool {
                self.0.0.store(1, SeqCst);
                false
            }
        }
        opener.camera = Box::new(Late(finger));
        assert!(opener.wait(Duration::ZERO));
    }

    #[test]
    fn two_presses_between_looks_change_nothing() {
        let finger = Finger::default();
        let mut opener = Muted::new(Box::new(Camera::default()), Box::new(finger.clone()));
        finger.0.store(2, SeqCst);
        assert!(opener.open().is_ok());
    }
}
