//! What happened in a run, as values; the trace writes them as JSON lines (see the README's "Trace").

use crate::decision::MoodKind;
use crate::emotion::EmotionScores;

/// One line of the trace without its time. The runtime stamps `t_ms`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Start { source: String, precision: &'static str, model: String },
    State { from: MoodKind, to: MoodKind, track: Option<u32>, scores: Option<EmotionScores> },
    Led { line: String, on: bool },
    Frame { sequence: u64, faces: usize },
    Fault { what: String, detail: String },
    Recovered { what: String },
    End { frames: u64, faces: u64, dropped: u64, faults: u64 },
}
