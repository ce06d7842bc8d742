//! A phone's connection: raw text over TCP, cut into messages by a reader of its own.

use std::net::SocketAddr;

use baton_tests::sip::Text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::phone::PATIENCE;

/// One connection.
pub(crate) struct Line {
    stream: TcpStream,
    received: String,
}

impl Line {
    /// A connection to the node.
    pub(crate) async fn to(node: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(node).await.unwrap(), received: String::new() }
    }

    /// The next connection that the node opens.
    pub(crate) async fn from(listener: &TcpListener) -> Self {
        let accepted = timeout(PATIENCE, listener.accept()).await;
        Self { stream: accepted.expect("the node connects").unwrap().0, received: String::new() }
    }

    /// Our end.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next message whose first line begins with `start`; others are passed over.
    pub(crate) async fn hear(&mut self, start: &str) -> Text {
        let found = timeout(PATIENCE, async {
            loop {
                let text = self.next().await;
                if text.first_line().starts_with(start) {
                    return text;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("never heard {start}"))
    }

    /// Waits until this very text has come.
    pub(crate) async fn hear_raw(&mut self, text: &str) {
        let came = timeout(PATIENCE, async {
            while !self.received.starts_with(text) {
                self.read().await;
            }
        });
        assert!(came.await.is_ok(), "{text:?} has not come");
        self.received.drain(..text.len());
    }

    /// Waits until the node has closed the connection.
    pub(crate) async fn is_closed(&mut self) {
        let closed = timeout(PATIENCE, async {
            let mut buffer = [0; 4096];
            while !matches!(self.stream.read(&mut buffer).await, Ok(0) | Err(_)) {}
        });
        assert!(closed.await.is_ok(), "the connection is still open");
    }

    /// Resets the connection: nothing more is said, and the far end is told so at once.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    async fn next(&mut self) -> Text {
        loop {
            if let Some(head) = self.received.find("\r\n\r\n").map(|at| at + 4) {
                let length =
                    self.received[..head].lines().find_map(|line| line.strip_prefix("Content-Length: "));
                let whole = head + length.expect("RFC 3261 §18.3").parse::<usize>().unwrap();
                if self.received.len() >= whole {
                    return Text(self.received.drain(..whole).collect());
                }
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the node has closed the connection; before it {:?}", self.received);
        self.received.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}
