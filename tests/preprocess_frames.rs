//! Frames of every kind, upright or not, whole or damaged → luma; crops beyond the picture's edge.

use moodlight::frame::{Frame, GrayImage, LumaRange, PixelFormat, Rect};
use moodlight::preprocess::{Cropper, JpegError, LumaDecoder, LumaJpeg, Orientation, PreprocessError};

/// 5 × 3 pixels, `y·20 + x·3 + 16`, in `format` with `padding` bytes of 0xee behind each row.
fn frame(format: PixelFormat, padding: usize) -> Frame {
    let (width, height) = (5, 3);
    let stride = format.min_stride(width) + padding;
    let mut data = Vec::new();
    for y in 0..height {
        let luma: Vec<u8> = (0..width).map(|x| (y * 20 + x * 3 + 16) as u8).collect();
        let mut row = match format {
            PixelFormat::Rgb24 => luma.iter().flat_map(|&l| [l; 3]).collect(),
            PixelFormat::Yuyv => luma.chunks(2).flat_map(|p| [p[0], 99, p[p.len() - 1], 99]).collect(),
            PixelFormat::Uyvy => luma.chunks(2).flat_map(|p| [99, p[0], 99, p[p.len() - 1]]).collect(),
            _ => luma,
        };
        row.resize(if y + 1 < height { stride } else { row.len() }, 0xee);
        data.extend(row);
    }
    Frame { width, height, stride, format, range: LumaRange::Full, data, ..Frame::default() }
}

const ROWS: [[u8; 5]; 3] = [[16, 19, 22, 25, 28], [36, 39, 42, 45, 48], [56, 59, 62, 65, 68]];

fn luma(frame: &Frame, orientation: Orientation) -> Result<Vec<Vec<u8>>, PreprocessError> {
    let mut decoder = LumaDecoder::new(orientation);
    let view = decoder.decode(frame)?;
    Ok((0..view.height).map(|y| view.row(y).to_vec()).collect())
}

#[rstest::rstest]
fn every_format_gives_the_same_luma(
    #[values(
        PixelFormat::Gray8,
        PixelFormat::I420,
        PixelFormat::Nv12,
        PixelFormat::Yuyv,
        PixelFormat::Uyvy,
        PixelFormat::Rgb24
    )]
    format: PixelFormat,
    #[values(0, 3)] padding: usize,
) {
    assert_eq!(luma(&frame(format, padding), Orientation::UPRIGHT).unwrap(), ROWS);
    let mirrored = luma(&frame(format, padding), Orientation::from_exif(2)).unwrap();
    assert_eq!(
        mirrored,
        ROWS.map(|mut r| {
            r.reverse();
            r
        })
    );
    let clockwise = luma(&frame(format, padding), Orientation::from_exif(6)).unwrap();
    assert_eq!(clockwise, std::array::from_fn::<_, 5, _>(|x| vec![ROWS[2][x], ROWS[1][x], ROWS[0][x]]));
    let mut limited = frame(format, padding);
    limited.range = LumaRange::Limited;
    let black = luma(&limited, Orientation::UPRIGHT).unwrap()[0][0];
    assert_eq!(black, if format == PixelFormat::Rgb24 { 16 } else { 0 });
}

#[test]
fn an_upright_full_range_frame_is_lent_not_copied() {
    let frame = frame(PixelFormat::Nv12, 3);
    let mut decoder = LumaDecoder::new(Orientation::UPRIGHT);
    assert_eq!(decoder.decode(&frame).unwrap().data.as_ptr(), frame.data.as_ptr());
}

#[rstest::rstest]
#[case::short(|f: &mut Frame| f.data.truncate(14), "fewer bytes than its rows need")]
#[case::empty(|f: &mut Frame| f.data.clear(), "fewer bytes")]
#[case::no_rows(|f: &mut Frame| f.height = 0, "without pixels")]
#[case::no_columns(|f: &mut Frame| f.width = 0, "without pixels")]
#[case::narrow_stride(|f: &mut Frame| f.stride = 4, "stride is shorter")]
#[case::no_stride(|f: &mut Frame| f.stride = 0, "stride is shorter")]
#[case::large(|f: &mut Frame| (f.width, f.stride, f.height) = (100_000, 100_000, 100_000), "64 megapixels")]
#[case::wide(|f: &mut Frame| (f.width, f.height) = (usize::MAX, 1), "64 megapixels")]
#[case::beyond_stride(|f: &mut Frame| f.stride = usize::MAX, "beyond all bounds")]
#[case::both_beyond(|f: &mut Frame| (f.width, f.height) = (usize::MAX, usize::MAX), "beyond all bounds")]
fn lying_frames_are_refused(#[case] damage: fn(&mut Frame), #[case] expect: &str) {
    let mut frame = frame(PixelFormat::Gray8, 0);
    damage(&mut frame);
    let message = luma(&frame, Orientation::UPRIGHT).unwrap_err().to_string();
    assert!(message.contains(expect) && message.contains("Gray8"), "{message}");
}

