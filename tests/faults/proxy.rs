//! A bad line between a guard and the hub.
//!
//! It passes bytes on, so the hub's certificate, which names 127.0.0.1, still matches. What it
//! does to them depends on the weather, from the next bytes on, on every connection.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::lab::hub;
use crate::random::Random;
use crate::trial::Trial;

const SEED: u64 = 4;

/// How bad the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Bytes pass.
    Fair,
    /// Bytes take this long, there and back.
    Slow(Duration),
    /// Answers take this long.
    SlowAnswers(Duration),
    /// Now and then a connection is cut.
    Cutting,
    /// Now and then the hub's answer is lost, and the connection with it: what was asked for
    /// is done.
    LosingAnswers,
    /// Nothing passes, and no connection that was used meanwhile ever carries anything again:
    /// a firewall has forgotten it.
    Silent,
}

/// The line; it is gone when this is dropped.
pub struct Proxy {
    kubeconfig: PathBuf,
    sky: Arc<Sky>,
    accepting: AbortHandle,
}

/// What all connections have in common.
struct Sky {
    weather: Mutex<Weather>,
    random: Mutex<Random>,
    damage: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToHub,
    FromHub,
}

impl Proxy {
    /// A line to the hub, for the guard of one cluster.
    pub async fn to_hub(trial: &Trial, cluster: &str) -> Self {
        let kubeconfig = hub::member_kubeconfig(trial.lab.hub(), cluster);
        match Self::start(&kubeconfig, cluster).await {
            Ok(proxy) => proxy,
            Err(error) => panic!("the proxy: {error:#}"),
        }
    }

    async fn start(hub: &Path, cluster: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let text = std::fs::read_to_string(hub)?;
        let hub_port = text
            .split_once("https://127.0.0.1:")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next())
            .context("no server in the hub's kubeconfig")?;
        let here = format!("https://127.0.0.1:{}", listener.local_addr()?.port());
        let there = format!("https://127.0.0.1:{hub_port}");
        let kubeconfig = hub.with_file_name(format!("through-the-proxy-of-{cluster}"));
        std::fs::write(&kubeconfig, text.replace(&there, &here))?;
        let sky = Arc::new(Sky {
            weather: Mutex::new(Weather::Fair),
            random: Mutex::new(Random::new(SEED)),
            damage: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, hub_port.parse()?, sky.clone()));
        Ok(Self {
            kubeconfig,
            sky,
            accepting: accepting.abort_handle(),
        })
    }

    /// The hub behind this line, as the value of `--registry`.
    pub fn registry(&self) -> String {
        format!("kubernetes:{}", self.kubeconfig.display())
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        *self
            .sky
            .weather
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// How many connections were damaged so far.
    pub fn damage(&self) -> usize {
        self.sky.damage.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Sky {
    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self, percent: u64) -> bool {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.percent(percent)
    }

    fn damaged(&self) {
        self.damage.fetch_add(1, Ordering::Relaxed);
    }
}

/// The connections end with the task that accepted them.
async fn accept(listener: TcpListener, hub: u16, sky: Arc<Sky>) {
    let mut connections = JoinSet::new();
    while let Ok((guard, _)) = listener.accept().await {
        let sky = sky.clone();
        connections.spawn(async move {
            // However it ends, the other side is told by the end of the connection.
            let _ = carry(guard, hub, &sky).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(guard: TcpStream, hub: u16, sky: &Sky) -> std::io::Result<()> {
    let hub = TcpStream::connect((Ipv4Addr::LOCALHOST, hub)).await?;
    for stream in [&guard, &hub] {
        stream.set_nodelay(true)?;
    }
    let (from_guard, to_guard) = guard.into_split();
    let (from_hub, to_hub) = hub.into_split();
    tokio::select! {
        end = pump(from_guard, to_hub, Direction::ToHub, sky) => end,
        end = pump(from_hub, to_guard, Direction::FromHub, sky) => end,
    }
}

/// Passes bytes on until the connection is to end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    sky: &Sky,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        match (sky.weather(), direction) {
            (Weather::Slow(pause), _) | (Weather::SlowAnswers(pause), Direction::FromHub) => {
                sleep(pause).await;
            }
            (Weather::Cutting, _) if sky.strikes(15) => {
                sky.damaged();
                return Ok(());
            }
            (Weather::LosingAnswers, Direction::FromHub) if sky.strikes(25) => {
                sky.damaged();
                return Ok(());
            }
            (Weather::Silent, _) => {
                sky.damaged();
                return std::future::pending().await;
            }
            _ => {}
        }
        to.write_all(&bytes[..length]).await?;
    }
}
