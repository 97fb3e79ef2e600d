//! The board profiles against a second writing of the boards' headers: each header pin, each line that an LED hangs on.
//!
//! The tables here were written apart from the profiles, in the makers' drawing order, so they catch slips. Each profile
//! says which documents it was compared with.

use moodlight::config::BoardProfile;
use moodlight::config::pins::{Pin, PinRef};
use moodlight::source::SourceSpec;
use rstest::rstest;
use std::collections::BTreeSet;

/// The Raspberry Pi's header as it is drawn, pin 1 first, rows of two: power, GPIO number, or what else it is.
const PI_HEADER: &str = "3V3 5V  SDA 5V  SCL GND 4 TXD  GND RXD  17 18  27 GND  22 23  3V3 24  10 GND  9 25  11 8  GND 7  \
                         ID_SD ID_SC  5 GND  6 12  13 GND  19 16  26 20  GND 21";

/// The Jetson Nano's J41 in the same way; ports of the Tegra X1.
const NANO_HEADER: &str = "3V3 5V  SDA 5V  SCL GND  PBB.00 TXD  GND RXD  PG.02 PJ.07  PB.06 GND  PY.02 PDD.00  3V3 PB.07  \
                           PC.00 GND  PC.01 PB.05  PC.02 PC.03  GND PC.04  ID_SD ID_SC  PS.05 GND  PZ.00 PV.00  PE.06 GND  \
                           PJ.04 PG.03  PB.04 PJ.05  GND PJ.06";

/// The Orin Nano's J12; ports of the Tegra 234.
const ORIN_HEADER: &str = "3V3 5V  SDA 5V  SCL GND  PAC.06 TXD  GND RXD  PR.04 PH.07  PY.00 GND  PN.01 PY.04  3V3 PY.03  \
                           PZ.05 GND  PZ.04 PY.01  PZ.03 PZ.06  GND PZ.07  ID_SD ID_SC  PQ.05 GND  PQ.06 PG.06  PH.00 GND  \
                           PI.02 PR.05  PY.02 PI.01  GND PI.00";

/// What a drawing's entry is on the chip; `None` for power and pins with a duty.
fn published(board: &str, entry: &str) -> Option<Pin> {
    match entry.split_once('.') {
        None => entry.parse().ok().map(Pin::Offset),
        // Ports in the order of the alphabet, eight lines each: A … Z, AA, BB, CC, DD.
        Some((port, line)) if board == "jetson-nano" => {
            let letters = port.trim_start_matches('P').as_bytes();
            let port = u32::from(letters[0] - b'A') + if letters.len() == 2 { 26 } else { 0 };
            Some(Pin::Offset(port * 8 + line.parse::<u32>().unwrap()))
        }
        Some(_) => Some(Pin::Name(entry.into())),
    }
}

#[rstest]
#[case::zero2w("rpi-zero2w", PI_HEADER)]
#[case::pi4("rpi4", PI_HEADER)]
#[case::pi5("rpi5", PI_HEADER)]
#[case::nano("jetson-nano", NANO_HEADER)]
#[case::orin("jetson-orin-nano", ORIN_HEADER)]
fn every_header_pin_is_the_published_one(#[case] name: &str, #[case] drawing: &str) {
    let board = BoardProfile::load(name).unwrap();
    let entries: Vec<&str> = drawing.split_whitespace().collect();
    assert_eq!(entries.len(), 40, "the drawing has forty pins");
    for (n, entry) in entries.iter().enumerate().map(|(i, e)| (i as u8 + 1, e)) {
        let found = board.gpio.resolve(&PinRef::Header(n)).ok();
        assert_eq!(found, published(name, entry), "{name}: header pin {n} is {entry}");
    }
}

#[rstest]
#[case("rpi-zero2w")]
#[case("rpi4")]
#[case("rpi5")]
#[case("jetson-nano")]
#[case("jetson-orin-nano")]
#[case("virt")]
#[case("sim")]
fn every_profile_is_whole(#[case] name: &str) {
    let board = BoardProfile::load(name).unwrap();
    assert!(!board.gpio.chip.is_empty(), "a chip's label");
    let lit: BTreeSet<&str> = board.pins.iter().map(|(line, _)| line).collect();
    for emotion in moodlight::emotion::Emotion::ALL {
        assert!(lit.contains(emotion.name()), "{name}: {} has no pin", emotion.name());
    }
    let pins: Vec<Pin> = board.pins.iter().map(|(_, pin)| board.gpio.resolve(pin).unwrap()).collect();
    let different: BTreeSet<String> = pins.iter().map(Pin::to_string).collect();
    assert_eq!(different.len(), pins.len(), "{name}: each line a pin of its own");
    for source in [&board.camera.source, &board.camera.csi].into_iter().flatten() {
        source.parse::<SourceSpec>().unwrap_or_else(|e| panic!("{name}: {source}: {e}"));
    }
    for (name, offset) in &board.gpio.names {
        let listed = board.gpio.header.values().any(|p| match p {
            PinRef::Offset(o) => o == offset,
            PinRef::Name(n) => n == name,
            PinRef::Header(_) => false,
        });
        assert!(listed, "{name} is on no header pin");
    }
}

/// A device tree's `compatible`, zero bytes shown as commas' neighbours: as the kernel of each board has it.
#[rstest]
#[case::zero2w(b"raspberrypi,model-zero-2-w\0brcm,bcm2837\0", Some("rpi-zero2w"))]
#[case::pi3(b"raspberrypi,3-model-b-plus\0brcm,bcm2837\0", Some("rpi-zero2w"))]
#[case::pi4(b"raspberrypi,4-model-b\0brcm,bcm2711\0", Some("rpi4"))]
#[case::pi5(b"raspberrypi,5-model-b\0brcm,bcm2712\0", Some("rpi5"))]
#[case::nano(
    b"nvidia,p3450-0000\0nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210\0",
    Some("jetson-nano")
)]
#[case::orin(b"nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0", Some("jetson-orin-nano"))]
#[case::virt(b"linux,dummy-virt\0", Some("virt"))]
#[case::pi1(b"raspberrypi,model-b\0brcm,bcm2835\0", None)]
fn a_board_is_known_by_its_device_tree(#[case] compatible: &[u8], #[case] expect: Option<&str>) {
    assert_eq!(BoardProfile::recognise(compatible), expect);
}

/// Bad pins in a config are refused with what there is.
#[rstest]
#[case::power("rpi4", "pin:1", "no free header pin 1")]
#[case::i2c("rpi5", "pin:3", "no free header pin 3")]
#[case::beyond("rpi4", "pin:41", "no free header pin 41; it has pin:7 (4)")]
#[case::ground("jetson-nano", "pin:39", "no free header pin 39")]
#[case::other_port("virt", "pin:9", "no free header pin 9; it has pin:1 (0)")]
fn a_pin_that_the_board_lacks(#[case] name: &str, #[case] pin: &str, #[case] expect: &str) {
    let board = BoardProfile::load(name).unwrap();
    let n = pin.trim_start_matches("pin:").parse().unwrap();
    let error = board.gpio.resolve(&PinRef::Header(n)).unwrap_err();
    assert!(error.contains(expect), "{error}");
}
