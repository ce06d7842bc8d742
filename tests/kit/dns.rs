//! A name server of a few records, written octet by octet so that no library hides another's mistake (RFC 1035, 2782, 3403).
//!
//! Leaves out zones, recursion and compression but for the name that was asked for.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The records of a name server, by name and type; shared with whoever answers from them.
#[derive(Clone, Debug, Default)]
pub struct Zone(Arc<Mutex<Records>>);

type Records = BTreeMap<(String, u16), Vec<(u32, Vec<u8>)>>;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

impl Zone {
    /// An address of `name`.
    pub fn address(&self, name: &str, ttl: u32, address: IpAddr) {
        match address {
            IpAddr::V4(ip) => self.add(name, A, ttl, ip.octets().to_vec()),
            IpAddr::V6(ip) => self.add(name, AAAA, ttl, ip.octets().to_vec()),
        }
    }

    /// A server of the service `name`: priority, weight and port, and its host.
    pub fn server(&self, name: &str, ttl: u32, numbers: [u16; 3], host: &str) {
        let mut data: Vec<u8> = numbers.into_iter().flat_map(u16::to_be_bytes).collect();
        data.extend(encoded(host));
        self.add(name, SRV, ttl, data);
    }

    /// A service of the domain `name`: order and preference, as `SIP+D2U`, and where its servers are.
    pub fn service(&self, name: &str, ttl: u32, numbers: [u16; 2], service: &str, replacement: &str) {
        let mut data: Vec<u8> = numbers.into_iter().flat_map(u16::to_be_bytes).collect();
        for text in ["s", service, ""] {
            data.push(text.len() as u8);
            data.extend(text.as_bytes());
        }
        data.extend(encoded(replacement));
        self.add(name, NAPTR, ttl, data);
    }

    fn add(&self, name: &str, kind: u16, ttl: u32, data: Vec<u8>) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry((name.to_ascii_lowercase(), kind)).or_default().push((ttl, data));
    }

    /// The answer to a question; `None`: it is none.
    pub fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = decoded(question, 12)?;
        let kind = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = records.keys().any(|(of, _)| *of == name);
        let found = records.get(&(name, kind)).cloned().unwrap_or_default();
        // Id, then QR, AA, RD, RA and the code (NXDOMAIN is 3); one question, and its answers.
        let mut out = question.get(..2)?.to_vec();
        out.extend([0x85, if known { 0x80 } else { 0x83 }, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
        out.extend(question.get(12..end + 4)?);
        for (ttl, data) in found {
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend([0, 1]);
            out.extend(ttl.to_be_bytes());
            out.extend((data.len() as u16).to_be_bytes());
            out.extend(data);
        }
        Some(out)
    }

    /// Answers on this socket for ever, on a thread of its own that ends with the program.
    ///
    /// # Errors
    /// The system has no more sockets.
    pub fn serve(&self, socket: &std::net::UdpSocket) -> io::Result<()> {
        let (socket, zone) = (socket.try_clone()?, self.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = zone.answer(&buffer[..len]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(())
    }
}

/// A name on the wire.
fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

/// The name at `at`, in lower case, and where it ends.
fn decoded(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}
