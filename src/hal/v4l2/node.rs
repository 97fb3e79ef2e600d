//! One V4L2 device file and the questions that can be put to it.
//!
//! Every ioctl goes through [`call`], which checks the structure's size against the request number, so that the kernel can
//! never write past it.

use super::select::{Code, Offer, Rates, Size};
use crate::frame::{LumaRange, PixelFormat};
use rustix::fs::{Mode, OFlags};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use v4l::capability::Flags as Caps;
use v4l::frameinterval::{FrameInterval, FrameIntervalEnum};
use v4l::framesize::{FrameSize, FrameSizeEnum};
use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc;

/// Single-planar capture, the only kind of buffer that is used here.
pub(super) const CAPTURE: u32 = v4l::buffer::Type::VideoCapture as u32;
/// More answers than any driver gives: an enumeration that doesn't end is cut here.
const MOST: u32 = 256;

/// An open node. Open in this process alone: children don't inherit it.
#[derive(Debug)]
pub struct Node {
    fd: OwnedFd,
    path: PathBuf,
    capability: Capability,
}

/// What a node says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// Kernel driver: "uvcvideo".
    pub driver: String,
    /// The camera's name: "HD Pro Webcam C920".
    pub card: String,
    /// Where it is plugged in: "usb-0000:01:00.0-1.3".
    pub bus: String,
    /// What this node, not the whole device, can do.
    pub can: Caps,
}

