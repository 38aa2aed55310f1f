//! A port for a server that wants to be told one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the system takes ports for outgoing connections: a server that
/// is stopped and started again must find its port free.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on loopback that nobody listens on, and that this process has not handed out yet.
/// Another process may still be quicker, so a start that fails for it is worth a second try.
pub fn free() -> anyhow::Result<u16> {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let random = RandomState::new().build_hasher().finish();
        AtomicU16::new(u16::try_from(random % u64::from(COUNT)).unwrap_or(0))
    });
    for _ in 0..COUNT {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port from {FIRST} to {}", FIRST + COUNT)
}
