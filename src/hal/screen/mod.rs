//! A full screen without X or Wayland: [`kms`] with page flips, or the older [`fbdev`] where the kernel has no KMS.
//!
//! What is drawn goes to a picture in ordinary memory ([`Shadow`]); a flush copies it to the screen at once, so that nobody
//! sees half a page. The picture's size is chosen when the screen is opened and stays; a screen of another size that is
//! plugged in later shows it in its middle.

pub mod fbdev;
pub mod kms;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use std::convert::Infallible;

/// Pixels as 0x00RRGGBB, row after row.
#[derive(Debug, Clone)]
pub struct Shadow {
    width: usize,
    height: usize,
    pixels: Vec<u32>,
}

impl Shadow {
    /// All black.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// Copies the picture into the middle of a screen, black around it. `stride`: bytes per row; `put` writes a pixel into
    /// its `bytes`-byte place. A screen that is too small shows the picture's middle.
    pub fn copy_to(
        &self,
        screen: &mut [u8],
        size: (usize, usize),
        stride: usize,
        bytes: usize,
        put: fn(u32, &mut [u8]),
    ) {
        let (width, height) = size;
        let cut = |have: usize, want: usize| (have.saturating_sub(want) / 2, want.saturating_sub(have) / 2);
        let (from_x, to_x) = cut(self.width, width);
        let (from_y, to_y) = cut(self.height, height);
        let (wide, high) = (self.width.min(width), self.height.min(height));
        for (y, row) in screen.chunks_mut(stride.max(1)).take(height).enumerate() {
            let inside = (to_y..to_y + high).contains(&y);
            let source =
                if inside { &self.pixels[(y - to_y + from_y) * self.width + from_x..][..wide] } else { &[] };
            for (x, place) in row.chunks_exact_mut(bytes).take(width).enumerate() {
                let pixel = x.checked_sub(to_x).and_then(|x| source.get(x)).copied().unwrap_or(0);
                put(pixel, place);
            }
        }
    }
}

impl OriginDimensions for Shadow {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Shadow {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<T: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: T) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            if (0..self.width as i32).contains(&x) && (0..self.height as i32).contains(&y) {
                self.pixels[y as usize * self.width + x as usize] = color.into_storage();
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        let (x, y) = (area.top_left.x.max(0) as usize, area.top_left.y.max(0) as usize);
        for row in self.pixels.chunks_exact_mut(self.width.max(1)).skip(y).take(area.size.height as usize) {
            row[x..x + area.size.width as usize].fill(color.into_storage());
        }
        Ok(())
    }
}

/// XRGB8888, the byte order that every KMS driver has.
pub(super) fn put_xrgb(pixel: u32, place: &mut [u8]) {
    place.copy_from_slice(&pixel.to_le_bytes());
}

/// RGB565, as small TFT screens have it.
pub(super) fn put_rgb565(pixel: u32, place: &mut [u8]) {
    let (r, g, b) = (pixel >> 19 & 0x1f, pixel >> 10 & 0x3f, pixel >> 3 & 0x1f);
    place.copy_from_slice(&((r << 11 | g << 5 | b) as u16).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A 4×2 picture whose pixels are 1 to 8.
    fn picture() -> Shadow {
        Shadow { width: 4, height: 2, pixels: (1..=8).collect() }
    }

    #[rstest]
    #[case::same((4, 2), 16, &[1, 2, 3, 4, 5, 6, 7, 8])]
    #[case::larger((6, 4), 24, &[0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0])]
    #[case::smaller((2, 2), 8, &[2, 3, 6, 7])]
    #[case::wider_and_lower((6, 1), 24, &[0, 1, 2, 3, 4, 0])]
    fn goes_to_the_middle(#[case] size: (usize, usize), #[case] stride: usize, #[case] expect: &[u32]) {
        let mut screen = vec![0xff; stride * size.1];
        picture().copy_to(&mut screen, size, stride, 4, put_xrgb);
        let got: Vec<u32> =
            screen.chunks_exact(4).map(|p| u32::from_le_bytes(p.try_into().unwrap())).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn padding_after_a_row_is_left_alone() {
        let mut screen = vec![0xff; 20 * 2];
        picture().copy_to(&mut screen, (4, 2), 20, 4, put_xrgb);
        assert_eq!((screen[0], screen[16], screen[19], screen[20]), (1, 0xff, 0xff, 5));
    }

    #[rstest]
    #[case(0xff0000, 0xf800)]
    #[case(0x00ff00, 0x07e0)]
    #[case(0x0000ff, 0x001f)]
    #[case(0xffffff, 0xffff)]
    #[case(0x080408, 0x0821)]
    fn sixteen_bits(#[case] pixel: u32, #[case] expect: u16) {
        let mut place = [0; 2];
        put_rgb565(pixel, &mut place);
        assert_eq!(u16::from_le_bytes(place), expect);
    }

    #[test]
    fn areas_are_cut_at_the_edge() {
        let mut shadow = Shadow::new(4, 2);
        let area = Rectangle::new(Point::new(-3, 1), Size::new(5, 9));
        shadow.fill_solid(&area, Rgb888::new(1, 2, 3)).unwrap();
        assert_eq!(shadow.pixels, [0, 0, 0, 0, 0x010203, 0x010203, 0, 0]);
        shadow.fill_solid(&Rectangle::new(Point::new(9, 9), Size::new(5, 5)), Rgb888::WHITE).unwrap();
        shadow.draw_iter([Pixel(Point::new(4, 0), Rgb888::WHITE)]).unwrap();
        assert_eq!(shadow.pixels[0..4], [0; 4]);
    }
}
