//! Which face is whose: detections of each frame are matched to the tracks of the frames before.
//!
//! Terms. *Reach*: before they are compared, boxes are enlarged about their centres by this factor, so that a face
//! that moved by its own width between two frames still overlaps its last place. *Confirm*: a new track is on
//! probation until it was seen often and long enough; that is the face gate against flashes of false faces.
//! *Hold*: how long a confirmed track outlives its last sighting.
//!
//! Everything depends on (detections, now) alone, and on time instead of frame counts, so a recording gives the same
//! tracks at any frame rate. It predicts no motion and recognises nobody: someone who comes back after `hold` is new.

use super::blazeface::in_range;
use super::{Detection, Track};
use crate::frame::{Rect, Timestamp};
use std::time::Duration;

/// `[tracker]` in the configuration.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrackerSettings {
    /// A new face counts once it has been seen for this long, in ms, 0..=10000. Default 200.
    pub confirm_ms: u64,
    /// … and in at least this many pictures, 1..=100. Default 2.
    pub confirm_sightings: u32,
    /// A face that is missed is kept at its last place for this long, in ms, 0..=60000. Default 500.
    pub hold_ms: u64,
    /// Least overlap (intersection over union of the enlarged boxes, 0.01..=1) of the same face in two pictures.
    /// Default 0.25.
    pub match_iou: f32,
    /// Factor by which boxes are enlarged before they are compared, 1..=5. Default 2.
    pub reach: f32,
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self { confirm_ms: 200, confirm_sightings: 2, hold_ms: 500, match_iou: 0.25, reach: 2.0 }
    }
}

impl TrackerSettings {
    /// Says which key is out of its range and what the range is.
    pub fn validate(&self) -> Result<(), String> {
        in_range("confirm_ms", self.confirm_ms as f32, 0.0, 10_000.0)?;
        in_range("confirm_sightings", self.confirm_sightings as f32, 1.0, 100.0)?;
        in_range("hold_ms", self.hold_ms as f32, 0.0, 60_000.0)?;
        in_range("match_iou", self.match_iou, 0.01, 1.0)?;
        in_range("reach", self.reach, 1.0, 5.0)
    }
}

/// Follows faces from frame to frame.
#[derive(Debug, Clone)]
pub struct Tracker {
    settings: TrackerSettings,
    faces: Vec<Face>,
    last_id: u32,
    /// (overlap, face, detection) of every pair that may belong together; kept for its capacity.
    pairs: Vec<(f32, usize, usize)>,
    /// Whether each detection of this frame has found its face.
    taken: Vec<bool>,
}

#[derive(Debug, Clone)]
struct Face {
    id: u32,
    last: Detection,
    standing: Standing,
    sighting: Sighting,
}

/// How far a face is through the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// New: seen `sightings` times since `since`, without a miss.
    Probation {
        since: Timestamp,
        sightings: u32,
    },
    Confirmed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sighting {
    /// In the latest frame.
    Now(Timestamp),
    /// Missed in the latest frame, last seen then.
    Last(Timestamp),
}

impl Tracker {
    pub fn new(settings: &TrackerSettings) -> Self {
        Self {
            settings: settings.clone(),
            faces: Vec::new(),
            last_id: 0,
            pairs: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Takes the detections of the frame at `now`; `tracks` is cleared, then filled in order of id. Each detection
    /// goes to at most one track and each track to at most one detection.
    pub fn update(&mut self, detections: &[Detection], now: Timestamp, tracks: &mut Vec<Track>) {
        self.forget(now);
        self.pair_up(detections);
        self.assign(detections, now);
        self.forget(now);
        self.welcome(detections, now);
        tracks.clear();
        tracks.extend(self.faces.iter().map(Face::track));
    }

    /// Forgets every face; ids go on counting. For a picture that does not follow the last one.
    pub fn forget_all(&mut self) {
        self.faces.clear();
    }

    /// Drops whoever is missing for longer than `hold`. A face that the latest frame showed is never dropped here, so
    /// it is compared with the next frame however late that comes: tracks survive one frame a second.
    fn forget(&mut self, now: Timestamp) {
        let hold = Duration::from_millis(self.settings.hold_ms);
        self.faces.retain(|f| match f.sighting {
            Sighting::Now(_) => true,
            Sighting::Last(seen) => now.since(seen) <= hold,
        });
    }

    /// All pairs that overlap enough, best first; ties go to the older face and the better detection.
    fn pair_up(&mut self, detections: &[Detection]) {
        self.pairs.clear();
        for (f, face) in self.faces.iter().enumerate() {
            let place = enlarge(&face.last.rect, self.settings.reach);
            for (d, detection) in detections.iter().enumerate() {
                let overlap = place.iou(&enlarge(&detection.rect, self.settings.reach));
                if overlap >= self.settings.match_iou {
                    self.pairs.push((overlap, f, d));
                }
            }
        }
        self.pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    }

    fn assign(&mut self, detections: &[Detection], now: Timestamp) {
        self.taken.clear();
        self.taken.resize(detections.len(), false);
        for face in &mut self.faces {
            face.sighting = Sighting::Last(face.last_seen());
        }
        for &(_, f, d) in &self.pairs {
            let free = matches!(self.faces[f].sighting, Sighting::Last(_)) && !self.taken[d];
            if free {
                self.taken[d] = true;
                self.faces[f].see(&detections[d], now, &self.settings);
            }
        }
        // Probation ends with the first miss: what flickers is no face.
        self.faces.retain(|f| f.standing == Standing::Confirmed || matches!(f.sighting, Sighting::Now(_)));
    }

    /// Every detection that belongs to nobody starts a track.
    fn welcome(&mut self, detections: &[Detection], now: Timestamp) {
        for (detection, _) in detections.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            self.last_id += 1;
            let standing = Standing::Probation { since: now, sightings: 0 };
            let mut face =
                Face { id: self.last_id, last: detection.clone(), standing, sighting: Sighting::Last(now) };
            face.see(detection, now, &self.settings);
            self.faces.push(face);
        }
    }
}

impl Face {
    fn last_seen(&self) -> Timestamp {
        match self.sighting {
            Sighting::Now(at) | Sighting::Last(at) => at,
        }
    }

    fn see(&mut self, detection: &Detection, now: Timestamp, settings: &TrackerSettings) {
        self.last.clone_from(detection);
        self.sighting = Sighting::Now(now);
        if let Standing::Probation { since, sightings } = self.standing {
            let sightings = sightings + 1;
            let long = now.since(since) >= Duration::from_millis(settings.confirm_ms);
            self.standing = if long && sightings >= settings.confirm_sightings {
                Standing::Confirmed
            } else {
                Standing::Probation { since, sightings }
            };
        }
    }

    fn track(&self) -> Track {
        Track {
            id: self.id,
            rect: self.last.rect,
            score: self.last.score,
            landmarks: self.last.landmarks,
            visible: matches!(self.sighting, Sighting::Now(_)),
            confirmed: self.standing == Standing::Confirmed,
        }
    }
}

/// `rect` about its own centre, `factor` times as wide and high.
fn enlarge(rect: &Rect, factor: f32) -> Rect {
    let ((cx, cy), (w, h)) = (rect.center(), (rect.w * factor, rect.h * factor));
    Rect { x: cx - w / 2.0, y: cy - h / 2.0, w, h }
}
