//! Picture files, good and bad: what a person is told, and which way is up.

use image::{DynamicImage, ImageFormat};
use moodlight::preprocess::Still;
use std::io::Cursor;
use std::path::PathBuf;

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// 40 × 20: the left half dark, the right half bright, a white corner at the top left.
fn landscape() -> DynamicImage {
    DynamicImage::ImageRgb8(image::RgbImage::from_fn(40, 20, |x, y| {
        let shade = if x < 8 && y < 8 { 255 } else { 20 + 150 * u8::from(x >= 20) };
        image::Rgb([shade; 3])
    }))
}

/// A JPEG that says how it is turned.
fn exif_jpeg(tag: u8) -> Vec<u8> {
    let jpeg = encoded(&landscape(), ImageFormat::Jpeg);
    let mut tiff = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend_from_slice(&[tag, 0, 0, 0, 0, 0, 0]);
    let length = (tiff.len() + 2) as u16;
    [&jpeg[..2], &[0xff, 0xe1], &length.to_be_bytes(), &tiff, &jpeg[2..]].concat()
}

fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("face.img");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// Where the white corner is after turning: (right?, bottom?).
#[rstest::rstest]
#[case(1, (40, 20), (false, false))]
#[case(2, (40, 20), (true, false))]
#[case(3, (40, 20), (true, true))]
#[case(4, (40, 20), (false, true))]
#[case(5, (20, 40), (false, false))]
#[case(6, (20, 40), (true, false))]
#[case(7, (20, 40), (true, true))]
#[case(8, (20, 40), (false, true))]
fn exif_says_which_way_is_up(#[case] tag: u8, #[case] size: (usize, usize), #[case] corner: (bool, bool)) {
    let (_dir, path) = file(&exif_jpeg(tag));
    let still = Still::open(&path).unwrap();
    assert_eq!((still.width, still.height), size);
    let gray = still.gray();
    let x = if corner.0 { size.0 - 3 } else { 2 };
    let y = if corner.1 { size.1 - 3 } else { 2 };
    assert!(gray.data[y * size.0 + x] > 230, "the corner is elsewhere");
    let card = Still::open_card(&path).unwrap();
    assert_eq!((card.width, card.height), (40, 20), "the card's code knows no EXIF");
    assert!(card.gray().data[2 * 40 + 2] > 230);
}

#[rstest::rstest]
#[case::png(ImageFormat::Png)]
#[case::bmp(ImageFormat::Bmp)]
#[case::gif(ImageFormat::Gif)]
#[case::tiff(ImageFormat::Tiff)]
#[case::webp(ImageFormat::WebP)]
#[case::pnm(ImageFormat::Pnm)]
fn usual_kinds_are_read(#[case] format: ImageFormat) {
    let picture = match format {
        ImageFormat::Gif => DynamicImage::ImageRgba8(landscape().to_rgba8()),
        _ => landscape(),
    };
    let (_dir, path) = file(&encoded(&picture, format));
    let gray = Still::open(path).unwrap().gray();
    assert_eq!((gray.width, gray.height, gray.data[0], gray.data[39]), (40, 20, 255, 170));
}

#[rstest::rstest]
#[case::gray(DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(3, 2, image::Luma([0x80ff]))), 0x80)]
#[case::gray_alpha(DynamicImage::ImageLumaA16(image::ImageBuffer::from_pixel(3, 2, image::LumaA([0x80ff, 0]))), 0x80)]
#[case::rgb(DynamicImage::ImageRgb16(image::ImageBuffer::from_pixel(3, 2, image::Rgb([0x40ff; 3]))), 0x40)]
#[case::rgba(DynamicImage::ImageRgba16(image::ImageBuffer::from_pixel(3, 2, image::Rgba([0x40ff, 0x40ff, 0x40ff, 0]))), 0x40)]
fn sixteen_bits_are_taken_by_their_high_byte(#[case] picture: DynamicImage, #[case] expect: u8) {
    let still = Still::from_bytes(&encoded(&picture, ImageFormat::Png), "deep.png").unwrap();
    assert!(still.gray().data.iter().all(|&p| p == expect));
}

/// A PNG header that promises `width` × `height` and has nothing behind it.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut png = encoded(&landscape(), ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| (c >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(c & 1)))
    })
}

#[rstest::rstest]
#[case::empty(vec![], &["is empty (0 bytes)", "copy it again"])]
#[case::text(b"this is a text and no picture at all".to_vec(), &["no picture of a known kind", "JPEG, PNG"])]
#[case::cut_jpeg(encoded(&landscape(), ImageFormat::Jpeg)[..400].to_vec(), &["cut off or damaged", "no end marker"])]
#[case::cut_png(encoded(&landscape(), ImageFormat::Png)[..60].to_vec(), &["cut off or damaged"])]
#[case::cut_gif(encoded(&DynamicImage::ImageRgba8(landscape().to_rgba8()), ImageFormat::Gif)[..40].to_vec(), &["cut off or damaged"])]
#[case::large_png(png_header(100_000, 100_000), &["100000x100000", "64 megapixels", "scale it down"])]
#[case::just_too_large(png_header(8001, 8000), &["8001x8000", "64 megapixels"])]
#[case::magic_only(b"\x89PNG\r\n\x1a\n".to_vec(), &["cut off or damaged"])]
#[case::large_bmp(bmp_header(60_000, 60_000), &["60000x60000", "64 megapixels"])]
fn bad_files_are_named(#[case] bytes: Vec<u8>, #[case] expect: &[&str]) {
    let (_dir, path) = file(&bytes);
    for open in [|p: &PathBuf| Still::open(p), |p: &PathBuf| Still::open_card(p)] {
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains("face.img"), "{message}");
        assert!(expect.iter().all(|e| message.contains(e)), "{message}");
    }
}

fn bmp_header(width: u32, height: u32) -> Vec<u8> {
    let mut bmp = encoded(&landscape(), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&width.to_le_bytes());
    bmp[22..26].copy_from_slice(&height.to_le_bytes());
    bmp
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (path, expect) in
        [(dir.path().join("none.jpg"), "No such file"), (dir.path().to_path_buf(), "directory")]
    {
        let message = Still::open(&path).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()) && message.contains(expect), "{message}");
    }
}

#[rstest::rstest]
#[case(0, 5, 0)]
#[case(2, 2, 5)]
#[case(usize::MAX, 2, 4)]
fn pixels_must_fit_their_size(#[case] width: usize, #[case] height: usize, #[case] bytes: usize) {
    assert!(Still::from_gray(width, height, vec![0; bytes]).is_none());
    assert!(Still::from_rgb(width, height, vec![0; bytes]).is_none());
}
