//! An ONNX file on disk, split: its large initialisers stay in the mapped file, the small rest goes to tract.
//!
//! tract's own loader holds an inline initialiser three times (file, protobuf, tensor). Here the protobuf is walked,
//! not decoded: each initialiser of [`LARGE`] bytes or more is taken out of the graph and replaced by a node
//! [`INITIALISER_OP`] without inputs, whose builder finds the bytes again by name. Reads nothing but the file given.
//! External data and typed `*_data` fields stay tract's business.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

/// Operator type of the nodes that stand for large initialisers.
pub const INITIALISER_OP: &str = "MoodlightInitialiser";

/// The largest page size of the supported boards.
pub const PAGE: usize = 64 * 1024;

/// Initialisers of at least this many bytes stay in the mapped file.
pub const LARGE: usize = 32 * 1024;

/// Element type of a large initialiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    I8,
    U8,
}

impl Element {
    pub const fn size(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::F16 => 2,
            Element::I8 | Element::U8 => 1,
        }
    }

    /// From ONNX's `TensorProto.DataType`; `None` for types that stay with tract.
    fn from_onnx(code: u64) -> Option<Self> {
        match code {
            1 => Some(Element::F32),
            2 => Some(Element::U8),
            3 => Some(Element::I8),
            10 => Some(Element::F16),
            _ => None,
        }
    }
}

/// A large initialiser: a row-major tensor inside the mapped file.
#[derive(Debug, Clone)]
pub struct SideTensor {
    map: Arc<Mmap>,
    range: Range<usize>,
    pub name: String,
    pub dims: Vec<usize>,
    pub element: Element,
}

