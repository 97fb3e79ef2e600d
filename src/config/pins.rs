//! Which pin is which line: the `[pins]` table of config and board profile.
//!
//! Terms. *Line*: what a pin is for (`happy`, `fault`, `red`, …). *Offset*: a GPIO's number on its chip. *Header pin*:
//! its place on the board's pin header, 1..=40. Nothing is opened here.

use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// A pin as written: `17`, `"GPIO17"` or `"pin:11"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PinRef {
    /// Offset on the board's GPIO chip.
    Offset(u32),
    /// Place on the pin header.
    Header(u8),
    /// The kernel's name of the line, on any chip.
    Name(String),
}

impl fmt::Display for PinRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinRef::Offset(n) => write!(f, "{n}"),
            PinRef::Header(n) => write!(f, "pin:{n}"),
            PinRef::Name(name) => f.write_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for PinRef {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(PinVisitor)
    }
}

struct PinVisitor;

impl de::Visitor<'_> for PinVisitor {
    type Value = PinRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pin: an offset (17), a header pin (\"pin:11\") or a line name (\"GPIO17\")")
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<PinRef, E> {
        u32::try_from(v).map(PinRef::Offset).map_err(|_| E::invalid_value(de::Unexpected::Signed(v), &self))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<PinRef, E> {
        let invalid = || E::invalid_value(de::Unexpected::Str(v), &self);
        match v.strip_prefix("pin:") {
            Some(n) => n.trim().parse().map(PinRef::Header).map_err(|_| invalid()),
            None if v.trim().is_empty() => Err(invalid()),
            None => Ok(PinRef::Name(v.trim().into())),
        }
    }
}

macro_rules! pin_table {
    ($($(#[$doc:meta])* $line:ident),* $(,)?) => {
        /// The `[pins]` table. A line that is left out stays dark; in the config, a line that is given replaces the
        /// profile's.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Pins {
            $($(#[$doc])* pub $line: Option<PinRef>,)*
            /// The light is on when the pin is low. Default false.
            pub active_low: Option<bool>,
            /// The pin only pulls to ground; an outer voltage lights the LED. Default false.
            pub open_drain: Option<bool>,
        }

        impl Pins {
            /// Every line that may have a pin, in the table's order.
            pub const LINES: &'static [&'static str] = &[$(stringify!($line)),*];

            /// The lines that have one.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &PinRef)> {
                [$((stringify!($line), self.$line.as_ref())),*].into_iter().filter_map(|(l, p)| Some((l, p?)))
            }

            /// These, with `other`'s wherever it says something.
            #[must_use]
            pub fn overlaid(&self, other: &Pins) -> Pins {
                Pins {
                    $($line: other.$line.clone().or_else(|| self.$line.clone()),)*
                    active_low: other.active_low.or(self.active_low),
                    open_drain: other.open_drain.or(self.open_drain),
                }
            }
        }
    };
}

pin_table! {
    angry, disgust, fear, happy, sad, surprise, neutral,
    uncertain, no_face, fault,
    /// An RGB LED instead of single ones: all three or none.
    red, green, blue,
    /// A push button to ground: closes the camera until it is pressed again.
    mute_button,
}

/// A pin that exists on the board, as far as its profile knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pin {
    Offset(u32),
    Name(String),
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pin::Offset(n) => write!(f, "line {n}"),
            Pin::Name(name) => write!(f, "line \"{name}\""),
        }
    }
}

/// The board's GPIO: the `[gpio]` table of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gpio {
    /// Label of the chip that offsets count on, as `gpiodetect` shows it in brackets; chip numbers move, labels don't.
    pub chip: String,
    /// Header pin → offset or line name, for the pins that are free to use. Empty: any offset is taken as it is.
    pub header: BTreeMap<String, PinRef>,
    /// Kernel's name of a line → its offset, where the profile knows it, so that `"GPIO17"` and `17` are one pin.
    pub names: BTreeMap<String, u32>,
}

impl Gpio {
    /// Finds `pin` on this board. The error says which pins there are.
    pub fn resolve(&self, pin: &PinRef) -> Result<Pin, String> {
        match pin {
            PinRef::Header(n) => match self.header.get(&n.to_string()) {
                Some(PinRef::Offset(o)) => Ok(Pin::Offset(*o)),
                Some(PinRef::Name(name)) => Ok(self.named(name)),
                Some(PinRef::Header(_)) | None => {
                    Err(format!("the board has no free header pin {n}{}", self.choice()))
                }
            },
            PinRef::Offset(o) if self.has_offset(*o) => Ok(Pin::Offset(*o)),
            PinRef::Offset(o) => {
                Err(format!("line {o} is on no free header pin of the board{}", self.choice()))
            }
            PinRef::Name(name) => Ok(self.named(name)),
        }
    }

    fn named(&self, name: &str) -> Pin {
        self.names.get(name).map_or_else(|| Pin::Name(name.into()), |o| Pin::Offset(*o))
    }

    fn has_offset(&self, offset: u32) -> bool {
        self.header.is_empty()
            || self.header.values().any(|p| matches!(self.resolve_value(p), Some(o) if o == offset))
    }

    fn resolve_value(&self, pin: &PinRef) -> Option<u32> {
        match pin {
            PinRef::Offset(o) => Some(*o),
            PinRef::Name(name) => self.names.get(name).copied(),
            PinRef::Header(_) => None,
        }
    }

    /// "; it has pin:3 (2), pin:5 (3), …"
    fn choice(&self) -> String {
        if self.header.is_empty() {
            return "; its profile lists none".into();
        }
        let mut pins: Vec<_> = self.header.iter().collect();
        pins.sort_by_key(|(n, _)| n.parse::<u8>().unwrap_or(u8::MAX));
        let list: Vec<_> = pins.iter().map(|(n, p)| format!("pin:{n} ({p})")).collect();
        format!("; it has {}", list.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn gpio() -> Gpio {
        toml::from_str("chip='x'\nheader={3=2,11=17,13='GPIO27'}\nnames={GPIO17=17}").unwrap()
    }

    #[rstest]
    #[case::offset("17", Ok(Pin::Offset(17)))]
    #[case::header("'pin:11'", Ok(Pin::Offset(17)))]
    #[case::header_to_name("'pin:13'", Ok(Pin::Name("GPIO27".into())))]
    #[case::known_name("'GPIO17'", Ok(Pin::Offset(17)))]
    #[case::other_name("'ID_SDA'", Ok(Pin::Name("ID_SDA".into())))]
    #[case::no_such_offset("99", Err("pin:3 (2), pin:11 (17), pin:13 (GPIO27)"))]
    #[case::no_such_header("'pin:1'", Err("no free header pin 1"))]
    fn resolves(#[case] written: &str, #[case] expect: Result<Pin, &str>) {
        let pins: Pins = toml::from_str(&format!("happy = {written}")).unwrap();
        let found = gpio().resolve(pins.happy.as_ref().unwrap());
        match (found, expect) {
            (Ok(pin), Ok(want)) => assert_eq!(pin, want),
            (Err(e), Err(part)) => assert!(e.contains(part), "{e}"),
            (found, want) => panic!("{found:?}, expected {want:?}"),
        }
    }

    #[rstest]
    #[case("-1")]
    #[case("''")]
    #[case("'pin:x'")]
    #[case("'pin:300'")]
    #[case("1.5")]
    #[case("[17]")]
    fn refuses(#[case] written: &str) {
        assert!(toml::from_str::<Pins>(&format!("happy = {written}")).is_err());
    }
}
