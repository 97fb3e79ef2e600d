//! A page on a panel: the mood's face and word, seven score bars, and the picture where there is room.
//!
//! One layout serves every panel that is a `DrawTarget`: 128×64 monochrome, a small TFT, an HDMI screen. A part is
//! drawn only when what it shows has changed, at most ten times a second, a new mood at once.
//!
//! Care for the panel: every minute the page moves by a pixel or two along a small circle, so that no edge burns in;
//! after a while without a face it dims.
//!
//! It stores nothing: the picture goes to the panel and nowhere else.

mod canvas;
mod hangul;
mod icon;
mod ink;
mod latin;
mod layout;
mod page;
mod strokes;
mod words;

pub use ink::Ink;
pub use layout::{Bars, Layout};
pub use words::Language;

use super::events::Event;
use super::{Indicator, IndicatorError, View};
use crate::decision::MoodKind;
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

/// Something to draw on. What was drawn stays until it is drawn over; `flush` makes it visible.
pub trait Panel: DrawTarget<Color: Ink, Error: Debug> + Send {
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
    /// Show the camera picture where there is room; otherwise only drawn things.
    pub picture: bool,
}

impl Default for DisplaySettings {
    fn default() -> Self {
        Self { language: Language::English, brightness: 100, dim_after_s: 120, dimmed: 35, picture: true }
    }
}

impl DisplaySettings {
    pub fn validate(&self) -> Result<(), String> {
        for (key, value) in [("brightness", self.brightness), ("dimmed", self.dimmed)] {
            if !(1..=100).contains(&value) {
                return Err(format!("display.{key}: expected 1 to 100 percent, found {value}"));
            }
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
    drawn: Option<Drawn>,
    drawn_at: Timestamp,
    /// The last view was not drawn in full, to keep to [`REDRAW`].
    behind: bool,
}

/// All that the page depends on but the picture, in the precision it is shown in.
#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    mood: MoodKind,
    below: String,
    percents: Option<[u8; Emotion::COUNT]>,
    faces: usize,
    light: u8,
    step: u32,
    picture: bool,
}

impl<P: Panel> Display<P> {
    pub fn new(panel: P, settings: DisplaySettings, privacy: Privacy) -> Self {
        let layout = Layout::of(panel.bounding_box().size);
        let drawn_at = Timestamp::ZERO;
        Self { panel, settings, privacy, layout, drawn: None, drawn_at, behind: false }
    }

    pub fn panel(&self) -> &P {
        &self.panel
    }
    pub fn panel_mut(&mut self) -> &mut P {
        &mut self.panel
    }

    fn wanted(&self, view: &View<'_>, now: Timestamp) -> Drawn {
        let mood = view.mood.kind;
        let scores = shown_scores(view);
        let percents = scores.map(|s| s.as_array().map(|x| (x * 100.0).round() as u8));
        let calm = mood == MoodKind::NoFace && self.settings.dim_after_s > 0;
        let dim = calm && now.since(view.mood.since) >= Duration::from_secs(self.settings.dim_after_s);
        let light =
            self.settings.brightness as u32 * if dim { self.settings.dimmed as u32 } else { 100 } / 100;
        Drawn {
            mood,
            below: self.below(view),
            percents,
            faces: view.faces.len(),
            light: light.max(1) as u8,
            step: (now.as_duration().as_secs() / WANDER.as_secs()) as u32,
            picture: self.settings.picture && view.picture.is_some(),
        }
    }

    /// The line below the word: how sure, what to do, or what becomes of the picture.
    fn below(&self, view: &View<'_>) -> String {
        let language = self.settings.language;
        match view.mood.kind {
            MoodKind::Emotion(e) => page::percent_text(view.mood.scores.get(e)),
            MoodKind::Uncertain => {
                let (e, score) = view.mood.scores.top();
                format!("{} {}", language.emotion(e), page::percent_text(score))
            }
            MoodKind::NoFace if self.layout.footer.is_none() && self.privacy == Privacy::NothingKept => {
                language.privacy().to_string()
            }
            MoodKind::NoFace => String::new(),
            MoodKind::Fault => {
                let what = view.notice.and_then(|n| n.split([' ', ':']).next()).unwrap_or("");
                language.advice(what).to_string()
            }
        }
    }

