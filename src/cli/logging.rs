//! `log` → stderr. `$MOODLIGHT_LOG` wins over the config; without either, `info`.
//!
//! A bare level ("debug") is moodlight's own: libraries keep to warnings, or tract would drown it. Filters with a
//! target ("tract_core=debug,moodlight=trace") are taken as they are. Any other bare word ("warning") is told and counts
//! for nothing: as a filter it would name a target that nobody has, and silence everything.

use log::LevelFilter;

const VARIABLE: &str = "MOODLIGHT_LOG";

/// What the environment wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Nothing,
    /// moodlight's own level.
    Level(LevelFilter),
    /// As env_logger reads them.
    Filters(String),
    /// A bare word that is no level.
    Unknown(String),
}

impl Wish {
    fn from_env() -> Self {
        Self::of(&std::env::var_os(VARIABLE).unwrap_or_default().to_string_lossy())
    }

    fn of(text: &str) -> Self {
        let text = text.trim();
        match text.parse::<LevelFilter>() {
            _ if text.is_empty() => Wish::Nothing,
            Ok(level) => Wish::Level(level),
            Err(_) if text.contains(['=', ',', '/']) || text.contains("::") => Wish::Filters(text.into()),
            Err(_) => Wish::Unknown(text.into()),
        }
    }

    /// The config's level counts.
    fn is_open(&self) -> bool {
        matches!(self, Wish::Nothing | Wish::Unknown(_))
    }
}

/// Sets up the logger. Called once, first of all.
pub fn init() {
    let wish = Wish::from_env();
    let mut builder = env_logger::Builder::new();
    match &wish {
        Wish::Filters(filters) => {
            builder.parse_filters(filters);
        }
        Wish::Level(level) => {
            builder.filter_level((*level).min(LevelFilter::Warn)).filter_module("moodlight", *level);
        }
        Wish::Nothing | Wish::Unknown(_) => {
            builder.filter_level(LevelFilter::Warn).filter_module("moodlight", LevelFilter::Trace);
        }
    }
    builder.format_target(false).format_timestamp(None);
    if builder.try_init().is_ok() && wish.is_open() {
        log::set_max_level(LevelFilter::Info);
    }
    if let Wish::Unknown(word) = wish {
        log::warn!("{VARIABLE}={word} is no level: expected off, error, warn, info, debug or trace");
    }
}

/// The config's wish, which the environment overrules.
pub fn set_level(level: LevelFilter) {
    if Wish::from_env().is_open() {
        log::set_max_level(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::unset("", Wish::Nothing)]
    #[case::blank(" ", Wish::Nothing)]
    #[case::level("debug", Wish::Level(LevelFilter::Debug))]
    #[case::shouted(" WARN ", Wish::Level(LevelFilter::Warn))]
    #[case::off("off", Wish::Level(LevelFilter::Off))]
    #[case::target("tract_core=debug", Wish::Filters("tract_core=debug".into()))]
    #[case::two("warn,moodlight=trace", Wish::Filters("warn,moodlight=trace".into()))]
    #[case::module("moodlight::cli", Wish::Filters("moodlight::cli".into()))]
    #[case::pattern("info/camera", Wish::Filters("info/camera".into()))]
    #[case::nearly("warning", Wish::Unknown("warning".into()))]
    #[case::mistyped("inof", Wish::Unknown("inof".into()))]
    #[case::number("2", Wish::Unknown("2".into()))]
    fn reads_the_variable(#[case] text: &str, #[case] expect: Wish) {
        assert_eq!(Wish::of(text), expect);
    }
}
