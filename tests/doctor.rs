//! What doctor makes of facts: a healthy board, then one thing broken at a time. Each row says which check changes, to
//! what, and which words the advice must have.

use moodlight::doctor::facts::*;
use moodlight::doctor::{Check, Status, judge, worst};
use rstest::rstest;

fn healthy() -> Facts {
    Facts {
        kernel: Kernel { release: "6.12.25+rpt-rpi-v8".into(), machine: "aarch64".into() },
        board: Board {
            model: Some("Raspberry Pi 4 Model B Rev 1.4".into()),
            recognised: Some("rpi4".into()),
            profile: "Raspberry Pi 4".into(),
            is_real: true,
        },
        config: ConfigFile::Read("/etc/moodlight/moodlight.toml".into()),
        camera: works(Some(30.0), 61, 0),
        nodes: vec![node("HD Webcam", true), node("this is the metadata node of HD Webcam", false)],
        pins: Some(Pins {
            chip: "pinctrl-bcm2711".into(),
            error: None,
            wires: vec![wire("happy", WireState::Free), wire("sad", WireState::Free)],
        }),
        i2c: Some(I2c { bus: "/dev/i2c-1".into(), found: Ok(vec![(0x3c, None)]), panel: Some(0x3c) }),
        screen: Screen {
            wanted: None,
            connectors: vec![("card1-HDMI-A-1".into(), "connected".into())],
            framebuffers: vec![],
        },
        models: Models {
            folder: Ok("/usr/share/moodlight/models".into()),
            files: vec![("vgg-int8".into(), None)],
            self_test: Ok(Some(3)),
            store: StoreNews::None,
        },
        user: User { name: "pi".into(), is_root: false, refused: vec![], tried: 4 },
        disks: vec![disk(true, false, 4 << 30)],
        heat: Some(Heat { zone: "cpu-thermal".into(), celsius: 48.2, throttles_at: Some(80.0) }),
        power: Power { is_low: Some(false), throttled: Some(0) },
        service: runs("happy"),
        clock: 1_795_500_000, // 2026-11-24
    }
}

/// The first of `frames` begins the two seconds.
fn works(promised: Option<f32>, frames: u32, damaged: u32) -> Camera {
    let name = "v4l2:/dev/video0 640x480 MJPG 30 fps (HD Webcam)".into();
    Camera::Works(Stream { name, promised, frames, seconds: 2.0, damaged })
}

fn fails(reason: &str, holders: &[&str]) -> Camera {
    let holders = holders.iter().map(|h| (*h).to_owned()).collect();
    Camera::Fails { source: "v4l2:/dev/video0".into(), reason: reason.into(), holders }
}

fn node(what: &str, gives_pictures: bool) -> VideoNode {
    let formats = if gives_pictures { "MJPG 640x480".into() } else { String::new() };
    VideoNode { path: "/dev/video0".into(), what: what.into(), gives_pictures, formats }
}

fn wire(line: &str, state: WireState) -> Wire {
    Wire { line: line.into(), pin: "line 17".into(), state }
}

fn disk(is_written: bool, read_only: bool, free_bytes: u64) -> Disk {
    Disk {
        purpose: "moodlight's own data",
        path: "/var/lib/moodlight".into(),
        read_only,
        is_written,
        free_bytes,
    }
}

fn runs(says: &str) -> Service {
    state("active", "running", true, 0, says)
}

fn state(active: &str, sub: &str, is_enabled: bool, restarts: u32, says: &str) -> Service {
    Service::State { active: active.into(), sub: sub.into(), is_enabled, restarts, says: says.into() }
}

#[test]
fn a_healthy_board_is_all_ok() {
    let checks = judge(&healthy());
    for check in &checks {
        assert_eq!((check.status, check.advice.as_str()), (Status::Ok, ""), "{check:?}");
    }
    assert_eq!(worst(&checks), Status::Ok);
    let names: std::collections::BTreeSet<_> = checks.iter().map(|c| c.check).collect();
    assert_eq!(names.len(), checks.len(), "each check once");
}

