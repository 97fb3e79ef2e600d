//! The seeing thread of a live run: takes the newest frame, looks at it, and answers with what is there.
//!
//! It is apart from the lights because a look takes as long as it takes (a tenth of a second on a Raspberry Pi 4, a second on
//! a slow or emulated board), while a fault, a signal and a blink are due at their own times.

use super::slot::Slot;
use super::surroundings::LeastInterval;
use crate::frame::{Frame, GrayImage, GrayView, Timestamp};
use crate::pipeline::{Eyes, Faces, PipelineError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What was seen in one frame.
#[derive(Debug, Default)]
pub struct Sight {
    pub sequence: u64,
    /// When the frame came.
    pub at: Timestamp,
    pub faces: Faces,
    pub picture: GrayImage,
}

/// What came of one frame.
#[derive(Debug)]
pub enum Answer {
    Seen(Sight),
    /// The picture is damaged, and why.
    Damaged(String),
    /// The model does not work.
    Failed(PipelineError),
    Panicked,
}

/// Sights that were shown, to be filled again.
#[derive(Debug, Clone, Default)]
pub struct Spares(Arc<Mutex<Vec<Sight>>>);

impl Spares {
    pub fn give(&self, sight: Sight) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sight);
    }

    fn get(&self) -> Sight {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }
}

/// The longest that the wish to end goes unnoticed between two frames.
const TICK: Duration = Duration::from_millis(100);

/// Looks at frames until `quit`, or until a look fails for good. That is always heard of, a panic among them.
pub fn run(eyes: &mut Eyes, slot: &Slot<Answer>, spares: &Spares, pace: &LeastInterval, quit: &AtomicBool) {
    let last_word = catch_unwind(AssertUnwindSafe(|| look_on(eyes, slot, spares, pace, quit)));
    if let Some(last_word) = last_word.unwrap_or(Some(Answer::Panicked)) {
        slot.insist(last_word);
    }
}

fn look_on(
    eyes: &mut Eyes,
    slot: &Slot<Answer>,
    spares: &Spares,
    pace: &LeastInterval,
    quit: &AtomicBool,
) -> Option<Answer> {
    let (mut frame, mut begun, mut stream) = (Frame::default(), None::<Instant>, None);
    while !quit.load(Ordering::Relaxed) {
        // On a hot board: the newest frame of the pause is looked at after it, the others count as dropped.
        let rest = begun.map_or(Duration::ZERO, |b| pace.interval().saturating_sub(b.elapsed()));
        if !rest.is_zero() {
            std::thread::sleep(rest.min(TICK));
            continue;
        }
        let Some(ticket) = slot.take(&mut frame, TICK) else { continue };
        begun = Some(Instant::now());
        if stream.replace(ticket) != Some(ticket) {
            eyes.forget();
        }
        match look(eyes, &frame, spares.get()) {
            failed @ Answer::Failed(_) => return Some(failed),
            answer => slot.answer(ticket, answer),
        }
    }
    None
}

fn look(eyes: &mut Eyes, frame: &Frame, mut sight: Sight) -> Answer {
    (sight.sequence, sight.at) = (frame.sequence, frame.timestamp);
    match eyes.look(frame, frame.timestamp, &mut sight.faces) {
        Ok(picture) => {
            keep(picture, &mut sight.picture);
            Answer::Seen(sight)
        }
        Err(PipelineError::Frame(e)) => Answer::Damaged(e.to_string()),
        Err(e) => Answer::Failed(e),
    }
}

/// Copies the picture: the next look needs the eyes' own.
fn keep(picture: GrayView<'_>, into: &mut GrayImage) {
    into.reshape(picture.width, picture.height);
    for y in 0..picture.height {
        into.data[y * picture.width..][..picture.width].copy_from_slice(picture.row(y));
    }
}
