//! Any bytes as a file.
//!
//! The first byte of an input tells what the rest is: bit 0, whether it is packed ([`format::unpack`]) or the file
//! itself; bit 1, whether its checksums are mended, so that damage reaches what lies behind them.

use super::exercise::exercise;
use super::format;
use super::source::Source;

/// The rest of the input is packed.
pub const PACKED: u8 = 1;
/// Checksums are mended.
pub const MENDED: u8 = 2;

/// Reads and writes the file that the input describes.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let how = source.byte();
    let rest = source.take(data.len());
    let mut bytes = if how & PACKED != 0 { format::unpack(rest) } else { rest.to_vec() };
    if how & MENDED != 0 {
        format::mend(&mut bytes);
    }
    exercise(&bytes.into());
}
