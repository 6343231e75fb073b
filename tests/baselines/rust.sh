# Rust without a network: a new crate, build, test, clean.
command -v cargo >/dev/null || exit 77
set -e
export CARGO_NET_OFFLINE=true
cargo new -q --lib --vcs none crate && cd crate
cargo build -q && cargo test -q >/dev/null 2>&1
cargo clean -q 2>/dev/null && cargo build -q && rm -rf target
