//! Watches the first bytes of a connection.
//!
//! The server tells HTTP/2 from HTTP/1 by the first bytes a client sends, and waits for them
//! without a limit. This wrapper sets one: a client that connects and says nothing, or only a part
//! of HTTP/2's opening words, is cut off. From then on HTTP's own limits hold.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

const HTTP2_OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes must arrive in time.
pub(crate) struct Opening<S> {
    stream: S,
    /// Gone once the version can be told.
    deadline: Option<Pin<Box<Sleep>>>,
    /// How much of HTTP/2's opening words was read.
    matched: usize,
}

impl<S> Opening<S> {
    pub(crate) fn new(stream: S, within: Duration) -> Self {
        Self {
            stream,
            deadline: Some(Box::pin(sleep(within))),
            matched: 0,
        }
    }

    fn observe(&mut self, bytes: &[u8]) {
        let expected = &HTTP2_OPENING[self.matched..];
        let length = bytes.len().min(expected.len());
        self.matched += length;
        let differs = bytes[..length] != expected[..length];
        if differs || self.matched == HTTP2_OPENING.len() || bytes.is_empty() {
            self.deadline = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() {
            if self.deadline.is_some() {
                self.observe(&buffer.filled()[before..]);
            }
            return polled;
        }
        if let Some(deadline) = &mut self.deadline {
            ready!(deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// What reading ends in when a client sends `bytes` and then waits for an hour.
    async fn read_after(bytes: &[u8]) -> Result<(), io::ErrorKind> {
        let (mut client, server) = duplex(1024);
        let mut server = Opening::new(server, Duration::from_secs(10));
        client.write_all(bytes).await.unwrap();
        let mut buffer = vec![0; bytes.len()];
        server
            .read_exact(&mut buffer)
            .await
            .map_err(|error| error.kind())?;
        let hour = Duration::from_hours(1);
        match tokio::time::timeout(hour, server.read(&mut [0])).await {
            Ok(read) => read.map(|_| ()).map_err(|error| error.kind()),
            Err(_) => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_that_has_not_said_its_version_is_cut_off() {
        assert_eq!(read_after(b"").await, Err(io::ErrorKind::TimedOut));
        assert_eq!(
            read_after(b"PRI * HTTP/2").await,
            Err(io::ErrorKind::TimedOut)
        );
        assert_eq!(read_after(HTTP2_OPENING).await, Ok(()));
        assert_eq!(read_after(b"PRI * HTTP/1.1\r\n").await, Ok(()));
        assert_eq!(read_after(b"G").await, Ok(()));
    }
}
