//! Where the real clients are that `scripts/test` installs.

use std::path::{Path, PathBuf};

/// A Python that has the packages of `scripts/test`.
pub(crate) fn python() -> PathBuf {
    let path = std::env::var_os("TOKEN_CACHE_LAB_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop-venv/bin/python"),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "no Python with msal at `{}`\nhint: run scripts/test once, or name one in \
         TOKEN_CACHE_LAB_PYTHON",
        path.display()
    );
    path
}

/// A directory whose `node_modules` has the packages of `scripts/test`.
pub(crate) fn node_modules() -> PathBuf {
    let path = std::env::var_os("TOKEN_CACHE_LAB_NODE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop-node"),
        PathBuf::from,
    );
    assert!(
        path.join("node_modules/@azure/msal-node").exists(),
        "no @azure/msal-node in `{}`\nhint: run scripts/test once, or name a directory in \
         TOKEN_CACHE_LAB_NODE",
        path.display()
    );
    path
}

/// A script of `tests/clients`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}
