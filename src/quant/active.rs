//! The inputs of a dense layer without its zeros: the engine's answer to layers that are as slow as memory.
//!
//! A dense layer reads every weight once for each face, and after a ReLU many inputs are 0 (in the committed network 28 %
//! before the first dense layer and 95 % before the second, averaged over the committed patches). A raw value of 0 adds
//! nothing to the sum over raw values, so the weights that would meet it need not be read. Weights lie by *column* (all
//! rows of one input side by side, a cache line of them), so that leaving an input out leaves whole lines of memory out.
//! Exact for every zero point; without zeros among the raw values merely no faster.

/// Inputs that a kernel takes at a time.
pub const STEP: usize = 4;

/// Which columns count, and their inputs.
#[derive(Debug, Default)]
pub struct Active {
    columns: Vec<u32>,
    values: Vec<u8>,
    /// All columns are below it.
    depth: usize,
    /// A multiple of [`STEP`].
    len: usize,
}

impl Active {
    /// Room for up to `inputs` inputs.
    pub fn with_room(inputs: usize) -> Self {
        let room = inputs + STEP;
        Self { columns: vec![0; room], values: vec![0; room], depth: 0, len: 0 }
    }

    /// Takes the inputs that are not 0 from `(column, value)` pairs. Panics when a column isn't below `depth`, or when
    /// there are more pairs than there is room for.
    pub fn fill(&mut self, depth: usize, inputs: impl Iterator<Item = (usize, u8)>) {
        self.depth = depth;
        let mut len = 0;
        for (column, value) in inputs {
            assert!(column < depth, "input {column} of {depth}");
            // Written always, kept when it counts: no branch to mispredict.
            (self.columns[len], self.values[len]) = (column as u32, value);
            len += usize::from(value != 0);
        }
        // Filled up with zeros at a column that is read anyway.
        let last = if len == 0 { 0 } else { self.columns[len - 1] };
        self.len = len.next_multiple_of(STEP);
        self.columns[len..self.len].fill(last);
        self.values[len..self.len].fill(0);
    }

    /// Places of the inputs that count, as many as [`Self::values`].
    pub fn columns(&self) -> &[u32] {
        &self.columns[..self.len]
    }

    pub fn values(&self) -> &[u8] {
        &self.values[..self.len]
    }

    /// Columns that the layer has; those that count are below it.
    pub fn depth(&self) -> usize {
        self.depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::zeros_only(&[0, 0, 0], &[], &[])]
    #[case::filled_up(&[0, 7, 0, 9, 0], &[1, 3, 3, 3], &[7, 9, 0, 0])]
    #[case::exactly_one_step(&[1, 2, 3, 4], &[0, 1, 2, 3], &[1, 2, 3, 4])]
    #[case::one_more(&[1, 2, 3, 4, 5], &[0, 1, 2, 3, 4, 4, 4, 4], &[1, 2, 3, 4, 5, 0, 0, 0])]
    fn what_counts(#[case] inputs: &[u8], #[case] columns: &[u32], #[case] values: &[u8]) {
        let mut active = Active::with_room(inputs.len());
        active.fill(1, [(0, 1u8)].into_iter()); // an earlier run leaves nothing behind
        active.fill(inputs.len(), inputs.iter().copied().enumerate());
        assert_eq!((active.columns(), active.values()), (columns, values));
    }
}
