//! Any text as a filter, and as JSON with operators: read or refused, and what is read is written as it reads.

use lodedb::Filter;
use lodedb::Value;

/// Longest input whose filter is written out: its text stays below the length that is read.
const MOST_BYTES: usize = 64 << 10;

/// Reads the input through both doors.
pub fn run(data: &[u8]) {
    if data.len() > MOST_BYTES {
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(filter) = text.parse() {
        comes_back(&filter);
    }
    let Ok(operators) = serde_json::from_str::<Value>(text) else { return };
    if let Ok(filter) = Filter::from_value(&operators) {
        comes_back(&filter);
    }
}

fn comes_back(filter: &Filter) {
    filter.check().expect("what was read was checked");
    let text = filter.to_string();
    assert_eq!(&text.parse::<Filter>().expect("what was written"), filter, "{text}");
    let operators = filter.to_value();
    assert_eq!(&Filter::from_value(&operators).expect("what was written"), filter, "{operators}");
}
