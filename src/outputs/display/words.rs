//! What the page says, in the owner's language.

use crate::decision::MoodKind;
use crate::emotion::Emotion;
use serde::Deserialize;

/// `en`, `de` or `ko`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
    #[serde(rename = "ko")]
    Korean,
}
use Language::{English, German, Korean};

impl Language {
    pub const ALL: [Language; 3] = [English, German, Korean];

    /// The mood in large letters. Words that a person would use of a face, not a data set's.
    pub const fn mood(self, mood: MoodKind) -> &'static str {
        match mood {
            MoodKind::Emotion(e) => self.emotion(e),
            MoodKind::Uncertain => match self {
                English => "Not sure",
                German => "Unklar",
                Korean => "잘 모르겠음",
            },
            MoodKind::NoFace => match self {
                English => "Nobody here",
                German => "Niemand da",
                Korean => "얼굴 없음",
            },
            MoodKind::Fault => match self {
                English => "Out of order",
                German => "Störung",
                Korean => "고장",
            },
            MoodKind::Muted => match self {
                English => "Camera off",
                German => "Kamera aus",
                Korean => "카메라 꺼짐",
            },
        }
    }

    pub const fn emotion(self, emotion: Emotion) -> &'static str {
        match (self, emotion) {
            (English, Emotion::Angry) => "Angry",
            (English, Emotion::Disgust) => "Disgust",
            (English, Emotion::Fear) => "Fear",
            (English, Emotion::Happy) => "Happy",
            (English, Emotion::Sad) => "Sad",
            (English, Emotion::Surprise) => "Surprise",
            (English, Emotion::Neutral) => "Neutral",
            (German, Emotion::Angry) => "Wütend",
            (German, Emotion::Disgust) => "Ekel",
            (German, Emotion::Fear) => "Angst",
            (German, Emotion::Happy) => "Fröhlich",
            (German, Emotion::Sad) => "Traurig",
            (German, Emotion::Surprise) => "Erstaunt",
            (German, Emotion::Neutral) => "Neutral",
            (Korean, Emotion::Angry) => "화남",
            (Korean, Emotion::Disgust) => "역겨움",
            (Korean, Emotion::Fear) => "두려움",
            (Korean, Emotion::Happy) => "기쁨",
            (Korean, Emotion::Sad) => "슬픔",
            (Korean, Emotion::Surprise) => "놀람",
            (Korean, Emotion::Neutral) => "무표정",
        }
    }

    /// At most three letters, for the columns of a small panel.
    pub const fn short(self, emotion: Emotion) -> &'static str {
        match (self, emotion) {
            (English, Emotion::Angry) => "ang",
            (English, Emotion::Disgust) => "dis",
            (English, Emotion::Fear) => "fea",
            (English, Emotion::Happy) => "hap",
            (English, Emotion::Sad) => "sad",
            (English, Emotion::Surprise) => "sur",
            (English, Emotion::Neutral) => "neu",
            (German, Emotion::Angry) => "Wut",
            (German, Emotion::Disgust) => "Ekl",
            (German, Emotion::Fear) => "Ang",
            (German, Emotion::Happy) => "Fro",
            (German, Emotion::Sad) => "Tra",
            (German, Emotion::Surprise) => "Ers",
            (German, Emotion::Neutral) => "Neu",
            (Korean, Emotion::Angry) => "화",
            (Korean, Emotion::Disgust) => "역",
            (Korean, Emotion::Fear) => "두",
            (Korean, Emotion::Happy) => "기",
            (Korean, Emotion::Sad) => "슬",
            (Korean, Emotion::Surprise) => "놀",
            (Korean, Emotion::Neutral) => "무",
        }
    }

    /// What is done with the picture, while no snapshots are written.
    pub const fn privacy(self) -> &'static str {
        match self {
            English => "Nothing is stored or sent.",
            German => "Es wird nichts gespeichert oder gesendet.",
            Korean => "아무것도 저장하거나 보내지 않습니다.",
        }
    }

    /// An invitation, while nobody is there.
    pub const fn invitation(self) -> &'static str {
        match self {
            English => "Step in front of the camera.",
            German => "Bitte vor die Kamera treten.",
            Korean => "카메라 앞에 서 주세요.",
        }
    }

    /// How the camera is opened again, while it is closed by hand.
    pub const fn unmute(self) -> &'static str {
        match self {
            English => "Press the button to switch it on.",
            German => "Zum Einschalten die Taste drücken.",
            Korean => "버튼을 누르면 켜집니다.",
        }
    }

    /// "87%", with a space where the language has one.
    pub fn percent(self, score: f32) -> String {
        let percent = (score * 100.0).round() as u32;
        if self == German { format!("{percent} %") } else { format!("{percent}%") }
    }

    /// What to do about a fault, by the first word of its notice. Most faults are the camera's.
    pub fn advice(self, notice: &str) -> &'static str {
        let what = notice.split([' ', ':']).next().unwrap_or("");
        match (self, what) {
            (English, "model") => "Install the model again.",
            (German, "model") => "Bitte das Modell neu installieren.",
            (Korean, "model") => "모델을 다시 설치하세요.",
            (English, "config") => "Check the settings file.",
            (German, "config") => "Bitte die Einstellungen prüfen.",
            (Korean, "config") => "설정 파일을 확인하세요.",
            (English, _) => "Check the camera and its cable.",
            (German, _) => "Bitte Kamera und Kabel prüfen.",
            (Korean, _) => "카메라와 케이블을 확인하세요.",
        }
    }

    /// "2 faces"
    pub fn faces(self, count: usize) -> String {
        match (self, count) {
            (English, 1) => "1 face".into(),
            (English, n) => format!("{n} faces"),
            (German, 1) => "1 Gesicht".into(),
            (German, n) => format!("{n} Gesichter"),
            (Korean, n) => format!("얼굴 {n}"),
        }
    }
}
