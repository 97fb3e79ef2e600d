//! The inputs of a dense layer without its zeros: the engine's answer to layers that are as slow as memory.
//!
//! A dense layer reads every weight once for each face, and after a ReLU many inputs are 0 (in the committed network 28 %
//! before the first dense layer and 95 % before the second, averaged over the committed patches). A raw value of 0 adds
//! nothing to the sum over raw values, so the weights that would meet it need not be read. Weights lie by *column* (all
//! rows of one input side by side, a cache line of them), so that leaving an input out leaves whole lines of memory out.
//! Exact for every zero point; without zeros among the raw values merely no faster.

/// Inputs that a kernel takes at a time.
pub const STEP: usize = 4;
/// Inputs that are looked at together: where all are 0, they take one look.
const AT_ONCE: usize = 8;

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
        let room = inputs.next_multiple_of(AT_ONCE) + AT_ONCE;
        Self { columns: vec![0; room], values: vec![0; room], depth: 0, len: 0 }
    }

    /// Takes the inputs that are not 0. Panics when there are more than there is room for.
    pub fn fill(&mut self, inputs: &[u8]) {
        self.depth = inputs.len();
        self.len = 0;
        let (whole, rest) = inputs.as_chunks::<AT_ONCE>();
        for (i, inputs) in whole.iter().enumerate() {
            self.take(i * AT_ONCE, inputs);
        }
        let mut last = [0; AT_ONCE];
        last[..rest.len()].copy_from_slice(rest);
        self.take(whole.len() * AT_ONCE, &last);
        // Filled up with zeros at a column that is read anyway.
        let (len, end) = (self.len, self.len.next_multiple_of(STEP));
        let last = if len == 0 { 0 } else { self.columns[len - 1] };
        self.columns[len..end].fill(last);
        self.values[len..end].fill(0);
        self.len = end;
    }

    /// Those of `inputs` that count; the first is number `first`.
    #[inline(always)]
    fn take(&mut self, first: usize, inputs: &[u8; AT_ONCE]) {
        if u64::from_ne_bytes(*inputs) == 0 {
            return;
        }
        let columns = &mut self.columns[self.len..][..AT_ONCE];
        let values = &mut self.values[self.len..][..AT_ONCE];
        let mut here = 0;
        for (i, &value) in inputs.iter().enumerate() {
            // Written always, kept when it counts: no branch to mispredict. At most seven were kept before the last.
            (columns[here % AT_ONCE], values[here % AT_ONCE]) = ((first + i) as u32, value);
            here += usize::from(value != 0);
        }
        self.len += here;
    }

    /// Columns and their inputs, `N` at a time; `N` divides [`STEP`].
    #[inline(always)]
    pub fn steps<const N: usize>(&self) -> impl Iterator<Item = (&[u32; N], &[u8; N])> {
        self.columns().as_chunks::<N>().0.iter().zip(self.values().as_chunks::<N>().0)
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
    #[case::beyond_the_first_look(&[0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5], &[8, 16, 16, 16], &[3, 5, 0, 0])]
    #[case::none_is_zero(&[9; 8], &[0, 1, 2, 3, 4, 5, 6, 7], &[9; 8])]
    #[case::one_more(&[1, 2, 3, 4, 5], &[0, 1, 2, 3, 4, 4, 4, 4], &[1, 2, 3, 4, 5, 0, 0, 0])]
    fn what_counts(#[case] inputs: &[u8], #[case] columns: &[u32], #[case] values: &[u8]) {
        let mut active = Active::with_room(inputs.len());
        active.fill(&[1]); // an earlier run leaves nothing behind
        active.fill(inputs);
        assert_eq!((active.columns(), active.values()), (columns, values));
    }
}
