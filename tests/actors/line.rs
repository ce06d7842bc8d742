//! A phone's connection: raw text over TCP, bare or under TLS, or over a WebSocket, cut into messages by a reader of its own.

use std::io;
use std::net::SocketAddr;

use baton_tests::sip::Text;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::phone::PATIENCE;

/// One connection.
pub(crate) struct Line {
    wire: Wire,
    received: String,
}

enum Wire {
    Tcp(TcpStream),
    Client(Box<client::TlsStream<TcpStream>>),
    Server(Box<server::TlsStream<TcpStream>>),
    Web(Box<WebSocketStream<TcpStream>>),
    SecureWeb(Box<WebSocketStream<client::TlsStream<TcpStream>>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::Client(stream) => stream.get_ref().0,
            Self::Server(stream) => stream.get_ref().0,
            Self::Web(socket) => socket.get_ref(),
            Self::SecureWeb(socket) => socket.get_ref().get_ref().0,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Client(stream) => stream.write_all(bytes).await,
            Self::Server(stream) => stream.write_all(bytes).await,
            Self::Web(socket) => socket.send(message(bytes)).await.map_err(io::Error::other),
            Self::SecureWeb(socket) => socket.send(message(bytes)).await.map_err(io::Error::other),
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer).await,
            Self::Client(stream) => stream.read(buffer).await,
            Self::Server(stream) => stream.read(buffer).await,
            Self::Web(socket) => hear(socket.next().await, buffer),
            Self::SecureWeb(socket) => hear(socket.next().await, buffer),
        }
    }
}

/// What is said, in one message.
fn message(bytes: &[u8]) -> Message {
    Message::text(String::from_utf8_lossy(bytes).into_owned())
}

/// A message of the node's: whole, or nothing of it is understood.
fn hear(came: Option<Result<Message, tungstenite::Error>>, buffer: &mut [u8]) -> io::Result<usize> {
    match came {
        None | Some(Ok(Message::Close(_)) | Err(_)) => Ok(0),
        Some(Ok(message)) => {
            let bytes = message.into_data();
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }
}

impl Line {
    /// A connection to the node.
    pub(crate) async fn to(node: SocketAddr) -> Self {
        Self::over(Wire::Tcp(TcpStream::connect(node).await.unwrap()))
    }

    fn over(wire: Wire) -> Self {
        Self { wire, received: String::new() }
    }

    /// A connection to the node under TLS, once both have shown what they have to show.
    pub(crate) async fn under_tls(
        connector: &TlsConnector,
        node: SocketAddr,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let stream = connector.connect(name, TcpStream::connect(node).await?).await?;
        Ok(Self::over(Wire::Client(Box::new(stream))))
    }

    /// A WebSocket to the node for a subprotocol, under TLS with a `connector`.
    pub(crate) async fn web(
        connector: Option<&TlsConnector>,
        node: SocketAddr,
        subprotocol: &str,
    ) -> Result<Self, tungstenite::Error> {
        let scheme = if connector.is_some() { "wss" } else { "ws" };
        let mut request = format!("{scheme}://{node}/").into_client_request()?;
        let value = subprotocol.parse().expect("a header's value");
        request.headers_mut().insert("Sec-WebSocket-Protocol", value);
        let stream = TcpStream::connect(node).await?;
        let wire = match connector {
            None => Wire::Web(Box::new(client_async(request, stream).await?.0)),
            Some(connector) => {
                let stream = connector.connect(ServerName::IpAddress(node.ip().into()), stream).await?;
                Wire::SecureWeb(Box::new(client_async(request, stream).await?.0))
            }
        };
        Ok(Self::over(wire))
    }

    /// Asks whether the node is there, and hears that it is.
    pub(crate) async fn ping(&mut self) {
        let Wire::Web(socket) = &mut self.wire else { panic!("no WebSocket") };
        socket.send(Message::Ping("there".into())).await.unwrap();
        let answer = timeout(PATIENCE, socket.next()).await.expect("an answer").unwrap().unwrap();
        assert_eq!(answer, Message::Pong("there".into()));
    }

    /// Says so many octets in one message.
    pub(crate) async fn say_octets(&mut self, count: usize) {
        let Wire::Web(socket) = &mut self.wire else { panic!("no WebSocket") };
        // The node may let go before it has taken all.
        let _ = socket.send(Message::binary(vec![b'x'; count])).await;
    }

    /// The next connection that the node opens, under TLS.
    pub(crate) async fn from_under_tls(listener: &TcpListener, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let accepted = timeout(PATIENCE, listener.accept()).await;
        let (stream, _) = accepted.expect("the node connects")?;
        let mut line = Self::over(Wire::Server(Box::new(acceptor.accept(stream).await?)));
        // With TLS 1.3 what a client thinks of a certificate is known by what it says next.
        line.read_some().await?;
        Ok(line)
    }

    /// The certificate that the node has shown.
    pub(crate) fn shown(&self) -> Vec<u8> {
        let Wire::Client(stream) = &self.wire else { panic!("we have not connected under TLS") };
        stream.get_ref().1.peer_certificates().expect("a server shows one")[0].to_vec()
    }

    /// The name that the node has asked for (RFC 6066 §3).
    pub(crate) fn asked_for(&self) -> Option<&str> {
        let Wire::Server(stream) = &self.wire else { panic!("the node has not connected under TLS") };
        stream.get_ref().1.server_name()
    }

    /// The next connection that the node opens.
    pub(crate) async fn from(listener: &TcpListener) -> Self {
        let accepted = timeout(PATIENCE, listener.accept()).await;
        Self::over(Wire::Tcp(accepted.expect("the node connects").unwrap().0))
    }

    /// Our end.
    pub(crate) fn address(&self) -> SocketAddr {
        self.wire.tcp().local_addr().unwrap()
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.wire.write(text.as_bytes()).await.unwrap();
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
            let mut buffer = vec![0; 65_536];
            while !matches!(self.wire.read(&mut buffer).await, Ok(0) | Err(_)) {}
        });
        assert!(closed.await.is_ok(), "the connection is still open");
    }

    /// Resets the connection: nothing more is said, and the far end is told so at once.
    pub(crate) fn reset(self) {
        self.wire.tcp().set_zero_linger().unwrap();
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
        let length = self.read_some().await.unwrap();
        assert!(length > 0, "the node has closed the connection; before it {:?}", self.received);
    }

    async fn read_some(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 65_536];
        let length = self.wire.read(&mut buffer).await?;
        self.received.push_str(&String::from_utf8_lossy(&buffer[..length]));
        Ok(length)
    }
}
