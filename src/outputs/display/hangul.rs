//! Hangul drawn with the pen: each syllable is composed from its letters' strokes, at any size.
//!
//! Bitmap fonts with Hangul stop at 16 pixels; a word that is read across a room needs more. Composition follows
//! Unicode's arithmetic: U+AC00 + (initial·21 + vowel)·28 + final.

use super::strokes::{Pt, Shape};

/// A box within the syllable's unit square: left, top, right, bottom.
type Area = [f32; 4];

/// Whether `c` is a syllable that this file can draw.
pub fn is_syllable(c: char) -> bool {
    ('\u{AC00}'..='\u{D7A3}').contains(&c)
}

/// Appends the strokes of one syllable within a square of side `size` whose upper left corner is `at`; strokes are
/// `2·r` wide. Draws nothing for other characters.
pub fn syllable(c: char, at: Pt, size: f32, r: f32, out: &mut Vec<Shape>) {
    if !is_syllable(c) {
        return;
    }
    let code = c as usize - 0xAC00;
    let (initial, vowel, last) = (code / 588, code % 588 / 28, code % 28);
    let pen = &mut Pen { at, size, r, out };
    let (kind, low) = (VOWELS[vowel].0, last > 0);
    let areas = Areas::of(kind, low);
    pen.letters(INITIALS[initial], areas.initial, kind == Kind::Beside);
    let (lying, standing) = (VOWELS[vowel].1, VOWELS[vowel].2);
    pen.vowel(lying, areas.lying);
    pen.vowel(standing, areas.standing);
    if low {
        pen.letters(FINALS[last - 1], areas.last, false);
    }
}

/// The widest stroke that leaves the letters of `c` open, of the square's side. Letters of three lines one above the
/// other set it.
pub fn heaviest(c: char) -> f32 {
    if !is_syllable(c) {
        return f32::INFINITY;
    }
    let code = c as usize - 0xAC00;
    let (initial, vowel, last) = (code / 588, code % 588 / 28, code % 28);
    let areas = Areas::of(VOWELS[vowel].0, last > 0);
    let open = |letters: &str, area: Area| {
        let dense = letters.contains(['ㄹ', 'ㅂ', 'ㅌ', 'ㅎ', 'ㅊ']);
        if dense { (area[3] - area[1]) * 0.29 } else { f32::INFINITY }
    };
    let below = if last > 0 { open(FINALS[last - 1], areas.last) } else { f32::INFINITY };
    open(INITIALS[initial], areas.initial).min(below)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The vowel stands to the right: 가.
    Beside,
    /// It lies below: 고.
    Below,
    /// Both: 과.
    Around,
}

struct Areas {
    initial: Area,
    lying: Area,
    standing: Area,
    last: Area,
}

impl Areas {
    /// Proportions by eye.
    fn of(kind: Kind, low: bool) -> Areas {
        let none = [0.0; 4];
        match (kind, low) {
            (Kind::Beside, false) => Areas {
                initial: [0.08, 0.14, 0.55, 0.84],
                lying: none,
                standing: [0.62, 0.03, 0.96, 0.97],
                last: none,
            },
            (Kind::Beside, true) => Areas {
                initial: [0.08, 0.05, 0.56, 0.42],
                lying: none,
                standing: [0.62, 0.02, 0.96, 0.52],
                last: [0.18, 0.61, 0.82, 0.97],
            },
            (Kind::Below, false) => Areas {
                initial: [0.18, 0.08, 0.82, 0.50],
                lying: [0.04, 0.56, 0.96, 0.92],
                standing: none,
                last: none,
            },
            (Kind::Below, true) => Areas {
                initial: [0.18, 0.03, 0.82, 0.29],
                lying: [0.04, 0.33, 0.96, 0.53],
                standing: none,
                last: [0.18, 0.62, 0.82, 0.97],
            },
            (Kind::Around, false) => Areas {
                initial: [0.10, 0.08, 0.58, 0.48],
                lying: [0.04, 0.54, 0.66, 0.86],
                standing: [0.70, 0.03, 0.97, 0.97],
                last: none,
            },
            (Kind::Around, true) => Areas {
                initial: [0.10, 0.04, 0.58, 0.30],
                lying: [0.04, 0.34, 0.66, 0.54],
                standing: [0.70, 0.02, 0.97, 0.56],
                last: [0.18, 0.63, 0.82, 0.97],
            },
        }
    }
}

/// In Unicode's order.
const INITIALS: [&str; 19] = [
    "ㄱ", "ㄱㄱ", "ㄴ", "ㄷ", "ㄷㄷ", "ㄹ", "ㅁ", "ㅂ", "ㅂㅂ", "ㅅ", "ㅅㅅ", "ㅇ", "ㅈ", "ㅈㅈ", "ㅊ", "ㅋ",
    "ㅌ", "ㅍ", "ㅎ",
];
const FINALS: [&str; 27] = [
    "ㄱ", "ㄱㄱ", "ㄱㅅ", "ㄴ", "ㄴㅈ", "ㄴㅎ", "ㄷ", "ㄹ", "ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ", "ㄹㅌ", "ㄹㅍ",
    "ㄹㅎ", "ㅁ", "ㅂ", "ㅂㅅ", "ㅅ", "ㅅㅅ", "ㅇ", "ㅈ", "ㅊ", "ㅋ", "ㅌ", "ㅍ", "ㅎ",
];

