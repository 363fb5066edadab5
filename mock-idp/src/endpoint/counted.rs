//! A body that is counted while it is read, whether or not it says how long it is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Buf as _, Bytes};
use hyper::body::{Body as _, Frame, SizeHint};

/// The same body, whose bytes are added to `count` as they are read.
pub(super) fn counted(body: Body, count: &Arc<AtomicU64>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Counted {
        body,
        read: Arc::clone(count),
    })
}

/// A body, and how much of it was read.
struct Counted {
    body: Body,
    read: Arc<AtomicU64>,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let length = u64::try_from(data.remaining()).unwrap_or(u64::MAX);
            self.read.fetch_add(length, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
