//! A proxy before a server that spoils the connection on demand.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to what passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Each way takes this long.
    Slow(Duration),
    /// The connection is reset.
    Reset,
    /// Everything is swallowed, nothing is said: the peer has vanished, and the
    /// connection stays half-open. New connections fare well.
    HalfOpen,
    /// The answer breaks off after so many bytes and the connection ends.
    Truncate(usize),
}

/// The proxy; it ends when this goes.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    trouble: watch::Sender<Trouble>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (trouble, seen) = watch::channel(Trouble::None);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server_port));
                let Ok(server) = TcpStream::connect(server).await else {
                    continue;
                };
                // Troubled or not from the start: half-open ones are the old ones.
                let mut seen = seen.clone();
                let born_half_open = *seen.borrow_and_update() == Trouble::HalfOpen;
                tokio::spawn(carry(client, server, seen, born_half_open));
            }
        });
        Self {
            port,
            trouble,
            accepting,
        }
    }

    pub(crate) fn cause(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries bytes both ways until either side ends.
async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    mut trouble: watch::Receiver<Trouble>,
    born_half_open: bool,
) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let now = *trouble.borrow_and_update();
        if now == Trouble::Reset {
            // A close with unsent data dropped at once is a reset.
            let _ = client.set_zero_linger();
            return;
        }
        let vanished = now == Trouble::HalfOpen && !born_half_open;
        let wait = match now {
            Trouble::Slow(wait) => wait,
            _ => Duration::ZERO,
        };
        tokio::select! {
            changed = trouble.changed() => if changed.is_err() { return },
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                if vanished { continue }
                tokio::time::sleep(wait).await;
                if server.write_all(&from_client[..length]).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(mut length @ 1..) = read else { return };
                if vanished { continue }
                tokio::time::sleep(wait).await;
                if let Trouble::Truncate(most) = now { length = length.min(most) }
                if client.write_all(&from_server[..length]).await.is_err() { return }
                if matches!(now, Trouble::Truncate(_)) { return }
            }
        }
    }
}