/// The arrangement, the lying part and the standing part (a space where there is none), in Unicode's order.
const VOWELS: [(Kind, char, char); 21] = [
    (Kind::Beside, ' ', 'ㅏ'),
    (Kind::Beside, ' ', 'ㅐ'),
    (Kind::Beside, ' ', 'ㅑ'),
    (Kind::Beside, ' ', 'ㅒ'),
    (Kind::Beside, ' ', 'ㅓ'),
    (Kind::Beside, ' ', 'ㅔ'),
    (Kind::Beside, ' ', 'ㅕ'),
    (Kind::Beside, ' ', 'ㅖ'),
    (Kind::Below, 'ㅗ', ' '),
    (Kind::Around, 'ㅗ', 'ㅏ'),
    (Kind::Around, 'ㅗ', 'ㅐ'),
    (Kind::Around, 'ㅗ', 'ㅣ'),
    (Kind::Below, 'ㅛ', ' '),
    (Kind::Below, 'ㅜ', ' '),
    (Kind::Around, 'ㅜ', 'ㅓ'),
    (Kind::Around, 'ㅜ', 'ㅔ'),
    (Kind::Around, 'ㅜ', 'ㅣ'),
    (Kind::Below, 'ㅠ', ' '),
    (Kind::Below, 'ㅡ', ' '),
    (Kind::Around, 'ㅡ', 'ㅣ'),
    (Kind::Beside, ' ', 'ㅣ'),
];

/// Polylines of a letter in its own box, 0..=1 each way.
type Lines = &'static [&'static [Pt]];

const fn consonant(letter: char, beside: bool) -> Lines {
    match letter {
        'ㄱ' if beside => &[&[(0.0, 0.05), (0.92, 0.05), (0.82, 0.5), (0.1, 1.0)]],
        'ㄱ' => &[&[(0.0, 0.0), (0.95, 0.0), (0.9, 1.0)]],
        'ㄴ' => &[&[(0.05, 0.0), (0.05, 0.95), (1.0, 0.95)]],
        'ㄷ' => &[&[(0.95, 0.0), (0.05, 0.0), (0.05, 1.0), (1.0, 1.0)]],
        'ㄹ' => &[&[(0.0, 0.0), (0.95, 0.0), (0.95, 0.5), (0.05, 0.5), (0.05, 1.0), (1.0, 1.0)]],
        'ㅁ' => &[&[(0.05, 0.0), (0.95, 0.0), (0.95, 1.0), (0.05, 1.0), (0.05, 0.0)]],
        'ㅂ' => &[&[(0.08, 0.0), (0.08, 1.0), (0.92, 1.0), (0.92, 0.0)], &[(0.08, 0.5), (0.92, 0.5)]],
        'ㅅ' => &[&[(0.5, 0.0), (0.42, 0.45), (0.0, 1.0)], &[(0.45, 0.35), (1.0, 1.0)]],
        'ㅈ' => &[
            &[(0.05, 0.0), (0.95, 0.0)],
            &[(0.52, 0.0), (0.42, 0.5), (0.0, 1.0)],
            &[(0.45, 0.42), (1.0, 1.0)],
        ],
        'ㅊ' => &[
            &[(0.35, 0.0), (0.65, 0.0)],
            &[(0.05, 0.28), (0.95, 0.28)],
            &[(0.5, 0.28), (0.4, 0.6), (0.0, 1.0)],
            &[(0.45, 0.56), (1.0, 1.0)],
        ],
        'ㅋ' if beside => {
            &[&[(0.0, 0.05), (0.92, 0.05), (0.82, 0.5), (0.1, 1.0)], &[(0.0, 0.48), (0.84, 0.42)]]
        }
        'ㅋ' => &[&[(0.0, 0.0), (0.95, 0.0), (0.9, 1.0)], &[(0.0, 0.48), (0.92, 0.48)]],
        'ㅌ' => &[&[(0.95, 0.0), (0.05, 0.0), (0.05, 1.0), (1.0, 1.0)], &[(0.05, 0.5), (0.9, 0.5)]],
        'ㅍ' => &[
            &[(0.02, 0.0), (0.98, 0.0)],
            &[(0.0, 1.0), (1.0, 1.0)],
            &[(0.3, 0.0), (0.3, 1.0)],
            &[(0.7, 0.0), (0.7, 1.0)],
        ],
        'ㅎ' => &[&[(0.35, 0.0), (0.65, 0.0)], &[(0.05, 0.27), (0.95, 0.27)]],
        _ => &[],
    }
}

/// The circle of ㅇ and ㅎ within the letter's box.
const fn circle(letter: char) -> Option<Area> {
    match letter {
        'ㅇ' => Some([0.06, 0.0, 0.94, 1.0]),
        'ㅎ' => Some([0.16, 0.46, 0.84, 1.0]),
        _ => None,
    }
}

