//! Where frames come from: one trait for cameras, files, pipes and made-up pictures.

mod rate;
mod spec;

pub use rate::FrameRate;
pub use spec::{Restart, SourceSpec, SpecError, Synthetic};

use crate::frame::{Frame, PixelFormat};
use std::time::Duration;

/// What a call of [`FrameSource::next_frame`] brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The frame was refilled.
    Frame,
    /// Nothing within the time-out; the source may still deliver later.
    Idle,
    /// The recording is over; every later call says so again.
    End,
}

/// Frames in order of time. Implementations live in `hal` (cameras) and `sim` (files, pipes, synthetic).
pub trait FrameSource: Send {
    /// Waits up to `timeout` and refills `frame` (its buffer is reused). Recorded sources never wait: they return the
    /// next picture at once with the recording's own time stamp.
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError>;

    /// For the log and for `doctor`: "v4l2:/dev/video0 640x480 MJPG 30 fps".
    fn describe(&self) -> String;

    /// Frames appear in real time whether or not they are read (camera), rather than on demand (file).
    fn is_live(&self) -> bool;

    /// How long it may give nothing and be well, before its first frame or between two. The run's own patience holds when that is
    /// longer; with most sources it is.
    fn longest_silence(&self, before_the_first: bool) -> Duration {
        let _ = before_the_first;
        Duration::ZERO
    }

    /// How long it is worth waiting for its first frame before it is opened anew. Longer than its silence where the light is to
    /// tell meanwhile that none comes.
    fn longest_start(&self) -> Duration {
        self.longest_silence(true)
    }
}

/// Why a source has nothing to give. `Display` names the device or file, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Could not be opened: absent, busy, no permission, not what it claims to be.
    #[error("{source_name}: {reason}")]
    Unavailable { source_name: String, reason: String },
    /// Closed by hand, and to stay so until the same hand opens it.
    #[error("{source_name}: muted by its button; press it again to open the camera")]
    Muted { source_name: String },
    /// Was delivering and is gone (unplugged, child died). The source must be dropped and opened anew.
    #[error("{source_name}: lost: {reason}")]
    Lost { source_name: String, reason: String },
    /// This frame is damaged; the next may be good.
    #[error("{source_name}: damaged frame skipped: {reason}")]
    BadFrame { source_name: String, reason: String },
    /// A recording is cut off or not what its header says; what came before was played.
    #[error("{source_name}: {reason}")]
    Truncated { source_name: String, reason: String },
}

/// A frame layout that the source speaks, for messages: "640x480 I420".
pub fn layout(width: usize, height: usize, format: PixelFormat) -> String {
    format!("{width}x{height} {format:?}")
}
