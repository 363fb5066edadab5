//! A machine outside Azure with the Arc agent: the caller proves that it is on the machine by
//! reading a file that the agent wrote for it.
//!
//! The first request is answered 401 with the file's path, the second carries the file's content.
//! Clients accept the agent's own directory only, so that is where the files go unless the
//! configuration says otherwise. A file is removed once used, when too many wait, or at the end.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::{Granted, Refused, answer, grant, head, query, require_metadata};
use crate::idp::Idp;

/// Where the agent keeps the files on Linux.
pub(crate) const AGENTS_DIRECTORY: &str = "/var/opt/azcmagent/tokens";

/// Files that wait at a time.
const MOST: usize = 64;

/// The files written and not used yet, oldest first.
pub(crate) struct ArcKeys {
    directory: PathBuf,
    waiting: Mutex<VecDeque<Key>>,
}

struct Key {
    path: PathBuf,
    content: String,
}

impl Drop for Key {
    fn drop(&mut self) {
        // Somebody else may have removed it; then there is nothing left to do.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl ArcKeys {
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        Self {
            directory: directory.unwrap_or(Path::new(AGENTS_DIRECTORY)).to_owned(),
            waiting: Mutex::default(),
        }
    }

    /// Writes a new file, for its owner alone, and says where it is.
    fn write(&self, name: &str, content: String) -> io::Result<PathBuf> {
        std::fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(format!("{name}.key"));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let key = Key {
            path: path.clone(),
            content,
        };
        file.write_all(key.content.as_bytes())?;
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST {
            waiting.pop_front();
        }
        waiting.push_back(key);
        Ok(path)
    }

    /// Whether this is the content of a file that waits; if so it waits no more.
    fn spend(&self, content: &str) -> bool {
        let mut waiting = self.waiting.lock();
        let is_it =
            |key: &Key| verify_slices_are_equal(key.content.as_bytes(), content.as_bytes()).is_ok();
        match waiting.iter().position(is_it) {
            Some(place) => waiting.remove(place).is_some(),
            None => false,
        }
    }
}

pub(super) async fn token(State(idp): State<Arc<Idp>>, request: Request) -> Response {
    let request = head(request);
    let proof = request
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let challenges = proof.is_none() && require_metadata(&request).is_ok();
    if !challenges {
        return answer(decide(&idp, &request, proof).await);
    }
    let name = idp.ids.uuid().to_string();
    let content = URL_SAFE_NO_PAD.encode(idp.ids.bytes::<48>());
    let keeper = Arc::clone(&idp);
    let written = spawn_blocking(move || keeper.arc_keys.write(&name, content)).await;
    let refused =
        |status, error, description: &str| answer(Err(Refused::new(status, error, description)));
    let failed = |what: &str| {
        tracing::warn!(what, "no Arc key file could be written");
        refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "The key file could not be written.",
        )
    };
    let path = match written {
        Ok(Ok(path)) => path,
        Ok(Err(error)) => return failed(&error.to_string()),
        Err(error) => return failed(&error.to_string()),
    };
    let Ok(challenge) = HeaderValue::try_from(format!("Basic realm={}", path.display())) else {
        return failed("the directory's name cannot be sent");
    };
    let mut response = refused(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "Read the key file.",
    );
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

async fn decide(idp: &Idp, request: &Parts, proof: Option<&str>) -> Result<Granted, Refused> {
    require_metadata(request)?;
    let content = proof
        .and_then(|proof| proof.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .map_or("", |(_, content)| content.trim());
    if !idp.arc_keys.spend(content) {
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "The key is not one that waits here.",
        ));
    }
    grant(idp, request, &query(request)?).await
}
