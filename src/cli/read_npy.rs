//! Matrices as numpy stores them (`.npy`, versions 1 to 3), row by row.

use super::failure::Failure;
use super::mapping::Mapping;
use super::mapping::Row;
use super::rows::Rows;
use super::rows::at;
use half::f16;
use std::io::Read;

/// What a file begins with.
pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header that is read.
const HEADER_BYTES: usize = 1 << 16;
/// Longest row that is read: many times the longest vector.
const ROW_NUMBERS: u64 = 1 << 20;

/// Rows of a matrix.
pub(super) struct NpyRows<R> {
    file: String,
    reader: R,
    header: Header,
    done: u64,
    buffer: Vec<u8>,
}

/// What a file says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    element: NpyElement,
    rows: u64,
    dim: usize,
}

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NpyElement {
    F16,
    F32,
    F64,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    Bool,
}

impl<R: Read> NpyRows<R> {
    /// Reads the header.
    pub(super) fn new(file: String, mut reader: R) -> Result<Self, Failure> {
        let header = read_header(&mut reader).map_err(|problem| at(&file, "header", problem))?;
        let buffer = vec![0; header.dim * header.element.bytes()];
        Ok(Self { file, reader, header, done: 0, buffer })
    }
}

impl<R: Read> Rows for NpyRows<R> {
    fn next_row(&mut self, mapping: &Mapping) -> Result<Option<Row>, Failure> {
        if self.done == self.header.rows {
            return Ok(None);
        }
        self.done += 1;
        self.reader.read_exact(&mut self.buffer).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                let rows = self.header.rows;
                at(
                    &self.file,
                    format!("row {}", self.done),
                    format!("the file ends in it, and should have {rows} rows"),
                )
            }
            _ => at(&self.file, format!("row {}", self.done), error),
        })?;
        let mut row = mapping.row(self.done);
        let element = self.header.element;
        let numbers = self.buffer.chunks_exact(element.bytes()).map(|bytes| element.number(bytes)).collect();
        *row.vectors.first_mut().ok_or("a file of vectors needs one vector to be read into")? = Some(numbers);
        Ok(Some(row))
    }
}

fn read_header(reader: &mut dyn Read) -> Result<Header, String> {
    let mut start = [0; 8];
    let ends = |error: std::io::Error| format!("it can't be read: {error}");
    reader.read_exact(&mut start).map_err(ends)?;
    if &start[..6] != MAGIC {
        return Err("the file does not begin as an npy file does".into());
    }
    let len = match start[6] {
        1 => {
            let mut len = [0; 2];
            reader.read_exact(&mut len).map_err(ends)?;
            usize::from(u16::from_le_bytes(len))
        }
        2 | 3 => {
            let mut len = [0; 4];
            reader.read_exact(&mut len).map_err(ends)?;
            u32::from_le_bytes(len) as usize
        }
        version => return Err(format!("version {version} is not known: 1 to 3 are")),
    };
    if len > HEADER_BYTES {
        return Err(format!("{len} bytes long, and {HEADER_BYTES} is the most that makes sense"));
    }
    let mut text = vec![0; len];
    reader.read_exact(&mut text).map_err(ends)?;
    parse_header(&String::from_utf8_lossy(&text))
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse_header(text: &str) -> Result<Header, String> {
    let value = |name: &str| {
        let at = text.find(&format!("'{name}':"))? + name.len() + 3;
        Some(text[at..].trim_start())
    };
    let descr = value("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
    let (descr, _) = descr.ok_or("the type of the elements ('descr') is missing, or is no plain type")?;
    let element = NpyElement::of(descr)?;
    let fortran = value("fortran_order").is_some_and(|rest| rest.starts_with("True"));
    let shape = value("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or("the shape is missing")?;
    let sides: Result<Vec<u64>, _> =
        shape.split(',').map(str::trim).filter(|side| !side.is_empty()).map(str::parse).collect();
    let (rows, dim) = match sides.as_deref() {
        Ok([dim]) => (1, *dim),
        Ok([rows, dim]) => (*rows, *dim),
        _ => return Err(format!("the shape ({shape}) is not that of a matrix: (rows, dimensions) is")),
    };
    if fortran && rows > 1 {
        return Err("the array is stored column by column: save it by numpy.ascontiguousarray".into());
    }
    if dim == 0 || dim > ROW_NUMBERS {
        return Err(format!("rows of {dim} numbers are no vectors"));
    }
    Ok(Header { element, rows, dim: dim as usize })
}

impl NpyElement {
    fn of(descr: &str) -> Result<Self, String> {
        Ok(match descr {
            "<f2" => Self::F16,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            "|i1" => Self::I8,
            "|u1" => Self::U8,
            "<i2" => Self::I16,
            "<u2" => Self::U16,
            "<i4" => Self::I32,
            "<u4" => Self::U32,
            "<i8" => Self::I64,
            "<u8" => Self::U64,
            "|b1" => Self::Bool,
            other => return Err(format!("elements of type '{other}' are not known: save them as float32")),
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// The number in these little-endian bytes.
    fn number(self, bytes: &[u8]) -> f32 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match self {
            Self::F16 => f16::from_bits(bits as u16).to_f32(),
            Self::F32 => f32::from_bits(bits as u32),
            Self::F64 => f64::from_bits(bits) as f32,
            Self::I8 => f32::from(bits as u8 as i8),
            Self::U8 => f32::from(bits as u8),
            Self::I16 => f32::from(bits as u16 as i16),
            Self::U16 => f32::from(bits as u16),
            Self::I32 => bits as u32 as i32 as f32,
            Self::U32 => bits as u32 as f32,
            Self::I64 => bits as i64 as f32,
            Self::U64 => bits as f32,
            Self::Bool => f32::from(u8::from(bits != 0)),
        }
    }
}

/// The header of a matrix of f32.
pub(super) fn header_bytes(rows: usize, dim: usize) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    // The numbers begin at a multiple of 64, and the header ends with a line end.
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let bytes = header_bytes(3, 4);
        assert!(bytes.len().is_multiple_of(64));
        let header = read_header(&mut &bytes[..]).unwrap();
        assert_eq!(header, Header { element: NpyElement::F32, rows: 3, dim: 4 });
    }

    #[test]
    fn a_header_that_makes_no_sense_is_refused() {
        for (text, problem) in [
            ("{'descr': '>f4', 'shape': (3, 4)}", "'>f4' are not known"),
            ("{'descr': [('a', '<f4')], 'shape': (3, 4)}", "no plain type"),
            ("{'descr': '<f4', 'shape': (3, 4, 5)}", "not that of a matrix"),
            ("{'descr': '<f4', 'shape': (3, 99999999999)}", "are no vectors"),
            ("{'descr': '<f4', 'shape': (3, -1)}", "not that of a matrix"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4)}", "column by column"),
            ("{'descr': '<f4'}", "the shape is missing"),
        ] {
            let error = parse_header(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