/// `spoil` breaks one thing; `name`'s check, and no other, must be `status` and say `words`.
#[track_caller]
fn check(spoil: impl FnOnce(&mut Facts), name: &str, status: Status, words: &[&str]) {
    let mut facts = healthy();
    spoil(&mut facts);
    let checks = judge(&facts);
    let changed = checks.iter().find(|c| c.check == name).expect("a known name");
    assert_eq!(changed.status, status, "{changed:?}");
    let Check { found, advice, fix, .. } = changed;
    let all = format!("{found} {advice} {}", fix.join(" "));
    for word in words {
        assert!(all.contains(word), "no \"{word}\" in {changed:?}");
    }
    assert!(status < Status::Warn || !advice.is_empty(), "no advice: {changed:?}");
    let others: Vec<_> = checks.iter().filter(|c| c.check != name && c.status > Status::Skip).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[rstest]
#[case::old("4.4.38", Status::Fail, &["too old", "4.9"])]
#[case::jetpack_4("4.9.337-tegra", Status::Ok, &["4.9.337"])]
#[case::unreadable("", Status::Fail, &["4.9"])]
fn judges_kernel(#[case] release: &str, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.kernel.release = release.into(), "kernel", status, words);
}

#[rstest]
#[case::unknown(Some("Acme Toaster"), None, false, Status::Warn, &["Acme Toaster", "board = "])]
#[case::simulated_by_config(Some("Raspberry Pi 5"), Some("rpi5"), false, Status::Warn, &["simulated", "take board = "])]
#[case::a_pc(None, None, false, Status::Ok, &["without a device tree"])]
#[case::told(Some("Acme Toaster"), None, true, Status::Ok, &["Acme"])]
fn judges_board(
    #[case] model: Option<&str>,
    #[case] recognised: Option<&str>,
    #[case] is_real: bool,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    let (model, recognised) = (model.map(String::from), recognised.map(String::from));
    check(|f| f.board = Board { model, recognised, profile: "x".into(), is_real }, "board", status, words);
}

/// The command that lays a first config down is only for who has none: it would write over it.
#[test]
fn a_known_board_without_a_config_is_told_how_to_get_one() {
    let mut facts = healthy();
    facts.board.is_real = false;
    for (config, expect) in
        [(ConfigFile::None, 1), (ConfigFile::Read("/etc/moodlight/moodlight.toml".into()), 0)]
    {
        facts.config = config;
        let board = judge(&facts).into_iter().find(|c| c.check == "board").expect("always there");
        assert!(board.status == Status::Warn && board.advice.contains("simulated"), "{board:?}");
        assert_eq!(
            board.fix.iter().filter(|f| f.contains("moodlight.example.toml")).count(),
            expect,
            "{board:?}"
        );
    }
}

#[rstest]
#[case::none(ConfigFile::None, Status::Ok, &["default"])]
#[case::broken(
    ConfigFile::Broken { file: Some("/etc/m.toml".into()), why: "/etc/m.toml:3:7: unknown key `x`".into() },
    Status::Fail,
    &["3:7", "sudoedit /etc/m.toml"]
)]
#[case::unknown_board(
    ConfigFile::Broken { file: None, why: "no board profile `rpi6`; did you mean `rpi5`?".into() },
    Status::Fail,
    &["rpi6", "mend"]
)]
fn judges_config(#[case] config: ConfigFile, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.config = config, "config", status, words);
}

