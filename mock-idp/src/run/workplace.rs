//! The files made for a program: its hosts file, and the certificates it trusts.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::RunError;

/// A directory that is removed at the end.
pub(crate) struct Workplace(PathBuf);

impl Workplace {
    pub(crate) fn new() -> Result<Self, RunError> {
        let path = std::env::temp_dir().join(format!("mock-idp-run-{}", uuid::Uuid::new_v4()));
        // Others may look but not write: a program that changes its user still reads its files.
        let made = fs::DirBuilder::new().mode(0o755).create(&path);
        made.map_err(|source| RunError::File {
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }

    /// Makes a file for everyone to read.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, RunError> {
        let path = self.0.join(name);
        let written = fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(RunError::File { path, source }),
        }
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %Path::new(&self.0).display(), "not removed");
        }
    }
}
