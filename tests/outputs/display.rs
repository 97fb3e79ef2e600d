//! The page: that it is drawn on every panel and in every language, when it is drawn, and what must not be on it.

use crate::stage::{face, mostly, ms, view};
use embedded_graphics::pixelcolor::{BinaryColor, Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use moodlight::decision::{Mood, MoodKind};
use moodlight::emotion::Emotion;
use moodlight::frame::{GrayImage, Timestamp};
use moodlight::outputs::display::{Display, DisplaySettings, Language, Layout, Panel, Privacy};
use moodlight::outputs::{Indicator, View};
use moodlight::sim::panel::{self, SimPanel};
use rstest::rstest;

fn moods() -> Vec<MoodKind> {
    let others = [MoodKind::Uncertain, MoodKind::NoFace, MoodKind::Fault, MoodKind::Muted];
    Emotion::ALL.into_iter().map(MoodKind::Emotion).chain(others).collect()
}

fn mood(kind: MoodKind, score: f32) -> Mood {
    let scores = mostly(kind.emotion().unwrap_or(Emotion::Fear), score);
    Mood { kind, since: Timestamp::ZERO, track: Some(1), scores }
}

fn settings(language: Language) -> DisplaySettings {
    DisplaySettings { language, ..DisplaySettings::default() }
}

/// A page with the default settings on a panel in memory.
fn english<C: panel::SimColor>(width: u32, height: u32) -> Display<SimPanel<C>> {
    Display::new(SimPanel::new(width, height), settings(Language::English), Privacy::NothingKept)
}

fn show<P: Panel>(page: &mut Display<P>, mood: &Mood, t: u64) {
    page.show(&view(mood, &Vec::new()), ms(t), &mut Vec::new()).expect("a simulated panel works");
}

fn drawn<P: Panel + Clone>(panel: P, language: Language, privacy: Privacy, kind: MoodKind) -> P {
    let mut page = Display::new(panel, settings(language), privacy);
    show(&mut page, &mood(kind, 0.8), 0);
    page.panel().clone()
}

/// Eleven moods, eleven different pages, in each language and on each panel: nothing is cut away that tells them apart.
#[rstest]
fn every_mood_has_its_page(
    #[values(Language::English, Language::German, Language::Korean)] language: Language,
    #[values((128, 64), (128, 32), (480, 320), (800, 480))] size: (u32, u32),
) {
    let pages: Vec<Vec<bool>> = moods()
        .into_iter()
        .map(|kind| {
            let panel = SimPanel::<BinaryColor>::new(size.0, size.1);
            let panel = drawn(panel, language, Privacy::NothingKept, kind);
            panel.pixels().iter().map(|p| p.is_on()).collect()
        })
        .collect();
    for (i, page) in pages.iter().enumerate() {
        assert!(page.iter().filter(|lit| **lit).count() > 60, "page {i} is nearly empty");
        assert!(pages[..i].iter().all(|other| other != page), "page {i} looks like another");
    }
}

/// Of every panel that a box may have; a wrong area would reach outside or overlap.
#[rstest]
fn parts_lie_on_the_panel_and_apart(
    #[values((128, 64), (128, 32), (240, 240), (320, 240), (480, 320), (800, 480), (1024, 600), (1920, 1080),
        (240, 320), (240, 360), (320, 480), (400, 1280), (320, 1480), (480, 1920), (1080, 1920))]
    size: (u32, u32),
) {
    let panel = Size::new(size.0, size.1);
    let Layout { icon, title, bars, picture, footer, .. } = Layout::of(panel);
    let parts: Vec<_> =
        [Some(icon), Some(title), bars.area(), picture, footer].into_iter().flatten().collect();
    let whole = embedded_graphics::primitives::Rectangle::new(Point::zero(), panel);
    for (i, part) in parts.iter().enumerate() {
        assert_eq!(part.intersection(&whole), *part, "part {i} reaches outside");
        for other in &parts[..i] {
            assert!(part.intersection(other).is_zero_sized(), "{part:?} over {other:?}");
        }
    }
}

