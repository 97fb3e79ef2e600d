//! Figures that the docs state, printed on request: `cargo test --release --test preprocess_figures -- --ignored --nocapture`.
//!
//! `MOODLIGHT_FACES` names a folder of photos and clips, `MOODLIGHT_FER` one of FER-2013's; without them the shares that
//! need them say so and end.

use moodlight::frame::{Frame, GrayImage, PixelFormat, Rect};
use moodlight::preprocess::{Cropper, LumaDecoder, LumaJpeg, Orientation};
use moodlight::sim;
use moodlight::source::Delivery;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from).filter(|f| f.is_dir());
    if folder.is_none() {
        println!("{variable} names no folder: not measured");
    }
    folder
}

/// Median and least time of one call, over all `inputs`, repeated.
fn time<T>(what: &str, inputs: &mut [T], repeats: usize, mut call: impl FnMut(&mut T)) {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..repeats {
        for input in inputs.iter_mut() {
            let start = Instant::now();
            call(input);
            times.push(start.elapsed());
        }
    }
    times.sort();
    let (least, median) = (times[0], times[times.len() / 2]);
    println!(
        "{what}: median {:.3} ms, least {:.3} ms",
        1e3 * median.as_secs_f64(),
        1e3 * least.as_secs_f64()
    );
}

fn frames(clip: &str, step: usize) -> Vec<Frame> {
    let mut source = sim::open(&clip.parse().unwrap()).unwrap();
    let (mut frames, mut frame) = (Vec::new(), Frame::default());
    while source.next_frame(&mut frame, Duration::ZERO).unwrap() == Delivery::Frame {
        frames.push(frame.clone());
    }
    frames.into_iter().step_by(step).collect()
}

#[test]
#[ignore = "prints figures"]
fn time_of_a_frame() {
    let Some(faces) = folder("MOODLIGHT_FACES") else { return };
    let mut jpegs = frames(&format!("mjpeg:{}", faces.join("demo.mjpeg").display()), 10);
    let bytes = jpegs.iter().map(|f| f.data.len()).sum::<usize>() / jpegs.len();
    println!("{} pictures of {}x{}, {bytes} bytes each", jpegs.len(), jpegs[0].width, jpegs[0].height);
    let (mut decoder, mut gray) = (LumaJpeg::default(), GrayImage::default());
    time("MJPG to luma", &mut jpegs, 20, |f| decoder.decode(&f.data, &mut gray).unwrap());
    time("MJPG to luma, zune-jpeg", &mut jpegs, 20, |f| {
        let options = zune_core::options::DecoderOptions::default()
            .jpeg_set_out_colorspace(zune_core::colorspace::ColorSpace::Luma);
        let stream = zune_core::bytestream::ZCursor::new(&f.data);
        zune_jpeg::JpegDecoder::new_with_options(stream, options).decode_into(&mut gray.data).unwrap();
    });
    time("MJPG to colour, zune-jpeg", &mut jpegs, 20, |f| {
        let stream = zune_core::bytestream::ZCursor::new(&f.data);
        zune_jpeg::JpegDecoder::new(stream).decode().unwrap();
    });
    for format in ["i420", "nv12", "yuyv", "rgb24", "gray8"] {
        let mut raw = frames(&format!("synthetic:?format={format}&frames=1"), 1);
        raw[0].range = moodlight::frame::LumaRange::Limited;
        let mut decoder = LumaDecoder::new(Orientation::UPRIGHT);
        time(&format!("{format} limited to luma"), &mut raw, 400, |f| {
            drop(decoder.decode(f).map(|v| v.width))
        });
        let mut turned = LumaDecoder::new(Orientation::from_exif(6));
        time(&format!("{format} turned by 90"), &mut raw, 400, |f| drop(turned.decode(f).map(|v| v.width)));
    }
    let mut cropper = Cropper::new();
    for side in [60.0, 200.0, 400.0] {
        let mut faces = [Rect { x: 20.0, y: 30.0, w: side, h: side }];
        time(&format!("crop and resize of {side} px"), &mut faces, 500, |r| {
            std::hint::black_box(cropper.patch(gray.view(), *r));
        });
    }
    assert_eq!(jpegs[0].format, PixelFormat::Mjpeg);
}
