//! A node with its AI's phone, and callers that are connected to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use baton_engine::settings::Settings;
use baton_engine::shell::{Node, Plan};
use baton_tests::sip::Text;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::phone::{PATIENCE, Phone, audio, pcmu};

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
        Talk::begin(Phone::new().await, self.sip(), &self.ai, call_id).await
    }

    /// Waits until `/metrics` shows this metric, by its name and labels, with a value above zero.
    pub(crate) async fn counted(&self, series: &str) {
        let looks = async {
            loop {
                let page = self.http("GET /metrics").await;
                let value =
                    page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
                if value.is_some_and(|value| value > 0.0) {
                    return;
                }
            }
        };
        assert!(timeout(PATIENCE, looks).await.is_ok(), "{series} stays at zero");
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

impl Talk {
    /// `caller` calls the node at `sip`, whose AI answers.
    pub(crate) async fn begin(caller: Phone, sip: SocketAddr, ai: &Phone, call_id: &str) -> Self {
        let socket = async |phone: &Phone| UdpSocket::bind((phone.address().ip(), 0)).await.unwrap();
        let (rtp, ai_rtp) = (socket(&caller).await, socket(ai).await);
        let offer = pcmu(rtp.local_addr().unwrap());
        caller.send(sip, &caller.invite(sip, call_id, &offer)).await;
        let (invite, node) = ai.hear("INVITE").await;
        ai.answer(&invite, node, "200 OK", &pcmu(ai_rtp.local_addr().unwrap())).await;
        ai.hear("ACK").await;
        let (answer, _) = caller.hear("SIP/2.0 200").await;
        caller.send(sip, &caller.in_dialog(&answer, "ACK", 1)).await;
        Self { caller, answer, invite, rtp, ai_rtp }
    }

    /// Caller and AI hear each other.
    pub(crate) async fn assert_sound(&self) {
        assert_heard((&self.rtp, audio(&self.answer)), (&self.ai_rtp, audio(&self.invite))).await;
    }
}

/// Caller and AI hear each other: each one's socket, and where the node wants its sound.
pub(crate) async fn assert_heard(caller: (&UdpSocket, SocketAddr), ai: (&UdpSocket, SocketAddr)) {
    let to_caller = exchange(ai.0, ai.1, 0x11, caller.0);
    let to_ai = exchange(caller.0, caller.1, 0x22, ai.0);
    let (to_caller, to_ai) = tokio::join!(to_caller, to_ai);
    assert!(to_caller && to_ai, "the caller hears the AI: {to_caller}, the AI hears the caller: {to_ai}");
}

/// Any free port on loopback.
pub(crate) fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Sends 20 ms packets full of `octet` from one end until the other end has heard it.
async fn exchange(from: &UdpSocket, to: SocketAddr, octet: u8, hears: &UdpSocket) -> bool {
    let mut buffer = [0; 2048];
    for seq in 0..500_u16 {
        let mut packet = vec![0x80, 0];
        packet.extend(seq.to_be_bytes());
        packet.extend((u32::from(seq) * 160).to_be_bytes());
        packet.extend([0, 0, 0, octet]);
        packet.resize(12 + 160, octet);
        from.send_to(&packet, to).await.unwrap();
        // The wait paces the sender; a packet that comes ends it early, a later one makes up for it.
        let heard = timeout(Duration::from_millis(20), hears.recv_from(&mut buffer)).await;
        if heard.is_ok_and(|heard| heard.is_ok_and(|(len, _)| len == 172 && buffer[12..172] == packet[12..]))
        {
            return true;
        }
    }
    false
}
