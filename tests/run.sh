#!/usr/bin/env bash
# Every test of the project: formatting, lints, unit, model, crash and documentation tests, fuzz corpora, examples, and
# the Python package in a fresh virtual environment. Needs Rust (with clippy and rustfmt) and Python 3.10 or later;
# whatever else is needed it fetches by itself. Stops at the first failure.
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
# The features open the store to the crash enumerator and the keyword index to its fuzz targets, add the command, and change nothing else. Documentation tests are among these.
step cargo test --workspace --features crash-testing,fuzz-internals,cli-parquet --locked

# The Python package: its wheel in a virtual environment of its own, and everything that is tested through it.
step cargo fmt --manifest-path python/Cargo.toml --check
step cargo clippy --manifest-path python/Cargo.toml --all-targets --locked -- -D warnings
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
step python3 -m venv "$environment/venv"
python="$environment/venv/bin/python"
step "$python" -m pip install --quiet --disable-pip-version-check -r python/tests/requirements.txt
step "$python" -m maturin build --release --locked --manifest-path python/Cargo.toml --interpreter "$python" \
    --out "$environment/wheels"
step "$python" -m pip install --quiet --disable-pip-version-check "$environment"/wheels/lodedb-*.whl
step "$python" python/tests/size.py "$environment"/wheels/lodedb-*.whl
# Here a package that is not installed fails tests, which elsewhere skips them; none may send reports.
step env LODE_TEST_EVERYTHING=1 HAYSTACK_TELEMETRY_ENABLED=false ANONYMIZED_TELEMETRY=false "$python" -m pytest -q python/tests
# Away from the sources, so that what is looked at is what was installed.
step env -C "$environment" "$python" -m mypy.stubtest lodedb --allowlist "$PWD/python/tests/stubtest.allow"
step "$python" -m mypy --strict examples/*.py python/tests python/python/lodedb
step "$python" -m ruff check --config python/pyproject.toml python examples
step "$python" -m ruff format --check --config python/pyproject.toml python examples/*.py
