//! What a person sees: lights and screens. Devices are reached only through `OutputPin` and `DrawTarget`.

pub mod display;
pub mod events;
pub mod leds;
pub mod palette;
pub mod patterns;

use crate::decision::Mood;
use crate::detector::Track;
use crate::emotion::EmotionScores;
use crate::frame::{GrayView, Timestamp};
use events::Event;

/// All that an indicator may show at one instant.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub mood: &'a Mood,
    /// Confirmed tracks, with the smoothed scores of each.
    pub faces: &'a [(Track, EmotionScores)],
    /// The picture that `faces`' boxes refer to. `None` between two frames: faces and picture are as before.
    pub picture: Option<GrayView<'a>>,
    /// Something to tell the person: "camera unplugged".
    pub notice: Option<&'a str>,
}

/// A light or a panel. `show` is called after each frame and at each deadline; it must not block or read a clock.
pub trait Indicator: Send {
    /// Brings the device to what `view` looks like at `now`; appends what changed (level changes of LED lines). An
    /// error says that it does not show it; it comes with every call as long as that is so.
    fn show(
        &mut self,
        view: &View<'_>,
        now: Timestamp,
        changes: &mut Vec<Event>,
    ) -> Result<(), IndicatorError>;

    /// When the picture will change by itself although the view stays the same (blinking), if it will.
    fn next_change(&self, now: Timestamp) -> Option<Timestamp>;

    /// What time of day it is here, in minutes after midnight; told now and then by who has a clock, for night hours.
    fn local_time(&mut self, _minute: u16) {}

    /// Everything dark; called at the end of every run, even a failed one.
    fn off(&mut self, now: Timestamp, changes: &mut Vec<Event>) -> Result<(), IndicatorError>;

    /// "gpio leds on gpiochip0", for log and faults.
    fn describe(&self) -> String;
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{device}: {reason}")]
pub struct IndicatorError {
    pub device: String,
    pub reason: String,
}
