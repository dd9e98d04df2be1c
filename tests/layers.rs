//! The law of layers: a file of `src/` imports only what its layer may, one item a line, by the layer's own path.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Layer -> layers that it may import; the order is from the bottom to the top.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("memory", &[]),
    ("ids", &["error"]),
    ("codec", &["error", "ids"]),
    ("slots", &["ids"]),
    ("storage", &["error", "memory", "ids", "codec"]),
    ("vector", &["error"]),
    ("quant", &["error", "ids", "codec", "slots", "vector"]),
    ("bench", &["error", "vector", "quant"]),
    ("graph", &["error", "memory", "ids", "codec", "slots", "vector", "quant"]),
    ("metadata", &["error", "ids", "codec"]),
    ("filter", &["error", "metadata"]),
    ("field_index", &["error", "ids", "codec", "slots", "metadata", "filter"]),
    ("text", &["error", "ids", "codec", "slots"]),
    ("sparse", &["error", "ids", "codec", "slots", "text"]),
    (
        "segment",
        &[
            "error",
            "memory",
            "ids",
            "codec",
            "slots",
            "storage",
            "vector",
            "quant",
            "graph",
            "metadata",
            "filter",
            "field_index",
            "text",
            "sparse",
        ],
    ),
    (
        "query",
        &[
            "error",
            "ids",
            "slots",
            "storage",
            "vector",
            "metadata",
            "filter",
            "field_index",
            "text",
            "sparse",
            "segment",
        ],
    ),
    (
        "db",
        &[
            "error", "ids", "codec", "slots", "storage", "vector", "quant", "graph", "metadata", "filter",
            "text", "segment", "query",
        ],
    ),
];

fn source_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Layers that use the public API alone: what `src/lib.rs` exports, by the crate's root.
const OUTSIDE: &[&str] = &["cli"];

/// What the crate exports.
fn exports() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let exported = text.lines().filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';'));
    exported.filter_map(|path| Some(path.rsplit_once("::")?.1.to_owned())).collect()
}

/// The layer of a file: the first folder below `src/`, or the file's own name.
fn layer_of(relative: &Path) -> String {
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Every `crate::name` of the file's code, with its line number.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for rest in code.split("crate::").skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.push((number, rest[..end].to_owned()));
        }
    }
    found
}

#[test]
fn a_lower_layer_never_imports_a_higher_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let mut broken = Vec::new();
    let exports = exports();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let layer = layer_of(relative);
        if layer == "lib" || layer == "bin" {
            continue;
        }
        if OUTSIDE.contains(&layer.as_str()) {
            let text = fs::read_to_string(&file).unwrap();
            for (line, name) in imports(&text).into_iter().filter(|(_, name)| !exports.contains(name)) {
                broken.push(format!(
                    "{}:{line} imports crate::{name}, which is not exported",
                    relative.display()
                ));
            }
            continue;
        }
        let may =
            allowed.get(layer.as_str()).unwrap_or_else(|| panic!("{layer} is not in the table of layers"));
        let text = fs::read_to_string(&file).unwrap();
        for (line, name) in imports(&text) {
            if name != layer && !may.contains(&name.as_str()) {
                broken.push(format!("{}:{line} imports crate::{name}", relative.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_layers_form_no_circle() {
    for (place, (layer, may)) in LAYERS.iter().enumerate() {
        for lower in *may {
            let below = LAYERS.iter().position(|(name, _)| name == lower).unwrap();
            assert!(below < place, "{layer} imports {lower}, which is not below it");
        }
    }
}

#[test]
fn imports_are_one_item_a_line_and_never_glob() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let grouped = line.starts_with("use crate::") && line.contains('{');
            let of_tests = file.ends_with("tests.rs") && line == "use super::*;";
            let glob =
                line.starts_with("use ") && line.ends_with("::*;") && !line.contains("prelude") && !of_tests;
            assert!(!grouped && !glob, "{}:{number}: {line}", file.display());
        }
    }
}