/// The format that a stream was started with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream {
    pub format: PixelFormat,
    pub range: LumaRange,
    pub code: Code,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Bytes per row of the first plane; 0 for compressed formats.
    pub stride: usize,
    /// Frames per second as the driver promises them, where it does.
    pub fps: Option<f32>,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {}", self.width, self.height, self.code)?;
        self.fps.map_or(Ok(()), |fps| write!(f, " {fps:.4} fps"))
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Node {
    /// Opens without waiting and without starting anything.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        let mut raw: sys::v4l2_capability = zeroed();
        call(&fd, vidioc::VIDIOC_QUERYCAP, &mut raw)?;
        let capability = Capability {
            driver: text(&raw.driver),
            card: text(&raw.card),
            bus: text(&raw.bus_info),
            can: Caps::from(match Caps::from(raw.capabilities).contains(Caps::DEVICE_CAPS) {
                true => raw.device_caps,
                false => raw.capabilities,
            }),
        };
        Ok(Self { fd, path: path.into(), capability })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn capability(&self) -> &Capability {
        &self.capability
    }

    /// For lists: "HD Webcam", "metadata of HD Webcam".
    pub fn summary(&self) -> String {
        super::kind::summary(&self.capability)
    }

    /// Every format, size and rate that the driver lists. Ranges stay ranges.
    pub fn offers(&self) -> Vec<Offer> {
        let mut offers = Vec::new();
        for index in 0..MOST {
            let mut raw = sys::v4l2_fmtdesc { index, type_: CAPTURE, ..zeroed() };
            if call(&self.fd, vidioc::VIDIOC_ENUM_FMT, &mut raw).is_err() {
                break;
            }
            let code = Code(raw.pixelformat.to_le_bytes());
            offers.extend(self.sizes(code).into_iter().map(|size| Offer {
                code,
                rates: self.rates(code, size),
                size,
            }));
        }
        offers
    }

    fn sizes(&self, code: Code) -> Vec<Size> {
        let mut sizes = Vec::new();
        for index in 0..MOST {
            let mut raw =
                sys::v4l2_frmsizeenum { index, pixel_format: u32::from_le_bytes(code.0), ..zeroed() };
            if call(&self.fd, vidioc::VIDIOC_ENUM_FRAMESIZES, &mut raw).is_err() {
                break;
            }
            match FrameSize::try_from(raw).map(|s| s.size) {
                Ok(FrameSizeEnum::Discrete(d)) => sizes.push(Size::Exact(d.width, d.height)),
                Ok(FrameSizeEnum::Stepwise(s)) => {
                    sizes.push(Size::Range {
                        min: (s.min_width, s.min_height),
                        max: (s.max_width, s.max_height),
                        step: (s.step_width, s.step_height),
                    });
                }
                Err(_) => {}
            }
        }
        // Some drivers list none (and take what is asked for): then any size may be tried.
        if sizes.is_empty() {
            sizes.push(Size::Range { min: (1, 1), max: (u32::MAX, u32::MAX), step: (1, 1) });
        }
        sizes
    }

    /// Unknown where the driver doesn't say or the size is a range.
    fn rates(&self, code: Code, size: Size) -> Rates {
        let Size::Exact(width, height) = size else { return Rates::Exact(Vec::new()) };
        let mut rates = Vec::new();
        for index in 0..MOST {
            let pixel_format = u32::from_le_bytes(code.0);
            let mut raw = sys::v4l2_frmivalenum { index, pixel_format, width, height, ..zeroed() };
            if call(&self.fd, vidioc::VIDIOC_ENUM_FRAMEINTERVALS, &mut raw).is_err() {
                break;
            }
            match FrameInterval::try_from(raw).map(|i| i.interval) {
                Ok(FrameIntervalEnum::Discrete(i)) => rates.extend(rate(i.numerator, i.denominator)),
                Ok(FrameIntervalEnum::Stepwise(s)) => {
                    // The longest interval is the slowest rate. Drivers list one such line and nothing else.
                    let slowest = rate(s.max.numerator, s.max.denominator);
                    let fastest = rate(s.min.numerator, s.min.denominator);
                    if let (Some(slowest), Some(fastest)) = (slowest, fastest) {
                        return Rates::Range { slowest, fastest };
                    }
                }
                Err(_) => {}
            }
        }
        Rates::Exact(rates)
    }

    /// Sets format, size and rate; what the driver made of it is returned. Stride and range are the driver's own.
    pub(super) fn set_format(&self, choice: super::select::Choice) -> io::Result<Stream> {
        let wanted = u32::from_le_bytes(choice.code.0);
        let (width, height) = choice.size;
        let pix =
            sys::v4l2_pix_format { width, height, pixelformat: wanted, ..sys::v4l2_pix_format::default() };
        let mut raw = sys::v4l2_format { type_: CAPTURE, fmt: sys::v4l2_format__bindgen_ty_1 { pix } };
        call(&self.fd, vidioc::VIDIOC_S_FMT, &mut raw)?;
        // SAFETY: for a capture type the kernel fills `pix`; every bit pattern of its integers is a value.
        let pix = unsafe { raw.fmt.pix };
        if pix.pixelformat != wanted {
            let got = Code(pix.pixelformat.to_le_bytes());
            return Err(io::Error::other(format!("asked for {}, the driver insists on {got}", choice.code)));
        }
        let (width, height) = (pix.width as usize, pix.height as usize);
        let stride = match choice.format {
            PixelFormat::Mjpeg => 0,
            format => (pix.bytesperline as usize).max(format.min_stride(width)),
        };
        let range = choice.code.range(pix.quantization, pix.colorspace);
        let fps = self.set_rate(choice.fps);
        Ok(Stream { format: choice.format, range, code: choice.code, width, height, stride, fps })
    }

    /// Asks for a rate. Drivers without one (HDMI grabbers) run at their signal's; that is no error.
    fn set_rate(&self, fps: Option<f32>) -> Option<f32> {
        let mut raw: sys::v4l2_streamparm = zeroed();
        raw.type_ = CAPTURE;
        if let Some(fps) = fps {
            raw.parm.capture = sys::v4l2_captureparm {
                timeperframe: sys::v4l2_fract { numerator: 1000, denominator: (fps * 1000.0) as u32 },
                ..sys::v4l2_captureparm::default()
            };
            let _ = call(&self.fd, vidioc::VIDIOC_S_PARM, &mut raw);
        }
        call(&self.fd, vidioc::VIDIOC_G_PARM, &mut raw).ok()?;
        // SAFETY: as above, for `capture`.
        let interval = unsafe { raw.parm.capture }.timeperframe;
        rate(interval.numerator, interval.denominator)
    }

    /// Asks to be told when the signal's size changes. Most cameras have no such event.
    pub(super) fn watch_source_changes(&self) {
        let mut raw =
            sys::v4l2_event_subscription { type_: sys::V4L2_EVENT_SOURCE_CHANGE, ..Default::default() };
        let _ = call(&self.fd, SUBSCRIBE_EVENT, &mut raw);
    }

    /// Takes the events that are waiting; true when the source changed.
    pub(super) fn source_changed(&self) -> bool {
        let mut changed = false;
        for _ in 0..MOST {
            let mut raw: sys::v4l2_event = zeroed();
            if call(&self.fd, DQEVENT, &mut raw).is_err() {
                break;
            }
            changed |= raw.type_ == sys::V4L2_EVENT_SOURCE_CHANGE;
        }
        changed
    }
}

