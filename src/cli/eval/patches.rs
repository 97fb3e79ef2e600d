//! For `--patches`: the 48×48 faces that were classified, as pictures in class folders, so that another network can be
//! trained on what this one sees.

use super::Evaluation;
use crate::preprocess::{FacePatch, PATCH_SIDE};
use anyhow::{Context, bail};
use image::ImageEncoder;
use std::path::Path;

/// Refuses a folder that holds anything: it could be the data set itself, and old patches would be counted with the new.
pub fn check_empty(dir: &Path) -> anyhow::Result<()> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("the folder is not empty; name a new one");
    }
    Ok(())
}

/// Writes each judged patch to `dir/<class>/<file>.png`; `a.jpg` becomes `a.jpg.png`, a PNG keeps its name.
pub fn write(dir: &Path, evaluation: &Evaluation) -> anyhow::Result<()> {
    for (sample, patch) in &evaluation.judged {
        let ending = if sample.name.ends_with(".png") { "" } else { ".png" };
        let path = dir.join(format!("{}{ending}", sample.name));
        let put = || {
            std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
            std::fs::write(&path, png(patch)?)?;
            anyhow::Ok(())
        };
        put().with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The patch as a PNG file.
pub fn png(patch: &FacePatch) -> Result<Vec<u8>, image::ImageError> {
    let (mut out, side) = (Vec::new(), PATCH_SIDE as u32);
    let encoder = image::codecs::png::PngEncoder::new(&mut out);
    encoder.write_image(&patch.0, side, side, image::ExtendedColorType::L8)?;
    Ok(out)
}
