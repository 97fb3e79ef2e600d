//! Patches against PIL's: each line of tests/data/pil/cases.csv is a test of its own by name.
//! The goldens are made by tests/goldens/pil_patches.py.

use moodlight::frame::{Frame, GrayImage, LumaRange, PixelFormat, Rect};
use moodlight::preprocess::{Cropper, LumaDecoder, LumaJpeg, Orientation, Still};
use std::path::PathBuf;

fn pil(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/pil").join(file)
}

#[derive(Debug)]
struct Case {
    picture: String,
    way: String,
    rect: Option<Rect>,
    expect: Vec<u8>,
}

/// All cases of one kind of picture; at least one.
fn cases(prefix: &str, way: &str) -> Vec<Case> {
    let patches = std::fs::read(pil("patches.bin")).unwrap();
    let table = std::fs::read_to_string(pil("cases.csv")).unwrap();
    let cases: Vec<Case> = table
        .lines()
        .skip(1)
        .map(|line| {
            let [picture, way, rect, offset] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let offset: usize = offset.parse().unwrap();
            let corners: Vec<f32> = rect.split_whitespace().map(|n| n.parse().unwrap()).collect();
            let rect = match corners[..] {
                [x0, y0, x1, y1] => Some(Rect { x: x0, y: y0, w: x1 - x0, h: y1 - y0 }),
                _ => None,
            };
            let expect = patches[offset..][..48 * 48].to_vec();
            Case { picture: picture.into(), way: way.into(), rect, expect }
        })
        .filter(|c| c.picture.starts_with(prefix) && c.way == way)
        .collect();
    assert!(!cases.is_empty(), "no case {prefix} {way}");
    cases
}

fn check(case: &Case, got: &[u8]) {
    let wrong = got.iter().zip(&case.expect).filter(|(a, b)| a != b).count();
    assert_eq!(
        wrong, 0,
        "{wrong} of 2304 pixels differ from PIL's: {} {} {:?}",
        case.picture, case.way, case.rect
    );
}

#[rstest::rstest]
#[case::gray("gray_")]
#[case::rgb("rgb_")]
#[case::rgba("rgba_")]
#[case::gray_alpha("gray_alpha")]
#[case::palette("palette")]
#[case::one_bit("bits")]
fn stills_are_pils_to_the_bit(#[case] prefix: &str) {
    for case in cases(prefix, "still") {
        let still = Still::open(pil(&format!("{}.png", case.picture))).unwrap();
        check(&case, &still.patch(case.rect).0);
    }
}

#[rstest::rstest]
#[case::gray("gray_")]
#[case::rgb("rgb_")]
#[case::rgba("rgba_")]
fn luma_crops_are_pils_to_the_bit(#[case] prefix: &str) {
    let mut cropper = Cropper::new();
    for case in cases(prefix, "camera") {
        let gray = Still::open(pil(&format!("{}.png", case.picture))).unwrap().gray();
        let whole = Rect { x: 0.0, y: 0.0, w: gray.width as f32, h: gray.height as f32 };
        check(&case, &cropper.patch(gray.view(), case.rect.unwrap_or(whole)).0);
    }
}

/// RGB frames from a camera go through the same gray as a still.
#[test]
fn rgb_frames_turn_gray_as_pil_has_it() {
    let mut cropper = Cropper::new();
    for case in cases("rgb_", "camera") {
        let picture = image::open(pil(&format!("{}.png", case.picture))).unwrap().into_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let frame = Frame {
            width,
            height,
            stride: width * 3,
            format: PixelFormat::Rgb24,
            range: LumaRange::Full,
            data: picture.into_raw(),
            ..Frame::default()
        };
        let mut decoder = LumaDecoder::new(Orientation::UPRIGHT);
        let whole = Rect { x: 0.0, y: 0.0, w: width as f32, h: height as f32 };
        let gray = decoder.decode(&frame).unwrap();
        check(&case, &cropper.patch(gray, case.rect.unwrap_or(whole)).0);
    }
}

/// Gray photos, as FER-2013's faces are, have PIL's pixels too. Progressive ones go through a decoder that may be one level off.
#[rstest::rstest]
#[case::small("gray", 0)]
#[case::face("gray_face", 0)]
#[case::restart_markers("gray_restart", 0)]
#[case::progressive("gray_progressive", 1)]
fn gray_jpeg_stills_are_pils(#[case] name: &str, #[case] within: u8) {
    let still = Still::open_card(pil(&format!("luma_{name}.jpg"))).unwrap().gray();
    let expect = std::fs::read(pil(&format!("luma_{name}.bin"))).unwrap();
    assert_eq!(still.data.len(), expect.len());
    let wrong = still.data.iter().zip(&expect).filter(|(a, b)| a.abs_diff(**b) > within).count();
    assert_eq!(wrong, 0, "{wrong} of {} pixels differ", expect.len());
}

/// The luma of a camera's JPEG is libjpeg's, which is PIL's.
#[rstest::rstest]
#[case::subsampled_420("420")]
#[case::subsampled_422("422")]
#[case::full_colour("444")]
#[case::gray("gray")]
#[case::restart_markers("restart")]
#[case::optimised_tables("optimised")]
#[case::coarse("coarse")]
#[case::finest("finest")]
#[case::gray_face("gray_face")]
#[case::gray_restart_markers("gray_restart")]
fn jpeg_luma_is_libjpegs_to_the_bit(#[case] name: &str) {
    let jpeg = std::fs::read(pil(&format!("luma_{name}.jpg"))).unwrap();
    let expect = std::fs::read(pil(&format!("luma_{name}.bin"))).unwrap();
    let mut out = GrayImage::default();
    LumaJpeg::default().decode(&jpeg, &mut out).unwrap();
    assert_eq!(out.data.len(), expect.len());
    let wrong = out.data.iter().zip(&expect).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0, "{wrong} of {} pixels differ", expect.len());
}
