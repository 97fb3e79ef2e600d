//! A screen by the kernel's mode setting: connector → CRTC → two framebuffers that are swapped at the vertical blank.
//!
//! Terms. *Connector*: a socket ("HDMI-A-1"), with or without a screen. *Mode*: size and rate that the screen offers.
//! *CRTC*: what scans a framebuffer out. *Master*: the one process that may change any of this; opening the card first makes
//! us that, and the kernel's text console stays hidden as long.
//!
//! A screen may be absent at start and come later: each flush looks whether the kernel has seen one, at most once a second.
//! There is no acceleration and no cursor.

use super::{Shadow, put_xrgb};
use crate::outputs::display::Panel;
use drm::buffer::{Buffer, DrmFourcc};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{Device as _, Mode, ModeTypeFlags, PageFlipFlags, connector, crtc, framebuffer};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode as FileMode, OFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Size of the page while no screen is there that says otherwise.
const UNKNOWN_SIZE: (usize, usize) = (1280, 720);
/// The page is drawn by the processor, ten times a second: larger modes only cost time.
const LARGEST: usize = 1920 * 1080;
/// How often an absent screen is looked for, and a present one checked.
const LOOK: Duration = Duration::from_secs(1);
/// A flip waits for the next vertical blank; no screen takes longer than this.
const FLIP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A card with, perhaps, a screen.
pub struct Kms {
    card: Card,
    path: PathBuf,
    shadow: Shadow,
    output: Option<Output>,
    looked: Option<Instant>,
}

/// What drives the screen that is there.
struct Output {
    connector: connector::Handle,
    crtc: crtc::Handle,
    mode: Mode,
    buffers: [(DumbBuffer, framebuffer::Handle); 2],
    /// The buffer that is not shown.
    back: usize,
    is_flipping: bool,
}

impl Kms {
    /// Takes the first card with a screen, else the first that has connectors: boards with several (a ribbon's display is a card of
    /// its own on the Raspberry Pi 5) number them anew at each boot. `wanted` is the mode's width and height, else the screen's own is used.
    ///
    /// # Errors
    /// No card, no permission, another program (X, Wayland) owns the screen, or the screen lacks the wanted mode (with those
    /// it has). A screen that is plugged in later and lacks it gets the best that it has.
    pub fn open(wanted: Option<(usize, usize)>) -> Result<Self, String> {
        let (mut unlit, mut reason) = (None, None);
        for path in cards() {
            match Self::open_card(&path, wanted) {
                Ok(Some(kms)) if kms.is_lit() => return Ok(kms),
                Ok(Some(kms)) => _ = unlit.get_or_insert(kms),
                Ok(None) => log::debug!("{}: it drives no screens", path.display()),
                Err(e) => _ = reason.get_or_insert(format!("{}: {e}", path.display())),
            }
        }
        let none = || "the kernel has no driver for a display (/dev/dri/card*)".to_owned();
        unlit.ok_or_else(|| reason.unwrap_or_else(none))
    }

