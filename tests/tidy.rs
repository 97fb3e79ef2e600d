//! The house's rules, held by a machine: what lies at the top, who may import whom, who may touch what.
//!
//! Reads the files that git tracks (or, in a source archive, all files), as text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Tracked files relative to the root; without git, everything but build output.
fn files() -> Vec<PathBuf> {
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match git {
        Ok(out) if out.status.success() && !out.stdout.is_empty() => {
            let names = String::from_utf8_lossy(&out.stdout).into_owned();
            names
                .split('\0')
                .filter(|n| !n.is_empty())
                .map(PathBuf::from)
                .filter(|p| root().join(p).exists())
                .collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(root(), &mut found);
            found.iter().filter_map(|p| p.strip_prefix(root()).ok().map(Path::to_path_buf)).collect()
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let skip = path.file_name().is_some_and(|n| n == "target" || n == ".git" || n == "__pycache__");
        match (path.is_dir(), skip) {
            (_, true) => {}
            (true, false) => walk(&path, found),
            (false, false) => found.push(path),
        }
    }
}

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    let is_rust = |p: &PathBuf| p.starts_with(under) && p.extension().is_some_and(|e| e == "rs");
    let read = |p: PathBuf| {
        let text =
            std::fs::read_to_string(root().join(&p)).unwrap_or_else(|e| panic!("{}: {e}", p.display()));
        (p, text)
    };
    files().into_iter().filter(is_rust).map(read).collect()
}

/// Code without comments and without the test modules at a file's end.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    body.lines().map(|l| l.split("//").next().unwrap_or(l)).collect::<Vec<_>>().join("\n")
}

#[test]
fn only_known_things_lie_at_the_top() {
    let allowed: BTreeSet<&str> = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "models",
        "board",
        "tests",
        ".cargo",
        ".ci",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "deny.toml",
        "rustfmt.toml",
        ".gitignore",
    ]
    .into();
    let top: BTreeSet<String> =
        files().iter().filter_map(|p| Some(p.iter().next()?.to_string_lossy().into_owned())).collect();
    let strangers: Vec<_> = top.iter().filter(|n| !allowed.contains(n.as_str())).collect();
    assert!(strangers.is_empty(), "not expected at the top of the repository: {strangers:?}");
}

