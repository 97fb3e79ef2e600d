//! The trace: one JSON object a line, each with the milliseconds since the start of the run.

use crate::frame::Timestamp;
use crate::outputs::events::{Event, TraceLine};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Where events are written. Every line goes to the kernel at once: what happened before a crash of moodlight is in the file or the
/// pipe; a power cut may cost a file what its file system had not written yet, usually some seconds.
pub struct Trace {
    out: BufWriter<Box<dyn Write + Send>>,
    name: String,
    frames: bool,
}

impl Trace {
    /// `path` `-` is stdout. `frames`: also one line per frame. `goes_on`: behind what is there already, for runs that follow each
    /// other; each begins with its start event.
    pub fn open(path: &Path, frames: bool, goes_on: bool) -> io::Result<Self> {
        let file = || File::options().create(true).write(true).append(goes_on).truncate(!goes_on).open(path);
        let out: Box<dyn Write + Send> =
            if path.as_os_str() == "-" { Box::new(io::stdout()) } else { Box::new(file()?) };
        Ok(Self { out: BufWriter::new(out), name: path.display().to_string(), frames })
    }

    /// Writes one line. The error names the file.
    pub fn write(&mut self, now: Timestamp, event: &Event) -> io::Result<()> {
        if matches!(event, Event::Frame { .. }) && !self.frames {
            return Ok(());
        }
        let line = TraceLine { t_ms: now.as_millis(), event };
        serde_json::to_writer(&mut self.out, &line)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"))
            .and_then(|()| self.out.flush())
            .map_err(|e| io::Error::new(e.kind(), format!("trace {}: {e}", self.name)))
    }
}