    /// `None` is a card that drives no screens.
    fn open_card(path: &Path, wanted: Option<(usize, usize)>) -> Result<Option<Self>, String> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::open(path, flags, FileMode::empty()).map_err(|e| match e {
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
                "no permission: add the user to the group `video` (sudo usermod -aG video $USER) and log in again".to_owned()
            }
            e => format!("cannot be opened: {e}"),
        })?;
        let card = Card(fd);
        if !card.resource_handles().is_ok_and(|r| !r.connectors().is_empty()) {
            return Ok(None);
        }
        let screen = connected(&card, true);
        if let (Some(size), Some(screen)) = (wanted, &screen) {
            check_mode(screen.modes(), size)?;
        }
        let own = screen.as_ref().and_then(best_mode).map(|m| size_of(&m));
        let (width, height) = wanted.or(own).unwrap_or(UNKNOWN_SIZE);
        let shadow = Shadow::new(width, height);
        let mut kms = Self { card, path: path.into(), shadow, output: None, looked: None };
        if let Some(screen) = screen {
            kms.light_up(&screen).map_err(|e| told(&e, "the mode could not be set"))?;
        }
        Ok(Some(kms))
    }

    /// A screen is there and shows the page.
    pub fn is_lit(&self) -> bool {
        self.output.is_some()
    }

    /// Sets the mode nearest to the page's size and shows the page.
    fn light_up(&mut self, screen: &connector::Info) -> io::Result<()> {
        self.release();
        let (width, height) = (self.shadow.width, self.shadow.height);
        let mode = screen
            .modes()
            .iter()
            .copied()
            .find(|m| size_of(m) == (width, height))
            .or_else(|| best_mode(screen))
            .ok_or_else(|| io::Error::other("the screen offers no mode"))?;
        let crtc = free_crtc(&self.card, screen)?;
        let size = (u32::from(mode.size().0), u32::from(mode.size().1));
        let first = self.card.buffer(size)?;
        let buffers = [first, self.card.buffer(size).inspect_err(|_| self.card.free(first))?];
        let mut output =
            Output { connector: screen.handle(), crtc, mode, buffers, back: 0, is_flipping: false };
        let shown = self.card.fill(&mut output, &self.shadow).and_then(|()| {
            let front = Some(output.buffers[0].1);
            self.card.set_crtc(crtc, front, (0, 0), &[screen.handle()], Some(mode))
        });
        output.back = 1;
        self.output = Some(output);
        // A card that stays open and is tried again would keep two more pages of memory each time.
        shown.inspect_err(|_| self.release())?;
        log::info!("{}: screen {}x{} at {} Hz", self.path.display(), size.0, size.1, mode.vrefresh());
        Ok(())
    }

    /// Gives the buffers of the former screen back.
    fn release(&mut self) {
        if let Some(output) = self.output.take() {
            output.buffers.into_iter().for_each(|page| self.card.free(page));
        }
    }

    /// Notices a screen that came or went.
    fn look(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.looked.is_some_and(|t| now.duration_since(t) < LOOK) {
            return Ok(());
        }
        self.looked = Some(now);
        match &self.output {
            Some(output) => {
                // Asked without probing: that would read the screen's data sheet each second.
                let info = self.card.get_connector(output.connector, false)?;
                if info.state() == connector::State::Disconnected {
                    log::info!("{}: the screen is gone", self.path.display());
                    self.release();
                }
            }
            // Only a socket that the kernel has seen something on is worth asking.
            None if is_plugged(&self.card) => {
                if let Some(screen) = connected(&self.card, true) {
                    self.light_up(&screen)?;
                }
            }
            None => {}
        }
        Ok(())
    }

    fn show(&mut self) -> io::Result<()> {
        self.look()?;
        let Some(output) = &mut self.output else { return Ok(()) };
        self.card.await_flip(output)?;
        self.card.fill(output, &self.shadow)?;
        let next = output.buffers[output.back].1;
        match self.card.page_flip(output.crtc, next, PageFlipFlags::EVENT, None) {
            Ok(()) => output.is_flipping = true,
            // Drivers without flips (and a screen that slept) take the slower way.
            Err(_) => {
                self.card.set_crtc(
                    output.crtc,
                    Some(next),
                    (0, 0),
                    &[output.connector],
                    Some(output.mode),
                )?;
            }
        }
        output.back = 1 - output.back;
        Ok(())
    }
}

impl Panel for Kms {
    type Canvas = Shadow;

    const COMES_AND_GOES: bool = true;

    fn is_watched(&mut self) -> bool {
        match self.look() {
            Ok(()) => self.output.is_some(),
            Err(_) => {
                self.looked = None; // the flush meets the error again, and tells it
                true
            }
        }
    }

    fn canvas(&mut self) -> &mut Shadow {
        &mut self.shadow
    }

    fn flush(&mut self) -> Result<(), String> {
        self.show().map_err(|e| {
            // Whatever it was, the next look sets the mode anew.
            self.release();
            self.looked = None;
            told(&e, "the screen could not be drawn")
        })
    }

    fn describe(&self) -> String {
        // The same with and without a screen: faults are known by this name.
        format!("screen on {}", self.path.display())
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        self.release();
    }
}

/// Why `what` happened, with what to do where that is known.
fn told(e: &io::Error, what: &str) -> String {
    match e.kind() {
        io::ErrorKind::PermissionDenied => {
            "another program owns the screen: end the desktop (sudo systemctl isolate multi-user)".to_owned()
        }
        _ => format!("{what}: {e}"),
    }
}

/// The card's file.
#[derive(Debug)]
struct Card(OwnedFd);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Card {
    fn buffer(&self, size: (u32, u32)) -> io::Result<(DumbBuffer, framebuffer::Handle)> {
        let buffer = self.create_dumb_buffer(size, DrmFourcc::Xrgb8888, 32)?;
        match self.add_framebuffer(&buffer, 24, 32) {
            Ok(frame) => Ok((buffer, frame)),
            Err(e) => {
                let _ = self.destroy_dumb_buffer(buffer);
                Err(e)
            }
        }
    }

