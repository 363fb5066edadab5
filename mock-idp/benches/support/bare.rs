//! The least that can be done for a token over HTTP: hyper reads a request and its form, signs
//! as many bytes as a token has and answers with them. What such a server and the loader take, a
//! server on hyper cannot save on these cores.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Signs some bytes; nothing where it cannot.
pub(crate) type Sign = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// About what a token and the answer around it have.
pub(crate) const SIGNED: [u8; 980] = [b'x'; 980];

pub(crate) struct BareServer {
    pub(crate) url: String,
    serving: JoinHandle<()>,
}

impl BareServer {
    pub(crate) async fn start(sign: Sign) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/token", listener.local_addr()?);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&sign)));
            }
        });
        Ok(Self { url, serving })
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connection(stream: TcpStream, sign: Sign) {
    // As mock-idp has it: an answer does not wait for more to send.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&sign)));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    sign: Sign,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let form = request.into_body().collect().await;
    let signature = form.ok().and_then(|_| sign(&SIGNED));
    let mut response = Response::new(Full::default());
    match signature {
        Some(signature) => {
            let body = [&SIGNED[..], signature.as_slice()].concat();
            *response.body_mut() = Full::new(body.into());
        }
        None => *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR,
    }
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