fn rate(numerator: u32, denominator: u32) -> Option<f32> {
    (numerator > 0 && denominator > 0).then(|| denominator as f32 / numerator as f32)
}

/// A zero-ended name; bytes that are no UTF-8 are shown as such.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// `_IOR('V', 89, struct v4l2_event)` and `_IOW('V', 90, struct v4l2_event_subscription)`, which the crate leaves out.
const DQEVENT: vidioc::_IOC_TYPE = request(2, 89, size_of::<sys::v4l2_event>());
const SUBSCRIBE_EVENT: vidioc::_IOC_TYPE = request(1, 90, size_of::<sys::v4l2_event_subscription>());

/// A V4L2 ioctl number (asm-generic/ioctl.h): direction (1 to the kernel, 2 from it), number, size of the argument.
const fn request(direction: u32, number: u32, size: usize) -> vidioc::_IOC_TYPE {
    (direction << 30 | (size as u32) << 16 | (b'V' as u32) << 8 | number) as vidioc::_IOC_TYPE
}

/// Bytes of the argument that an ioctl number stands for.
const fn argument_size(request: vidioc::_IOC_TYPE) -> usize {
    (request >> 16) as usize & 0x3fff
}

/// What may be handed to [`call`].
///
/// # Safety
/// Any bit pattern is a value, zero among them, and the kernel follows no pointer in it for the requests made here.
pub(super) unsafe trait Argument: Copy {}

macro_rules! arguments {
    ($($name:ty),*) => {$(
        // SAFETY: plain integers and unions of them. The pointers in `v4l2_format`'s window and `v4l2_buffer`'s planes and
        // user memory are followed only for overlay, multi-planar and USERPTR, which are never asked for here.
        unsafe impl Argument for $name {}
    )*};
}

arguments!(
    u32,
    sys::v4l2_capability,
    sys::v4l2_fmtdesc,
    sys::v4l2_frmsizeenum,
    sys::v4l2_frmivalenum,
    sys::v4l2_format,
    sys::v4l2_streamparm,
    sys::v4l2_requestbuffers,
    sys::v4l2_buffer,
    sys::v4l2_event,
    sys::v4l2_event_subscription
);

pub(super) fn zeroed<T: Argument>() -> T {
    // SAFETY: zero is a value of every `Argument`.
    unsafe { std::mem::zeroed() }
}

/// One ioctl, taken up again when a signal interrupts it.
pub(super) fn call<T: Argument>(
    fd: &impl AsFd,
    request: vidioc::_IOC_TYPE,
    argument: &mut T,
) -> io::Result<()> {
    if argument_size(request) != size_of::<T>() {
        return Err(io::Error::other("ioctl number and structure differ in size: a defect of moodlight"));
    }
    let raw = fd.as_fd().as_raw_fd();
    loop {
        // SAFETY: `raw` is open while `fd` is borrowed; the kernel reads and writes at most the number of bytes in the
        // request, which is the size of `argument`, and follows no pointer in it (see `Argument`).
        match unsafe { v4l::v4l2::ioctl(raw, request, std::ptr::from_mut(argument).cast()) } {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_the_kernels() {
        // Linux's own, as strace shows them.
        assert_eq!(vidioc::VIDIOC_QUERYCAP, 0x8068_5600);
        assert_eq!(vidioc::VIDIOC_STREAMON, 0x4004_5612);
        assert_eq!(SUBSCRIBE_EVENT, 0x4020_565a);
        #[cfg(target_pointer_width = "64")]
        {
            assert_eq!(vidioc::VIDIOC_DQBUF, 0xc058_5611);
            assert_eq!(DQEVENT, 0x8088_5659);
        }
        #[cfg(target_pointer_width = "32")]
        {
            assert_eq!(vidioc::VIDIOC_DQBUF, 0xc044_5611);
            assert_eq!(DQEVENT, 0x8080_5659);
        }
    }

    #[test]
    fn a_structure_of_another_size_is_never_handed_over() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let error = call(&null, vidioc::VIDIOC_QUERYCAP, &mut 0u32).unwrap_err();
        assert!(error.to_string().contains("differ in size"));
    }

    #[test]
    fn names_end_at_the_zero_and_may_be_latin_1() {
        assert_eq!(text(b"C920\0\0junk"), "C920");
        assert_eq!(text(b"Cam\xe9ra\0"), "Cam\u{fffd}ra");
        assert_eq!(text(&[b'x'; 32]), "x".repeat(32));
    }
}