impl SideTensor {
    pub fn bytes(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the physical pages of the `part` of [`Self::bytes`] back to the system; they are read from the file
    /// again when touched. Call it after the bytes were copied, so that file and copy are not both resident.
    pub fn release(&self, part: Range<usize>) {
        let start = (self.range.start + part.start).next_multiple_of(PAGE);
        let end = (self.range.start + part.end.min(self.range.len())) / PAGE * PAGE;
        if start < end {
            // SAFETY: the mapping is private, read-only and backed by the file, so dropped pages come back with the
            // same content.
            let dropped = unsafe {
                self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
            };
            if let Err(e) = dropped {
                log::debug!("the pages of {} stay resident: {e}", self.name);
            }
        }
    }
}

/// A file without its large initialisers, and these by name.
#[derive(Debug)]
pub struct OnnxFile {
    /// The protobuf for tract.
    pub reduced: Vec<u8>,
    pub large: HashMap<String, Arc<SideTensor>>,
}

/// Why a file cannot be split.
#[derive(Debug, thiserror::Error)]
pub enum OnnxFileError {
    #[error("cannot be opened: {0}")]
    Io(#[from] std::io::Error),
    #[error("is not an ONNX model: {0}")]
    NotOnnx(&'static str),
    #[error("is cut off or damaged at byte {0}")]
    Damaged(usize),
    #[error("initialiser \"{name}\" should have {expected} bytes and has {found}")]
    Size { name: String, expected: usize, found: usize },
}

impl OnnxFile {
    pub fn open(path: &Path) -> Result<Self, OnnxFileError> {
        let file = std::fs::File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Err(OnnxFileError::NotOnnx("it is empty"));
        }
        // SAFETY: the map is read-only. A model file that another process shortens while it is read would end this
        // one with SIGBUS; installers replace files by renaming, which leaves the mapped one whole.
        let map = Arc::new(unsafe { Mmap::map(&file)? });
        Self::split(&map)
    }

    fn split(map: &Arc<Mmap>) -> Result<Self, OnnxFileError> {
        let mut out = Self { reduced: Vec::with_capacity(64 * 1024), large: HashMap::new() };
        let mut graphs = 0;
        for field in Fields::new(map, 0..map.len()) {
            let field = field?;
            match field.tag {
                tag::MODEL_GRAPH => {
                    graphs += 1;
                    let graph = out.split_graph(map, field.payload)?;
                    put_bytes(&mut out.reduced, tag::MODEL_GRAPH, &graph);
                }
                _ => out.reduced.extend_from_slice(&map[field.whole]),
            }
        }
        if graphs != 1 {
            return Err(OnnxFileError::NotOnnx("it has no graph"));
        }
        Ok(out)
    }

    fn split_graph(&mut self, map: &Arc<Mmap>, graph: Range<usize>) -> Result<Vec<u8>, OnnxFileError> {
        let mut rest = Vec::with_capacity(64 * 1024);
        for field in Fields::new(map, graph) {
            let field = field?;
            let large = match field.tag {
                tag::GRAPH_INITIALISER if field.payload.len() >= LARGE => tensor(map, field.payload)?,
                _ => None,
            };
            match large {
                Some(tensor) => {
                    let mut node = Vec::new();
                    put_bytes(&mut node, tag::NODE_OUTPUT, tensor.name.as_bytes());
                    put_bytes(&mut node, tag::NODE_NAME, tensor.name.as_bytes());
                    put_bytes(&mut node, tag::NODE_OP_TYPE, INITIALISER_OP.as_bytes());
                    put_bytes(&mut rest, tag::GRAPH_NODE, &node);
                    self.large.insert(tensor.name.clone(), Arc::new(tensor));
                }
                None => rest.extend_from_slice(&map[field.whole]),
            }
        }
        Ok(rest)
    }
}

/// Protobuf tags (field number · 8 + wire type) of onnx.proto3.
mod tag {
    pub const MODEL_GRAPH: u64 = 7 << 3 | 2;
    pub const GRAPH_NODE: u64 = 1 << 3 | 2;
    pub const GRAPH_INITIALISER: u64 = 5 << 3 | 2;
    pub const NODE_OUTPUT: u64 = 2 << 3 | 2;
    pub const NODE_NAME: u64 = 3 << 3 | 2;
    pub const NODE_OP_TYPE: u64 = 4 << 3 | 2;
    pub const TENSOR_DIM: u64 = 1 << 3;
    pub const TENSOR_DIMS_PACKED: u64 = 1 << 3 | 2;
    pub const TENSOR_TYPE: u64 = 2 << 3;
    pub const TENSOR_NAME: u64 = 8 << 3 | 2;
    pub const TENSOR_RAW: u64 = 9 << 3 | 2;
}

/// A `TensorProto` with raw data of a known type, or `None` for the other kinds.
fn tensor(map: &Arc<Mmap>, range: Range<usize>) -> Result<Option<SideTensor>, OnnxFileError> {
    let (mut dims, mut kind, mut name, mut raw) = (Vec::new(), 0, String::new(), None);
    for field in Fields::new(map, range) {
        let field = field?;
        match field.tag {
            tag::TENSOR_DIM => dims.push(field.value as usize),
            tag::TENSOR_DIMS_PACKED => {
                let mut at = field.payload.start;
                while at < field.payload.end {
                    dims.push(varint(map, &mut at, field.payload.end)? as usize);
                }
            }
            tag::TENSOR_TYPE => kind = field.value,
            tag::TENSOR_NAME => name = String::from_utf8_lossy(&map[field.payload]).into_owned(),
            tag::TENSOR_RAW => raw = Some(field.payload),
            _ => {}
        }
    }
    let (Some(range), Some(element)) = (raw, Element::from_onnx(kind)) else { return Ok(None) };
    let expected = dims
        .iter()
        .try_fold(element.size(), |n, &d| n.checked_mul(d))
        .ok_or(OnnxFileError::Damaged(range.start))?;
    if expected != range.len() {
        return Err(OnnxFileError::Size { name, expected, found: range.len() });
    }
    Ok(Some(SideTensor { map: Arc::clone(map), range, name, dims, element }))
}

/// One field of a protobuf message: where it lies as a whole, its payload if length-delimited, its value if a varint.
struct Field {
    tag: u64,
    whole: Range<usize>,
    payload: Range<usize>,
    value: u64,
}

/// Iterates over the fields of the message at `range`.
struct Fields<'a> {
    data: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    fn new(data: &'a [u8], range: Range<usize>) -> Self {
        Self { data, at: range.start, end: range.end }
    }

    fn read(&mut self) -> Result<Field, OnnxFileError> {
        let start = self.at;
        let tag = varint(self.data, &mut self.at, self.end)?;
        let (mut value, mut length) = (0, 0);
        match tag & 7 {
            0 => value = varint(self.data, &mut self.at, self.end)?,
            1 => length = 8,
            2 => length = varint(self.data, &mut self.at, self.end)? as usize,
            5 => length = 4,
            _ => return Err(OnnxFileError::Damaged(start)),
        }
        let payload = self.at..self.at.saturating_add(length);
        if payload.end > self.end || tag < 8 {
            return Err(OnnxFileError::Damaged(start));
        }
        self.at = payload.end;
        Ok(Field { tag, whole: start..self.at, payload, value })
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, OnnxFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.at = self.end;
        }
        Some(field)
    }
}

fn varint(data: &[u8], at: &mut usize, end: usize) -> Result<u64, OnnxFileError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        if *at >= end {
            break;
        }
        let byte = data[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(OnnxFileError::Damaged(*at))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, tag: u64, bytes: &[u8]) {
    put_varint(out, tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
