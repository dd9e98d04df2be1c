//! Encoded fields read piece by piece, without copying or collecting anything.

use super::DateTime;
use super::GeoPoint;
use super::MAX_DEPTH;
use crate::codec::ByteReader;
use crate::error::Error;
use crate::error::Result;

/// The part named in errors about encoded fields.
const PART: &str = "fields";

/// A value, or the beginning of one that has others in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A finite number.
    F64(f64),
    /// Text.
    Str(&'a str),
    /// An instant.
    DateTime(DateTime),
    /// A place.
    Geo(GeoPoint),
    /// So many values follow.
    Array(usize),
    /// So many times a name and a value follow.
    Map(usize),
}

/// Reads encoded fields: first [`FieldReader::count`], then so many times a name and a value. The reader of an array or a
/// map reads or skips what is in it, and bounds the depth.
pub(crate) struct FieldReader<'a> {
    reader: ByteReader<'a>,
}

impl<'a> FieldReader<'a> {
    /// At the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { reader: ByteReader::new(PART, bytes) }
    }

    /// Number of names and values that follow.
    pub(crate) fn count(&mut self) -> Result<usize> {
        self.reader.count(2)
    }

    /// A name.
    pub(crate) fn name(&mut self) -> Result<&'a str> {
        self.reader.string()
    }

    /// A value or its beginning.
    pub(crate) fn token(&mut self) -> Result<Token<'a>> {
        let reader = &mut self.reader;
        Ok(match reader.u8()? {
            0 => Token::Null,
            1 => Token::Bool(false),
            2 => Token::Bool(true),
            3 => {
                let zigzag = reader.varint()?;
                Token::I64((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
            }
            4 => match reader.f64()? {
                number if number.is_finite() => Token::F64(number),
                _ => return Err(reader.error("a number that is not finite")),
            },
            5 => Token::Str(reader.string()?),
            6 => Token::DateTime(DateTime::from_unix_micros(reader.u64()? as i64)),
            7 => match GeoPoint::new(reader.f64()?, reader.f64()?) {
                Some(place) => Token::Geo(place),
                None => return Err(reader.error("a place outside the globe")),
            },
            8 => Token::Array(reader.count(1)?),
            9 => Token::Map(reader.count(2)?),
            tag => return Err(reader.error(format!("unknown kind of value {tag}"))),
        })
    }

    /// Skips what is in `token`, which lies `depth` deep: the value of a field is 1 deep.
    pub(crate) fn skip(&mut self, token: Token<'a>, depth: usize) -> Result<()> {
        self.check_depth(depth)?;
        let (count, named) = match token {
            Token::Array(count) => (count, false),
            Token::Map(count) => (count, true),
            _ => return Ok(()),
        };
        for _ in 0..count {
            if named {
                self.name()?;
            }
            let token = self.token()?;
            self.skip(token, depth + 1)?;
        }
        Ok(())
    }

    /// An error where values nest deeper than any that were encoded.
    pub(crate) fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH { Err(self.error("nested too deep")) } else { Ok(()) }
    }

    /// An error at the present position.
    pub(crate) fn error(&self, problem: impl Into<String>) -> Error {
        self.reader.error(problem)
    }

    /// Ends reading; bytes left over are an error.
    pub(crate) fn finish(self) -> Result<()> {
        self.reader.finish()
    }
}
