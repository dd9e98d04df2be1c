#!/usr/bin/env bash
# Every test of the project: formatting, lints, unit, model, crash and documentation tests, fuzz corpora, examples.
# Needs Rust (with clippy and rustfmt); whatever else is needed it fetches by itself. Stops at the first failure.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
step cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
step env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
# The feature opens the store to the crash enumerator and changes nothing else. Documentation tests are among these.
step cargo test --workspace --features crash-testing --locked
