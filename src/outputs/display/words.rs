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

    /// The same in two lines, for a panel of 128 pixels.
    pub const fn privacy_lines(self) -> [&'static str; 2] {
        match self {
            English => ["Nothing is stored", "or sent."],
            German => ["Nichts wird gespei-", "chert oder gesendet."],
            Korean => ["저장하거나", "보내지 않습니다"],
        }
    }

    /// What to do about a fault, by what is broken: the first word of its notice.
    pub fn advice(self, what: &str) -> &'static str {
        match (self, what) {
            (English, "camera" | "source") => "Check the camera and its cable.",
            (German, "camera" | "source") => "Bitte Kamera und Kabel prüfen.",
            (Korean, "camera" | "source") => "카메라와 케이블을 확인하세요.",
            (English, "model") => "Install the model again.",
            (German, "model") => "Bitte das Modell neu installieren.",
            (Korean, "model") => "모델을 다시 설치하세요.",
            (English, "config") => "Check the settings file.",
            (German, "config") => "Bitte die Einstellungen prüfen.",
            (Korean, "config") => "설정 파일을 확인하세요.",
            (English, _) => "Restart the box. If it stays, ask for help.",
            (German, _) => "Bitte neu starten. Hilft das nicht, Hilfe holen.",
            (Korean, _) => "전원을 껐다 켜 보세요.",
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
