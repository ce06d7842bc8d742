//! rtpengine's NG protocol: bencoded dictionaries over UDP, one command and its answer at a time. It leaves out how the
//! program is started, and every command but those of a call.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Until a command is sent again, and how often it is: to one that comes twice rtpengine gives the answer that it gave before.
const ANSWER_MAX: Duration = Duration::from_millis(500);
const SENDS_MAX: usize = 10;
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 16_384;
/// What an offer of PCMU is made to: Opus alone, as the node sends it, at 24 kbit/s in mono.
const TRANSCODE: &str = "5:codecd4:maskl4:PCMUe9:transcodel18:opus/48000/1/24000ee";

/// A way to tell rtpengine what to do.
#[derive(Debug)]
pub struct Ng {
    socket: UdpSocket,
    commands: u64,
    /// Where rtpengine is to listen (`--listen-ng`).
    pub listens: SocketAddr,
}

/// Its version, if it is installed.
pub fn version() -> Option<String> {
    let output = Command::new("rtpengine").arg("--version").output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().find_map(|line| line.strip_prefix("Version: ")).map(|version| version.trim().to_owned())
}

impl Ng {
    /// Chooses a free port of `address` for an rtpengine that is started afterwards.
    ///
    /// # Errors
    /// A sentence, if there is no such address or no port.
    pub fn new(address: IpAddr) -> Result<Self, String> {
        let socket = UdpSocket::bind((address, 0)).map_err(lost)?;
        socket.set_read_timeout(Some(ANSWER_MAX)).map_err(lost)?;
        let listens = UdpSocket::bind((address, 0)).and_then(|socket| socket.local_addr()).map_err(lost)?;
        socket.connect(listens).map_err(lost)?;
        Ok(Self { socket, commands: 0, listens })
    }

    /// Asks whether it is there.
    ///
    /// # Errors
    /// A sentence, if it is not (yet).
    pub fn ping(&mut self) -> Result<(), String> {
        self.ask("ping", &[]).map(|_| ())
    }

    /// Tells of an offer by the side that speaks PCMU; what the other side is to be offered.
    ///
    /// # Errors
    /// A sentence, if it refuses or is silent.
    pub fn offer(&mut self, call: &str, sdp: &str, is_transcoded: bool) -> Result<String, String> {
        let codec = if is_transcoded { TRANSCODE } else { "" };
        self.ask("offer", &[("call-id", call), ("from-tag", "ai"), ("sdp", sdp), ("", codec)])
    }

    /// Tells of the other side's answer; what the first is to be answered.
    ///
    /// # Errors
    /// A sentence, if it refuses or is silent.
    pub fn answer(&mut self, call: &str, sdp: &str) -> Result<String, String> {
        self.ask("answer", &[("call-id", call), ("from-tag", "ai"), ("to-tag", "caller"), ("sdp", sdp)])
    }

    /// Ends a call.
    ///
    /// # Errors
    /// A sentence, if it refuses or is silent.
    pub fn delete(&mut self, call: &str) -> Result<(), String> {
        self.ask("delete", &[("call-id", call), ("from-tag", "ai")]).map(|_| ())
    }

    /// Sends a command and returns the SDP of its answer, empty if it has none. A field without a name is bencoded already.
    fn ask(&mut self, command: &str, fields: &[(&str, &str)]) -> Result<String, String> {
        self.commands += 1;
        let cookie = format!("{} ", self.commands);
        let mut text = format!("{cookie}d{}", string("command") + &string(command));
        for (name, value) in fields {
            text += &if name.is_empty() { (*value).to_owned() } else { string(name) + &string(value) };
        }
        text.push('e');
        self.socket.send(text.as_bytes()).map_err(lost)?;
        let (mut room, mut sends) = (vec![0; ANSWER_BYTES_MAX], 1);
        loop {
            let length = match self.socket.recv(&mut room) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock && sends < SENDS_MAX => {
                    sends += 1;
                    self.socket.send(text.as_bytes()).map_err(lost)?;
                    continue;
                }
                Err(error) => return Err(lost(error)),
            };
            // What answers an earlier command came too late.
            let Some(answer) = room[..length].strip_prefix(cookie.as_bytes()) else { continue };
            let answer = String::from_utf8_lossy(answer).into_owned();
            if answer.contains("6:result5:error") {
                return Err(format!("rtpengine refuses {command}: {answer}"));
            }
            return Ok(value(&answer, "3:sdp").unwrap_or_default());
        }
    }
}

fn lost(error: std::io::Error) -> String {
    format!("rtpengine's control fails: {error}")
}

fn string(text: &str) -> String {
    format!("{}:{text}", text.len())
}

/// The string that follows a key. No key of an answer lies within another value.
fn value(answer: &str, key: &str) -> Option<String> {
    let rest = &answer[answer.find(key)? + key.len()..];
    let (length, rest) = rest.split_once(':')?;
    rest.get(..length.parse().ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_sdp_is_read_by_its_length() {
        assert_eq!(value("d6:result2:ok3:sdp5:v=0\r\ne", "3:sdp").as_deref(), Some("v=0\r\n"));
        assert_eq!(value("d6:result4:ponge", "3:sdp"), None);
    }
}
