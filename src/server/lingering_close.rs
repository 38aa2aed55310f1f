//! The polite end of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long the client's end of the connection is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stream that, after its last word, reads on until the client closes too.
///
/// Closing a socket with unread bytes resets the connection, and a reset throws
/// away what the client has not read yet: an answer, or the GOAWAY by which an
/// HTTP/2 client knows that it may send a request again. Go's client, so every
/// API server, fails all calls on a connection that is reset.
pub(super) struct LingeringClose<S> {
    stream: S,
    /// Set once the last word is said.
    timeouts: Option<Pin<Box<Sleep>>>,
}

impl<S> LingeringClose<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            timeouts: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringClose<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringClose<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.timeouts.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let timeouts = this
            .timeouts
            .get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        let mut unwanted = [0; 4096];
        while timeouts.as_mut().poll(cx).is_pending() {
            let mut unwanted = ReadBuf::new(&mut unwanted);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut unwanted)) {
                Ok(()) if !unwanted.filled().is_empty() => {}
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::super::testing::soon;
    use super::*;

    #[tokio::test]
    async fn the_last_word_reaches_a_client_that_is_still_writing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut server = LingeringClose::new(server);
        client.write_all(b"never read").await.unwrap();
        let end = tokio::spawn(async move {
            server.write_all(b"goodbye").await.unwrap();
            server.shutdown().await
        });
        let mut said = String::new();
        client.write_all(b"nor this").await.unwrap();
        soon(client.read_to_string(&mut said)).await.unwrap();
        assert_eq!(said, "goodbye");
        client.write_all(b"nor that").await.unwrap();
        drop(client);
        soon(end).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_closes_is_not_waited_for_longer() {
        let (server, client) = tokio::io::duplex(64);
        let start = Instant::now();
        LingeringClose::new(server).shutdown().await.unwrap();
        assert_eq!(start.elapsed(), PATIENCE);
        drop(client);
    }
}
