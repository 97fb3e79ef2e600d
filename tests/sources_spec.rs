//! What `--source` understands, and what it says to the rest.

use moodlight::frame::{LumaRange, PixelFormat};
use moodlight::source::{FrameRate, Restart, SourceSpec, Synthetic};
use std::time::Duration;

fn fps(n: u32) -> FrameRate {
    FrameRate::per_second(n)
}

fn exec(command: &str, restart: Restart, range: LumaRange) -> SourceSpec {
    SourceSpec::Exec { command: command.into(), width: 640, height: 480, fps: fps(30), restart, range }
}

#[rstest::rstest]
#[case::bare_device("/dev/video2", SourceSpec::V4l2 { device: "/dev/video2".into() })]
#[case::device("v4l2:/dev/video0", SourceSpec::V4l2 { device: "/dev/video0".into() })]
#[case::y4m("y4m:a/b.y4m", SourceSpec::Y4m { file: "a/b.y4m".into() })]
#[case::stdin("y4m:-", SourceSpec::Y4m { file: "-".into() })]
#[case::question_mark_in_a_name("y4m:what?.y4m", SourceSpec::Y4m { file: "what?.y4m".into() })]
#[case::colon_in_a_name("y4m:C:clip.y4m", SourceSpec::Y4m { file: "C:clip.y4m".into() })]
#[case::mjpeg("mjpeg:clip.mjpeg", SourceSpec::Mjpeg { file: "clip.mjpeg".into(), fps: fps(10) })]
#[case::mjpeg_rate("mjpeg:clip.mjpeg?fps=30", SourceSpec::Mjpeg { file: "clip.mjpeg".into(), fps: fps(30) })]
#[case::image("image:a.png", SourceSpec::Image { file: "a.png".into(), hold: Duration::from_secs(2), fps: fps(10) })]
#[case::dir("dir:faces?fps=5&hold=1500ms", SourceSpec::Dir { folder: "faces".into(), hold: Duration::from_millis(1500), fps: fps(5) })]
#[case::exec("exec:cam -o - ?width=640&height=480", exec("cam -o -", Restart::Always, LumaRange::Limited))]
#[case::exec_query(
    "exec:curl 'http://cam/?user=a' | x?width=640&height=480&fps=30&restart=never&range=full",
    exec("curl 'http://cam/?user=a' | x", Restart::Never, LumaRange::Full)
)]
#[case::synthetic("synthetic:", SourceSpec::Synthetic(Synthetic::default()))]
#[case::endless("synthetic:?seed=7&frames=endless&format=nv12", SourceSpec::Synthetic(Synthetic { seed: 7, frames: None, format: PixelFormat::Nv12, ..Synthetic::default() }))]
fn understands(#[case] text: &str, #[case] expect: SourceSpec) {
    assert_eq!(text.parse::<SourceSpec>().unwrap(), expect);
}

#[rstest::rstest]
#[case::nothing("", &["expected SCHEME:TARGET", "/dev/video0"])]
#[case::typing_error("mjpg:clip", &["mjpg", "did you mean \"mjpeg\"?"])]
#[case::far_off("rtsp://cam", &["rtsp", "v4l2, y4m, mjpeg, image, dir, exec, synthetic"])]
#[case::picture_without_scheme("face.JPG", &["write image:face.JPG"])]
#[case::clip_without_scheme("a/clip.y4m", &["write y4m:a/clip.y4m"])]
#[case::scheme_without_colon("synthetic", &["synthetic:…"])]
#[case::no_file("y4m:", &["names nothing", "y4m:clip.y4m"])]
#[case::no_command("exec:?width=4&height=4", &["names no command", "rpicam-vid"])]
#[case::no_size("exec:cam", &["?width=640&height=480"])]
#[case::half_a_size("exec:cam?width=640", &["?width=640&height=480"])]
#[case::no_pixels("exec:cam?width=0&height=480", &["0x480 is no picture size"])]
#[case::absurd("exec:cam?width=100000&height=100000", &["100000x100000", "64 megapixels"])]
#[case::overflow("synthetic:?width=18446744073709551615&height=2", &["no picture size"])]
#[case::unknown_option("mjpeg:clip?fsp=5", &["unknown option of mjpeg: \"fsp\"", "did you mean \"fps\"?"])]
#[case::no_options("y4m:clip?fps=5", &["y4m: takes no options"])]
#[case::twice("mjpeg:clip?fps=5&fps=6", &["fps is given twice"])]
#[case::bad_rate("mjpeg:clip?fps=fast", &["fps=\"fast\"", "30000/1001"])]
#[case::bad_time("dir:faces?hold=soon", &["hold=\"soon\"", "500ms"])]
#[case::endless_time("dir:faces?hold=inf", &["hold=\"inf\"", "up to a day"])]
#[case::bad_choice("exec:cam?width=4&height=4&restart=nevr", &["unknown restart \"nevr\"", "did you mean \"never\"?"])]
#[case::bad_number("synthetic:?seed=x", &["seed=\"x\"", "invalid digit"])]
#[case::synthetic_name("synthetic:face", &["takes no name"])]
fn refuses(#[case] text: &str, #[case] expect: &[&str]) {
    let message = text.parse::<SourceSpec>().unwrap_err().to_string();
    assert!(message.contains(&format!("{text:?}")), "{message}");
    assert!(expect.iter().all(|e| message.contains(e)), "{message}");
}

/// No string makes the parser panic, and what it takes it names again.
#[test]
fn any_string_is_understood_or_refused() {
    const SEED: u64 = 0x5eed;
    let alphabet = b"v4l2:ympegxcdirsynth?&=fpwidholrtae0123456789/.-\xc3\xa4%";
    let mut state = SEED;
    for round in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..round % 40 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        let text = String::from_utf8_lossy(&text);
        let text = if round % 3 == 0 { format!("synthetic:?{text}") } else { text.into_owned() };
        match text.parse::<SourceSpec>() {
            Ok(spec) => assert!(!spec.to_string().is_empty()),
            Err(e) => assert!(!e.reason.is_empty(), "seed {SEED:#x} round {round}: {text:?}"),
        }
    }
}