/// Which rooms a room must not name: dependencies point inward.
#[rstest]
#[case("src/backoff.rs", &["frame", "emotion", "source", "preprocess", "detector", "classifier", "decision", "outputs", "pipeline", "runtime", "app", "cli", "config", "hal", "sim"])]
#[case("src/frame.rs", &["source", "preprocess", "detector", "classifier", "decision", "outputs", "pipeline", "runtime", "app", "cli", "config", "hal", "sim"])]
#[case("src/emotion.rs", &["source", "preprocess", "detector", "classifier", "decision", "outputs", "pipeline", "runtime", "app", "cli", "config", "hal", "sim"])]
#[case("src/source.rs", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim"])]
#[case("src/preprocess", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim", "outputs", "decision"])]
#[case("src/detector", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim", "outputs", "decision"])]
#[case("src/classifier", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim", "outputs", "decision"])]
#[case("src/quant", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim", "outputs", "decision", "detector"])]
#[case("src/decision", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim", "outputs", "classifier"])]
#[case("src/outputs", &["pipeline", "runtime", "app", "cli", "config", "hal", "sim", "classifier"])]
#[case("src/pipeline.rs", &["runtime", "app", "cli", "config", "hal", "sim"])]
#[case("src/runtime", &["app", "cli", "config", "hal", "sim"])]
#[case("src/hal", &["sim", "app", "cli", "pipeline"])]
#[case("src/sim", &["hal", "app", "cli", "pipeline"])]
#[case("src/config", &["hal", "sim", "app", "cli", "runtime", "pipeline"])]
fn imports_point_inward(#[case] room: &str, #[case] forbidden: &[&str]) {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().filter(|(p, _)| in_room(p, room)) {
        for name in forbidden {
            if code(&text).contains(&format!("crate::{name}::"))
                || code(&text).contains(&format!("use crate::{name};"))
            {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `src/decision` is the file `src/decision.rs` or the folder.
fn in_room(path: &Path, room: &str) -> bool {
    path.starts_with(room) || path == Path::new(&format!("{room}.rs"))
}

/// What a room must not touch at all.
#[rstest]
#[case::clock("src/pipeline.rs", &["Instant::now", "SystemTime"])]
#[case::clock("src/decision", &["Instant::now", "SystemTime", "std::fs", "log::"])]
#[case::clock("src/detector", &["Instant::now", "SystemTime"])]
#[case::clock("src/outputs", &["Instant::now", "SystemTime", "/dev/"])]
#[case::pure("src/frame.rs", &["std::fs", "std::io", "log::", "Instant"])]
#[case::pure("src/emotion.rs", &["std::fs", "std::io", "log::", "Instant"])]
#[case::pure("src/backoff.rs", &["std::fs", "std::io", "log::", "Instant"])]
#[case::sim("src/sim", &["/dev/video", "/dev/gpiochip", "/dev/i2c", "/dev/dri"])]
fn a_room_keeps_to_its_own(#[case] room: &str, #[case] never: &[&str]) {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().filter(|(p, _)| in_room(p, room)) {
        for word in never.iter().filter(|w| code(&text).contains(**w)) {
            wrong.push(format!("{} touches {word}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether line `n` stands in an `impl … for …`: behind the last line above it that is less indented.
fn implements(lines: &[&str], n: usize) -> bool {
    let indent = |l: &str| l.len() - l.trim_start().len();
    let head = lines[..n].iter().rev().find(|l| !l.trim().is_empty() && indent(l) < indent(lines[n]));
    head.is_some_and(|l| l.trim_start().starts_with("impl") && l.contains(" for "))
}

#[test]
fn unsafe_says_why() {
    let mut bare = Vec::new();
    for (path, text) in sources("src") {
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let near = &lines[n.saturating_sub(6)..=n];
            let opens = line.contains("unsafe {") || line.contains("unsafe impl");
            // A trait says it once for the functions of the same name that implement it, which only its caller sees.
            let asks = line.contains("unsafe fn ") && !implements(&lines, n);
            if (opens || asks) && !near.iter().any(|l| l.contains("SAFETY") || l.contains("# Safety")) {
                bare.push(format!("{}:{}", path.display(), n + 1));
            }
        }
    }
    assert!(bare.is_empty(), "unsafe without a SAFETY reason or a # Safety section above it: {bare:#?}");
}

#[test]
fn every_file_opens_with_what_it_is() {
    let silent: Vec<_> = sources("src")
        .into_iter()
        .filter(|(_, t)| !t.starts_with("//!"))
        .map(|(p, _)| p.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no //! at the top: {silent:#?}");
}

#[test]
fn nothing_is_left_undone() {
    let words =
        [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    let mut left = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        for word in words.iter().filter(|w| text.contains(**w)) {
            left.push(format!("{}: {word}", path.display()));
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn no_test_sleeps() {
    let sleepers: Vec<_> = sources("tests")
        .into_iter()
        .filter(|(p, t)| !p.ends_with("tidy.rs") && t.contains("thread::sleep"))
        .map(|(p, _)| p.display().to_string())
        .collect();
    assert!(sleepers.is_empty(), "{sleepers:#?}");
}

#[test]
fn every_dependency_says_why() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap_or_default();
    let mut section = "";
    let mut bare = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies")
            && line.contains('=')
            && !line.starts_with('#')
            && !line.contains(" # ")
        {
            bare.push(line);
        }
    }
    assert!(!text.is_empty() && bare.is_empty(), "no reason beside: {bare:#?}");
}

#[test]
fn no_file_is_too_large_for_a_git_host() {
    let limit = 95 * 1024 * 1024;
    let size = |p: &PathBuf| std::fs::metadata(root().join(p)).map(|m| m.len()).unwrap_or(0);
    let large: Vec<_> = files().into_iter().filter(|p| size(p) > limit).collect();
    assert!(large.is_empty(), "over 95 MB: {large:?}");
}

#[test]
fn text_is_written_for_the_public() {
    let private = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red/models")];
    let is_text =
        |p: &PathBuf| p.extension().is_some_and(|e| ["rs", "md", "toml", "py", "sh"].iter().any(|x| e == *x));
    let mut leaks = Vec::new();
    for path in files().into_iter().filter(is_text) {
        let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        for word in private.iter().filter(|w| text.contains(**w)) {
            leaks.push(format!("{}: {word}", path.display()));
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}
