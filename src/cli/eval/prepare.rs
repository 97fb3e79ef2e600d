//! From a labelled file to the patch that is classified, on all cores.

use super::canvas::Finder;
use super::corrupt::Corruption;
use super::dataset::Sample;
use crate::frame::GrayImage;
use crate::preprocess::FacePatch;
use crate::preprocess::still::Still;

/// What became of a sample.
#[allow(clippy::large_enum_variant)] // nearly every picture has its face: a box would cost more than it saves
pub enum Prepared {
    Face(FacePatch),
    /// Read, but the detector found no face on the canvas.
    NotFound,
    /// Why.
    Unreadable(String),
}

/// Prepares samples one after the other; each thread has its own.
pub struct Preparer {
    corruption: Option<Corruption>,
    finder: Option<Finder>,
}

impl Preparer {
    pub fn new(corruption: Option<Corruption>, finder: Option<Finder>) -> Self {
        Self { corruption, finder }
    }

    /// An unreadable picture is a result; a failing detector is an error.
    fn prepare(&mut self, sample: &Sample) -> anyhow::Result<Prepared> {
        let still = match Still::open_card(&sample.path) {
            Ok(still) => still,
            Err(e) => return Ok(Prepared::Unreadable(e.to_string())),
        };
        if self.corruption.is_none() && self.finder.is_none() {
            return Ok(Prepared::Face(still.patch(None)));
        }
        let mut gray = still.gray();
        if let Some(corruption) = self.corruption {
            gray = corruption.apply(&gray, &sample.name)?;
        }
        match &mut self.finder {
            Some(finder) => Ok(finder.find(&gray)?.map_or(Prepared::NotFound, Prepared::Face)),
            None => Ok(whole(gray).map_or(Prepared::NotFound, Prepared::Face)),
        }
    }
}

fn whole(gray: GrayImage) -> Option<FacePatch> {
    Still::from_gray(gray.width, gray.height, gray.data).map(|still| still.patch(None))
}

/// Prepares a batch, shared evenly among the preparers; results are in the batch's order.
pub fn all(preparers: &mut [Preparer], batch: &[Sample]) -> anyhow::Result<Vec<Prepared>> {
    let share = batch.len().div_ceil(preparers.len().max(1)).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = preparers
            .iter_mut()
            .zip(batch.chunks(share))
            .map(|(p, samples)| {
                scope.spawn(|| samples.iter().map(|s| p.prepare(s)).collect::<anyhow::Result<Vec<_>>>())
            })
            .collect();
        let mut results = Vec::with_capacity(batch.len());
        for thread in threads {
            let prepared = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a preparing thread panicked; please report it"))?;
            results.extend(prepared?);
        }
        Ok(results)
    })
}