#[rstest]
#[case::held(Camera::HeldByService { source: "v4l2:auto".into() }, Status::Ok, &["running service"])]
#[case::recording(Camera::Recording("demo".into()), Status::Skip, &["demo"])]
#[case::silent(works(None, 0, 0), Status::Fail, &["no usable frame in 2.0 s", "plug it in again"])]
#[case::slow(works(None, 1, 0), Status::Ok, &["HD Webcam"])]
#[case::absent(fails("no such camera; there is no other", &[]), Status::Fail, &["/dev/video0", "lsusb"])]
#[case::rights(fails("no permission: add the user", &[]), Status::Fail, &["usermod -aG video"])]
#[case::not_allowed(fails("not allowed: the service may open no cameras", &[]), Status::Fail, &["systemctl restart moodlight"])]
#[case::busy(fails("busy: zoom uses it", &["zoom (pid 12)"]), Status::Fail, &["end zoom (pid 12)"])]
#[case::csi(fails("this is the raw sensor of a CSI camera (unicam)", &[]), Status::Fail, &["camera.csi"])]
#[case::usb_full(fails("the USB bus has no bandwidth left for it", &[]), Status::Fail, &["another USB port"])]
fn judges_camera(#[case] camera: Camera, #[case] status: Status, #[case] words: &[&str]) {
    let mut facts = healthy();
    facts.camera = camera;
    let found = judge(&facts).into_iter().find(|c| c.check == "camera").unwrap();
    assert_eq!(found.status, status, "{found:?}");
    let all = format!("{} {} {}", found.found, found.advice, found.fix.join(" "));
    assert!(words.iter().all(|w| all.contains(w)), "{found:?}");
}

#[rstest]
#[case::none(vec![], Status::Warn, &["no /dev/video", "lsusb", "config.txt"])]
#[case::metadata_alone(vec![node("this is the metadata node of Cam", false)], Status::Warn, &["exposure", "rpicam-vid"])]
#[case::isp(vec![node("this is an image processor or codec (isp)", false)], Status::Warn, &["nvarguscamerasrc"])]
fn judges_nodes(#[case] nodes: Vec<VideoNode>, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.nodes = nodes, "camera_nodes", status, words);
}

#[rstest]
#[case::as_promised(works(Some(30.0), 59, 0), Status::Ok, &["29.0 frames", "30 promised"])]
#[case::dim_room(works(Some(30.0), 31, 0), Status::Warn, &["15.0 frames", "light"])]
#[case::slow(works(Some(5.0), 11, 0), Status::Warn, &["5.0 frames", "too slow"])]
#[case::first_alone(works(None, 1, 0), Status::Warn, &["no second frame in 2.0 s", "too slow"])]
#[case::damaged(works(Some(30.0), 50, 5), Status::Warn, &["5 damaged", "cable"])]
#[case::one_damaged(works(Some(30.0), 59, 1), Status::Ok, &["1 damaged"])]
fn judges_frame_rate(#[case] camera: Camera, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.camera = camera, "frame_rate", status, words);
}

#[rstest]
#[case::ours(vec![wire("happy", WireState::HeldByMoodlight)], None, Status::Ok, &["running moodlight"])]
#[case::busy(vec![wire("happy", WireState::Refused("line 17: held by \"spi0\"".into()))], None, Status::Fail, &["happy", "spi0", "config.txt"])]
#[case::none_wired(vec![], None, Status::Warn, &["[pins]"])]
#[case::no_rights(vec![], Some("/dev/gpiochip0: no permission"), Status::Fail, &["usermod -aG gpio"])]
#[case::no_chip(vec![], Some("gpio: the kernel shows no GPIO chip"), Status::Fail, &["profile"])]
fn judges_pins(
    #[case] wires: Vec<Wire>,
    #[case] error: Option<&str>,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    let pins = Pins { chip: "pinctrl-bcm2711".into(), error: error.map(String::from), wires };
    check(|f| f.pins = Some(pins), "pins", status, words);
}

#[rstest]
#[case::other_address(Ok(vec![(0x3d, None)]), Some(0x3c), Status::Fail, &["0x3c", "0x3d", "four wires"])]
#[case::nothing(Ok(vec![]), Some(0x3c), Status::Fail, &["nothing answers"])]
#[case::a_clock(Ok(vec![(0x68, Some("rtc-ds1307".into()))]), None, Status::Ok, &["0x68 (rtc-ds1307)", "no panel"])]
#[case::off_and_wanted(Err("No such file".into()), Some(0x3c), Status::Fail, &["raspi-config"])]
#[case::no_rights(Err("Permission denied (os error 13)".into()), Some(0x3c), Status::Fail, &["usermod -aG i2c"])]
#[case::off_and_not_wanted(Err("No such file".into()), None, Status::Skip, &["no panel"])]
fn judges_i2c(
    #[case] found: Result<Vec<(u8, Option<String>)>, String>,
    #[case] panel: Option<u8>,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    check(|f| f.i2c = Some(I2c { bus: "/dev/i2c-1".into(), found, panel }), "i2c", status, words);
}

