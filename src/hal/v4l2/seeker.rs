//! Finding a camera, and finding it again when it comes back under another node.
//!
//! After an unplug the kernel may give the next free number: /dev/video0 returns as /dev/video2. What stays is, from the
//! surest to the weakest: the link in /dev/v4l/by-id (vendor, model, serial), the link in by-path (the socket), the
//! driver's bus string, the camera's name. A [`Seeker`] remembers these from the last time the camera worked.

use super::node::Node;
use super::{Camera, Wish, kind};
use crate::hal::hotplug::Watch;
use crate::runtime::SourceOpener;
use crate::source::{FrameSource, SourceError};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which camera the owner asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A node or a link to one.
    Path(PathBuf),
    /// The first that gives pictures.
    Any,
}

impl Wanted {
    /// `auto` (as in `v4l2:auto`) is any camera, everything else a path.
    pub fn from_device(device: &Path) -> Self {
        if device == Path::new("auto") { Wanted::Any } else { Wanted::Path(device.into()) }
    }
}

/// What a camera can be recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Name of its link in /dev/v4l/by-id.
    pub by_id: Option<String>,
    /// Name of its link in /dev/v4l/by-path.
    pub by_path: Option<String>,
    /// The driver's bus string.
    pub bus: String,
    /// The camera's name.
    pub card: String,
}

/// Opens one camera again and again, wherever it is.
#[derive(Debug)]
pub struct Seeker {
    wanted: Wanted,
    wish: Wish,
    known: Option<Identity>,
    places: Places,
    watch: Option<Watch>,
}

impl Seeker {
    pub fn new(wanted: Wanted, wish: Wish) -> Self {
        let places = Places::system();
        // Without inotify (its limits can be used up) the camera is found all the same, a little later.
        let watch = Watch::new(&places.dev, "video").ok();
        Self { wanted, wish, known: None, places, watch }
    }

    /// Opens the camera: where it was last known to be, else where the owner said.
    ///
    /// # Errors
    /// As [`Camera::open`], about the node that was asked for.
    pub fn open(&mut self) -> Result<Camera, SourceError> {
        let mut first_error = None;
        for path in self.candidates() {
            match Camera::open(&path, &self.wish) {
                Ok(camera) => {
                    self.remember(&camera);
                    return Ok(camera);
                }
                Err(e) => {
                    first_error.get_or_insert(e);
                }
            }
        }
        Err(first_error.unwrap_or_else(|| SourceError::Unavailable {
            source_name: "v4l2".into(),
            reason: "there is no camera: plug one in, `lsusb` must show it".into(),
        }))
    }

    /// Nodes to try, best first. The error of the first one is what the owner reads.
    fn candidates(&self) -> Vec<PathBuf> {
        let nodes = self.places.nodes();
        let told = match &self.wanted {
            Wanted::Path(path) => vec![path.clone()],
            Wanted::Any => Vec::new(),
        };
        let described = |n: &PathBuf| Some((n.clone(), self.places.identify(&Node::open(n).ok()?)));
        let found = match &self.known {
            None => Vec::new(),
            Some(known) => rank(known, &nodes.iter().filter_map(described).collect::<Vec<_>>()),
        };
        let rest = match self.wanted {
            Wanted::Any => nodes.into_iter().filter(|n| may_give_pictures(n)).collect(),
            Wanted::Path(_) => Vec::new(),
        };
        let mut all: Vec<PathBuf> = Vec::new();
        for path in found.into_iter().chain(told).chain(rest) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
        all
    }

    fn remember(&mut self, camera: &Camera) {
        let identity = self.places.identify(camera.node());
        if self.known.as_ref().is_some_and(|k| *k != identity) {
            log::info!("camera {} found on {}", identity.card, camera.path().display());
        }
        self.known = Some(identity);
    }
}

impl SourceOpener for Seeker {
    fn open(&mut self) -> Result<Box<dyn FrameSource>, SourceError> {
        Ok(Box::new(Seeker::open(self)?))
    }

    /// A camera that appears cuts the wait short.
    fn wait(&mut self, timeout: Duration) -> bool {
        match &mut self.watch {
            Some(watch) => watch.wait(timeout),
            None => {
                std::thread::sleep(timeout);
                false
            }
        }
    }
}