#[test]
fn a_page_is_drawn_when_something_changed_and_at_most_ten_times_a_second() {
    let mut page = english::<Rgb888>(480, 320);
    let happy = |score| mood(MoodKind::Emotion(Emotion::Happy), score);
    let steps = [
        (0, happy(0.8), 1),
        (50, happy(0.8), 1),
        // Another score: not before the tenth of a second is over.
        (60, happy(0.7), 1),
        (100, happy(0.7), 2),
        (5000, happy(0.7), 2),
        // Another mood: at once.
        (5010, mood(MoodKind::Emotion(Emotion::Sad), 0.8), 3),
        (5020, happy(0.7), 4),
    ];
    for (t, mood, flushes) in steps {
        show(&mut page, &mood, t);
        assert_eq!(page.panel().flushes(), flushes, "at {t} ms");
        if t == 60 {
            assert_eq!(page.next_change(ms(60)), Some(ms(100)));
        }
    }
}

#[test]
fn the_end_is_black() {
    let mut page = english::<Rgb565>(320, 240);
    show(&mut page, &mood(MoodKind::Fault, 0.5), 0);
    assert!(page.panel().pixels().iter().any(|p| *p != Rgb565::BLACK));
    page.off(ms(10), &mut Vec::new()).expect("works");
    assert!(page.panel().pixels().iter().all(|p| *p == Rgb565::BLACK));
}

/// "Nothing is stored or sent" must not stand there while snapshots are written.
#[test]
fn the_privacy_line_tells_the_truth() {
    let page = |privacy| {
        let panel = SimPanel::<Rgb888>::new(800, 480);
        drawn(panel, Language::English, privacy, MoodKind::Emotion(Emotion::Happy))
    };
    let footer = Layout::of(Size::new(800, 480)).footer.expect("800×480 has a footer");
    let written = |panel: &SimPanel<Rgb888>| {
        let ground = panel.pixels()[0];
        footer.points().any(|p| panel.pixels()[p.y as usize * 800 + p.x as usize] != ground)
    };
    assert!(written(&page(Privacy::NothingKept)));
    assert!(!written(&page(Privacy::Snapshots)));
}

/// A view between two frames has no picture; the one that is there stays.
#[test]
fn the_picture_stays_between_frames() {
    let mut page = english::<Rgb888>(480, 320);
    let white = GrayImage { width: 64, height: 48, data: vec![255; 64 * 48] };
    let happy = mood(MoodKind::Emotion(Emotion::Happy), 0.8);
    let faces = vec![face(1, 20.0, happy.scores)];
    let with = View { mood: &happy, faces: &faces, picture: Some(white.view()), notice: None };
    page.show(&with, ms(0), &mut Vec::new()).expect("works");
    let before = page.panel().pixels().to_vec();
    show(&mut page, &happy, 200);
    assert!(before == page.panel().pixels(), "the page changed without a frame");
    let area = Layout::of(Size::new(480, 320)).picture.expect("480×320 has a picture");
    let center = area.center();
    assert_eq!(before[center.y as usize * 480 + center.x as usize], Rgb888::WHITE);
}

