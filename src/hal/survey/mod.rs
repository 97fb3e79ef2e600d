//! What is on the board, for `doctor`: gathered, not judged.
//!
//! Nothing here changes anything: no line is taken, no format set, no byte written to a bus. What is asked of /sys and
//! /proc takes the folder as an argument, so that tests can lay one out.

mod buses;
mod files;
mod service;
mod video;

pub use buses::{connectors, framebuffers, scan};
pub use files::{device_tree_model, disk, kernel, user};
pub use service::service;
pub use video::{UNASKED, nodes, video_holders};

use crate::doctor::facts::{Heat, Power};
use crate::hal::thermal::{self, Supply, Zone};
use std::path::Path;
use std::process::Command;

/// The processor's temperature; `zone` is the profile's.
pub fn heat(sys: &Path, zone: Option<&str>) -> Option<Heat> {
    let zone = Zone::find(sys, zone)?;
    Some(Heat { celsius: zone.celsius()?, throttles_at: zone.throttles_at(), zone: zone.name })
}

/// Supply and throttling: the kernel's alarm, and the Raspberry Pi firmware's bits.
pub fn power(sys: &Path) -> Power {
    Power { is_low: thermal::supply(sys).map(|s| s == Supply::Low), throttled: throttled(sys) }
}

/// From the firmware driver's file where the kernel has it, else from its tool.
fn throttled(sys: &Path) -> Option<u32> {
    let file = sys.join("devices/platform/soc/soc:firmware/get_throttled");
    let text = std::fs::read_to_string(file).ok().or_else(|| {
        let output = Command::new("vcgencmd").arg("get_throttled").output().ok()?;
        String::from_utf8(output.stdout).ok()
    })?;
    let hex = text.trim().trim_start_matches("throttled=").trim_start_matches("0x");
    u32::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::bare("50005\n", Some(0x50005))]
    #[case::tool("throttled=0x50000\n", Some(0x50000))]
    #[case::good("0\n", Some(0))]
    #[case::nonsense("error=1 error_msg\n", None)]
    fn firmware_bits(#[case] text: &str, #[case] expect: Option<u32>) {
        let sys = tempfile::tempdir().unwrap();
        let folder = sys.path().join("devices/platform/soc/soc:firmware");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("get_throttled"), text).unwrap();
        assert_eq!(throttled(sys.path()), expect);
    }
}
