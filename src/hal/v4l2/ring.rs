//! Buffers that the driver and we take turns with: mapped once, handed over by index.
//!
//! A buffer is the driver's from `queue` to `take`, ours from `take` to `give_back`.

use super::node::{CAPTURE, Node, call, zeroed};
use rustix::mm::{MapFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::time::Duration;
use v4l::buffer::Flags;
use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc;

/// Memory that the driver allocated for us.
const MMAP: u32 = v4l::memory::Memory::Mmap as u32;

/// All buffers of a stream. The mappings outlive the device file and an unplug; they end with the ring.
#[derive(Debug)]
pub(super) struct Ring {
    buffers: Vec<Mapping>,
}

/// A frame that the driver has handed over.
#[derive(Debug)]
pub(super) struct Filled {
    index: u32,
    /// Bytes of the frame; never more than the buffer has.
    pub used: usize,
    /// The driver says that its content is not to be trusted.
    pub is_damaged: bool,
    pub sequence: u32,
    /// Since the machine started (the driver's monotonic clock).
    pub at: Duration,
}

impl Ring {
    /// Asks for `count` buffers (the driver may give more or fewer) and maps them.
    pub fn map(node: &Node, count: u32) -> io::Result<Self> {
        let mut asked =
            sys::v4l2_requestbuffers { count, type_: CAPTURE, memory: MMAP, ..Default::default() };
        call(node, vidioc::VIDIOC_REQBUFS, &mut asked)?;
        let buffers: Vec<Mapping> =
            (0..asked.count).map(|i| Mapping::of(node, i)).collect::<io::Result<_>>()?;
        if buffers.is_empty() {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "the driver gave no buffers"));
        }
        Ok(Self { buffers })
    }

    /// How many buffers the driver gave; at least one.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Hands all buffers to the driver and starts the stream.
    pub fn start(&mut self, node: &Node) -> io::Result<()> {
        (0..self.buffers.len() as u32).try_for_each(|index| queue(node, index))?;
        call(node, vidioc::VIDIOC_STREAMON, &mut { CAPTURE })
    }

    /// Stops the stream; all buffers are ours again.
    pub fn stop(&mut self, node: &Node) -> io::Result<()> {
        call(node, vidioc::VIDIOC_STREAMOFF, &mut { CAPTURE })
    }

    /// The next frame that is ready, without waiting.
    pub fn take(&mut self, node: &Node) -> io::Result<Option<Filled>> {
        let mut raw = sys::v4l2_buffer { type_: CAPTURE, memory: MMAP, ..zeroed() };
        match call(node, vidioc::VIDIOC_DQBUF, &mut raw) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        }
        let size = self.buffers.get(raw.index as usize).ok_or_else(|| strange(raw.index))?.len;
        Ok(Some(Filled {
            index: raw.index,
            used: (raw.bytesused as usize).min(size),
            is_damaged: Flags::from(raw.flags).contains(Flags::ERROR),
            sequence: raw.sequence,
            at: Duration::new(
                u64::try_from(raw.timestamp.tv_sec).unwrap_or(0),
                u32::try_from(raw.timestamp.tv_usec).unwrap_or(0).min(999_999) * 1000,
            ),
        }))
    }

    /// The frame's bytes.
    pub fn bytes(&self, filled: &Filled) -> &[u8] {
        // The index was checked in `take`; an empty frame would show a defect without a panic.
        self.buffers.get(filled.index as usize).map_or(&[], |m| m.bytes(filled.used))
    }

    /// Lets the driver fill the buffer again.
    pub fn give_back(&mut self, node: &Node, filled: &Filled) -> io::Result<()> {
        queue(node, filled.index)
    }
}

fn queue(node: &Node, index: u32) -> io::Result<()> {
    let mut raw = sys::v4l2_buffer { index, type_: CAPTURE, memory: MMAP, ..zeroed() };
    call(node, vidioc::VIDIOC_QBUF, &mut raw)
}

fn strange(index: u32) -> io::Error {
    io::Error::other(format!("the driver handed over buffer {index}, which it never gave"))
}

/// One buffer's memory, shared with the driver.
#[derive(Debug)]
struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; access goes through `&Ring` and `&mut Ring`.
unsafe impl Send for Mapping {}

impl Mapping {
    fn of(node: &Node, index: u32) -> io::Result<Self> {
        let mut raw = sys::v4l2_buffer { index, type_: CAPTURE, memory: MMAP, ..zeroed() };
        call(node, vidioc::VIDIOC_QUERYBUF, &mut raw)?;
        let len = raw.length as usize;
        // SAFETY: for MMAP memory the kernel fills `offset`.
        let offset = u64::from(unsafe { raw.m.offset });
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, prot, flags, node.as_fd(), offset) }?;
        let start =
            NonNull::new(start).ok_or_else(|| io::Error::other("the kernel mapped a buffer at zero"))?;
        Ok(Self { start, len })
    }

    /// The first `used` bytes.
    fn bytes(&self, used: usize) -> &[u8] {
        // SAFETY: `start` has `len` mapped bytes until drop. The driver writes only while the buffer is queued; it is read
        // only between `take` and `give_back`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<u8>(), used.min(self.len)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `of` with this length, unmapped only here; no slice of it outlives `self`.
        // It can only fail for an address that was never mapped.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.len) };
    }
}