/// raspi-config is a Raspberry Pi's.
#[test]
fn a_jetson_is_not_sent_to_a_pis_program() {
    let mut facts = healthy();
    facts.board.model = Some("NVIDIA Jetson Nano Developer Kit".into());
    facts.i2c = Some(I2c { bus: "/dev/i2c-1".into(), found: Err("No such file".into()), panel: Some(0x3c) });
    let i2c = judge(&facts).into_iter().find(|c| c.check == "i2c").expect("always there");
    assert_eq!((i2c.status, i2c.fix), (Status::Fail, vec!["sudo modprobe i2c-dev".to_owned()]));
}

#[rstest]
#[case::nobody_asked(None, &[], &[], Status::Ok, &["no display"])]
#[case::wanted_no_driver(Some(true), &[], &[], Status::Fail, &["vc4-kms-v3d"])]
#[case::wanted_unplugged(Some(true), &["disconnected"], &[], Status::Fail, &["none is connected"])]
#[case::wanted_framebuffer(Some(true), &[], &["fb0"], Status::Ok, &["framebuffer fb0"])]
#[case::wanted_tft_beside_an_empty_socket(Some(true), &["disconnected"], &["fb1"], Status::Ok, &["disconnected, framebuffer fb1"])]
#[case::refused(Some(false), &["connected"], &[], Status::Skip, &["leaves the screen alone"])]
fn judges_display(
    #[case] wanted: Option<bool>,
    #[case] connectors: &[&str],
    #[case] framebuffers: &[&str],
    #[case] status: Status,
    #[case] words: &[&str],
) {
    let connectors = connectors.iter().map(|s| ("card0-HDMI-A-1".to_owned(), (*s).to_owned())).collect();
    let framebuffers = framebuffers.iter().map(|s| (*s).to_owned()).collect();
    check(|f| f.screen = Screen { wanted, connectors, framebuffers }, "display", status, words);
}

#[rstest]
#[case::flipped(vec![("vgg-int8".into(), Some("vgg-int8.onnx: its sha256 differs".into()))], StoreNews::None, Status::Fail, &["sha256", "reinstall", "worn out"])]
#[case::trial(vec![("a".into(), None)], StoreNews::OnTrial, Status::Ok, &["on trial"])]
#[case::rolled_back(vec![("a".into(), None)], StoreNews::RolledBack("v2 the service died 3 times".into()), Status::Warn, &["died 3 times"])]
#[case::store(vec![("a".into(), None)], StoreNews::Broken("x".into()), Status::Warn, &["model install"])]
fn judges_models(
    #[case] files: Vec<(String, Option<String>)>,
    #[case] store: StoreNews,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    let models = Models { files, store, ..healthy().models };
    check(|f| f.models = models, "models", status, words);
}

#[rstest]
#[case::wrong(Err("self-test failed: on happy".into()), Status::Fail, &["on happy", "memory"])]
#[case::own_model(Ok(None), Status::Warn, &["make -C models goldens"])]
fn judges_self_test(
    #[case] result: Result<Option<usize>, String>,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    check(|f| f.models.self_test = result, "self_test", status, words);
}

#[rstest]
#[case::video(&[("/dev/video0", "video"), ("/dev/video1", "video"), ("/dev/i2c-1", "i2c")], Status::Warn, &["usermod -aG i2c,video pi"])]
#[case::root_alone(&[("/dev/gpiochip0", "root")], Status::Warn, &["udev"])]
fn judges_permissions(#[case] refused: &[(&str, &str)], #[case] status: Status, #[case] words: &[&str]) {
    let refused = refused.iter().map(|(p, g)| ((*p).into(), (*g).to_owned())).collect();
    check(|f| f.user.refused = refused, "permissions", status, words);
}