    fn draw(&mut self, view: &View<'_>, wanted: &Drawn) -> Result<(), IndicatorError> {
        let old = self.drawn.take();
        let all = old.as_ref().is_none_or(|o| o.light != wanted.light || o.step != wanted.step);
        let reach = (self.layout.margin / 3).min(4) as i32;
        let mut canvas =
            Canvas::new(&mut self.panel, wanted.light as f32 / 100.0, wander(wanted.step, reach));
        if all {
            canvas.clear(if Canvas::<P>::COLORED { page::GROUND } else { Color::BLACK });
        }
        let old = old.filter(|_| !all);
        let mut page = Page { canvas: &mut canvas, language: self.settings.language };
        let changed = |f: fn(&Drawn, &Drawn) -> bool| old.as_ref().is_none_or(|o| !f(o, wanted));
        if changed(|a, b| a.mood == b.mood) {
            page.icon(self.layout.icon, wanted.mood);
        }
        if changed(|a, b| a.mood == b.mood && a.below == b.below) {
            page.title(self.layout.title, wanted.mood, &wanted.below);
        }
        if changed(|a, b| a.mood == b.mood && a.percents == b.percents) {
            page.bars(self.layout.bars, wanted.mood, shown_scores(view));
        }
        if let Some(area) = self.layout.picture {
            match view.picture.filter(|p| wanted.picture && p.width > 0 && p.height > 0) {
                Some(picture) => {
                    let faces: Vec<(Rect, MoodKind)> = view
                        .faces
                        .iter()
                        .filter(|(t, _)| t.visible)
                        .map(|(t, _)| (t.rect, frame_mood(view, t.id)))
                        .collect();
                    page.picture(area, picture, &faces);
                }
                None if changed(|a, b| a.picture == b.picture) => page.no_picture(area),
                None => {}
            }
        }
        if let Some(area) = self.layout.footer
            && changed(|a, b| a.faces == b.faces)
        {
            let language = self.settings.language;
            let privacy = if self.privacy == Privacy::NothingKept { language.privacy() } else { "" };
            let faces = if wanted.faces > 0 { language.faces(wanted.faces) } else { String::new() };
            page.footer(area, privacy, &faces);
        }
        let drawn = canvas.finish();
        self.finish(drawn.map_err(|e| format!("{e:?}")))
    }

    fn finish(&mut self, drawn: Result<(), String>) -> Result<(), IndicatorError> {
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
        let wanted = self.wanted(view, now);
        let moving = self.layout.picture.is_some() && wanted.picture;
        let same = self.drawn.as_ref() == Some(&wanted);
        if same && !moving {
            self.behind = false;
            return Ok(());
        }
        let same_mood = self.drawn.as_ref().is_some_and(|d| d.mood == wanted.mood);
        if same_mood && self.drawn_at <= now && now.since(self.drawn_at) < REDRAW {
            self.behind = true;
            return Ok(());
        }
        self.behind = false;
        self.drawn_at = now;
        // On an error `drawn` stays empty, and the next call draws everything anew.
        self.draw(view, &wanted)?;
        self.drawn = Some(wanted);
        Ok(())
    }

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        if self.behind {
            return Some((self.drawn_at + REDRAW).max(now));
        }
        let minutes = now.as_duration().as_secs() / WANDER.as_secs();
        Some(Timestamp::from_duration(WANDER * (minutes as u32 + 1)))
    }

    fn off(&mut self, _now: Timestamp, _changes: &mut Vec<Event>) -> Result<(), IndicatorError> {
        self.drawn = None;
        let mut canvas = Canvas::new(&mut self.panel, 1.0, Point::zero());
        canvas.clear(Color::BLACK);
        let drawn = canvas.finish();
        self.finish(drawn.map_err(|e| format!("{e:?}")))
    }

    fn describe(&self) -> String {
        self.panel.describe()
    }
}

/// Without a face there are no scores to show.
fn shown_scores<'a>(view: &View<'a>) -> Option<&'a crate::emotion::EmotionScores> {
    let shown = matches!(view.mood.kind, MoodKind::Emotion(_) | MoodKind::Uncertain);
    shown.then_some(&view.mood.scores)
}

/// The face that speaks has the mood's colour, the others are gray.
fn frame_mood(view: &View<'_>, track: u32) -> MoodKind {
    if view.mood.track.is_none_or(|t| t == track) { view.mood.kind } else { MoodKind::NoFace }
}

/// A place on a circle of `reach` pixels, one of eight, the next each minute.
fn wander(step: u32, reach: i32) -> Point {
    const CIRCLE: [(i32, i32); 8] = [(0, 0), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1)];
    let (x, y) = CIRCLE[step as usize % CIRCLE.len()];
    Point::new(x * reach, y * reach)
}
