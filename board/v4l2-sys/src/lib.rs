//! Video4Linux2's kernel structures, as far as the `v4l` crate (0.14) and moodlight name them.
//!
//! The crate that stands under this name on crates.io makes these at build time with bindgen, which needs libclang: a
//! newcomer has none, and a cross build would need the target's headers too. Here they are written out after the kernel's
//! documentation (Linux, "Part I - Video for Linux API", chapters "Function Reference" and "Common definitions"). The kernel
//! never changes them: their sizes are part of the ioctl numbers. One file serves every word size, since pointers, `c_long`
//! and `timeval` are the only members that differ.
//!
//! The asserts at the end hold each size on 64-bit and 32-bit targets; `check.c` beside this file holds the same numbers
//! against a kernel header, with any C compiler.
//!
//! Left out on purpose: everything about tuners, audio, VBI, codecs and multi-planar buffers, except what `v4l` needs to
//! compute an ioctl number (those have an opaque body of the right size and alignment).
#![no_std]
#![allow(non_camel_case_types, non_upper_case_globals)]

use core::ffi::{c_char, c_long, c_uint, c_ulong, c_void};

pub type time_t = c_long;
pub type v4l2_std_id = u64;

/// Seconds and microseconds as the kernel's original V4L2 ABI has them; on 32-bit targets 32 bits each.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct timeval {
    pub tv_sec: time_t,
    pub tv_usec: c_long,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct timespec {
    pub tv_sec: time_t,
    pub tv_nsec: c_long,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_fract {
    pub numerator: u32,
    pub denominator: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_rect {
    pub left: i32,
    pub top: i32,
    pub width: u32,
    pub height: u32,
}

/// VIDIOC_QUERYCAP.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

/// VIDIOC_ENUM_FMT.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_fmtdesc {
    pub index: u32,
    pub type_: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixelformat: u32,
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_pix_format {
    pub width: u32,
    pub height: u32,
    pub pixelformat: u32,
    pub field: u32,
    pub bytesperline: u32,
    pub sizeimage: u32,
    pub colorspace: u32,
    pub priv_: u32,
    pub flags: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
    pub xfer_func: u32,
}

/// The overlay window; it is the only member of [`v4l2_format`]'s union that holds pointers and so gives it its alignment.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct v4l2_window {
    pub w: v4l2_rect,
    pub field: u32,
    pub chromakey: u32,
    pub clips: *mut c_void,
    pub clipcount: u32,
    pub bitmap: *mut c_void,
    pub global_alpha: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_format__bindgen_ty_1 {
    pub pix: v4l2_pix_format,
    pub win: v4l2_window,
    pub raw_data: [u8; 200],
}

/// VIDIOC_G_FMT, VIDIOC_S_FMT, VIDIOC_TRY_FMT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct v4l2_format {
    pub type_: u32,
    pub fmt: v4l2_format__bindgen_ty_1,
}

/// VIDIOC_REQBUFS.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_requestbuffers {
    pub count: u32,
    pub type_: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags: u8,
    pub reserved: [u8; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_timecode {
    pub type_: u32,
    pub flags: u32,
    pub frames: u8,
    pub seconds: u8,
    pub minutes: u8,
    pub hours: u8,
    pub userbits: [u8; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_buffer__bindgen_ty_1 {
    pub offset: u32,
    pub userptr: c_ulong,
    pub planes: *mut c_void,
    pub fd: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_buffer__bindgen_ty_2 {
    pub request_fd: i32,
    pub reserved: u32,
}

/// VIDIOC_QUERYBUF, VIDIOC_QBUF, VIDIOC_DQBUF.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct v4l2_buffer {
    pub index: u32,
    pub type_: u32,
    pub bytesused: u32,
    pub flags: u32,
    pub field: u32,
    pub timestamp: timeval,
    pub timecode: v4l2_timecode,
    pub sequence: u32,
    pub memory: u32,
    pub m: v4l2_buffer__bindgen_ty_1,
    pub length: u32,
    pub reserved2: u32,
    pub __bindgen_anon_1: v4l2_buffer__bindgen_ty_2,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_captureparm {
    pub capability: u32,
    pub capturemode: u32,
    pub timeperframe: v4l2_fract,
    pub extendedmode: u32,
    pub readbuffers: u32,
    pub reserved: [u32; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_outputparm {
    pub capability: u32,
    pub outputmode: u32,
    pub timeperframe: v4l2_fract,
    pub extendedmode: u32,
    pub writebuffers: u32,
    pub reserved: [u32; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_streamparm__bindgen_ty_1 {
    pub capture: v4l2_captureparm,
    pub output: v4l2_outputparm,
    pub raw_data: [u8; 200],
}

/// VIDIOC_G_PARM, VIDIOC_S_PARM.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct v4l2_streamparm {
    pub type_: u32,
    pub parm: v4l2_streamparm__bindgen_ty_1,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_frmsize_discrete {
    pub width: u32,
    pub height: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_frmsize_stepwise {
    pub min_width: u32,
    pub max_width: u32,
    pub step_width: u32,
    pub min_height: u32,
    pub max_height: u32,
    pub step_height: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_frmsizeenum__bindgen_ty_1 {
    pub discrete: v4l2_frmsize_discrete,
    pub stepwise: v4l2_frmsize_stepwise,
}

/// VIDIOC_ENUM_FRAMESIZES.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct v4l2_frmsizeenum {
    pub index: u32,
    pub pixel_format: u32,
    pub type_: u32,
    pub __bindgen_anon_1: v4l2_frmsizeenum__bindgen_ty_1,
    pub reserved: [u32; 2],
}

pub const v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE: c_uint = 1;
pub const v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_CONTINUOUS: c_uint = 2;
pub const v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE: c_uint = 3;

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_frmival_stepwise {
    pub min: v4l2_fract,
    pub max: v4l2_fract,
    pub step: v4l2_fract,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_frmivalenum__bindgen_ty_1 {
    pub discrete: v4l2_fract,
    pub stepwise: v4l2_frmival_stepwise,
}

/// VIDIOC_ENUM_FRAMEINTERVALS.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct v4l2_frmivalenum {
    pub index: u32,
    pub pixel_format: u32,
    pub width: u32,
    pub height: u32,
    pub type_: u32,
    pub __bindgen_anon_1: v4l2_frmivalenum__bindgen_ty_1,
    pub reserved: [u32; 2],
}

pub const v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE: c_uint = 1;
pub const v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_CONTINUOUS: c_uint = 2;
pub const v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_STEPWISE: c_uint = 3;

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_control {
    pub id: u32,
    pub value: i32,
}

/// VIDIOC_QUERY_EXT_CTRL.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct v4l2_query_ext_ctrl {
    pub id: u32,
    pub type_: u32,
    pub name: [c_char; 32],
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default_value: i64,
    pub flags: u32,
    pub elem_size: u32,
    pub elems: u32,
    pub nr_of_dims: u32,
    pub dims: [u32; 4],
    pub reserved: [u32; 32],
}

pub const V4L2_CTRL_FLAG_NEXT_CTRL: u32 = 0x8000_0000;
pub const V4L2_CTRL_FLAG_NEXT_COMPOUND: u32 = 0x4000_0000;

#[repr(C, packed)]
#[derive(Clone, Copy)]
pub union v4l2_querymenu__bindgen_ty_1 {
    pub name: [u8; 32],
    pub value: i64,
}

/// VIDIOC_QUERYMENU.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub struct v4l2_querymenu {
    pub id: u32,
    pub index: u32,
    pub __bindgen_anon_1: v4l2_querymenu__bindgen_ty_1,
    pub reserved: u32,
}

#[repr(C, packed)]
#[derive(Clone, Copy)]
pub union v4l2_ext_control__bindgen_ty_1 {
    pub value: i32,
    pub value64: i64,
    pub string: *mut c_char,
    pub p_u8: *mut u8,
    pub p_u16: *mut u16,
    pub p_u32: *mut u32,
    pub ptr: *mut c_void,
}

/// One value of VIDIOC_G_EXT_CTRLS and VIDIOC_S_EXT_CTRLS.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub struct v4l2_ext_control {
    pub id: u32,
    pub size: u32,
    pub reserved2: [u32; 1],
    pub __bindgen_anon_1: v4l2_ext_control__bindgen_ty_1,
}

/// VIDIOC_G_EXT_CTRLS, VIDIOC_S_EXT_CTRLS.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct v4l2_ext_controls {
    pub which: u32,
    pub count: u32,
    pub error_idx: u32,
    pub request_fd: i32,
    pub reserved: [u32; 1],
    pub controls: *mut v4l2_ext_control,
}

/// VIDIOC_SUBSCRIBE_EVENT.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct v4l2_event_subscription {
    pub type_: u32,
    pub id: u32,
    pub flags: u32,
    pub reserved: [u32; 5],
}

/// The event's own data: 64 bytes that hold 64-bit members.
#[repr(C)]
#[derive(Clone, Copy)]
pub union v4l2_event__bindgen_ty_1 {
    pub src_change: u32,
    pub data: [u8; 64],
    pub align: u64,
}

/// VIDIOC_DQEVENT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct v4l2_event {
    pub type_: u32,
    pub u: v4l2_event__bindgen_ty_1,
    pub pending: u32,
    pub sequence: u32,
    pub timestamp: timespec,
    pub id: u32,
    pub reserved: [u32; 8],
}

/// The input's format or size changed by itself (an HDMI grabber's signal, say).
pub const V4L2_EVENT_SOURCE_CHANGE: u32 = 5;

/// A structure whose size alone matters here: $bytes in words of $word.
macro_rules! opaque {
    ($($name:ident: [$word:ty; $words:expr]),* $(,)?) => {$(
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct $name {
            _opaque: [$word; $words],
        }
    )*};
}

opaque! {
    v4l2_tuner: [u32; 21],
    v4l2_audio: [u32; 13],
    v4l2_audioout: [u32; 13],
    v4l2_modulator: [u32; 17],
    v4l2_frequency: [u32; 11],
    v4l2_cropcap: [u32; 11],
    v4l2_crop: [u32; 5],
    v4l2_jpegcompression: [u32; 35],
    v4l2_sliced_vbi_cap: [u32; 29],
    v4l2_queryctrl: [u32; 17],
    v4l2_exportbuffer: [u32; 16],
    v4l2_encoder_cmd: [u32; 10],
    v4l2_standard: [u64; 9],
    v4l2_input: [u64; 10],
    v4l2_output: [u64; 9],
    v4l2_enc_idx: [u64; 259],
}

/// Opaque but for its pointer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct v4l2_framebuffer {
    pub capability: u32,
    pub flags: u32,
    pub base: *mut c_void,
    pub fmt: [u32; 8],
}

/// Opaque but for its pointer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct v4l2_edid {
    pub pad: u32,
    pub start_block: u32,
    pub blocks: u32,
    pub reserved: [u32; 5],
    pub edid: *mut u8,
}

/// Sizes on (64-bit, 32-bit with 8-byte aligned u64, as every ARM ABI has it).
macro_rules! sizes {
    ($($name:ident = $wide:literal, $narrow:literal;)*) => {$(
        const _: () = assert!(
            size_of::<$name>() == if size_of::<usize>() == 8 { $wide } else { $narrow },
            concat!(stringify!($name), " has another size than the kernel's"),
        );
    )*};
}

// The same list stands in check.c.
#[cfg(any(target_pointer_width = "64", target_arch = "arm"))]
sizes! {
    v4l2_capability = 104, 104;
    v4l2_fmtdesc = 64, 64;
    v4l2_pix_format = 48, 48;
    v4l2_format = 208, 204;
    v4l2_requestbuffers = 20, 20;
    v4l2_buffer = 88, 68;
    v4l2_framebuffer = 48, 44;
    v4l2_exportbuffer = 64, 64;
    v4l2_streamparm = 204, 204;
    v4l2_captureparm = 40, 40;
    v4l2_outputparm = 40, 40;
    v4l2_standard = 72, 72;
    v4l2_input = 80, 80;
    v4l2_control = 8, 8;
    v4l2_tuner = 84, 84;
    v4l2_audio = 52, 52;
    v4l2_queryctrl = 68, 68;
    v4l2_querymenu = 44, 44;
    v4l2_edid = 40, 36;
    v4l2_output = 72, 72;
    v4l2_audioout = 52, 52;
    v4l2_modulator = 68, 68;
    v4l2_frequency = 44, 44;
    v4l2_cropcap = 44, 44;
    v4l2_crop = 20, 20;
    v4l2_jpegcompression = 140, 140;
    v4l2_sliced_vbi_cap = 116, 116;
    v4l2_ext_control = 20, 20;
    v4l2_ext_controls = 32, 24;
    v4l2_frmsizeenum = 44, 44;
    v4l2_frmivalenum = 52, 52;
    v4l2_enc_idx = 2072, 2072;
    v4l2_encoder_cmd = 40, 40;
    v4l2_query_ext_ctrl = 232, 232;
    v4l2_event_subscription = 32, 32;
    v4l2_event = 136, 128;
}
