//! Bytes that make no sense never make anything panic: random ones, and good ones with a few changed. Each failure
//! prints its seed and round.

use moodlight::config::Config;
use moodlight::frame::{Frame, GrayImage};
use moodlight::preprocess::{LumaJpeg, Still};
use moodlight::quant::kernels;
use moodlight::quant::onnx_file::OnnxFile;
use moodlight::quant::plan::Plan;
use moodlight::quant::pool::Pool;
use moodlight::sim::intake::{InMemory, Intake};
use moodlight::sim::mjpeg::Mjpeg;
use moodlight::sim::y4m::Y4m;
use moodlight::source::{Delivery, FrameRate, FrameSource, SourceError};
use rstest::rstest;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SEED: u64 = 0xfeed_face;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }

    /// `good` with a few bytes changed, cut or doubled; every eighth time noise with its beginning.
    fn damaged(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        if self.below(8) == 0 {
            let kept = self.below(20).min(bytes.len());
            bytes.iter_mut().skip(kept).for_each(|b| *b = self.below(256) as u8);
        }
        for _ in 0..self.below(6) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                2 if at < bytes.len() => bytes[at] = 0xff,
                _ if at < bytes.len() => bytes[at] = self.below(256) as u8,
                _ => {}
            }
        }
        bytes
    }
}

/// Runs `work` on damaged copies of `good`, which it must survive and which must end.
fn check(good: &[u8], work: impl Fn(Vec<u8>) + std::panic::RefUnwindSafe) {
    for round in 0..3000 {
        let bytes = Random(SEED ^ round).damaged(good);
        if std::panic::catch_unwind(|| work(bytes)).is_err() {
            panic!("seed {SEED:#x}, round {round}");
        }
    }
}

/// Plays to the end; a source that goes on after its bytes are used up would never end.
fn play(source: Result<impl FrameSource, SourceError>) {
    let Ok(mut source) = source else { return };
    let mut frame = Frame::default();
    for _ in 0..100_000 {
        match source.next_frame(&mut frame, Duration::ZERO) {
            Ok(Delivery::Frame) | Err(SourceError::BadFrame { .. }) => {}
            Ok(Delivery::End | Delivery::Idle) | Err(_) => return,
        }
    }
    panic!("does not end");
}

fn intake(bytes: Vec<u8>) -> Intake {
    Intake::new(Box::new(InMemory(Cursor::new(bytes))))
}

fn jpeg(side: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([(x * 9) as u8, (y * 7) as u8, 80]));
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 70).encode_image(&picture).unwrap();
    out
}

#[test]
fn y4m() {
    let good = [
        b"YUV4MPEG2 W6 H4 F25:1 C420 XCOLORRANGE=FULL\nFRAME\n".to_vec(),
        vec![7; 36],
        b"FRAME\n".to_vec(),
        vec![8; 36],
    ];
    check(&good.concat(), |bytes| play(Y4m::open(intake(bytes), "damaged".into())));
}

#[test]
fn mjpeg() {
    let good = [jpeg(16), b"--boundary\r\n".to_vec(), jpeg(24)].concat();
    check(&good, |bytes| play(Mjpeg::open(intake(bytes), FrameRate::per_second(10), "damaged".into())));
}

#[test]
fn jpeg_to_luma() {
    check(&jpeg(40), |bytes| {
        let mut out = GrayImage::default();
        if LumaJpeg::default().decode(&bytes, &mut out).is_ok() {
            assert_eq!(out.data.len(), out.width * out.height);
        }
    });
}

/// EXIF among it: the orientation sits in a TIFF structure of offsets.
#[test]
fn stills() {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let plain = jpeg(16);
    let mut good = plain[..2].to_vec();
    good.extend_from_slice(&[0xff, 0xe1, 0, (exif.len() + 2) as u8]);
    good.append(&mut exif);
    good.extend_from_slice(&plain[2..]);
    check(&good, |bytes| drop(Still::from_bytes(&bytes, "damaged.jpg").map(|s| s.patch(None).0.len())));
}

#[test]
fn config() {
    check(include_bytes!("../board/moodlight.example.toml"), |bytes| {
        drop(Config::parse(&String::from_utf8_lossy(&bytes), "damaged.toml"));
    });
}

/// Model files that somebody else made.
#[rstest]
#[case::convolution("plain_3x3.onnx")]
#[case::linear("linear_3x3_valid.onnx")]
fn models(#[case] name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.onnx");
    let good =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/qconv").join(name)).unwrap();
    check(&good, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let Ok(file) = OnnxFile::open(&path) else { return };
        drop(Plan::load(&file, kernels::available()[0], &Arc::new(Pool::new(1).unwrap())));
    });
}
