//! The connection of a client, which a request served on it may reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Resets the connection that a request came on, instead of answering it. The listener puts it
/// into the request's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct HangUp(Arc<AtomicBool>);

impl HangUp {
    /// From now on nothing more is read or written. The connection ends when next it would be,
    /// which is when the answer to the request is.
    pub(crate) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A TCP stream that can be hung up on from afar.
pub(crate) struct Socket {
    stream: TcpStream,
    hang_up: HangUp,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, hang_up: HangUp) -> Self {
        Self { stream, hang_up }
    }

    fn check(&self) -> io::Result<()> {
        if !self.hang_up.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        reset(&self.stream);
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

/// Makes the end of a connection a reset rather than a farewell.
pub(crate) fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection is closed instead of being reset");
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
