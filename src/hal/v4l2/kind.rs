//! What a node is, from its capabilities, driver and formats: a camera's picture, or one of the many that look like it.

use super::node::Capability;
use super::select::Offer;
use v4l::capability::Flags as Caps;

/// What a node gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pictures that can be streamed.
    Pictures,
    /// A webcam's exposure times and the like; the picture is on a neighbour.
    Metadata,
    /// The sensor of a ribbon-cable (CSI) camera, before the image processor.
    RawSensor,
    /// A stage of an image processor, scaler or codec: pictures go in, pictures come out.
    Processor,
    /// Takes pictures (a loop-back's other end, a screen).
    Output,
    /// Pictures in several planes, which the ordinary camera interface does not have.
    MultiPlanar,
    /// Radio, teletext and other things.
    Other,
}

/// Drivers of CSI receivers, whose nodes give the sensor's raw data.
const RECEIVERS: &[&str] = &["unicam", "bcm2835-unicam", "rp1-cfe", "tegra-video", "vi", "tegra-vi"];
/// Drivers of image processors and codecs that also call themselves capture devices.
const PROCESSORS: &[&str] =
    &["bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid", "hevc_dec", "rpi-hevc-dec", "tegra-vde"];

/// Nodes that a program feeds. Before its version 0.13 the driver calls each of them a codec (M2M) as well, which none is.
const LOOPBACK: &str = "v4l2 loopback";

/// Finds out. `offers` may be empty when the formats are not known.
pub fn of(capability: &Capability, offers: &[Offer]) -> Kind {
    let can = capability.can;
    let is_one_of = |drivers: &[&str]| drivers.contains(&capability.driver.as_str());
    let is_codec = can.intersects(Caps::VIDEO_M2M | Caps::VIDEO_M2M_MPLANE) && capability.driver != LOOPBACK;
    if is_one_of(PROCESSORS) || is_codec {
        Kind::Processor
    } else if can.contains(Caps::META_CAPTURE) && !can.contains(Caps::VIDEO_CAPTURE) {
        Kind::Metadata
    } else if can.contains(Caps::VIDEO_CAPTURE) && can.contains(Caps::STREAMING) {
        let only_raw = !offers.is_empty() && offers.iter().all(|o| o.code.format().is_none());
        let is_raw = only_raw && (is_one_of(RECEIVERS) || offers.iter().any(|o| o.code.is_bayer()));
        if is_raw || (is_one_of(RECEIVERS) && offers.is_empty()) { Kind::RawSensor } else { Kind::Pictures }
    } else if can.contains(Caps::VIDEO_CAPTURE_MPLANE) {
        Kind::MultiPlanar
    } else if can.intersects(Caps::VIDEO_OUTPUT | Caps::VIDEO_OUTPUT_MPLANE) {
        Kind::Output
    } else {
        Kind::Other
    }
}

/// Refuses a node that gives no pictures, and says what it is and where the pictures are.
pub fn check(capability: &Capability, offers: &[Offer]) -> Result<(), String> {
    let card = &capability.card;
    Err(match of(capability, offers) {
        Kind::Pictures => return Ok(()),
        Kind::Metadata => format!(
            "this is the metadata node of {card} (exposure times, no pictures); its picture is on another node, usually \
             the one before"
        ),
        Kind::RawSensor => format!(
            "this is the raw sensor of a CSI camera ({}), which needs the image processor: use \
             exec:rpicam-vid on a Raspberry Pi, nvarguscamerasrc on a Jetson (the board profile's camera.csi has the command)",
            capability.driver
        ),
        Kind::Processor => {
            format!(
                "this is an image processor or codec ({card}), not a camera; it has no pictures of its own"
            )
        }
        Kind::Output => format!("{card} takes pictures and gives none; use the other end of the loop-back"),
        Kind::MultiPlanar => {
            format!(
                "{card} gives pictures in several planes only, which moodlight does not read; use exec: with its own tool"
            )
        }
        Kind::Other => format!("{card} gives no pictures"),
    })
}

