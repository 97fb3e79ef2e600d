//! A page on a panel: the mood's face and word, seven score bars, and the picture where there is room.
//!
//! One layout serves every panel that is a `DrawTarget`: 128×64 monochrome, a small TFT, an HDMI screen. A part is
//! drawn only when what it shows has changed, at most ten times a second, a new mood at once.
//!
//! Care for the panel: every minute the page moves by a pixel or two along a small circle, so that no edge burns in;
//! after a while without a face it dims, and in night hours it is darker still or dark.
//!
//! It stores nothing: the picture goes to the panel and nowhere else.

mod canvas;
mod hangul;
mod icon;
mod ink;
mod latin;
mod layout;
mod night;
mod page;
mod picture;
mod strokes;
mod words;

pub use ink::Ink;
pub use layout::{Bars, Layout};
pub use night::Night;
pub use words::Language;

use super::events::Event;
use super::{Indicator, IndicatorError, View};
use crate::backoff::Backoff;
use crate::decision::{Mood, MoodKind};
use crate::emotion::Emotion;
use crate::frame::{Rect, Timestamp};
use crate::outputs::palette::Color;
use canvas::Canvas;
use embedded_graphics::prelude::*;
use page::Page;
use serde::Deserialize;
use std::fmt::Debug;
use std::time::Duration;

/// Bars and picture are drawn at most so often; ten times a second looks alive and leaves the processor to the net.
const REDRAW: Duration = Duration::from_millis(100);
/// How often the page moves against burn-in.
const WANDER: Duration = Duration::from_secs(60);
/// How often a screen that may come and go is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Something to draw on. What was drawn stays until it is drawn over; `flush` makes it visible.
pub trait Panel: Send {
    /// What is drawn on: the panel itself, or its picture in memory.
    type Canvas: DrawTarget<Color: Ink, Error: Debug>;

    /// Its screen may be plugged in and out while it is drawn on: [`is_watched`](Self::is_watched) is asked once a second.
    const COMES_AND_GOES: bool = false;

    fn canvas(&mut self) -> &mut Self::Canvas;

    /// Whether anybody could see what is drawn now; else drawing is left out.
    fn is_watched(&mut self) -> bool {
        true
    }

    /// The panel's own brightness from now on, percent, 1..=100: for those without shades, whose page cannot be drawn darker.
    fn set_light(&mut self, _percent: u8) {}

    /// Shows what was drawn since the last flush. The error says what failed and what to do.
    fn flush(&mut self) -> Result<(), String>;

    /// "SSD1306 128x64 on /dev/i2c-1 at 0x3c", for messages.
    fn describe(&self) -> String;
}

/// The `[display]` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DisplaySettings {
    /// `en`, `de` or `ko`.
    pub language: Language,
    /// Brightness of the page, percent, 1..=100.
    pub brightness: u8,
    /// Without a face for so long the page dims, seconds; 0 never.
    pub dim_after_s: u64,
    /// Brightness when dimmed, percent of `brightness`, 1..=100.
    pub dimmed: u8,
    /// Night hours, local time: `"22:00-07:00"`. Absent: none.
    pub night: Option<Night>,
    /// Brightness at night, percent of `brightness`, 0..=100; 0 is dark.
    pub night_brightness: u8,
    /// Show the camera picture where there is room; otherwise only drawn things.
    pub picture: bool,
}

impl Default for DisplaySettings {
    fn default() -> Self {
        Self {
            language: Language::English,
            brightness: 100,
            dim_after_s: 120,
            dimmed: 35,
            night: None,
            night_brightness: 10,
            picture: true,
        }
    }
}

impl DisplaySettings {
    pub fn validate(&self) -> Result<(), String> {
        for (key, value) in [("brightness", self.brightness), ("dimmed", self.dimmed)] {
            if !(1..=100).contains(&value) {
                return Err(format!("display.{key}: expected 1 to 100 percent, found {value}"));
            }
        }
        if self.night_brightness > 100 {
            let found = self.night_brightness;
            return Err(format!("display.night_brightness: expected 0 to 100 percent, found {found}"));
        }
        Ok(())
    }
}

