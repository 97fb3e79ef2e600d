//! The trial of an installed model: its minute counts from when the lights are ready with it, not from when it began to load.
//!
//! A version that the board's config or profile passes over is not tried: it proves nothing, and that the service dies is not its
//! fault.

use crate::classifier::store::Store;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// After so long a newly installed model has proved itself.
const LENGTH: Duration = Duration::from_secs(60);

/// The version being tried, where the time is known.
#[derive(Debug)]
pub struct Trial {
    ready: Receiver<String>,
    /// The version, and when its minute is over.
    due: Option<(String, Duration)>,
}

impl Trial {
    /// A trial that nothing is known of, and where it is told the version that the lights are ready with.
    pub fn new() -> (Sender<String>, Self) {
        let (tell, ready) = channel();
        (tell, Self { ready, due: None })
    }

    /// The version whose minute is over at `now`; each is given once.
    pub fn proved(&mut self, now: Duration) -> Option<String> {
        if let Ok(version) = self.ready.try_recv() {
            self.due = Some((version, now + LENGTH));
        }
        self.due.take_if(|(_, due)| now >= *due).map(|(version, _)| version)
    }
}

/// A version on trial, beside the model files that a run uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// There is none.
    Nothing,
    Version(String),
    /// It is passed over: no file of it is used.
    Unused(String),
}

/// What `files` mean for the version on trial, if there is one.
pub fn tried(store: &Store, files: &[PathBuf]) -> Tried {
    let Some((version, _)) = store.trial() else { return Tried::Nothing };
    let folder = store.root().join(&version);
    match files.iter().any(|file| file.starts_with(&folder)) {
        true => Tried::Version(version),
        false => Tried::Unused(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn the_minute_counts_from_readiness() {
        let (tell, mut trial) = Trial::new();
        let mut proved = |second| trial.proved(Duration::from_secs(second));
        assert_eq!(proved(100), None, "it is still loading");
        tell.send("v3".into()).unwrap();
        assert_eq!([proved(101), proved(160)], [None, None]);
        assert_eq!(proved(161).as_deref(), Some("v3"));
        assert_eq!(proved(300), None, "once is enough");
    }

    #[rstest]
    #[case::classifier(Some("v4 1\n"), &["v4/vgg.onnx", "../package/face.onnx"], Tried::Version("v4".into()))]
    #[case::detector(Some("v4 1\n"), &["../package/vgg.onnx", "v4/face.onnx"], Tried::Version("v4".into()))]
    #[case::passed_over(Some("v4 1\n"), &["../package/vgg.onnx", "../package/face.onnx"], Tried::Unused("v4".into()))]
    #[case::installed_meanwhile(Some("v4 0\n"), &["v3/vgg.onnx", "v3/face.onnx"], Tried::Unused("v4".into()))]
    #[case::longer_name(Some("v4 0\n"), &["v40/vgg.onnx"], Tried::Unused("v4".into()))]
    #[case::settled(None, &["v4/vgg.onnx"], Tried::Nothing)]
    fn a_version_is_tried_by_its_own_files(
        #[case] trial: Option<&str>,
        #[case] files: &[&str],
        #[case] expect: Tried,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        std::os::unix::fs::symlink("v4", dir.path().join("current")).unwrap();
        if let Some(text) = trial {
            std::fs::write(dir.path().join("trial"), text).unwrap();
        }
        let files: Vec<PathBuf> = files.iter().map(|file| dir.path().join(file)).collect();
        assert_eq!(tried(&store, &files), expect);
    }
}
