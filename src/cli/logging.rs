//! `log` → stderr. `$MOODLIGHT_LOG` wins over the config; without either, `info`.
//!
//! A bare level ("debug") is moodlight's own: libraries keep to warnings, or tract would drown it. Filters with a
//! target ("tract_core=debug,moodlight=trace") are taken as they are.

use log::LevelFilter;

const VARIABLE: &str = "MOODLIGHT_LOG";

/// Sets up the logger. Called once, first of all.
pub fn init() {
    let asked = std::env::var(VARIABLE).ok().filter(|v| !v.trim().is_empty());
    let mut builder = env_logger::Builder::new();
    match asked.as_deref().map(|v| (v, v.trim().parse::<LevelFilter>())) {
        Some((filters, Err(_))) => {
            builder.parse_filters(filters);
        }
        Some((_, Ok(level))) => {
            builder.filter_level(level.min(LevelFilter::Warn)).filter_module("moodlight", level);
        }
        None => {
            builder.filter_level(LevelFilter::Warn).filter_module("moodlight", LevelFilter::Trace);
        }
    }
    builder.format_target(false).format_timestamp(None);
    if builder.try_init().is_ok() && asked.is_none() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// The config's wish, which the environment overrules.
pub fn set_level(level: LevelFilter) {
    if std::env::var_os(VARIABLE).is_none_or(|v| v.is_empty()) {
        log::set_max_level(level);
    }
}
