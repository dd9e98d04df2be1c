//! The keyword index on a text field: made of the fields of a segment.

use super::field_table::FieldTable;
use super::part::Part;
use super::text_field::TextField;
use crate::error::Result;
use crate::ids::Slot;
use crate::metadata::FieldReader;
use crate::metadata::Token;
use crate::text::FieldBuilder;
use crate::text::FieldView;

/// Checks an index, as far as it can be wrong.
pub(crate) fn verify(part: &Part) -> Result<()> {
    part.verify()?;
    FieldView::open(part)?.verify()
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
