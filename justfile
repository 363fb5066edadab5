# Each recipe is a command anyone can type without `just`.

# list the recipes
default:
    @just --list

# the main job: a fleet against an embedded mock Entra ID, for ten seconds
demo:
    cargo run --release -p loadgen -- run scenarios/quickstart.yaml

# run one scenario
run SCENARIO *ARGS:
    cargo run --release -p loadgen -- run {{SCENARIO}} {{ARGS}}

# say what scenarios would run, or what is wrong with them
validate *SCENARIOS:
    cargo run -p loadgen -- validate {{SCENARIOS}}

# everything CI runs
ci:
    scripts/test

# the inner loop
check:
    cargo check --workspace --all-targets

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

test-crate NAME:
    cargo test -p {{NAME}}

# figures beside the budgets of the design
bench:
    cargo bench -p token-client
    cargo bench -p token-cache --features redis
    cargo bench -p mock-idp
    cargo bench -p loadgen

# make dashboards, rules, docs/metrics.md and docs/runbook.md anew
dashboards:
    UPDATE=1 cargo test -p telemetry --test dashboards

# every panel, with a real Prometheus
live:
    cargo test -p loadgen --test live

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --open