/// What becomes of the pictures, as the page tells people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// "Nothing is stored or sent."
    NothingKept,
    /// Snapshots are written: the line is left out.
    Snapshots,
}

/// The page on one panel.
pub struct Display<P: Panel> {
    panel: P,
    settings: DisplaySettings,
    privacy: Privacy,
    layout: Layout,
    shown: Option<Shown>,
    drawn_at: Timestamp,
    /// Minutes after midnight, once somebody told.
    minute: Option<u16>,
    /// The last view was not drawn in full, to keep to [`REDRAW`].
    behind: bool,
    failed: Option<Failed>,
}

/// A panel that could not be drawn on. It is left alone between attempts: a bus that hangs takes a second to say so (the
/// kernel's usual I²C time-out), in which no light blinks.
#[derive(Debug, Clone)]
struct Failed {
    /// When it is tried again.
    retry: Timestamp,
    backoff: Backoff,
    error: IndicatorError,
}

/// All that the page depends on but the picture, in the precision it is shown in.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    mood: MoodKind,
    /// The line below the word.
    below: String,
    body: Body,
    faces: usize,
    /// Brightness, percent.
    light: u8,
    /// Where the page has wandered to.
    step: u32,
    /// There is a picture in its place.
    picture: bool,
}

/// What stands where the bars are.
#[derive(Debug, Clone, PartialEq)]
enum Body {
    /// Percent for each emotion.
    Scores([u8; Emotion::COUNT]),
    Empty,
    Text(String),
}

impl<P: Panel> Display<P> {
    pub fn new(mut panel: P, settings: DisplaySettings, privacy: Privacy) -> Self {
        let layout = Layout::of(panel.canvas().bounding_box().size);
        Self {
            panel,
            settings,
            privacy,
            layout,
            shown: None,
            drawn_at: Timestamp::ZERO,
            minute: None,
            behind: false,
            failed: None,
        }
    }

    pub fn panel(&self) -> &P {
        &self.panel
    }
    pub fn panel_mut(&mut self) -> &mut P {
        &mut self.panel
    }

    /// A view without a picture is one between two frames: what only frames know stays as it was, and nothing changes that would take
    /// the picture away.
    fn wanted(&self, view: &View<'_>, now: Timestamp) -> Shown {
        let mood = view.mood.kind;
        let between = self.shown.as_ref().filter(|_| view.picture.is_none());
        let before = between.filter(|_| mood.has_face());
        let with_picture = between.filter(|b| b.picture && !mood.is_blind());
        let step = (now.as_duration().as_secs() / WANDER.as_secs()) as u32;
        Shown {
            mood,
            below: self.below(view),
            body: self.body(view),
            faces: before.map_or(view.faces.len(), |b| b.faces),
            light: with_picture.map_or_else(|| self.light(view, now), |b| b.light),
            step: with_picture.map_or(step, |b| b.step),
            picture: self.settings.picture
                && !mood.is_blind()
                && (view.picture.is_some() || with_picture.is_some()),
        }
    }

    fn light(&self, view: &View<'_>, now: Timestamp) -> u8 {
        let DisplaySettings { brightness, dim_after_s, dimmed, .. } = self.settings;
        let alone = now.since(view.mood.since) >= Duration::from_secs(dim_after_s);
        let dim = dim_after_s > 0 && view.mood.kind == MoodKind::NoFace && alone;
        let light = (brightness as u32 * if dim { dimmed as u32 } else { 100 } / 100).max(1);
        match (self.settings.night, self.minute) {
            (Some(night), Some(minute)) if night.covers(minute) => {
                light.min(brightness as u32 * self.settings.night_brightness as u32 / 100) as u8
            }
            _ => light as u8,
        }
    }

