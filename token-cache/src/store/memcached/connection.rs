//! A connection: lines and blocks of known length.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use crate::error::StoreError;
use crate::store::StoreFuture;
use crate::store::pool::{Connect, Failure};

/// No answer has a longer line.
const LONGEST_LINE: u64 = 1_024;

/// The largest item that memcached can be set up for (`-I 1g`).
const LARGEST_VALUE: usize = 1 << 30;

/// How connections are opened.
pub(super) struct Connector {
    pub(super) address: Arc<str>,
}

impl Connect for Connector {
    type Connection = Connection;

    fn connect(&self) -> StoreFuture<'_, Connection> {
        Box::pin(async move {
            let opened = TcpStream::connect(&*self.address).await;
            let stream = opened.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
            stream
                .map(|stream| Connection(BufStream::new(stream)))
                .map_err(|error| StoreError::new(format!("{}: {error}", self.address)))
        })
    }
}

/// A connection.
pub(super) struct Connection(BufStream<TcpStream>);

impl Connection {
    /// Sends a command and, if it has one, its block, each with its line's end.
    pub(super) async fn send(
        &mut self,
        command: &str,
        block: Option<&[u8]>,
    ) -> Result<(), Failure> {
        for part in [Some(command.as_bytes()), block].into_iter().flatten() {
            self.0.write_all(part).await.map_err(broken)?;
            self.0.write_all(b"\r\n").await.map_err(broken)?;
        }
        self.0.flush().await.map_err(broken)
    }

    /// A line of the answer, without its end.
    pub(super) async fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.0).take(LONGEST_LINE);
        bounded.read_until(b'\n', &mut line).await.map_err(broken)?;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return Err(Failure::Broken("the answer broke off".to_owned()));
        };
        String::from_utf8(line.to_vec())
            .map_err(|_| Failure::Broken("the answer is no text".to_owned()))
    }

    /// A block of the answer and the end of its line.
    pub(super) async fn block(&mut self, length: usize) -> Result<Bytes, Failure> {
        if length > LARGEST_VALUE {
            return Err(Failure::Broken(format!("a value of {length} bytes")));
        }
        // Grows as bytes come, so that a length alone takes no memory.
        let mut block = Vec::new();
        let mut bounded = (&mut self.0).take(length as u64 + 2);
        bounded.read_to_end(&mut block).await.map_err(broken)?;
        if block.len() != length + 2 || !block.ends_with(b"\r\n") {
            return Err(Failure::Broken("the value broke off".to_owned()));
        }
        block.truncate(length);
        Ok(block.into())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn broken(error: std::io::Error) -> Failure {
    Failure::Broken(error.to_string())
}
