//! [`TextIndexes`]: the keyword indexes of a segment, one for each text field of the schema.
//!
//! As with filters, a segment that was merged into the file has them beside it, and one in memory gets each at the first
//! search for words.

use super::field_table::FieldTable;
use super::part::Part;
use super::schema::TextField;
use crate::error::Result;
use crate::ids::Slot;
use crate::metadata::FieldReader;
use crate::metadata::Token;
use crate::text::FieldBuilder;
use crate::text::FieldView;
use parking_lot::Mutex;

/// The keyword indexes of one segment, in the order of the schema's text fields.
#[derive(Debug, Default)]
pub(crate) struct TextIndexes {
    /// As they lie in the file; empty where they do not.
    sealed: Vec<Part>,
    made: Mutex<Vec<Option<Part>>>,
}

impl TextIndexes {
    /// These, or ones to be made when they are asked for.
    pub(crate) fn new(sealed: Vec<Part>) -> Self {
        Self { sealed, made: Mutex::default() }
    }

    /// Those in the file.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.sealed
    }

    /// Checks those in the file, as far as they can be wrong.
    pub(crate) fn verify(&self) -> Result<()> {
        for part in &self.sealed {
            part.verify()?;
            FieldView::open(part)?.verify()?;
        }
        Ok(())
    }

    /// The index of the text field at this place of the schema.
    pub(crate) fn part(&self, place: usize, field: &TextField, fields: &FieldTable) -> Result<Part> {
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
        let part = Part::in_memory(build(field, fields)?);
        made[place] = Some(part.clone());
        Ok(part)
    }
}

/// The bytes of the keyword index on one field. Needs the field's terms as numbers, 4 bytes each, and each distinct word.
pub(crate) fn build(field: &TextField, fields: &FieldTable) -> Result<Vec<u8>> {
    let mut builder = FieldBuilder::new(field.get_analyzer(), field.has_positions());
    for (slot, encoded) in (0..).zip(fields.all()) {
        add_texts(&mut builder, slot, field.name(), encoded?)?;
    }
    builder.seal(fields.len() as u32)
}

/// Adds the text of a field, or the texts in its array.
fn add_texts(builder: &mut FieldBuilder<'_>, slot: Slot, name: &str, encoded: &[u8]) -> Result<()> {
    let mut reader = FieldReader::new(encoded);
    for _ in 0..reader.count()? {
        let is_field = reader.name()? == name;
        match reader.token()? {
            Token::Str(text) if is_field => builder.add(slot, text),
            Token::Array(count) if is_field => {
                for _ in 0..count {
                    match reader.token()? {
                        Token::Str(text) => builder.add(slot, text),
                        other => reader.skip(other, 2)?,
                    }
                }
            }
            other => reader.skip(other, 1)?,
        }
    }
    Ok(())
}