/// What happens between two frames, a new mood or a page that is to move, does not blank the picture until the next one.
#[test]
fn the_picture_outlives_a_change_between_frames() {
    let size = Size::new(480, 320);
    let mut page = english::<Rgb888>(size.width, size.height);
    let white = GrayImage { width: 64, height: 48, data: vec![255; 64 * 48] };
    let happy = mood(MoodKind::Emotion(Emotion::Happy), 0.8);
    let faces = vec![face(1, 20.0, happy.scores)];
    let with = View { mood: &happy, faces: &faces, picture: Some(white.view()), notice: None };
    page.show(&with, ms(0), &mut Vec::new()).expect("works");
    let center = Layout::of(size).picture.expect("480×320 has a picture").center();
    let pixel = |page: &Display<SimPanel<Rgb888>>| {
        page.panel().pixels()[center.y as usize * size.width as usize + center.x as usize]
    };
    let before = page.panel().pixels().to_vec();
    for (kind, t) in [(MoodKind::Uncertain, 700), (MoodKind::NoFace, 1700), (MoodKind::NoFace, 61_000)] {
        show(&mut page, &mood(kind, 0.3), t);
        assert_eq!(pixel(&page), Rgb888::WHITE, "{kind:?} at {t} ms");
    }
    assert!(before != page.panel().pixels(), "the words changed");
    // A fault is none of a picture's.
    show(&mut page, &mood(MoodKind::Fault, 0.3), 62_000);
    assert_ne!(pixel(&page), Rgb888::WHITE);
}

/// A page in two levels cannot be drawn darker: it would be black. The panel itself is.
#[test]
fn a_monochrome_panel_dims_by_itself() {
    let mut page = english::<BinaryColor>(128, 64);
    let lit =
        |page: &Display<SimPanel<BinaryColor>>| page.panel().pixels().iter().filter(|p| p.is_on()).count();
    show(&mut page, &mood(MoodKind::NoFace, 0.2), 0);
    let awake = lit(&page);
    for (t, light) in [(0, 100), (121_000, 35), (181_000, 35)] {
        show(&mut page, &mood(MoodKind::NoFace, 0.2), t);
        assert_eq!((lit(&page), page.panel().light()), (awake, light), "at {t} ms");
    }
}

/// A small panel wanders too, by a pixel: nothing is cut off at its edge, as the count above shows, and nothing burns in.
#[test]
fn a_small_panel_wanders() {
    let mut page = english::<BinaryColor>(128, 64);
    show(&mut page, &mood(MoodKind::NoFace, 0.2), 0);
    let before = page.panel().pixels().to_vec();
    show(&mut page, &mood(MoodKind::NoFace, 0.2), 60_000);
    let after = page.panel().pixels();
    let row = |pixels: &[BinaryColor], y: usize| pixels[y * 128..][..128].to_vec();
    let moved = (0..64).all(|y| row(&before, y)[..127] == row(after, y)[1..]);
    assert!(moved && before != after, "not a pixel to the right");
}

/// For a screen that is not plugged in nothing is drawn; one that comes gets the whole page.
#[test]
fn nobody_draws_for_an_absent_screen() {
    let mut page = english::<Rgb888>(480, 320);
    let happy = mood(MoodKind::Emotion(Emotion::Happy), 0.8);
    page.panel_mut().plug(false);
    show(&mut page, &happy, 0);
    assert_eq!(page.panel().flushes(), 0);
    page.panel_mut().plug(true);
    show(&mut page, &happy, 1000);
    assert_eq!(page.panel().flushes(), 1);
    assert!(page.panel().pixels().iter().any(|p| *p != Rgb888::BLACK));
}

#[test]
fn a_quiet_page_dims_and_a_face_wakes_it() {
    let mut page = english::<Rgb888>(320, 240);
    let brightest =
        |page: &Display<SimPanel<Rgb888>>| page.panel().pixels().iter().map(|p| p.g()).max().unwrap_or(0);
    let nobody = mood(MoodKind::NoFace, 0.2);
    show(&mut page, &nobody, 0);
    let awake = brightest(&page);
    show(&mut page, &nobody, 121_000);
    assert!(brightest(&page) < awake / 2, "{} of {awake}", brightest(&page));
    show(&mut page, &mood(MoodKind::Emotion(Emotion::Happy), 0.9), 122_000);
    assert!(brightest(&page) > awake);
}

