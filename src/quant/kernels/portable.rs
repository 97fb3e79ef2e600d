//! Plain Rust for any CPU: the kernel that all others are held to.

use super::super::active::Active;
use super::super::winograd::Form;
use super::{DENSE_ROWS, Kernel, Patches, Requantise, Sink, generic};

#[derive(Debug)]
pub struct Portable;

impl Kernel for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }
    fn winograd_input(&self, form: Form, src: Patches<'_>, v: &mut [i16], plane: usize) {
        generic::winograd_input(form, src, v, plane);
    }
    fn multiply(&self, v: &[i16], u: &[i16], rows: usize, depth: usize, m: &mut [i32]) {
        generic::multiply(v, u, rows, depth, m);
    }
    unsafe fn winograd_output(
        &self,
        form: Form,
        m: &[i32],
        plane: usize,
        how: Requantise<'_>,
        sink: Sink,
        at: [usize; 2],
    ) {
        // SAFETY: the same contract.
        unsafe { generic::winograd_output(form, m, plane, how, sink, at) }
    }
    unsafe fn store(&self, m: &[i32], rows: usize, how: Requantise<'_>, out: *mut u8, pixel: usize) {
        // SAFETY: the same contract.
        unsafe { generic::store(m, rows, how, out, pixel) }
    }
    fn dense(&self, w: &[i8], x: &Active, out: &mut [i32; DENSE_ROWS]) {
        generic::dense(w, x, out);
    }
}