    /// How sure, what else it may be, or what to do.
    fn below(&self, view: &View<'_>) -> String {
        let language = self.settings.language;
        match view.mood.kind {
            MoodKind::Emotion(e) => language.percent(view.mood.scores.get(e)),
            MoodKind::Uncertain => {
                let (e, score) = view.mood.scores.top();
                format!("{}? {}", language.emotion(e), language.percent(score))
            }
            MoodKind::NoFace if self.layout.footer.is_some() => language.invitation().into(),
            MoodKind::Muted if self.layout.footer.is_some() => language.unmute().into(),
            MoodKind::Fault if self.layout.bars.area().is_none() || self.layout.footer.is_some() => {
                language.advice(view.notice.unwrap_or("")).into()
            }
            _ => String::new(),
        }
    }

    fn body(&self, view: &View<'_>) -> Body {
        let language = self.settings.language;
        let small = self.layout.footer.is_none();
        match view.mood.kind {
            MoodKind::NoFace if small && self.privacy == Privacy::NothingKept => {
                Body::Text(language.privacy().into())
            }
            MoodKind::Muted if small => Body::Text(language.unmute().into()),
            MoodKind::NoFace | MoodKind::Muted => Body::Empty,
            MoodKind::Fault if small => Body::Text(language.advice(view.notice.unwrap_or("")).into()),
            MoodKind::Fault => Body::Text(view.notice.unwrap_or("").into()),
            _ => Body::Scores(view.mood.scores.as_array().map(|x| (x * 100.0).round() as u8)),
        }
    }

    /// Draws the parts that differ from what is shown; all of them when the mood is another, since a word's descenders
    /// reach beyond its area.
    fn draw(&mut self, view: &View<'_>, wanted: &Shown) -> Result<(), IndicatorError> {
        let moved = |o: &Shown| o.light != wanted.light || o.step != wanted.step || o.mood != wanted.mood;
        let old = self.shown.take().filter(|o| !moved(o));
        let changed = |same: fn(&Shown, &Shown) -> bool| old.as_ref().is_none_or(|o| !same(o, wanted));
        let Display { panel, layout, settings, privacy, .. } = self;
        let shift = wander(wanted.step, layout.reach());
        if wanted.light > 0 {
            panel.set_light(wanted.light);
        }
        let has_shades = <<P::Canvas as DrawTarget>::Color as Ink>::SHADES;
        let light = if has_shades { wanted.light } else { wanted.light.min(1) * 100 };
        let mut canvas = Canvas::new(panel.canvas(), light as f32 / 100.0, shift);
        let mut page = Page { canvas: &mut canvas, language: settings.language };
        if old.is_none() {
            match layout.picture.filter(|_| wanted.picture && view.picture.is_none()) {
                Some(area) => page.clear_around(area),
                None => page.clear(),
            }
        }
        if changed(|a, b| a.mood == b.mood) {
            page.icon(layout.icon, wanted.mood);
        }
        if changed(|a, b| a.mood == b.mood && a.below == b.below) {
            page.title(layout.title, wanted.mood, &wanted.below);
        }
        if changed(|a, b| a.mood == b.mood && a.body == b.body) {
            match (&wanted.body, layout.bars.area()) {
                (Body::Text(text), Some(area)) => page.text(area, text),
                (Body::Scores(_), _) => page.bars(layout.bars, wanted.mood, Some(&view.mood.scores)),
                (_, _) => page.bars(layout.bars, wanted.mood, None),
            }
        }
        if let Some(area) = layout.footer
            && changed(|a, b| a.faces == b.faces)
        {
            let line = if *privacy == Privacy::NothingKept { settings.language.privacy() } else { "" };
            let faces = if wanted.faces > 0 { settings.language.faces(wanted.faces) } else { String::new() };
            page.footer(area, line, &faces);
        }
        if let Some(area) = layout.picture {
            match view.picture.filter(|p| wanted.picture && p.width > 0 && p.height > 0) {
                Some(p) => picture::picture(&mut canvas, area, p, frames(view)),
                None if changed(|a, b| a.picture && b.picture) && !wanted.picture => page.plate(area),
                None => {}
            }
        }
        let drawn = canvas.finish();
        self.flush(drawn.map_err(|e| format!("{e:?}")))
    }

