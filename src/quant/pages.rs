//! Memory for packed weights, its parts for workers that fill it together, and the file's memory, which is given back
//! meanwhile.

use memmap2::MmapMut;

use super::onnx_file::{PAGE, SideTensor};

/// Page-aligned zeroed memory, in huge pages where the system has them: a stream of 36 MB crosses 9,000 small ones.
#[derive(Debug)]
pub struct Pages(MmapMut);

impl Pages {
    pub fn new(bytes: usize) -> std::io::Result<Self> {
        let map = MmapMut::map_anon(bytes.max(1))?;
        #[cfg(target_os = "linux")]
        if bytes > 1 << 20
            && let Err(e) = map.advise(memmap2::Advice::HugePage)
        {
            log::debug!("weights in small pages: {e}");
        }
        Ok(Self(map))
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn as_i8(&self) -> &[i8] {
        // SAFETY: i8 and u8 have the same size and alignment, and no invalid values.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len()) }
    }
    pub fn as_i8_mut(&mut self) -> &mut [i8] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len()) }
    }
    pub fn as_u8_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
    pub fn as_i16(&self) -> &[i16] {
        // SAFETY: the map is page-aligned, any bits are an i16.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() / 2) }
    }
    pub fn as_i16_mut(&mut self) -> &mut [i16] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() / 2) }
    }
}

/// Gives a tensor's file pages back behind a reader that goes through it once, and all of them at its end: the file and what
/// was made of it are never resident together, but for [`Behind::MOST`].
pub struct Behind<'a> {
    tensor: &'a SideTensor,
    read: usize,
    given: usize,
}

impl<'a> Behind<'a> {
    /// Bytes that are read before pages are given back: a system call for less would be too often.
    const MOST: usize = 256 * 1024;

    pub fn new(tensor: &'a SideTensor) -> Self {
        Self { tensor, read: 0, given: 0 }
    }

    /// The reader is `bytes` further.
    pub fn read(&mut self, bytes: usize) {
        self.read += bytes;
        if self.read - self.given >= Self::MOST {
            self.tensor.release(self.given..self.read);
            // The page that this end lies in was kept: it goes with the next.
            self.given = self.read.saturating_sub(PAGE);
        }
    }
}

impl Drop for Behind<'_> {
    fn drop(&mut self) {
        self.tensor.release(0..self.tensor.bytes().len());
    }
}

/// Equal parts of a slice, the last perhaps shorter, for workers that each take another one.
pub struct Parts<'a, T> {
    data: *mut T,
    len: usize,
    size: usize,
    _borrow: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: parts don't overlap; `get`'s contract gives each to one worker.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub fn new(data: &'a mut [T], size: usize) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), size, _borrow: std::marker::PhantomData }
    }

    /// # Safety
    /// No two calls with the same `part` may be alive at once.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self, part: usize) -> &mut [T] {
        let start = part * self.size;
        assert!(start < self.len);
        let size = self.size.min(self.len - start);
        // SAFETY: inside the slice; exclusive by this function's contract.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), size) }
    }
}
