//! A screen by the old framebuffer device, for kernels without KMS and small TFT screens on SPI.
//!
//! Size and format are read from /sys and pixels are written to the file: no ioctl, no mapping. There is no page flip, so a
//! page may tear while it is copied.

use super::{Shadow, put_rgb565, put_xrgb};
use crate::outputs::display::Panel;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// An open framebuffer.
#[derive(Debug)]
pub struct Fbdev {
    file: File,
    path: PathBuf,
    geometry: Geometry,
    shadow: Shadow,
    /// The screen's bytes, kept for the next flush.
    bytes: Vec<u8>,
}

/// How the screen's memory is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Geometry {
    width: usize,
    height: usize,
    /// Bytes per row.
    stride: usize,
    /// Bytes per pixel, 2 or 4.
    depth: usize,
}

impl Fbdev {
    /// Opens a framebuffer by its kernel name: `fb0`.
    ///
    /// # Errors
    /// Absent, no permission, or a pixel format other than 16 or 32 bits.
    pub fn open(name: &str) -> Result<Self, String> {
        Self::at(&Path::new("/dev").join(name), &Path::new("/sys/class/graphics").join(name))
    }

    fn at(path: &Path, sys: &Path) -> Result<Self, String> {
        let say = |reason: String| format!("{}: {reason}", path.display());
        let file = OpenOptions::new().write(true).open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => {
                say("no permission: add the user to the group `video` and log in again".into())
            }
            _ => say(e.to_string()),
        })?;
        let geometry = Geometry::read(sys).map_err(say)?;
        let shadow = Shadow::new(geometry.width, geometry.height);
        let bytes = vec![0; geometry.stride * geometry.height];
        Ok(Self { file, path: path.into(), geometry, shadow, bytes })
    }
}

impl Geometry {
    fn read(sys: &Path) -> Result<Self, String> {
        let text = |name: &str| {
            std::fs::read_to_string(sys.join(name)).map_err(|e| format!("{}/{name}: {e}", sys.display()))
        };
        let number =
            |s: &str| s.trim().parse::<usize>().map_err(|_| format!("unexpected size \"{}\"", s.trim()));
        let size = text("virtual_size")?;
        let (width, height) =
            size.split_once(',').ok_or_else(|| format!("unexpected size \"{}\"", size.trim()))?;
        let (width, height) = (number(width)?, number(height)?);
        let depth = match number(&text("bits_per_pixel")?)? {
            16 => 2,
            32 => 4,
            bits => return Err(format!("{bits} bits a pixel; 16 and 32 can be drawn")),
        };
        let stride = number(&text("stride")?)?.max(width * depth);
        if width == 0 || height == 0 || stride * height > 1 << 28 {
            return Err(format!("unexpected size {width}x{height}"));
        }
        Ok(Self { width, height, stride, depth })
    }
}

impl Panel for Fbdev {
    type Canvas = Shadow;

    fn canvas(&mut self) -> &mut Shadow {
        &mut self.shadow
    }

    fn flush(&mut self) -> Result<(), String> {
        let Geometry { width, height, stride, depth } = self.geometry;
        let put = if depth == 2 { put_rgb565 } else { put_xrgb };
        self.shadow.copy_to(&mut self.bytes, (width, height), stride, depth, put);
        self.file.write_all_at(&self.bytes, 0).map_err(|e| format!("the screen could not be drawn: {e}"))
    }

    fn describe(&self) -> String {
        format!("screen {}x{} on {}", self.geometry.width, self.geometry.height, self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::Rgb888;
    use embedded_graphics::prelude::*;
    use rstest::rstest;

    fn sys(size: &str, bits: &str, stride: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("virtual_size", size), ("bits_per_pixel", bits), ("stride", stride)] {
            std::fs::write(dir.path().join(name), format!("{text}\n")).unwrap();
        }
        dir
    }

    #[rstest]
    #[case::hdmi("1920,1080", "32", "7680", Ok((1920, 1080, 7680, 4)))]
    #[case::tft("320,240", "16", "640", Ok((320, 240, 640, 2)))]
    #[case::padded("800,480", "32", "3328", Ok((800, 480, 3328, 4)))]
    #[case::stride_that_lies("800,480", "32", "0", Ok((800, 480, 3200, 4)))]
    #[case::monochrome("400,240", "1", "50", Err("1 bits a pixel"))]
    #[case::nothing("0,0", "32", "0", Err("unexpected size"))]
    #[case::nonsense("many", "32", "0", Err("unexpected size \"many\""))]
    #[case::huge("100000,100000", "32", "400000", Err("unexpected size"))]
    fn geometry(
        #[case] size: &str,
        #[case] bits: &str,
        #[case] stride: &str,
        #[case] expect: Result<(usize, usize, usize, usize), &str>,
    ) {
        let got =
            Geometry::read(sys(size, bits, stride).path()).map(|g| (g.width, g.height, g.stride, g.depth));
        match (got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!(got, expect),
            (Err(e), Err(part)) => assert!(e.contains(part), "{e}"),
            (got, _) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn a_page_reaches_the_file() {
        let sys = sys("3,2", "16", "8");
        let file = sys.path().join("fb0");
        std::fs::write(&file, [0xff; 16]).unwrap();
        let mut screen = Fbdev::at(&file, sys.path()).unwrap();
        screen.canvas().draw_iter([Pixel(Point::new(2, 1), Rgb888::RED)]).unwrap();
        screen.flush().unwrap();
        let mut expect = [0; 16];
        expect[12..14].copy_from_slice(&0xf800u16.to_le_bytes());
        assert_eq!(std::fs::read(&file).unwrap(), expect);
    }
}
