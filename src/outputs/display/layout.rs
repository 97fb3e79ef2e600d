//! Where things are on a panel of a given size: pure arithmetic, no drawing.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// The areas of a page. They never overlap; a part that has no room is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The drawn face, a square.
    pub icon: Rectangle,
    /// The mood's word, and the score or advice below it.
    pub title: Rectangle,
    pub bars: Bars,
    /// The camera picture.
    pub picture: Option<Rectangle>,
    /// Privacy line and number of faces.
    pub footer: Option<Rectangle>,
    /// Free border on all sides within which the page may wander against burn-in.
    pub margin: u32,
}

/// Seven score bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bars {
    /// Rows with the name to the left and the percentage to the right.
    Rows(Rectangle),
    /// Columns with a short name below each: small panels.
    Columns(Rectangle),
    /// No room.
    None,
}

impl Bars {
    pub fn area(self) -> Option<Rectangle> {
        match self {
            Bars::Rows(r) | Bars::Columns(r) => Some(r),
            Bars::None => None,
        }
    }
}

impl Layout {
    pub fn of(size: Size) -> Layout {
        match size {
            Size { width, height } if width >= 240 && height >= width * 3 / 2 => Self::tall(width, height),
            Size { width, height } if width >= 240 && height >= 160 => Self::page(width, height),
            Size { width, height } if height >= 48 => Self::small(width, height),
            Size { width, height } => Self::strip(width, height),
        }
    }

    /// How far the page may wander from its place, pixels: within the margin, and no further than needed.
    pub fn reach(&self) -> i32 {
        (self.margin / 3).clamp(self.margin.min(1), 4) as i32
    }

    /// 240×160 and more: word over the whole width, below it the picture and the bars side by side.
    fn page(w: u32, h: u32) -> Layout {
        let margin = (h.min(w) / 20).max(6);
        let (inner_w, inner_h) = (w - 2 * margin, h - 2 * margin);
        let footer_h = (inner_h / 13).max(12);
        let head_h = inner_h * 3 / 10;
        let gap = margin;
        let body_y = margin + head_h + gap;
        let body_h = inner_h - head_h - footer_h - 2 * gap;
        let picture_w = (body_h * 4 / 3).min(inner_w / 2);
        let bars_x = margin + picture_w + gap + gap / 2;
        Layout {
            icon: area(margin, margin, head_h, head_h),
            title: area(margin + head_h + gap, margin, inner_w - head_h - gap, head_h),
            bars: Bars::Rows(area(bars_x, body_y, w - margin - bars_x, body_h)),
            picture: Some(area(margin, body_y, picture_w, body_h)),
            footer: Some(area(margin, h - margin - footer_h, inner_w, footer_h)),
            margin,
        }
    }

    /// Upright screens, from half as high again as wide on: one below the other.
    fn tall(w: u32, h: u32) -> Layout {
        let margin = (w / 20).max(6);
        let (inner_w, gap) = (w - 2 * margin, 2 * margin);
        let footer_h = (inner_w / 20).max(12);
        let head_h = inner_w / 3;
        let picture_y = margin + head_h + gap;
        let picture_h = inner_w / 2;
        let bars_y = picture_y + picture_h + gap;
        let room = h - margin - footer_h - gap - bars_y;
        Layout {
            icon: area(margin, margin, head_h, head_h),
            title: area(margin + head_h + margin, margin, inner_w - head_h - margin, head_h),
            bars: Bars::Rows(area(margin, bars_y, inner_w, room.min(inner_w))),
            picture: Some(area(margin, picture_y, inner_w, picture_h)),
            footer: Some(area(margin, h - margin - footer_h, inner_w, footer_h)),
            margin,
        }
    }

    /// 128×64: face and word above seven columns.
    fn small(w: u32, h: u32) -> Layout {
        let columns_h = h * 5 / 16 + 2;
        let head_h = h - columns_h - 4;
        let icon = head_h.min(w / 3);
        Layout {
            icon: area(1, 1, icon, icon),
            title: area(icon + 5, 1, w - icon - 6, head_h),
            bars: Bars::Columns(area(1, h - 1 - columns_h, w - 2, columns_h)),
            picture: None,
            footer: None,
            margin: 1,
        }
    }

    /// 128×32: face and word only.
    fn strip(w: u32, h: u32) -> Layout {
        Layout {
            icon: area(0, 0, h, h),
            title: area(h + 5, 0, w.saturating_sub(h + 5), h),
            bars: Bars::None,
            picture: None,
            footer: None,
            margin: 0,
        }
    }
}

fn area(x: u32, y: u32, w: u32, h: u32) -> Rectangle {
    Rectangle::new(Point::new(x as i32, y as i32), Size::new(w, h))
}
