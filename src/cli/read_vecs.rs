//! Vectors each behind its number of dimensions, an `i32` (`.fvecs`, `.bvecs`, `.ivecs`).

use super::failure::Failure;
use super::mapping::Mapping;
use super::mapping::Row;
use super::rows::Rows;
use super::rows::at;
use std::io::ErrorKind;
use std::io::Read;

/// Most dimensions that are read: many times the most that a vector can have.
const DIM: i32 = 1 << 20;

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    U8,
    I32,
}

/// Rows of such a file.
pub(super) struct VecsRows<R> {
    file: String,
    reader: R,
    element: Element,
    done: u64,
    buffer: Vec<u8>,
}

impl<R: Read> VecsRows<R> {
    pub(super) fn new(file: String, reader: R, element: Element) -> Self {
        Self { file, reader, element, done: 0, buffer: Vec::new() }
    }

    /// The number of dimensions of the next row; `None` at the end.
    fn dim(&mut self) -> Result<Option<usize>, String> {
        let mut bytes = [0; 4];
        let mut filled = 0;
        while filled < 4 {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err("the file ends in it".into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        match i32::from_le_bytes(bytes) {
            dim @ 1..=DIM => Ok(Some(dim as usize)),
            dim => Err(format!("{dim} dimensions make no vector: is it another format?")),
        }
    }

    fn numbers(&mut self) -> Result<Option<Vec<f32>>, String> {
        let Some(dim) = self.dim()? else { return Ok(None) };
        let width = if self.element == Element::U8 { 1 } else { 4 };
        self.buffer.resize(dim * width, 0);
        self.reader.read_exact(&mut self.buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => "the file ends in it".to_owned(),
            _ => error.to_string(),
        })?;
        Ok(Some(match self.element {
            Element::U8 => self.buffer.iter().map(|byte| f32::from(*byte)).collect(),
            Element::F32 => words(&self.buffer).map(f32::from_bits).collect(),
            Element::I32 => words(&self.buffer).map(|word| word as i32 as f32).collect(),
        }))
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).filter_map(|word| word.first_chunk().map(|word| u32::from_le_bytes(*word)))
}

impl<R: Read> Rows for VecsRows<R> {
    fn next_row(&mut self, mapping: &Mapping) -> Result<Option<Row>, Failure> {
        self.done += 1;
        let numbers =
            self.numbers().map_err(|problem| at(&self.file, format!("row {}", self.done), problem))?;
        let Some(numbers) = numbers else { return Ok(None) };
        let mut row = mapping.row(self.done);
        *row.vectors.first_mut().ok_or("a file of vectors needs one vector to be read into")? = Some(numbers);
        Ok(Some(row))
    }
}
