//! The run as seen in a terminal: a live picture of the simulated lights with the scores beside them, or one plain
//! line for each change when the output is a file or a pipe.
//!
//! A live terminal keeps every change as a line above the picture, so that the time line is still there when the run
//! is over. Colours obey `NO_COLOR`; the picture follows the window's size and shrinks to one line where it is small.
//! The cursor is hidden while the picture lives and comes back at the end, also after a panic. It rests on the picture's
//! first row, which is empty: a line that someone else writes there (the log) stays, and the picture moves below it.

mod draw;
mod style;

pub use style::{Colors, TerminalStyle, WindowSize};

use super::pins::SimPins;
use crate::decision::MoodKind;
use crate::frame::Timestamp;
use crate::outputs::events::Event;
use crate::outputs::{Indicator, IndicatorError, View};
use std::io::Write;
use std::time::Duration;

/// The live picture is drawn at most this often; more is not seen.
const REDRAW: Duration = Duration::from_millis(50);

/// Shows the run on `out`.
pub struct Terminal<W: Write + Send> {
    out: W,
    style: TerminalStyle,
    /// The lights to draw; `None` on a board, where the real ones can be seen.
    pins: Option<SimPins>,
    size: fn() -> WindowSize,
    said: Option<Said>,
    drawn_at: Option<Timestamp>,
    /// The live picture stands below the cursor.
    alive: bool,
    /// Faces of the last frame; views between frames have none.
    faces: usize,
    picture: String,
    next: String,
    broken: Option<String>,
}

/// What the last permanent line said.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    kind: MoodKind,
    notice: Option<String>,
}

impl<W: Write + Send> Terminal<W> {
    /// `size` is asked before each drawing, so that the picture follows the window.
    pub fn new(out: W, style: TerminalStyle, pins: Option<SimPins>, size: fn() -> WindowSize) -> Self {
        Self {
            out,
            style,
            pins,
            size,
            said: None,
            drawn_at: None,
            alive: false,
            faces: 0,
            picture: String::new(),
            next: String::new(),
            broken: None,
        }
    }

    /// A permanent line when the mood or the notice is another than the last one told.
    fn tell(&mut self, view: &View<'_>, now: Timestamp) -> std::io::Result<()> {
        let told = self
            .said
            .as_ref()
            .is_some_and(|s| s.kind == view.mood.kind && s.notice.as_deref() == view.notice);
        if told {
            return Ok(());
        }
        self.said = Some(Said { kind: view.mood.kind, notice: view.notice.map(str::to_owned) });
        self.next.clear();
        draw::change_line(&mut self.next, view, self.faces, now, &self.style);
        self.erase()?;
        self.out.write_all(self.next.as_bytes())?;
        self.out.flush()
    }

    fn redraw(&mut self, view: &View<'_>, now: Timestamp) -> std::io::Result<()> {
        let early = self.drawn_at.is_some_and(|at| at <= now && now.since(at) < REDRAW);
        if early && self.alive {
            return Ok(());
        }
        self.next.clear();
        let shown = draw::Live { view, faces: self.faces, now, pins: self.pins.as_ref() };
        let rows = draw::live(&mut self.next, &shown, &self.style, (self.size)());
        self.drawn_at = Some(now);
        if self.alive && self.next == self.picture {
            return Ok(());
        }
        if !self.alive {
            self.out.write_all(b"\x1b[?25l")?;
        }
        self.erase()?;
        self.alive = true;
        self.out.write_all(self.next.as_bytes())?;
        write!(self.out, "\x1b[{rows}A")?;
        self.out.flush()?;
        std::mem::swap(&mut self.picture, &mut self.next);
        Ok(())
    }

    /// Takes the live picture away; the cursor stands where it began.
    fn erase(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.alive) {
            self.out.write_all(b"\r\x1b[J")?;
        }
        Ok(())
    }

    fn end(&mut self) -> std::io::Result<()> {
        if self.alive {
            self.erase()?;
            self.out.write_all(b"\x1b[?25h")?;
        }
        self.out.flush()
    }

    /// A terminal that went away does not come back: it is not written to again, and the run goes on without it.
    fn checked(&mut self, result: std::io::Result<()>) -> Result<(), IndicatorError> {
        if let Err(e) = result {
            self.broken.get_or_insert(e.to_string());
        }
        match &self.broken {
            Some(reason) => Err(IndicatorError { device: "terminal".into(), reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

impl<W: Write + Send> Indicator for Terminal<W> {
    fn show(
        &mut self,
        view: &View<'_>,
        now: Timestamp,
        _changes: &mut Vec<Event>,
    ) -> Result<(), IndicatorError> {
        if self.broken.is_some() {
            return self.checked(Ok(()));
        }
        if view.picture.is_some() {
            self.faces = view.faces.len();
        }
        let mut result = self.tell(view, now);
        if self.style.live {
            result = result.and_then(|()| self.redraw(view, now));
        }
        self.checked(result)
    }

    /// The picture follows the frames; it needs no deadline of its own.
    fn next_change(&self, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    fn off(&mut self, _now: Timestamp, _changes: &mut Vec<Event>) -> Result<(), IndicatorError> {
        if self.broken.is_some() {
            return Ok(());
        }
        let result = self.end();
        self.checked(result)
    }

    fn describe(&self) -> String {
        if self.style.live { "live terminal".into() } else { "plain lines".into() }
    }
}

impl<W: Write + Send> Drop for Terminal<W> {
    fn drop(&mut self) {
        if self.broken.is_none() {
            // Nobody is left to tell when this fails.
            let _ = self.end();
        }
    }
}