#[rstest]
#[case::read_only(disk(true, true, 1 << 30), Status::Fail, &["read-only", "remount,rw /var/lib/moodlight"])]
#[case::full(disk(true, false, 1 << 20), Status::Warn, &["nearly full", "vacuum"])]
#[case::read_only_root_is_meant(disk(false, true, 0), Status::Ok, &["read-only"])]
fn judges_disks(#[case] disk: Disk, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.disks = vec![disk], "disk", status, words);
}

#[rstest]
#[case::cool(Some((60.0, Some(80.0))), Status::Ok, &["60.0 °C", "80 °C"])]
#[case::warm(Some((76.0, Some(80.0))), Status::Warn, &["nearly too hot", "heat sink"])]
#[case::hot(Some((84.5, Some(80.0))), Status::Fail, &["too hot", "air"])]
#[case::no_trip_point(Some((81.0, None)), Status::Fail, &["usually slow down at 80"])]
#[case::no_sensor(None, Status::Skip, &["no thermal zone"])]
fn judges_temperature(
    #[case] heat: Option<(f32, Option<f32>)>,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    let heat = heat.map(|(celsius, throttles_at)| Heat { zone: "cpu-thermal".into(), celsius, throttles_at });
    check(|f| f.heat = heat, "temperature", status, words);
}

#[rstest]
#[case::alarm(Some(true), None, Status::Fail, &["too low", "power supply"])]
#[case::low_now(None, Some(0x5_0005), Status::Fail, &["too low", "0x50005"])]
#[case::low_once(Some(false), Some(0x1_0000), Status::Warn, &["since the start"])]
#[case::slowed(None, Some(0b100), Status::Warn, &["slowed down"])]
#[case::was_slowed(None, Some(0x4_0000), Status::Warn, &["was slowed down"])]
#[case::unknown(None, None, Status::Skip, &["does not measure"])]
fn judges_supply(
    #[case] is_low: Option<bool>,
    #[case] throttled: Option<u32>,
    #[case] status: Status,
    #[case] words: &[&str],
) {
    check(|f| f.power = Power { is_low, throttled }, "supply", status, words);
}

#[rstest]
#[case::none(Service::NoManager, Status::Skip, &["no systemd"])]
#[case::by_hand(Service::NotInstalled, Status::Skip, &["not installed"])]
#[case::fault(runs("camera: unplugged"), Status::Warn, &["camera: unplugged"])]
#[case::restarted(state("active", "running", true, 5, "happy"), Status::Warn, &["5 restarts", "journalctl"])]
#[case::not_enabled(state("active", "running", false, 0, "happy"), Status::Warn, &["systemctl enable"])]
#[case::failed(state("failed", "failed", true, 9, ""), Status::Fail, &["systemctl restart"])]
#[case::loops(state("activating", "auto-restart", true, 9, ""), Status::Warn, &["again and again"])]
#[case::stopped(state("inactive", "dead", true, 0, ""), Status::Fail, &["enable --now"])]
fn judges_service(#[case] service: Service, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.service = service, "service", status, words);
}

#[rstest]
#[case::epoch(0, Status::Warn, &["1970-01-01 00:00", "past", "set-ntp"])]
#[case::before(-1, Status::Warn, &["1969-12-31 23:59"])]
#[case::now(1_795_545_000, Status::Ok, &["2026-11-24 18:30"])]
#[case::leap_day(1_835_395_200, Status::Ok, &["2028-02-29 00:00"])]
#[case::year_2038(2_147_483_648, Status::Warn, &["2038-01-19 03:14", "ahead"])]
fn judges_clock(#[case] seconds: i64, #[case] status: Status, #[case] words: &[&str]) {
    check(|f| f.clock = seconds, "clock", status, words);
}
