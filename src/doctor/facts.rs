//! What was found out about a board: plain values, gathered by `hal::survey` and the composition root.
//!
//! A fact says what is, never whether that is good. Errors are kept as the sentence that the device's own room gives,
//! which names the device and what to do.

use std::path::PathBuf;

/// All of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub kernel: Kernel,
    pub board: Board,
    pub config: ConfigFile,
    pub camera: Camera,
    /// Every video node of the kernel.
    pub nodes: Vec<VideoNode>,
    pub pins: Option<Pins>,
    pub i2c: Option<I2c>,
    pub screen: Screen,
    pub models: Models,
    pub user: User,
    pub disks: Vec<Disk>,
    pub heat: Option<Heat>,
    pub power: Power,
    pub service: Service,
    /// Seconds since 1970 by the system's clock.
    pub clock: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// "6.1.0-49-arm64"
    pub release: String,
    /// "aarch64"
    pub machine: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// What the device tree calls the machine; `None` on a PC.
    pub model: Option<String>,
    /// The profile that fits the device tree.
    pub recognised: Option<String>,
    /// The profile in use, by its own name.
    pub profile: String,
    /// Its lights and panels are kernel devices.
    pub is_real: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFile {
    /// There is none: everything is at its default.
    None,
    Read(PathBuf),
    /// The sentence says where in it: line and column, or the key. `file`: which one, where it is a file's fault.
    Broken {
        file: Option<PathBuf>,
        why: String,
    },
}

/// Where frames would come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Camera {
    /// No camera: a recording, or the demo.
    Recording(String),
    /// Opened and watched for a moment.
    Works(Stream),
    /// The running service has it.
    HeldByService { source: String },
    Fails {
        source: String,
        reason: String,
        /// Other programs that have it open.
        holders: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Source, format and size.
    pub name: String,
    /// Frames a second as the driver promises them.
    pub promised: Option<f32>,
    /// Good frames in the time of watching, the first included, and the seconds from that one on; without one, the seconds that it was
    /// waited for.
    pub frames: u32,
    pub seconds: f32,
    /// Frames that came damaged.
    pub damaged: u32,
}

/// One /dev/videoN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoNode {
    pub path: PathBuf,
    /// Its name, or what it is if it gives no pictures ("metadata of …"), or why it could not be asked.
    pub what: String,
    pub gives_pictures: bool,
    /// "MJPG 640x480 …", empty where it has none.
    pub formats: String,
}

/// The lines that the owner wired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// Label of the chip that offsets count on.
    pub chip: String,
    /// None of the chips could be looked at.
    pub error: Option<String>,
    pub wires: Vec<Wire>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// "happy"
    pub line: String,
    /// "line 17"
    pub pin: String,
    pub state: WireState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireState {
    Free,
    /// Another moodlight, usually the service.
    HeldByMoodlight,
    /// Absent, or held by someone else.
    Refused(String),
}

/// The bus that a small panel hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I2c {
    pub bus: PathBuf,
    /// Addresses that answer, with the kernel driver that owns them where one does.
    pub found: Result<Vec<(u8, Option<String>)>, String>,
    /// The address of the panel that the config names.
    pub panel: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// The config asks for one (`Some(true)`), refuses it, or leaves it to what is there.
    pub wanted: Option<bool>,
    /// "card0-HDMI-A-1" → "connected"
    pub connectors: Vec<(String, String)>,
    /// Screens beside the sockets: "fb1", a small TFT perhaps.
    pub framebuffers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    /// The folder in use, or why there is none.
    pub folder: Result<PathBuf, String>,
    /// Each file of the manifest, with what is wrong with it.
    pub files: Vec<(String, Option<String>)>,
    /// Patches that gave what they must, `None` without goldens; or why not.
    pub self_test: Result<Option<usize>, String>,
    /// An installed model that is on trial, or was rolled back, and why.
    pub store: StoreNews,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreNews {
    None,
    OnTrial,
    RolledBack(String),
    Broken(String),
}

/// Who asks, and what they may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub is_root: bool,
    /// Device files that moodlight needs and this user may not open, each with its group.
    pub refused: Vec<(PathBuf, String)>,
    /// Device files that were tried.
    pub tried: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What it is for: "the system", "moodlight's own data".
    pub purpose: &'static str,
    pub path: PathBuf,
    pub read_only: bool,
    /// It has to be written to.
    pub is_written: bool,
    pub free_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    pub zone: String,
    pub celsius: f32,
    /// Where the kernel slows the processor down.
    pub throttles_at: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Power {
    /// The supply is too low now; `None` where the board can't tell.
    pub is_low: Option<bool>,
    /// The Raspberry Pi firmware's bits, as `vcgencmd get_throttled` prints them.
    pub throttled: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// No systemd here.
    NoManager,
    NotInstalled,
    State {
        /// "active", "failed", "inactive", "activating"
        active: String,
        /// "running", "auto-restart", …
        sub: String,
        is_enabled: bool,
        restarts: u32,
        /// What it last said of itself: "happy", "camera: unplugged".
        says: String,
    },
}
