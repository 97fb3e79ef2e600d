//! Judgements on what hangs on the board: camera, pins, bus, screen.

use super::Check;
use super::facts::{Camera, I2c, Pins, Screen, Stream, VideoNode, WireState};

/// A light follows a face well from this rate on; below it, it lags visibly.
const ENOUGH_FPS: f32 = 10.0;
/// A camera that gives less than this part of what its driver promised has a reason: dark room, long cable, full bus.
const PROMISE_KEPT: f32 = 0.7;

pub fn camera(camera: &Camera) -> Check {
    match camera {
        Camera::Recording(source) => Check::skip("camera", format!("the source is no camera: {source}")),
        Camera::HeldByService { source } => {
            Check::ok("camera", format!("{source}: the running service has it"))
        }
        Camera::Works(Stream { name, frames: 0, seconds, .. }) => Check::fail(
            "camera",
            format!("{name}: opened, but no usable frame in {seconds:.1} s"),
            "unplug the camera and plug it in again, into a port of the board itself; then another cable, another camera",
        ),
        Camera::Works(stream) => Check::ok("camera", stream.name.clone()),
        Camera::Fails { source, reason, holders } => {
            let found =
                if reason.contains(source.as_str()) { reason.clone() } else { format!("{source}: {reason}") };
            match holders.as_slice() {
                [] => {
                    let (advice, command) = camera_advice(reason);
                    command.into_iter().fold(Check::fail("camera", found, advice), Check::fix)
                }
                list => Check::fail(
                    "camera",
                    found,
                    format!("end {}; only one program can have the camera", list.join(" and ")),
                ),
            }
        }
    }
}

/// What to do about a camera that can't be opened, and the command that does it where there is one.
fn camera_advice(reason: &str) -> (&'static str, Option<&'static str>) {
    match reason {
        r if r.contains("not allowed") => (
            "start the service anew; its unit has to allow cameras (DeviceAllow)",
            Some("sudo systemctl restart moodlight"),
        ),
        r if r.contains("no permission") => {
            ("let this user into the group video, then log in again", Some("sudo usermod -aG video $USER"))
        }
        r if r.contains("raw sensor") || r.contains("CSI") => (
            "a ribbon-cable camera is read by its maker's program: set [source] src to the profile's camera.csi (/usr/share/doc/moodlight/boards)",
            None,
        ),
        r if r.contains("no such camera") || r.contains("no camera") => {
            ("plug a USB camera in (lsusb must show it), or name another source in [source] src", None)
        }
        r if r.contains("no bandwidth") => ("use another USB port, or fewer cameras", None),
        _ => ("unplug the camera and plug it in again; see the message", None),
    }
}

/// What each node is, so that nobody wonders why /dev/video1 shows nothing.
pub fn nodes(nodes: &[VideoNode], camera: &Camera) -> Check {
    let told: Vec<String> = nodes
        .iter()
        .map(|n| match n.formats.is_empty() {
            true => format!("{}: {}", n.path.display(), n.what),
            false => format!("{}: {} ({})", n.path.display(), n.what, n.formats),
        })
        .collect();
    let is_camera = !matches!(camera, Camera::Recording(_));
    match (told.is_empty(), nodes.iter().any(|n| n.gives_pictures)) {
        (true, _) if is_camera => Check::warn(
            "camera_nodes",
            "the kernel shows no /dev/video*",
            "a USB camera must show in lsusb and load uvcvideo; a ribbon-cable camera needs its overlay in config.txt",
        ),
        (true, _) => Check::skip("camera_nodes", "the kernel shows no /dev/video*"),
        (false, true) => Check::ok("camera_nodes", told.join("; ")),
        (false, false) => Check::warn(
            "camera_nodes",
            told.join("; "),
            "none of these gives pictures by itself: metadata nodes carry exposure times, sensors and image processors of CSI \
             cameras need rpicam-vid (Raspberry Pi) or nvarguscamerasrc (Jetson) in front: [source] src = \"exec:…\"",
        ),
    }
}

pub fn frame_rate(camera: &Camera) -> Check {
    let Camera::Works(stream) = camera else {
        return Check::skip(
            "frame_rate",
            "not measured: no camera is open here; where the service runs, it has the camera: stop it first",
        );
    };
    // The time begins with the first.
    let fps = stream.frames.saturating_sub(1) as f32 / stream.seconds.max(0.001);
    let promised = stream.promised.map_or_else(String::new, |p| format!(", {p:.0} promised"));
    let damaged = if stream.damaged > 0 { format!(", {} damaged", stream.damaged) } else { String::new() };
    let found = match stream.frames {
        1 => format!("no second frame in {:.1} s{promised}{damaged}", stream.seconds),
        _ => format!("{fps:.1} frames a second{promised}{damaged}"),
    };
    let total = stream.frames + stream.damaged;
    if stream.damaged * 20 > total {
        return Check::warn(
            "frame_rate",
            found,
            "many frames come damaged: use a shorter cable, or a port without a hub",
        );
    }
    if fps < ENOUGH_FPS {
        return Check::warn(
            "frame_rate",
            found,
            "too slow to follow a face: more light lets the camera expose for shorter; a USB 2 hub or a long cable may cost the rest",
        );
    }
    match stream.promised {
        Some(p) if fps < p * PROMISE_KEPT => Check::warn(
            "frame_rate",
            found,
            "the camera gives less than it promises: in a dim room it exposes for longer; more light helps",
        ),
        _ => Check::ok("frame_rate", found),
    }
}

