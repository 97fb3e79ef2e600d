//! Memory for packed weights, and its parts for workers that fill it together.

use memmap2::MmapMut;

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

/// Equal parts of a slice, for workers that each take another one.
pub struct Parts<'a, T> {
    data: *mut T,
    size: usize,
    count: usize,
    _borrow: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: parts don't overlap; `get`'s contract gives each to one worker.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub fn new(data: &'a mut [T], size: usize) -> Self {
        Self {
            data: data.as_mut_ptr(),
            size,
            count: data.len() / size.max(1),
            _borrow: std::marker::PhantomData,
        }
    }

    /// # Safety
    /// No two calls with the same `part` may be alive at once.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self, part: usize) -> &mut [T] {
        assert!(part < self.count);
        // SAFETY: inside the slice; exclusive by this function's contract.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(part * self.size), self.size) }
    }
}