/// For lists of nodes.
pub fn summary(capability: &Capability) -> String {
    let card = &capability.card;
    match of(capability, &[]) {
        Kind::Pictures => card.clone(),
        Kind::Metadata => format!("metadata of {card}"),
        Kind::RawSensor => format!("raw sensor behind {card}"),
        Kind::Processor => format!("image processor {card}"),
        Kind::Output => format!("output {card}"),
        Kind::MultiPlanar => format!("multi-planar {card}"),
        Kind::Other => format!("no pictures: {card}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::select::{Code, Rates, Size};
    use super::*;
    use rstest::rstest;

    const STREAM: Caps = Caps::STREAMING;

    fn node(driver: &str, can: Caps) -> Capability {
        Capability { driver: driver.into(), card: "Cam".into(), bus: "usb-1".into(), can }
    }

    #[rstest]
    #[case::webcam("uvcvideo", Caps::VIDEO_CAPTURE | STREAM, &[b"MJPG", b"YUYV"], Kind::Pictures)]
    #[case::webcam_metadata("uvcvideo", Caps::META_CAPTURE | STREAM, &[], Kind::Metadata)]
    #[case::strange_formats_of_a_webcam("uvcvideo", Caps::VIDEO_CAPTURE | STREAM, &[b"H264"], Kind::Pictures)]
    #[case::pi4_csi("unicam", Caps::VIDEO_CAPTURE | STREAM, &[b"pBAA", b"BG10"], Kind::RawSensor)]
    #[case::pi5_csi("rp1-cfe", Caps::VIDEO_CAPTURE | Caps::META_CAPTURE | STREAM, &[b"pRAA"], Kind::RawSensor)]
    #[case::pi5_csi_unlisted("rp1-cfe", Caps::VIDEO_CAPTURE | STREAM, &[], Kind::RawSensor)]
    #[case::jetson_csi("tegra-video", Caps::VIDEO_CAPTURE | STREAM, &[b"RG10"], Kind::RawSensor)]
    #[case::hdmi_bridge_on_csi("unicam", Caps::VIDEO_CAPTURE | STREAM, &[b"UYVY"], Kind::Pictures)]
    #[case::pi4_isp("bcm2835-isp", Caps::VIDEO_CAPTURE | STREAM, &[b"YU12"], Kind::Processor)]
    #[case::pi5_isp("pispbe", Caps::META_CAPTURE | STREAM, &[], Kind::Processor)]
    #[case::codec("some-codec", Caps::VIDEO_M2M_MPLANE | STREAM, &[], Kind::Processor)]
    #[case::mplane("rkisp", Caps::VIDEO_CAPTURE_MPLANE | STREAM, &[], Kind::MultiPlanar)]
    #[case::old_loopback(
        "v4l2 loopback",
        Caps::VIDEO_CAPTURE | Caps::VIDEO_OUTPUT | Caps::VIDEO_M2M | STREAM,
        &[b"YU12"],
        Kind::Pictures
    )]
    #[case::old_loopback_that_nobody_feeds(
        "v4l2 loopback",
        Caps::VIDEO_OUTPUT | Caps::VIDEO_M2M | STREAM,
        &[],
        Kind::Output
    )]
    #[case::loopback_end("v4l2 loopback", Caps::VIDEO_OUTPUT | STREAM, &[], Kind::Output)]
    #[case::read_write_only("old", Caps::VIDEO_CAPTURE | Caps::READ_WRITE, &[b"YUYV"], Kind::Other)]
    #[case::radio("radio", Caps::TUNER, &[], Kind::Other)]
    fn tells(#[case] driver: &str, #[case] can: Caps, #[case] codes: &[&[u8; 4]], #[case] expect: Kind) {
        let offers: Vec<Offer> = codes
            .iter()
            .map(|c| Offer { code: Code(**c), size: Size::Exact(640, 480), rates: Rates::Exact(vec![]) })
            .collect();
        assert_eq!(of(&node(driver, can), &offers), expect);
        assert_eq!(check(&node(driver, can), &offers).is_ok(), expect == Kind::Pictures);
    }
}