    fn free(&self, (buffer, frame): (DumbBuffer, framebuffer::Handle)) {
        // What fails here was freed by the kernel already; closing the card frees the rest.
        let _ = self.destroy_framebuffer(frame);
        let _ = self.destroy_dumb_buffer(buffer);
    }

    /// Copies the page into the buffer that is not shown.
    fn fill(&self, output: &mut Output, shadow: &Shadow) -> io::Result<()> {
        let buffer = &mut output.buffers[output.back].0;
        let (width, height) = buffer.size();
        let stride = buffer.pitch() as usize;
        let mut memory = self.map_dumb_buffer(buffer)?;
        shadow.copy_to(memory.as_mut(), (width as usize, height as usize), stride, 4, put_xrgb);
        Ok(())
    }

    /// Waits until the last flip is done: only then is the other buffer ours.
    fn await_flip(&self, output: &mut Output) -> io::Result<()> {
        if output.is_flipping {
            output.is_flipping = false;
            // A flip that never ends (a screen pulled out) must not hold the lights up.
            if rustix::event::poll(&mut [PollFd::new(self, PollFlags::IN)], Some(&FLIP)).is_ok_and(|n| n > 0)
            {
                self.receive_events()?.for_each(drop);
            }
        }
        Ok(())
    }
}

/// The first connector with a screen. `probe` asks the screen itself, which takes up to a tenth of a second.
fn connected(card: &Card, probe: bool) -> Option<connector::Info> {
    let resources = card.resource_handles().ok()?;
    resources
        .connectors()
        .iter()
        .filter_map(|handle| card.get_connector(*handle, probe).ok())
        .find(|c| c.state() == connector::State::Connected && !c.modes().is_empty())
}

/// Whether the kernel has seen a screen, without asking it.
fn is_plugged(card: &Card) -> bool {
    let state = |handle| card.get_connector(handle, false).map(|c| c.state());
    card.resource_handles().is_ok_and(|r| {
        r.connectors().iter().any(|h| state(*h).is_ok_and(|s| s != connector::State::Disconnected))
    })
}

/// A CRTC that the connector's encoders can use: the one in use, else the first possible.
fn free_crtc(card: &Card, screen: &connector::Info) -> io::Result<crtc::Handle> {
    let resources = card.resource_handles()?;
    let current = screen.current_encoder().and_then(|e| card.get_encoder(e).ok()?.crtc());
    let possible = || {
        screen.encoders().iter().find_map(|e| {
            let filter = card.get_encoder(*e).ok()?.possible_crtcs();
            resources.filter_crtcs(filter).into_iter().next()
        })
    };
    current.or_else(possible).ok_or_else(|| io::Error::other("no CRTC is free for this socket"))
}

/// The screen's own mode if it isn't too large, else the largest that isn't.
fn best_mode(screen: &connector::Info) -> Option<Mode> {
    let fits = |m: &&Mode| area(m) <= LARGEST;
    let own = screen.modes().iter().filter(fits).find(|m| m.mode_type().contains(ModeTypeFlags::PREFERRED));
    own.or_else(|| screen.modes().iter().filter(fits).max_by_key(|m| (area(m), m.vrefresh())))
        .or(screen.modes().first())
        .copied()
}

/// Refuses a size that the screen lacks, with those it has.
fn check_mode(modes: &[Mode], size: (usize, usize)) -> Result<(), String> {
    let sizes: Vec<_> = modes.iter().map(size_of).collect();
    if sizes.contains(&size) {
        return Ok(());
    }
    let mut list: Vec<String> = sizes.iter().map(|(w, h)| format!("{w}x{h}")).collect();
    list.dedup();
    Err(format!("the screen has no mode {}x{}; it offers {}", size.0, size.1, list.join(", ")))
}

fn size_of(mode: &Mode) -> (usize, usize) {
    (usize::from(mode.size().0), usize::from(mode.size().1))
}

fn area(mode: &Mode) -> usize {
    size_of(mode).0 * size_of(mode).1
}

fn cards() -> Vec<PathBuf> {
    let mut cards: Vec<PathBuf> = std::fs::read_dir("/dev/dri")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("card"))
        .map(|e| e.path())
        .collect();
    cards.sort();
    cards
}
