//! The command `lode`, end to end: what it prints, what it leaves behind, how it fails.

mod bench;
mod care;
mod eval;
mod export;
mod formats;
mod hostile;
mod import;
mod readme;
mod search;
mod support;