fn jpeg() -> Vec<u8> {
    let picture =
        image::RgbImage::from_fn(50, 37, |x, y| image::Rgb([(x * 5) as u8, (y * 6) as u8, (x * y) as u8]));
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 90).encode_image(&picture).unwrap();
    out
}

/// Without its DHT segments, as UVC cameras send it.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
    while jpeg[at + 1] != 0xda {
        let next = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xc4 {
            out.extend_from_slice(&jpeg[at..next]);
        }
        at = next;
    }
    out.extend_from_slice(&jpeg[at..]);
    out
}

fn decode(jpeg: &[u8]) -> Result<GrayImage, JpegError> {
    let mut out = GrayImage::default();
    LumaJpeg::default().decode(jpeg, &mut out).map(|()| out)
}

#[test]
fn missing_huffman_tables_are_the_standard_ones() {
    let bare = without_tables(&jpeg());
    assert!(bare.len() + 400 < jpeg().len());
    assert_eq!(decode(&bare).unwrap(), decode(&jpeg()).unwrap());
}

#[test]
fn padding_behind_the_end_is_no_damage() {
    let expect = decode(&jpeg()).unwrap();
    assert_eq!(decode(&[jpeg(), vec![0; 1000]].concat()).unwrap(), expect);
    assert_eq!(decode(&[jpeg(), b"trailer".to_vec()].concat()).unwrap(), expect);
}

#[rstest::rstest]
#[case::no_end(|j: &mut Vec<u8>| j.truncate(j.len() - 2), "no end marker")]
#[case::half(|j: &mut Vec<u8>| j.truncate(j.len() / 2), "no end marker")]
#[case::header_only(|j: &mut Vec<u8>| j.truncate(100), "no end marker")]
#[case::two_bytes(|j: &mut Vec<u8>| j.truncate(2), "no end marker")]
#[case::empty(|j: &mut Vec<u8>| j.clear(), "no JPEG picture")]
#[case::other(|j: &mut Vec<u8>| j[1] = b'P', "no JPEG picture")]
#[case::half_with_an_end(|j: &mut Vec<u8>| { j.truncate(j.len() * 3 / 4); j.extend([0xff, 0xd9]) }, "damaged")]
#[case::absurd(|j: &mut Vec<u8>| { let at = size_at(j); j[at..at + 4].fill(0xff) }, "65535x65535")]
#[case::no_rows(|j: &mut Vec<u8>| { let at = size_at(j); j[at..at + 2].fill(0) }, "without pixels")]
fn damaged_jpegs_are_refused(#[case] damage: fn(&mut Vec<u8>), #[case] expect: &str) {
    let mut bytes = jpeg();
    damage(&mut bytes);
    let message = decode(&bytes).map(|p| p.data.len()).unwrap_err().to_string();
    assert!(message.contains(expect), "{message}");
}

/// Offset of height and width.
fn size_at(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|w| w == [0xff, 0xc0] || w == [0xff, 0xc2]).unwrap() + 5
}

/// Where a crop leaves the picture it is black, as with PIL.
#[rstest::rstest]
#[case::left(-40.0, 10.0)]
#[case::above(10.0, -40.0)]
#[case::corner(60.0, 70.0)]
#[case::all_around(-20.0, -20.0)]
#[case::beside(80.0, 0.0)]
#[case::far_outside(5000.0, -5000.0)]
fn crops_are_black_beyond_the_edge(#[case] x: f32, #[case] y: f32) {
    let mut picture = GrayImage::new(80, 90);
    picture.data.iter_mut().enumerate().for_each(|(i, p)| *p = (i * 31 % 251) as u8);
    let side = 130;
    let mut padded = GrayImage::new(side, side);
    for (i, p) in padded.data.iter_mut().enumerate() {
        let (column, row) = ((i % side) as i64 + x as i64, (i / side) as i64 + y as i64);
        if (0..80).contains(&column) && (0..90).contains(&row) {
            *p = picture.data[row as usize * 80 + column as usize];
        }
    }
    let mut cropper = Cropper::new();
    let size = side as f32;
    let expect = cropper.patch(padded.view(), Rect { x: 0.0, y: 0.0, w: size, h: size });
    assert_eq!(cropper.patch(picture.view(), Rect { x, y, w: size, h: size }), expect);
}

#[rstest::rstest]
#[case::empty(3.0, 4.0, 0.0, 0.0)]
#[case::negative(3.0, 4.0, -10.0, -10.0)]
#[case::not_a_number(f32::NAN, f32::NAN, f32::NAN, f32::NAN)]
#[case::infinite(f32::NEG_INFINITY, 0.0, f32::INFINITY, 1.0)]
#[case::huge(-1e30, -1e30, 2e30, 2e30)]
fn mad_rectangles_do_no_harm(#[case] x: f32, #[case] y: f32, #[case] w: f32, #[case] h: f32) {
    let picture = GrayImage { width: 6, height: 5, data: vec![77; 30] };
    let patch = Cropper::new().patch(picture.view(), Rect { x, y, w, h });
    assert!(patch.0.iter().all(|&p| p <= 77));
}
