//! How fast a source really is: frames are taken for a while and counted, and nothing else is done with them.

use crate::frame::Frame;
use crate::source::{Delivery, FrameSource, SourceError};
use std::time::{Duration, Instant};

/// What came in the time of watching.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// Good ones, the first included.
    pub frames: u32,
    pub damaged: u32,
    /// From the first frame on: the time that a camera takes to start is not its rate.
    pub seconds: f32,
}

/// How long the first frame may take; cameras with an automatic exposure need a second. A source that says longer of itself has that.
const PATIENCE: Duration = Duration::from_secs(3);

/// Watches `source` for `span` after its first frame.
///
/// # Errors
/// The source got lost meanwhile.
pub fn rate(source: &mut dyn FrameSource, span: Duration) -> Result<Measured, SourceError> {
    let (mut frame, mut measured) = (Frame::default(), Measured::default());
    let (begun, patience) = (Instant::now(), PATIENCE.max(source.longest_start()));
    let mut first: Option<Instant> = None;
    while first.map_or(begun.elapsed() < patience, |f| f.elapsed() < span) {
        match source.next_frame(&mut frame, Duration::from_millis(100)) {
            Ok(Delivery::Frame) => {
                measured.frames += 1;
                first.get_or_insert_with(Instant::now);
            }
            Ok(Delivery::Idle) => {}
            Ok(Delivery::End) => break,
            Err(SourceError::BadFrame { .. }) => measured.damaged += 1,
            Err(e) => return Err(e),
        }
    }
    measured.seconds = first.map_or(begun, |f| f).elapsed().as_secs_f32();
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Gives so many frames, then ends.
    struct Clip(u32);

    impl FrameSource for Clip {
        fn next_frame(&mut self, _: &mut Frame, _: Duration) -> Result<Delivery, SourceError> {
            let Some(left) = self.0.checked_sub(1) else { return Ok(Delivery::End) };
            self.0 = left;
            Ok(Delivery::Frame)
        }
        fn describe(&self) -> String {
            "clip".into()
        }
        fn is_live(&self) -> bool {
            false
        }
    }

    /// A slow camera's first frame may be the only one in the time of watching; it works all the same.
    #[rstest]
    #[case::none(0)]
    #[case::first_alone(1)]
    #[case::three(3)]
    fn every_frame_counts(#[case] frames: u32) {
        let measured = rate(&mut Clip(frames), Duration::from_secs(60)).unwrap();
        assert_eq!((measured.frames, measured.damaged), (frames, 0));
    }
}
