//! A Kubernetes Service in miniature: one address for several replicas of aso-guard.
//!
//! As there, a connection goes to one replica and stays with it; a replica that doesn't accept
//! connections is passed over. It runs on threads of its own, for tests come and go with their
//! runtimes.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

const CONNECT: Duration = Duration::from_millis(500);

/// The address; it goes away when this is dropped.
pub struct Service {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Service {
    /// Listens on a port of its own for these ports on loopback.
    pub fn start(replicas: Vec<u16>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let closed = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&closed);
        thread::Builder::new()
            .name("service".to_owned())
            .spawn(move || accept(&listener, &replicas, &ends))
            .context("a thread for the service")?;
        Ok(Self { address, closed })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the accepting thread, which then sees that it is over. If nobody is there to
        // be woken, it is over already.
        let _ = TcpStream::connect_timeout(&self.address, CONNECT);
    }
}

fn accept(listener: &TcpListener, replicas: &[u16], closed: &AtomicBool) {
    for (turn, client) in listener.incoming().enumerate() {
        if closed.load(Ordering::Acquire) {
            return;
        }
        if let Ok(client) = client
            && let Some(replica) = connect(replicas, turn)
            && let Err(error) = join(client, replica)
        {
            eprintln!("service: {error}");
        }
    }
}

/// The first replica that accepts a connection, beginning with the one whose turn it is.
fn connect(replicas: &[u16], turn: usize) -> Option<TcpStream> {
    (0..replicas.len())
        .map(|next| replicas[(turn + next) % replicas.len()])
        .find_map(|port| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            TcpStream::connect_timeout(&address, CONNECT).ok()
        })
}

fn join(client: TcpStream, replica: TcpStream) -> io::Result<()> {
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_replica, to_replica) = (replica.try_clone()?, replica);
    thread::Builder::new().spawn(move || copy(from_client, to_replica))?;
    thread::Builder::new().spawn(move || copy(from_replica, to_client))?;
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // However the one side ends, the other is told that it has.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Answers each connection with its own name.
    fn replica(name: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                stream.unwrap().write_all(name.as_bytes()).unwrap();
            }
        });
        port
    }

    fn ask(port: u16) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut name = String::new();
        stream.read_to_string(&mut name).unwrap();
        name
    }

    #[test]
    fn replicas_take_turns_and_a_dead_one_is_passed_over() {
        let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let dead_port = dead.local_addr().unwrap().port();
        drop(dead);
        let service = Service::start(vec![replica("one"), dead_port, replica("two")]).unwrap();
        let mut names = [(); 4].map(|()| ask(service.port()));
        names.sort();
        assert_eq!(names, ["one", "one", "two", "two"]);
    }
}
