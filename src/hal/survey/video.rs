//! The kernel's video nodes, each with what it is.

use crate::doctor::facts::VideoNode;
use crate::hal::v4l2::node::Node;
use crate::hal::v4l2::seeker::{Places, holders};
use crate::hal::v4l2::{kind, select};
use std::path::Path;

/// How a node that may not be opened begins; it may well be the camera.
pub const UNASKED: &str = "cannot be asked";

/// More formats than this are cut: a webcam lists dozens.
const SHOWN: usize = 6;

/// Every /dev/videoN, by number.
pub fn nodes() -> Vec<VideoNode> {
    Places::system().nodes().into_iter().map(|path| node(&path)).collect()
}

fn node(path: &Path) -> VideoNode {
    let known =
        |what, gives_pictures, formats| VideoNode { path: path.into(), what, gives_pictures, formats };
    let node = match Node::open(path) {
        Ok(node) => node,
        Err(e) => return known(format!("{UNASKED}: {e}"), false, String::new()),
    };
    let offers = node.offers();
    match kind::check(node.capability(), &offers) {
        Err(why) => known(why, false, String::new()),
        Ok(()) => {
            let readable = select::readable(&offers);
            let list = match readable.len() {
                n if n > SHOWN => format!("{} and {} others", select::list(&readable[..SHOWN]), n - SHOWN),
                _ => select::list(&readable),
            };
            known(node.summary(), true, list)
        }
    }
}

/// Programs that have any video node open.
pub fn video_holders() -> Vec<String> {
    let mut found: Vec<String> = Places::system().nodes().iter().flat_map(|n| holders(n)).collect();
    found.sort();
    found.dedup();
    found
}