pub fn pins(pins: Option<&Pins>) -> Check {
    let Some(pins) = pins else { return Check::skip("pins", "a simulated board has none") };
    if let Some(error) = &pins.error {
        let check = Check::fail(
            "pins",
            error.clone(),
            "is the profile the one for this board, and may this user open /dev/gpiochip*?",
        );
        return if error.contains("no permission") {
            check.fix("sudo usermod -aG gpio $USER")
        } else {
            check
        };
    }
    if pins.wires.is_empty() {
        return Check::warn("pins", "no LED has a pin", "name the pins of the LEDs in the config's [pins]");
    }
    let refused: Vec<String> = pins
        .wires
        .iter()
        .filter_map(|w| match &w.state {
            WireState::Refused(why) => Some(format!("{}: {why}", w.line)),
            _ => None,
        })
        .collect();
    if !refused.is_empty() {
        return Check::fail(
            "pins",
            refused.join("; "),
            "end the program that holds the line (a device-tree overlay holds it as the kernel: remove that from \
             config.txt), or wire the LED to a free pin and name it in [pins]",
        );
    }
    let names: Vec<String> = pins.wires.iter().map(|w| format!("{} on {}", w.line, w.pin)).collect();
    let ours = pins.wires.iter().any(|w| w.state == WireState::HeldByMoodlight);
    let who = if ours { ", held by the running moodlight" } else { ", all free" };
    Check::ok("pins", format!("{}: {}{who}", pins.chip, names.join(", ")))
}

pub fn i2c(i2c: Option<&I2c>, model: Option<&str>) -> Check {
    let Some(I2c { bus, found, panel }) = i2c else {
        return Check::skip("i2c", "the board's profile names no bus");
    };
    let bus = bus.display();
    match (found, panel) {
        (Err(why), None) => Check::skip("i2c", format!("{bus}: {why}; no panel is configured")),
        (Err(why), Some(_)) => {
            let found = format!("{bus}: {why}");
            let is_pi = model.is_some_and(|m| m.starts_with("Raspberry Pi"));
            match (why.contains("ermission"), is_pi) {
                (true, _) => Check::fail("i2c", found, "let this user into the group i2c, then log in again")
                    .fix("sudo usermod -aG i2c $USER"),
                (false, true) => {
                    let advice =
                        "switch the bus on (by hand: dtparam=i2c_arm=on in config.txt), and load i2c-dev";
                    Check::fail("i2c", found, advice).fix("sudo raspi-config nonint do_i2c 0")
                }
                (false, false) => Check::fail(
                    "i2c",
                    found,
                    "load i2c-dev; if the bus has another number here, name it in [oled] bus",
                )
                .fix("sudo modprobe i2c-dev"),
            }
        }
        (Ok(list), Some(address)) if !list.iter().any(|(a, _)| a == address) => Check::fail(
            "i2c",
            format!("{bus}: no panel answers at {address:#04x}; {}", listed(list)),
            "check the panel's four wires (VCC, GND, SCL, SDA), and its address: most have 0x3c, some 0x3d ([oled] address)",
        ),
        (Ok(list), Some(address)) => {
            Check::ok("i2c", format!("{bus}: the panel answers at {address:#04x}; {}", listed(list)))
        }
        (Ok(list), None) => Check::ok("i2c", format!("{bus}: {}; no panel is configured", listed(list))),
    }
}

fn listed(found: &[(u8, Option<String>)]) -> String {
    let name = |(a, driver): &(u8, Option<String>)| match driver {
        Some(driver) => format!("{a:#04x} ({driver})"),
        None => format!("{a:#04x}"),
    };
    match found {
        [] => "nothing answers on the bus".into(),
        list => format!("there is {}", list.iter().map(name).collect::<Vec<_>>().join(", ")),
    }
}

pub fn screen(screen: &Screen, is_real: bool) -> Check {
    let Screen { wanted, connectors, framebuffers } = screen;
    let sockets = connectors.iter().map(|(name, status)| format!("{name} {status}"));
    let told: Vec<String> =
        sockets.chain(framebuffers.iter().map(|name| format!("framebuffer {name}"))).collect();
    let connected = !framebuffers.is_empty() || connectors.iter().any(|(_, status)| status == "connected");
    let found = if told.is_empty() { "the kernel shows no display".into() } else { told.join(", ") };
    match wanted {
        _ if !is_real => Check::skip("display", "a simulated board draws in the terminal"),
        Some(false) => Check::skip("display", format!("{found}; the config leaves the screen alone")),
        Some(true) if told.is_empty() => Check::fail(
            "display",
            found,
            "the config has a [screen]: load the board's display driver (dtoverlay=vc4-kms-v3d on a Raspberry Pi), or remove the table",
        ),
        Some(true) if !connected => Check::fail(
            "display",
            format!("{found}; none is connected"),
            "plug the screen in and switch it on before the board; try the board's other socket, HDMI 0",
        ),
        _ => Check::ok("display", found),
    }
}
