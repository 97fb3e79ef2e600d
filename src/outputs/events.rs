//! What happened in a run, as values; the trace writes them as JSON lines (see the README's "Trace").

use crate::decision::MoodKind;
use crate::emotion::EmotionScores;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One line of the trace without its time. The runtime stamps `t_ms`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Start {
        source: String,
        precision: &'static str,
        model: String,
    },
    State {
        from: MoodKind,
        to: MoodKind,
        track: Option<u32>,
        scores: Option<EmotionScores>,
    },
    Led {
        line: String,
        on: bool,
    },
    Frame {
        sequence: u64,
        faces: usize,
    },
    Fault {
        what: String,
        detail: String,
    },
    Recovered {
        what: String,
    },
    /// Fewer frames a second while the board is hot; `null`: all of them again.
    Heat {
        celsius: f32,
        frames_per_second: Option<u32>,
    },
    End {
        frames: u64,
        faces: u64,
        dropped: u64,
        faults: u64,
    },
}

impl Event {
    /// The value of the trace's `event` key.
    pub const fn name(&self) -> &'static str {
        match self {
            Event::Start { .. } => "start",
            Event::State { .. } => "state",
            Event::Led { .. } => "led",
            Event::Frame { .. } => "frame",
            Event::Fault { .. } => "fault",
            Event::Recovered { .. } => "recovered",
            Event::Heat { .. } => "heat",
            Event::End { .. } => "end",
        }
    }
}

/// A line of the trace: `{"t_ms":1240,"event":"led","line":"happy","on":true}`.
///
/// Keys come in the order of the fields above. A key is always there; what is not known is `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceLine<'a> {
    /// Milliseconds since the start, of the recording's clock in replay.
    pub t_ms: u64,
    pub event: &'a Event,
}

impl Serialize for TraceLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t_ms", &self.t_ms)?;
        map.serialize_entry("event", self.event.name())?;
        match self.event {
            Event::Start { source, precision, model } => {
                map.serialize_entry("source", source)?;
                map.serialize_entry("precision", precision)?;
                map.serialize_entry("model", model)?;
            }
            Event::State { from, to, track, scores } => {
                map.serialize_entry("from", from.name())?;
                map.serialize_entry("to", to.name())?;
                map.serialize_entry("track", track)?;
                map.serialize_entry("scores", scores)?;
            }
            Event::Led { line, on } => {
                map.serialize_entry("line", line)?;
                map.serialize_entry("on", on)?;
            }
            Event::Frame { sequence, faces } => {
                map.serialize_entry("sequence", sequence)?;
                map.serialize_entry("faces", faces)?;
            }
            Event::Fault { what, detail } => {
                map.serialize_entry("what", what)?;
                map.serialize_entry("detail", detail)?;
            }
            Event::Recovered { what } => map.serialize_entry("what", what)?,
            Event::Heat { celsius, frames_per_second } => {
                map.serialize_entry("celsius", celsius)?;
                map.serialize_entry("frames_per_second", frames_per_second)?;
            }
            Event::End { frames, faces, dropped, faults } => {
                map.serialize_entry("frames", frames)?;
                map.serialize_entry("faces", faces)?;
                map.serialize_entry("dropped", dropped)?;
                map.serialize_entry("faults", faults)?;
            }
        }
        map.end()
    }
}
