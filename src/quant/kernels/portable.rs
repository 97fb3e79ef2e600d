//! Plain Rust for any CPU: the kernel that all others are held to.

use super::super::active::Active;
use super::super::winograd::Form;
use super::generic::generic_loops;
use super::{Columns, DENSE_ROWS, Kernel, Patches, Point, Products, Requantise, Sink, Wide, generic};

#[derive(Debug)]
pub struct Portable;

impl Kernel for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }
    fn wide(&self) -> &'static dyn Wide {
        &Portable
    }
    fn dense(&self, w: Columns<'_>, x: &Active, out: &mut [[i32; DENSE_ROWS]]) {
        generic::dense(w, x, out);
    }
}

impl Wide for Portable {
    generic_loops!();
    fn multiply(&self, v: &[i16], u: Point<'_>, rows: usize, depth: usize, m: &mut [i32]) {
        generic::multiply(v, u, rows, depth, m);
    }
}
