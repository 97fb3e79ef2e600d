//! The devices: every device file of the board and every system call on one. Nothing here decides what to show.
//!
//! - [`v4l2`]: cameras, behind `source::FrameSource`.
//! - [`gpio`]: lines for LEDs, behind `embedded_hal`'s `OutputPin`, and the push button.
//! - [`oled`], [`screen`]: panels, behind `outputs::display::Panel`.
//! - [`hotplug`]: a hint that a device came. [`clock`]: the local time of day. [`thermal`]: heat and supply voltage.
//! - [`survey`]: what there is, for `doctor`.
//! - [`notify`], [`watchdog`]: systemd and the hardware watchdog, behind `runtime::heartbeat`.
//!
//! All of the program's `unsafe` for the kernel is here, each with its reason. Errors name the device, what was expected
//! and what to do, since a cable can cause every one of them; nothing here panics because of a device.

pub mod clock;
pub mod gpio;
pub mod hotplug;
pub mod notify;
pub mod oled;
pub mod screen;
pub mod survey;
pub mod thermal;
pub mod v4l2;
pub mod watchdog;