const fn vowel(letter: char) -> Lines {
    match letter {
        'ㅏ' => &[&[(0.3, 0.0), (0.3, 1.0)], &[(0.3, 0.47), (1.0, 0.47)]],
        'ㅑ' => &[&[(0.3, 0.0), (0.3, 1.0)], &[(0.3, 0.34), (1.0, 0.34)], &[(0.3, 0.62), (1.0, 0.62)]],
        'ㅓ' => &[&[(0.75, 0.0), (0.75, 1.0)], &[(0.0, 0.47), (0.75, 0.47)]],
        'ㅕ' => &[&[(0.75, 0.0), (0.75, 1.0)], &[(0.0, 0.34), (0.75, 0.34)], &[(0.0, 0.62), (0.75, 0.62)]],
        'ㅣ' => &[&[(0.6, 0.0), (0.6, 1.0)]],
        'ㅐ' => &[&[(0.15, 0.04), (0.15, 0.96)], &[(0.85, 0.0), (0.85, 1.0)], &[(0.15, 0.47), (0.85, 0.47)]],
        'ㅒ' => &[
            &[(0.15, 0.04), (0.15, 0.96)],
            &[(0.85, 0.0), (0.85, 1.0)],
            &[(0.15, 0.34), (0.85, 0.34)],
            &[(0.15, 0.62), (0.85, 0.62)],
        ],
        'ㅔ' => &[&[(0.45, 0.04), (0.45, 0.96)], &[(0.95, 0.0), (0.95, 1.0)], &[(0.0, 0.47), (0.45, 0.47)]],
        'ㅖ' => &[
            &[(0.45, 0.04), (0.45, 0.96)],
            &[(0.95, 0.0), (0.95, 1.0)],
            &[(0.0, 0.34), (0.45, 0.34)],
            &[(0.0, 0.62), (0.45, 0.62)],
        ],
        'ㅗ' => &[&[(0.0, 0.9), (1.0, 0.9)], &[(0.5, 0.2), (0.5, 0.9)]],
        'ㅛ' => &[&[(0.0, 0.9), (1.0, 0.9)], &[(0.33, 0.2), (0.33, 0.9)], &[(0.67, 0.2), (0.67, 0.9)]],
        'ㅜ' => &[&[(0.0, 0.2), (1.0, 0.2)], &[(0.5, 0.2), (0.5, 1.0)]],
        'ㅠ' => &[&[(0.0, 0.2), (1.0, 0.2)], &[(0.33, 0.2), (0.33, 1.0)], &[(0.67, 0.2), (0.67, 1.0)]],
        'ㅡ' => &[&[(0.0, 0.5), (1.0, 0.5)]],
        _ => &[],
    }
}

struct Pen<'a> {
    at: Pt,
    size: f32,
    r: f32,
    out: &'a mut Vec<Shape>,
}

impl Pen<'_> {
    /// One letter, or two side by side.
    fn letters(&mut self, letters: &str, area: Area, beside: bool) {
        let count = letters.chars().count() as f32;
        let width = (area[2] - area[0]) / count;
        // A gap between two letters as wide as a stroke and a half.
        let gap = if count > 1.0 { 0.05 } else { 0.0 };
        for (i, letter) in letters.chars().enumerate() {
            let left = area[0] + width * i as f32 + gap;
            let part = [left, area[1], left + width - 2.0 * gap, area[3]];
            self.lines(consonant(letter, beside && count == 1.0), part);
            if let Some(c) = circle(letter) {
                self.oval(inner(part, c));
            }
        }
    }

    fn vowel(&mut self, letter: char, area: Area) {
        self.lines(vowel(letter), area);
    }

    fn lines(&mut self, lines: Lines, area: Area) {
        for line in lines {
            for pair in line.windows(2) {
                let (a, b) = (self.point(pair[0], area), self.point(pair[1], area));
                self.out.push(Shape::Line { a, b, r: self.r });
            }
        }
    }

    fn oval(&mut self, area: Area) {
        let (a, b) = (self.point((0.0, 0.0), area), self.point((1.0, 1.0), area));
        let (rx, ry) = ((b.0 - a.0) / 2.0, (b.1 - a.1) / 2.0);
        self.out.push(Shape::Oval { c: (a.0 + rx, a.1 + ry), rx, ry, r: self.r, filled: false });
    }

    /// From a letter's box to pixels. Small text is set on pixel centres, or one-pixel strokes would blur over two.
    fn point(&self, p: Pt, area: Area) -> Pt {
        let unit = (area[0] + p.0 * (area[2] - area[0]), area[1] + p.1 * (area[3] - area[1]));
        let at = (self.at.0 + unit.0 * self.size, self.at.1 + unit.1 * self.size);
        if self.size > 32.0 { at } else { (at.0.floor() + 0.5, at.1.floor() + 0.5) }
    }
}

fn inner(outer: Area, part: Area) -> Area {
    let (w, h) = (outer[2] - outer[0], outer[3] - outer[1]);
    [outer[0] + part[0] * w, outer[1] + part[1] * h, outer[0] + part[2] * w, outer[1] + part[3] * h]
}
