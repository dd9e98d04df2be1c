//! The texts at a path of one encoded record, in the order in which the index is built from them.

use crate::error::Result;
use crate::metadata::FieldReader;
use crate::metadata::Token;
use std::sync::Arc;

/// The `place`th of the texts at `path`; `None` where there are fewer.
pub(super) fn nth_text<'a>(encoded: &'a [u8], path: &[Arc<str>], place: u32) -> Result<Option<&'a str>> {
    let mut reader = FieldReader::new(encoded);
    let count = reader.count()?;
    let mut search = Search { reader, left: place, found: None };
    search.map(count, path, 1)?;
    Ok(search.found)
}

struct Search<'a> {
    reader: FieldReader<'a>,
    left: u32,
    found: Option<&'a str>,
}

impl<'a> Search<'a> {
    /// The values of a map, which lie `depth` deep.
    fn map(&mut self, count: usize, path: &[Arc<str>], depth: usize) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        for _ in 0..count {
            if self.found.is_some() {
                return Ok(());
            }
            let name = self.reader.name()?;
            let token = self.reader.token()?;
            match *name == **first {
                true => self.value(token, rest, depth)?,
                false => self.reader.skip(token, depth)?,
            }
        }
        Ok(())
    }

    fn value(&mut self, token: Token<'a>, rest: &[Arc<str>], depth: usize) -> Result<()> {
        self.reader.check_depth(depth)?;
        match token {
            Token::Str(text) if rest.is_empty() => self.text(text),
            Token::Map(count) if !rest.is_empty() => self.map(count, rest, depth + 1)?,
            Token::Array(count) => {
                for _ in 0..count {
                    if self.found.is_some() {
                        return Ok(());
                    }
                    let token = self.reader.token()?;
                    self.element(token, rest, depth + 1)?;
                }
            }
            other => self.reader.skip(other, depth)?,
        }
        Ok(())
    }

    fn element(&mut self, token: Token<'a>, rest: &[Arc<str>], depth: usize) -> Result<()> {
        match token {
            Token::Array(_) => self.reader.skip(token, depth),
            _ => self.value(token, rest, depth),
        }
    }

    fn text(&mut self, text: &'a str) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None if self.found.is_none() => self.found = Some(text),
            None => {}
        }
    }
}
