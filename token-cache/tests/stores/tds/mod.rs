//! A dev-only endpoint that speaks TDS 7.4, enough for a cache store: login,
//! batches, `sp_executesql` with parameters, results with `varbinary(max)`,
//! errors, attention. It holds one table in memory and does what the six kinds of
//! statement mean, told apart by their shape; it is no SQL Server, and knows no
//! Transact-SQL beyond that. TLS it has not.

mod table;
mod wire;

pub(crate) use table::Row;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use self::table::{Table, answer};
use self::wire::{Message, Packets};

pub(crate) const USER: &str = "tester";
pub(crate) const PASSWORD: &str = "s3cret-word";

/// What the next statement meets instead of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// An error of this number and class.
    Error(u32, u8),
    /// Silence for this long, then the answer.
    Stall(Duration),
    /// Half an answer, then the end of the connection.
    BreakOff,
}

/// What the endpoint has seen and holds.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) table: Table,
    pub(crate) statements: Vec<String>,
    pub(crate) logins: u32,
    /// Connections that ended while a statement was under way.
    pub(crate) given_up: u32,
    pub(crate) fault: Option<Fault>,
}

/// The endpoint; it ends when this goes.
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    pub(crate) state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            port,
            state,
            accepting,
        }
    }

    pub(crate) fn row(&self, key: &str) -> Option<Row> {
        self.state.lock().table.rows.get(key).cloned()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves a connection until it ends, in whatever way.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    stream.set_nodelay(true).unwrap();
    let mut packets = Packets::new(stream);
    while let Some(message) = packets.read().await {
        let reply = match message {
            Message::PreLogin => wire::pre_login(),
            Message::Login { user, password } if (&*user, &*password) == (USER, PASSWORD) => {
                state.lock().logins += 1;
                wire::login_ack()
            }
            Message::Login { .. } => wire::error(18_456, 14, "Login failed for user 'tester'."),
            Message::Attention => wire::attention_ack(),
            Message::Batch(text) => {
                state.lock().statements.push(text);
                wire::done(0)
            }
            Message::Call(call) => {
                let fault = {
                    let mut state = state.lock();
                    state.statements.push(call.statement.clone());
                    // The sweep behind a caller's back is not the one to spoil.
                    let by_caller = call.parameters.len() > 1;
                    if by_caller { state.fault.take() } else { None }
                };
                match fault {
                    Some(Fault::Error(number, class)) => {
                        wire::error(number, class, "It cannot be done. (secret-value)")
                    }
                    Some(Fault::BreakOff) => {
                        let reply = answer(&mut state.lock().table, &call);
                        packets.write_raw(&wire::packet(&reply)[..12]).await;
                        return;
                    }
                    Some(Fault::Stall(wait)) => {
                        tokio::select! {
                            () = tokio::time::sleep(wait) => {}
                            () = packets.ended() => {
                                state.lock().given_up += 1;
                                return;
                            }
                        }
                        answer(&mut state.lock().table, &call)
                    }
                    None => answer(&mut state.lock().table, &call),
                }
            }
        };
        if !packets.write(&reply).await {
            return;
        }
    }
}
