//! From model files and settings to a [`Pipeline`].

use crate::classifier::manifest::Role;
use crate::classifier::selftest::{self, Outcome};
use crate::classifier::{ClassifierError, Found, Options, Precision, Vgg, locate};
use crate::config::Settings;
use crate::decision::Decision;
use crate::detector::DetectorError;
use crate::detector::blazeface::{BlazeFace, DetectorSettings};
use crate::detector::tracker::Tracker;
use crate::pipeline::{Parts, Pipeline};
use crate::preprocess::{LumaDecoder, Orientation, Rotation};
use anyhow::Context;
use std::panic::resume_unwind;
use std::path::PathBuf;

/// A pipeline and what it is made of.
pub struct Stages {
    pub pipeline: Pipeline,
    pub precision_name: &'static str,
    /// The classifier's name in its manifest.
    pub model_name: String,
    /// The classifier and the detector.
    pub files: [PathBuf; 2],
}

/// Loads both models beside each other, each held to the manifest, and lets the classifier prove itself.
pub fn load(settings: &Settings) -> anyhow::Result<Stages> {
    let config = &settings.config;
    let found = locate::find(Role::Classifier, settings.precision, settings.model.as_deref())?;
    let (classifier, detector) = std::thread::scope(|threads| {
        let classifier = threads.spawn(|| proven(&found, settings.threads));
        // Here, because reading it makes the heap grow three hundred times: in another thread each is a system call.
        let detector = detector(&config.detector);
        (classifier.join().unwrap_or_else(|panic| resume_unwind(panic)), detector)
    });
    let (classifier, (detector, detector_file)) = (classifier?, detector.context(InDetector)?);
    let rotate = Rotation::try_from(settings.source.rotate).map_err(anyhow::Error::msg)?;
    let pipeline = Pipeline::new(Parts {
        luma: LumaDecoder::new(Orientation { mirror: settings.source.mirror, rotate }),
        detector: Box::new(detector),
        tracker: Tracker::new(&config.tracker),
        temperature: found.entry.temperature,
        classifier: Box::new(classifier),
        decision: Decision::new(config.decision.clone()),
        max_faces: config.detector.max_faces,
    });
    Ok(Stages {
        pipeline,
        precision_name: settings.precision.name(),
        model_name: found.entry.name,
        files: [found.path, detector_file],
    })
}

/// Marks an error as the detector's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InDetector;

impl std::fmt::Display for InDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the face detector")
    }
}

/// Whose model an error of [`load`] speaks against; `None` when no model is to blame but the machine or how it was set up.
pub fn culprit(error: &anyhow::Error) -> Option<Role> {
    use ClassifierError::{Machine, NoModels};
    let a_models = match error.downcast_ref::<ClassifierError>() {
        Some(Machine { .. } | NoModels { .. }) => false,
        Some(_) => true,
        None => error.is::<DetectorError>(),
    };
    let role = if error.is::<InDetector>() { Role::Detector } else { Role::Classifier };
    a_models.then_some(role)
}

/// The detector and the file that it is.
fn detector(settings: &DetectorSettings) -> anyhow::Result<(BlazeFace, PathBuf)> {
    let face = locate::find(Role::Detector, Precision::F32, None)?;
    face.entry.verify(&face.path)?;
    Ok((BlazeFace::load(&face.path, settings)?, face.path))
}

/// The classifier, after its self-test.
fn proven(found: &Found, threads: usize) -> anyhow::Result<Vgg> {
    let mut classifier = Vgg::open(found, &Options { threads, ..Options::default() })?;
    match selftest::run(&mut classifier, found)? {
        Outcome::Passed { patches } => {
            log::debug!("{}: self-test passed on {patches} patches", found.entry.name)
        }
        Outcome::NoGoldens => log::warn!(
            "{}: used without a self-test; `make -C models goldens` writes what it must give",
            found.path.display()
        ),
    }
    Ok(classifier)
}

/// Loads the classifier and says on how many patches it was right; `None` where nobody wrote down what it must give.
pub fn self_test(settings: &Settings) -> anyhow::Result<Option<usize>> {
    let found = locate::find(Role::Classifier, settings.precision, settings.model.as_deref())?;
    let mut classifier = Vgg::open(&found, &Options { threads: settings.threads, ..Options::default() })?;
    Ok(match selftest::run(&mut classifier, &found)? {
        Outcome::Passed { patches } => Some(patches),
        Outcome::NoGoldens => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn of_classifier(error: ClassifierError) -> anyhow::Error {
        error.into()
    }

    fn of_detector(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        anyhow::Error::from(error).context(InDetector)
    }

    fn file() -> ClassifierError {
        ClassifierError::Model { model: "m.onnx".into(), reason: "is cut off".into() }
    }

    fn kernel() -> ClassifierError {
        ClassifierError::Machine { model: "m.onnx".into(), reason: "no kernel".into() }
    }

    #[rstest]
    #[case::classifiers_file(of_classifier(file()), Some(Role::Classifier))]
    #[case::detectors_hash(of_detector(file()), Some(Role::Detector))]
    #[case::detectors_graph(of_detector(DetectorError::Run("no graph".into())), Some(Role::Detector))]
    #[case::kernel(of_classifier(kernel()), None)]
    #[case::no_folder(of_detector(ClassifierError::NoModels { tried: "here".into() }), None)]
    #[case::settings(anyhow::anyhow!("rotate"), None)]
    fn only_a_bad_file_is_a_models_fault(#[case] error: anyhow::Error, #[case] expect: Option<Role>) {
        assert_eq!(culprit(&error), expect);
    }
}
