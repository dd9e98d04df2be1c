//! Filtered queries: what they find, held against a plain evaluation of one record at a time, and how well and by which way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod answers;
mod condition;
mod history;
#[path = "../random/mod.rs"]
mod random;
mod recall;
mod reference;
mod values;
