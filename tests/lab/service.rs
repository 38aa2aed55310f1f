//! A Kubernetes Service in miniature: one address for several replicas of aso-guard.
//!
//! As there, a connection goes to a replica that is ready, and stays with it. Unlike there, when
//! none is ready it goes to one that is not, for what that one says is of interest to tests. It
//! runs on threads of its own, for tests come and go with their runtimes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

/// A replica that doesn't answer within this is not ready.
const PROMPT: Duration = Duration::from_millis(500);

/// The ports of one replica on loopback.
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// Where connections go.
    pub listen: u16,
    /// Where `/readyz` is.
    pub ops: u16,
}

/// The address; it goes away when this is dropped.
pub struct Service {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Service {
    /// Listens on a port of its own.
    pub fn start(replicas: Vec<Endpoint>) -> anyhow::Result<Self> {
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
        let _ = dial(self.port());
    }
}

fn accept(listener: &TcpListener, replicas: &[Endpoint], closed: &AtomicBool) {
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

/// A connection to the next replica that is ready, or else to one that isn't.
fn connect(replicas: &[Endpoint], turn: usize) -> Option<TcpStream> {
    let in_turn = || {
        let first = turn % replicas.len();
        replicas[first..].iter().chain(&replicas[..first])
    };
    in_turn()
        .filter(|replica| is_ready(replica.ops).unwrap_or(false))
        .chain(in_turn())
        .find_map(|replica| dial(replica.listen).ok())
}

fn dial(port: u16) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PROMPT)
}

fn is_ready(ops: u16) -> io::Result<bool> {
    let mut probe = dial(ops)?;
    probe.set_read_timeout(Some(PROMPT))?;
    probe.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    probe.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1) == Some("200"))
}

fn join(client: TcpStream, replica: TcpStream) -> io::Result<()> {
    for stream in [&client, &replica] {
        // A real one keeps nothing back to send more at once.
        stream.set_nodelay(true)?;
    }
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

    /// Answers each connection in the same words.
    fn server(words: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // The other side may leave when it likes.
                let _ = stream.and_then(|stream| answer(stream, words));
            }
        });
        port
    }

    fn answer(mut stream: TcpStream, words: &str) -> io::Result<()> {
        stream.write_all(words.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        // Closing before the other side has said its word would reset the connection.
        io::copy(&mut stream, &mut io::sink()).map(drop)
    }

    fn endpoint(name: &'static str, ready: &'static str) -> Endpoint {
        Endpoint {
            listen: server(name),
            ops: server(ready),
        }
    }

    fn ask(service: &Service) -> String {
        let mut name = String::new();
        let mut stream = dial(service.port()).unwrap();
        stream.read_to_string(&mut name).unwrap();
        name
    }

    const YES: &str = "HTTP/1.0 200 OK\r\n\r\n";
    const NO: &str = "HTTP/1.0 503 Service Unavailable\r\n\r\n";

    #[test]
    fn ready_replicas_take_turns_and_others_are_passed_over() {
        let gone = Endpoint { listen: 1, ops: 1 };
        let ends = vec![
            endpoint("one", YES),
            gone,
            endpoint("two", YES),
            endpoint("no", NO),
        ];
        let service = Service::start(ends).unwrap();
        let names = [(); 8].map(|()| ask(&service));
        let of = |name| names.iter().filter(|n| *n == name).count();
        assert!(of("one") >= 2 && of("two") >= 2, "{names:?}");
        assert_eq!(of("one") + of("two"), 8, "{names:?}");
    }

    #[test]
    fn when_none_is_ready_one_that_is_not_has_the_word() {
        let gone = Endpoint { listen: 1, ops: 1 };
        let service = Service::start(vec![gone, endpoint("no", NO)]).unwrap();
        assert_eq!(ask(&service), "no");
    }
}