    fn flush(&mut self, drawn: Result<(), String>) -> Result<(), IndicatorError> {
        drawn
            .and_then(|()| self.panel.flush())
            .map_err(|reason| IndicatorError { device: self.panel.describe(), reason })
    }
}

impl<P: Panel> Indicator for Display<P> {
    fn show(
        &mut self,
        view: &View<'_>,
        now: Timestamp,
        _changes: &mut Vec<Event>,
    ) -> Result<(), IndicatorError> {
        if let Some(failed) = self.failed.as_ref().filter(|f| now < f.retry) {
            return Err(failed.error.clone());
        }
        if !self.panel.is_watched() {
            (self.shown, self.behind, self.failed) = (None, false, None);
            return Ok(());
        }
        let wanted = self.wanted(view, now);
        let moving = view.picture.is_some() && wanted.picture && self.layout.picture.is_some();
        if self.shown.as_ref() == Some(&wanted) && !moving {
            self.behind = false;
            return Ok(());
        }
        let same_mood = self.shown.as_ref().is_some_and(|d| d.mood == wanted.mood);
        self.behind = same_mood && self.drawn_at <= now && now.since(self.drawn_at) < REDRAW;
        if self.behind {
            return Ok(());
        }
        self.drawn_at = now;
        // On an error `shown` stays empty, and the next try draws everything anew.
        if let Err(error) = self.draw(view, &wanted) {
            let mut backoff = self.failed.take().map(|f| f.backoff).unwrap_or_default();
            let retry = now + backoff.next_pause();
            self.failed = Some(Failed { retry, backoff, error: error.clone() });
            return Err(error);
        }
        (self.shown, self.failed) = (Some(wanted), None);
        Ok(())
    }

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(failed) = self.failed.as_ref().filter(|f| now < f.retry) {
            return Some(failed.retry);
        }
        if self.behind {
            return Some((self.drawn_at + REDRAW).max(now));
        }
        let every = if P::COMES_AND_GOES { LOOK } else { WANDER };
        let looks = now.as_duration().as_nanos() / every.as_nanos();
        Some(Timestamp::from_duration(every * (looks as u32 + 1)))
    }

    fn local_time(&mut self, minute: u16) {
        self.minute = Some(minute);
    }

    fn off(&mut self, _now: Timestamp, _changes: &mut Vec<Event>) -> Result<(), IndicatorError> {
        self.shown = None;
        let mut canvas = Canvas::new(self.panel.canvas(), 1.0, Point::zero());
        canvas.clear(Color::BLACK);
        let drawn = canvas.finish();
        self.flush(drawn.map_err(|e| format!("{e:?}")))
    }

    fn describe(&self) -> String {
        self.panel.describe()
    }
}

/// Each visible face's box, and the mood whose colour it has.
fn frames<'v>(view: &View<'v>) -> impl Iterator<Item = (&'v Rect, MoodKind)> {
    let mood = view.mood;
    view.faces.iter().filter(|(t, _)| t.visible).map(|(t, _)| (&t.rect, frame_mood(mood, t.id)))
}

/// The face that speaks has the mood's colour, the others are gray.
fn frame_mood(mood: &Mood, track: u32) -> MoodKind {
    if mood.track.is_none_or(|t| t == track) { mood.kind } else { MoodKind::NoFace }
}

/// A place on a circle of `reach` pixels, one of eight, the next each minute.
fn wander(step: u32, reach: i32) -> Point {
    const CIRCLE: [(i32, i32); 8] = [(0, 0), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1)];
    let (x, y) = CIRCLE[step as usize % CIRCLE.len()];
    Point::new(x * reach, y * reach)
}