/// A node that may not be opened may well be the camera: then the reason is a missing right, not a missing camera.
fn may_give_pictures(path: &Path) -> bool {
    match Node::open(path) {
        Ok(node) => kind::check(node.capability(), &node.offers()).is_ok(),
        Err(e) => e.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

/// The nodes that may be `known`, surest first; those that share nothing with it are left out. One camera's several nodes
/// (picture and metadata) share a bus string, but not the name of a link: links tell them apart.
pub fn rank(known: &Identity, nodes: &[(PathBuf, Identity)]) -> Vec<PathBuf> {
    let score = |i: &Identity| {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        match () {
            () if same(&known.by_id, &i.by_id) => Some(0),
            // Another serial number or model: another camera, though it may sit in the same socket.
            () if known.by_id.is_some() && i.by_id.is_some() && known.card != i.card => None,
            () if same(&known.by_path, &i.by_path) && known.card == i.card => Some(1),
            () if known.bus == i.bus && known.card == i.card => Some(2),
            () if known.card == i.card => Some(3),
            () => None,
        }
    };
    let mut scored: Vec<_> = nodes.iter().filter_map(|(p, i)| Some((score(i)?, p))).collect();
    scored.sort_by_key(|(s, _)| *s);
    scored.into_iter().map(|(_, p)| p.clone()).collect()
}

/// Where the kernel and udev show devices; another root in tests.
#[derive(Debug, Clone)]
pub struct Places {
    dev: PathBuf,
}

impl Places {
    pub fn system() -> Self {
        Self { dev: "/dev".into() }
    }

    /// All video nodes, by number.
    pub fn nodes(&self) -> Vec<PathBuf> {
        let mut nodes: Vec<(u32, PathBuf)> = fs::read_dir(&self.dev)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| {
                let number = e.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
                Some((number, e.path()))
            })
            .collect();
        nodes.sort();
        nodes.into_iter().map(|(_, p)| p).collect()
    }

    fn identify(&self, node: &Node) -> Identity {
        let target = fs::canonicalize(node.path()).unwrap_or_else(|_| node.path().into());
        Identity {
            by_id: self.link_to("v4l/by-id", &target),
            by_path: self.link_to("v4l/by-path", &target),
            bus: node.capability().bus.clone(),
            card: node.capability().card.clone(),
        }
    }

    /// Name of the first link in `folder` (in order of names) that leads to `target`.
    fn link_to(&self, folder: &str, target: &Path) -> Option<String> {
        let mut names: Vec<String> = fs::read_dir(self.dev.join(folder))
            .ok()?
            .flatten()
            .filter(|e| fs::canonicalize(e.path()).is_ok_and(|t| t == target))
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.into_iter().next()
    }
}

/// Programs that have `device` open, as "name (pid 12)". Without root only those of the same user are seen.
pub fn holders(device: &Path) -> Vec<String> {
    let Ok(target) = fs::canonicalize(device) else { return Vec::new() };
    let holds = |process: &Path| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|t| t == target)
    };
    let me = std::process::id().to_string();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|p| p.file_name().as_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter(|p| p.file_name().to_string_lossy() != me && holds(&p.path()))
        .map(|p| {
            let name = fs::read_to_string(p.path().join("comm")).unwrap_or_default();
            format!("{} (pid {})", name.trim(), p.file_name().to_string_lossy())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::os::unix::fs::symlink;

    /// "by-id by-path bus card", `-` for none.
    fn identity(text: &str) -> Identity {
        let word = |n| text.split(' ').nth(n).filter(|w| *w != "-").map(String::from);
        Identity {
            by_id: word(0),
            by_path: word(1),
            bus: word(2).unwrap_or_default(),
            card: word(3).unwrap_or_default(),
        }
    }

    #[rstest]
    #[case::same_serial_elsewhere("A0 P1 usb-1 Cam", &["B0 P1 usb-1 Webcam", "A0 P2 usb-2 Cam"], &[1])]
    #[case::no_links_same_socket("- - usb-1 Cam", &["- - usb-2 Cam", "- - usb-1 Cam"], &[1, 0])]
    #[case::same_socket_other_camera("A0 P1 usb-1 Cam", &["B0 P1 usb-1 Other"], &[])]
    #[case::twin_without_serial("- P1 usb-1 Cam", &["- P2 usb-2 Cam", "- P1 usb-1 Cam"], &[1, 0])]
    #[case::name_is_all_there_is("A0 P1 usb-1 Cam", &["- - usb-9 Cam"], &[0])]
    #[case::replaced_by_same_model("A0 P1 usb-1 Cam", &["C0 P1 usb-1 Cam"], &[0])]
    #[case::picture_before_metadata("A0 P0 usb-1 Cam", &["A1 P1 usb-1 Cam", "A0 P0 usb-1 Cam"], &[1, 0])]
    #[case::nothing_left("A0 P1 usb-1 Cam", &[], &[])]
    fn ranks(#[case] known: &str, #[case] nodes: &[&str], #[case] expect: &[usize]) {
        let path = |n: usize| PathBuf::from(format!("/dev/video{n}"));
        let nodes: Vec<_> = nodes.iter().enumerate().map(|(n, i)| (path(n), identity(i))).collect();
        let expect: Vec<_> = expect.iter().map(|n| path(*n)).collect();
        assert_eq!(rank(&identity(known), &nodes), expect);
    }

    #[test]
    fn nodes_come_by_number_and_links_by_name() {
        let root = tempfile::tempdir().unwrap();
        let dev = root.path().canonicalize().unwrap();
        for name in ["video10", "video2", "video0", "videodev", "vbi0", "media0"] {
            fs::write(dev.join(name), "").unwrap();
        }
        fs::create_dir_all(dev.join("v4l/by-id")).unwrap();
        symlink("../../video2", dev.join("v4l/by-id/usb-Acme_Cam-video-index0")).unwrap();
        symlink("../../video9", dev.join("v4l/by-id/usb-Gone-video-index0")).unwrap();
        let places = Places { dev: dev.clone() };
        assert_eq!(places.nodes(), ["video0", "video2", "video10"].map(|n| dev.join(n)));
        let link = |node: &str| places.link_to("v4l/by-id", &dev.join(node));
        assert_eq!(link("video2").as_deref(), Some("usb-Acme_Cam-video-index0"));
        assert_eq!(link("video0"), None);
        assert_eq!(places.link_to("v4l/by-path", &dev.join("video2")), None);
    }

    #[test]
    fn whoever_holds_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child =
            std::process::Command::new("sleep").arg("20").stdin(file.reopen().unwrap()).spawn().unwrap();
        let found = holders(file.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, [format!("sleep (pid {})", child.id())]);
        assert_eq!(holders(Path::new("/dev/no-such-device")), [] as [String; 0]);
    }
}
