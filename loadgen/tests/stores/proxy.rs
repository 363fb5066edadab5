//! A network between a run and its store that can go bad: what was sent waits
//! in it, or connections are reset. The store itself is well and notices nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It carries everything.
    Fine,
    /// It carries nothing, and keeps every connection.
    Stalls,
    /// Connections that were open stay so and carry nothing for good, as after a
    /// failover nobody was told of; new ones are fine.
    HalfOpen,
    /// It resets every connection.
    Resets,
    /// It has gone.
    Over,
}

/// The network, until dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    weather: watch::Sender<Weather>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Carries between a free port of loopback and this one.
    pub(crate) fn to(port: u16) -> Self {
        let (weather, watched) = watch::channel(Weather::Fine);
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                tell.send(listener.local_addr().unwrap().port()).unwrap();
                let store = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                accept(&listener, store, watched).await;
            });
        });
        Self {
            port: told.recv().unwrap(),
            weather,
            thread: Some(thread),
        }
    }

    /// From now on it does this.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Weather::Over);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &TcpListener, store: SocketAddr, mut weather: watch::Receiver<Weather>) {
    loop {
        let client = tokio::select! {
            biased;
            _ = weather.wait_for(|now| *now == Weather::Over) => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        if *weather.borrow() == Weather::Resets {
            reset(&client);
            continue;
        }
        let weather = weather.clone();
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(store).await {
                connection(client, server, weather).await;
            }
        });
    }
}

/// Closes without a farewell.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn connection(client: TcpStream, server: TcpStream, weather: watch::Receiver<Weather>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let opened_in = *weather.borrow();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut closes = weather.clone();
    let resets = |now: &Weather| matches!(now, Weather::Resets | Weather::Over);
    tokio::select! {
        _ = closes.wait_for(resets) => {}
        () = carry(&mut from_client, &mut to_server, weather.clone(), opened_in) => {}
        () = carry(&mut from_server, &mut to_client, weather.clone(), opened_in) => {}
    }
    if *weather.borrow() == Weather::Resets
        && let (Ok(client), Ok(server)) = (
            from_client.reunite(to_client),
            from_server.reunite(to_server),
        )
    {
        reset(&client);
        reset(&server);
    }
}

/// Carries one direction until its sender closes it. What is on its way when
/// the weather turns arrives when it turns again.
async fn carry(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    opened_in: Weather,
) {
    let carries = |now: &Weather| match now {
        Weather::Fine => true,
        Weather::HalfOpen => opened_in == Weather::HalfOpen,
        Weather::Stalls | Weather::Resets | Weather::Over => false,
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if weather.wait_for(carries).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
