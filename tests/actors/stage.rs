//! A node with its AI's phone, and callers that are connected to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use baton_engine::settings::Settings;
use baton_engine::shell::{Node, Plan};
use baton_tests::sip::Text;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::phone::{PATIENCE, Phone, pcmu};

/// Ports for RTP: each node of this process has a hundred of its own.
static PORTS: AtomicU16 = AtomicU16::new(36_000);

/// A node and its AI.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) ai: Phone,
}

/// A caller in conversation with the AI.
pub(crate) struct Talk {
    pub(crate) caller: Phone,
    /// Our 200 to the caller.
    pub(crate) answer: Text,
    /// The node's INVITE to the AI.
    pub(crate) invite: Text,
    /// Where the caller's RTP is.
    pub(crate) rtp: UdpSocket,
    /// Where the AI's RTP is.
    pub(crate) ai_rtp: UdpSocket,
}

/// Runs `test` in an actix system of its own.
pub(crate) fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

impl Stage {
    /// A node with one shard and one AI.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A node whose plan was changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let ai = Phone::new().await;
        let mut plan = Plan::new(&Settings::embedded()).unwrap();
        let first = PORTS.fetch_add(100, Ordering::Relaxed);
        (plan.sip, plan.http) = (vec![any()], any());
        (plan.ports, plan.shards) = (first..=first + 99, 1);
        let call = Arc::make_mut(&mut plan.call);
        call.peers.get_mut("polyai").unwrap().uris = vec![format!("sip:ai@{}", ai.address())];
        change(&mut plan);
        Self { node: Node::start(plan).await.unwrap(), ai }
    }

    pub(crate) fn sip(&self) -> SocketAddr {
        self.node.addresses().sip[0]
    }

    /// A caller that the AI has answered.
    pub(crate) async fn talk(&self, call_id: &str) -> Talk {
        let caller = Phone::new().await;
        let (rtp, ai_rtp) = (UdpSocket::bind(any()).await.unwrap(), UdpSocket::bind(any()).await.unwrap());
        let offer = pcmu(rtp.local_addr().unwrap());
        caller.send(self.sip(), &caller.invite(self.sip(), call_id, &offer)).await;
        let (invite, node) = self.ai.hear("INVITE").await;
        self.ai.answer(&invite, node, "200 OK", &pcmu(ai_rtp.local_addr().unwrap())).await;
        self.ai.hear("ACK").await;
        let (answer, _) = caller.hear("SIP/2.0 200").await;
        caller.send(self.sip(), &caller.in_dialog(&answer, "ACK", 1)).await;
        Talk { caller, answer, invite, rtp, ai_rtp }
    }

    /// Waits until the node has this many calls.
    pub(crate) async fn calls(&self, count: usize) {
        let looks = async {
            while self.node.calls() != count {
                // A round trip to the node lets its threads run.
                self.http("GET /healthz").await;
            }
        };
        let seen = timeout(PATIENCE, looks).await;
        assert!(seen.is_ok(), "{} calls instead of {count}", self.node.calls());
    }

    /// The head and body of an HTTP answer.
    pub(crate) async fn http(&self, request: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = TcpStream::connect(self.node.addresses().http).await.unwrap();
        let text = format!("{request} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}
