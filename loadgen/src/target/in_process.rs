//! The identity provider without sockets: the mock's router, called directly.
//! Under a paused clock sockets would not do, for time jumps while they wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use mock_idp::{Idp, Unpaced};
use token_client::{RequestError, Transport, TransportFuture};
use tower::ServiceExt as _;

use crate::exit::{Failure, with_causes};

/// An answer that is none: the mock says so where it would reset a connection.
const HUNG_UP: u16 = 444;

/// No answer we read is larger.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A provider in this process. Cheap to clone; clones share.
#[derive(Debug, Clone)]
pub struct InProcess {
    idp: Arc<Idp>,
    router: axum::Router,
    machine: axum::Router,
}

/// The endpoints that a machine in Azure finds beside itself.
#[derive(Debug, Clone)]
pub struct Machine(InProcess);

impl InProcess {
    /// Makes the provider that `config` describes.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there can be none.
    pub fn new(config: &mock_idp::Config) -> Result<Self, Failure> {
        let idp = Idp::new(config).map_err(|error| {
            Failure::internal(format!(
                "the provider in this process cannot be made: {}",
                with_causes(&error)
            ))
        })?;
        let idp = Arc::new(idp);
        Ok(Self {
            router: mock_idp::router(Arc::clone(&idp)),
            machine: mock_idp::managed_identity_router(Arc::clone(&idp)),
            idp,
        })
    }

    /// The provider itself, to ask and to steer.
    pub fn idp(&self) -> &Arc<Idp> {
        &self.idp
    }

    /// What a machine asks for its own identity's tokens.
    pub fn machine(&self) -> Machine {
        Machine(self.clone())
    }

    /// Sends a request of the driver's own, which takes no time: it stands for
    /// what happened before the arrival it belongs to.
    ///
    /// # Errors
    ///
    /// Why there is no answer, in words.
    pub async fn send_at_once(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        request.extensions_mut().insert(Unpaced);
        exchange(self.router.clone(), request)
            .await
            .map_err(|error| with_causes(&error))
    }
}

async fn exchange(
    router: axum::Router,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, RequestError> {
    let answer = router.oneshot(request).await;
    let (parts, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
    if parts.status.as_u16() == HUNG_UP {
        return Err(RequestError::Unreachable("the connection was reset".into()));
    }
    let body = Limited::new(body, MAX_BODY_BYTES)
        .collect()
        .await
        .map_err(|_| RequestError::Protocol {
            status: parts.status.as_u16(),
            reason: "a body that broke off".to_owned(),
            retry_after: None,
        })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

impl Transport for InProcess {
    fn send(&self, request: Request<Full<Bytes>>) -> TransportFuture<'_> {
        Box::pin(exchange(self.router.clone(), request))
    }
}

impl Transport for Machine {
    fn send(&self, request: Request<Full<Bytes>>) -> TransportFuture<'_> {
        Box::pin(exchange(self.0.machine.clone(), request))
    }
}

/// When virtual runs begin: Monday, 6 January 2025, midnight UTC. A whole
/// second, and the same in every run, so that tokens are too.
pub const EPOCH: Duration = Duration::from_secs(1_736_121_600);
