//! [`LazyParts`]: indexes of a segment of which there is one for each field of a kind.
//!
//! As with filters, a segment that was merged into the file has them beside it, and one in memory gets each when it is
//! asked for first.

use super::part::Part;
use crate::error::Result;
use parking_lot::Mutex;

/// Indexes in the order of the schema's fields.
#[derive(Debug, Default)]
pub(crate) struct LazyParts {
    /// As they lie in the file; empty where they do not.
    sealed: Vec<Part>,
    made: Mutex<Vec<Option<Part>>>,
}

impl LazyParts {
    /// These, or ones to be made when they are asked for.
    pub(crate) fn new(sealed: Vec<Part>) -> Self {
        Self { sealed, made: Mutex::default() }
    }

    /// Those in the file.
    pub(crate) fn sealed(&self) -> &[Part] {
        &self.sealed
    }

    /// The index of the field at this place of the schema, which `build` makes where there is none.
    pub(crate) fn part(&self, place: usize, build: impl FnOnce() -> Result<Vec<u8>>) -> Result<Part> {
        if let Some(part) = self.sealed.get(place) {
            return Ok(part.clone());
        }
        let mut made = self.made.lock();
        if made.len() <= place {
            made.resize(place + 1, None);
        }
        if let Some(part) = &made[place] {
            return Ok(part.clone());
        }
        let part = Part::in_memory(build()?);
        made[place] = Some(part.clone());
        Ok(part)
    }
}
