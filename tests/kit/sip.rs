//! SIP as text, read by plain string search and written from templates: apart from the product's parser and writer.

/// A SIP message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

/// Long names and their compact forms (RFC 3261 §7.3.3, RFC 3515, RFC 6665).
const COMPACT: [(&str, &str); 9] = [
    ("via", "v"),
    ("from", "f"),
    ("to", "t"),
    ("call-id", "i"),
    ("contact", "m"),
    ("content-length", "l"),
    ("content-type", "c"),
    ("refer-to", "r"),
    ("event", "o"),
];

impl Text {
    /// Its first line.
    pub fn first_line(&self) -> &str {
        self.0.lines().next().unwrap_or("")
    }

    /// The status, if it is a response.
    pub fn status(&self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method: of the request, or that which the response answers.
    pub fn method(&self) -> &str {
        match self.status() {
            None => self.first_line().split(' ').next().unwrap_or(""),
            Some(_) => self.header("CSeq").and_then(|value| value.split_whitespace().nth(1)).unwrap_or(""),
        }
    }

    /// The number of CSeq.
    pub fn cseq(&self) -> u32 {
        let number = self.header("CSeq").and_then(|value| value.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// All values of a header, in order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let short = COMPACT.iter().find(|(long, _)| long.eq_ignore_ascii_case(name)).map(|(_, short)| *short);
        let is = move |found: &str| {
            found.eq_ignore_ascii_case(name) || short.is_some_and(|short| found.eq_ignore_ascii_case(short))
        };
        let lines = self.head().lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(move |(found, _)| is(found.trim())).map(|(_, value)| value.trim())
    }

    /// The first value of a header.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// The tag of From or To.
    pub fn tag<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.header(name)?.split(";tag=").nth(1)?.split([';', ' ']).next()
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> &str {
        let via = self.header("Via").unwrap_or("");
        via.split("branch=").nth(1).and_then(|rest| rest.split([';', ',', ' ']).next()).unwrap_or("")
    }

    /// The URI in angle brackets of a header such as Contact or Refer-To, or all of it.
    pub fn uri<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let value = self.header(name)?;
        Some(value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri))
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or("")
    }

    /// The body.
    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn head(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or(&*self.0, |(head, _)| head)
    }

    /// The response with this status to this request. `to_tag` is added where To has none.
    pub fn reply(&self, status: u16, reason: &str, to_tag: &str, headers: &str, body: &str) -> String {
        let line = |name: &'static str| -> String {
            self.headers(name).map(|value| format!("{name}: {value}\r\n")).collect()
        };
        let to = self.header("To").unwrap_or("");
        let tag =
            if to.contains(";tag=") || status == 100 { String::new() } else { format!(";tag={to_tag}") };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "SIP/2.0 {status} {reason}\r\n{}{}{}To: {to}{tag}\r\n{}{}{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            line("Via"),
            line("Record-Route"),
            line("From"),
            line("Call-ID"),
            line("CSeq"),
            body.len()
        )
    }
}

/// Which way sound goes, as one side says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We speak.
    SendOnly,
    /// We listen.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    const ALL: [(Self, &'static str); 4] = [
        (Self::SendRecv, "sendrecv"),
        (Self::SendOnly, "sendonly"),
        (Self::RecvOnly, "recvonly"),
        (Self::Inactive, "inactive"),
    ];

    /// As SDP says it.
    pub fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(direction, _)| *direction == self).expect("all are listed").1
    }

    /// Whether this side sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this side listens.
    pub fn hears(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What answers an offer of this direction.
    pub fn mirrored(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            same => same,
        }
    }
}

/// What a phone needs to know of a session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdp {
    /// Where the other side wants RTP.
    pub address: std::net::SocketAddr,
    /// Audio formats in order: number and name with clock, as "PCMU/8000".
    pub formats: Vec<(u8, String)>,
    /// As the other side says it.
    pub direction: Direction,
    /// Milliseconds a packet, 20 unless said.
    pub ptime: u64,
    /// Its transport, as "RTP/AVP".
    pub proto: String,
    /// All of it, for what is looked up by name.
    pub body: String,
}

impl Sdp {
    /// Reads the first audio section; `None` if there is none that can be used.
    pub fn parse(body: &str) -> Option<Self> {
        let media = body.lines().find_map(|line| line.strip_prefix("m=audio "))?;
        let mut fields = media.split(' ');
        let port: u16 = fields.next()?.split('/').next()?.parse().ok()?;
        let proto = fields.next()?.to_string();
        let address = body.lines().filter_map(|line| line.strip_prefix("c=IN IP4 ")).next_back()?;
        let name = |number: &str| {
            let prefix = format!("a=rtpmap:{number} ");
            let named = body.lines().find_map(|line| line.strip_prefix(prefix.as_str()).map(str::trim));
            named.map(Into::into).or(match number {
                "0" => Some("PCMU/8000".to_string()),
                "8" => Some("PCMA/8000".to_string()),
                _ => None,
            })
        };
        let format = |number: &str| Some((number.parse().ok()?, name(number)?));
        let formats = fields.filter_map(|number| format(number.trim())).collect();
        let is = |word: &str| body.lines().any(|line| line.trim() == format!("a={word}"));
        let direction =
            Direction::ALL.into_iter().find(|(_, word)| is(word)).map_or(Direction::SendRecv, |d| d.0);
        let ptime =
            body.lines().find_map(|line| line.strip_prefix("a=ptime:")?.trim().parse().ok()).unwrap_or(20);
        Some(Self {
            address: (address.trim().parse::<std::net::IpAddr>().ok()?, port).into(),
            formats,
            direction,
            ptime,
            proto,
            body: body.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_by_its_names_long_and_short() {
        let text = Text(
            "INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\nf: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\n\
             i: xyz\r\nCSeq: 7 INVITE\r\nm: <sip:c@d:5>\r\n\r\nbody"
                .into(),
        );
        assert_eq!((text.method(), text.cseq(), text.branch()), ("INVITE", 7, "z9hG4bKx"));
        assert_eq!((text.tag("From"), text.tag("To"), text.call_id()), (Some("1"), None, "xyz"));
        assert_eq!((text.uri("Contact"), text.body()), (Some("sip:c@d:5"), "body"));
        let reply = Text(text.reply(200, "OK", "9", "", ""));
        assert_eq!((reply.status(), reply.method(), reply.tag("To")), (Some(200), "INVITE", Some("9")));
        assert_eq!(reply.branch(), "z9hG4bKx");
    }

    #[test]
    fn a_session_description_is_read() {
        let sdp = Sdp::parse(
            "v=0\r\nc=IN IP4 127.0.0.9\r\nm=audio 4000 RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\n",
        )
        .unwrap();
        assert_eq!(sdp.address, "127.0.0.9:4000".parse().unwrap());
        assert_eq!(sdp.formats, [(111, "opus/48000/2".to_string()), (0, "PCMU/8000".to_string())]);
        assert_eq!(sdp.direction, Direction::SendOnly);
    }
}