/// Hours are told from outside; before that, and by day, nothing changes.
#[rstest]
#[case::untold(None, 255)]
#[case::by_day(Some(12 * 60), 255)]
#[case::by_night(Some(23 * 60), 40)]
#[case::toward_morning(Some(7 * 60), 255)]
fn night_hours_are_darker(#[case] minute: Option<u16>, #[case] at_most: u8) {
    let night = toml::from_str("night = \"22:00-07:00\"\nnight_brightness = 10").expect("well-formed");
    let mut page = Display::new(SimPanel::<Rgb888>::new(320, 240), night, Privacy::NothingKept);
    minute.into_iter().for_each(|m| page.local_time(m));
    show(&mut page, &mood(MoodKind::Emotion(Emotion::Happy), 0.9), 0);
    let brightest = page.panel().pixels().iter().map(|p| p.g()).max().unwrap_or(0);
    assert!(brightest <= at_most && brightest > at_most / 2, "{brightest}");
}

#[test]
fn a_night_without_brightness_is_dark() {
    let night = toml::from_str("night = \"00:00-12:00\"\nnight_brightness = 0").expect("well-formed");
    let mut page = Display::new(SimPanel::<Rgb888>::new(320, 240), night, Privacy::NothingKept);
    page.local_time(1);
    show(&mut page, &mood(MoodKind::Emotion(Emotion::Happy), 0.9), 0);
    assert!(page.panel().pixels().iter().all(|p| *p == Rgb888::BLACK));
}

#[rstest]
#[case("night_brightness = 101", "display.night_brightness: expected 0 to 100 percent, found 101")]
#[case("brightness = 0", "display.brightness: expected 1 to 100 percent, found 0")]
#[case("dimmed = 101", "display.dimmed: expected 1 to 100 percent, found 101")]
fn settings_out_of_range_are_named(#[case] text: &str, #[case] expect: &str) {
    let settings: DisplaySettings = toml::from_str(text).expect("well-formed");
    assert_eq!(settings.validate(), Err(expect.to_string()));
}

/// Refuses to be drawn on, and counts how often that is tried.
struct Refusing {
    panel: SimPanel<BinaryColor>,
    tries: usize,
    works: bool,
}

impl Panel for Refusing {
    type Canvas = SimPanel<BinaryColor>;

    fn canvas(&mut self) -> &mut Self::Canvas {
        &mut self.panel
    }

    fn flush(&mut self) -> Result<(), String> {
        self.tries += 1;
        if self.works { Ok(()) } else { Err("no answer".into()) }
    }

    fn describe(&self) -> String {
        "a panel that refuses".into()
    }
}

/// A bus that hangs takes a second for each try, in which no light blinks.
#[test]
fn a_panel_that_fails_is_tried_again_after_growing_pauses() {
    let panel = Refusing { panel: SimPanel::new(128, 64), tries: 0, works: false };
    let mut page = Display::new(panel, settings(Language::English), Privacy::NothingKept);
    let happy = mood(MoodKind::Emotion(Emotion::Happy), 0.8);
    let shown = |page: &mut Display<Refusing>, t: u64| {
        let shown = page.show(&view(&happy, &Vec::new()), ms(t), &mut Vec::new());
        shown.map_err(|e| e.to_string())
    };
    let mut tried = Vec::new();
    for t in (0..20_000).step_by(50) {
        let before = page.panel().tries;
        assert_eq!(shown(&mut page, t), Err("a panel that refuses: no answer".into()), "it stays a fault");
        tried.extend((page.panel().tries > before).then_some(t));
    }
    assert_eq!(tried, [0, 250, 750, 1750, 3750, 7750, 12_750, 17_750]);
    assert_eq!(page.next_change(ms(20_000)), Some(ms(22_750)));
    page.panel_mut().works = true;
    assert_eq!(shown(&mut page, 22_750), Ok(()));
    page.panel_mut().works = false;
    assert!(shown(&mut page, 100_000).is_err(), "the page has wandered");
    assert_eq!(page.next_change(ms(100_000)), Some(ms(100_250)), "a new fault begins with a short pause");
}
