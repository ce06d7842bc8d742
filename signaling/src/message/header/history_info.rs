//! History-Info (RFC 7044): where a call was sent before it came here, each place with an index that says from which one it
//! was sent on.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Field, Headers, NameAddr, Reason};
use crate::limits;
use crate::message::scan::SyntaxError;
use crate::message::{Uri, escape};

/// One place a call was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The place; a Reason why it was left stands in its URI's headers (§5), `index` among its parameters.
    pub address: NameAddr,
    /// `1.2`: the second place that the first one sent the call to.
    pub index: Vec<u32>,
}

/// Levels of an index that are read: as many as a call may have hops.
const LEVELS_MAX: usize = 70;

impl HistoryEntry {
    /// A place that the call is sent to.
    pub fn new(address: NameAddr, index: Vec<u32>) -> Self {
        Self { address, index }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`SyntaxError`] where the text stops being one; an entry without an index is none.
    pub fn parse_list(value: &Bytes) -> Result<Vec<Self>, SyntaxError> {
        NameAddr::parse_list(value)?.into_iter().map(Self::of_address).collect()
    }

    fn of_address(address: NameAddr) -> Result<Self, SyntaxError> {
        let read = |text: Bytes| {
            let levels = text.split(|&byte| byte == b'.').take(LEVELS_MAX);
            levels.map(|level| std::str::from_utf8(level).ok()?.parse().ok()).collect::<Option<Vec<u32>>>()
        };
        let index = address.params.value("index").and_then(read).ok_or(SyntaxError { at: 0 })?;
        Ok(Self { address, index })
    }

    /// The index of the place number `count`, from 1, that this one sends the call to (§10.3).
    pub fn child(&self, count: u32) -> Vec<u32> {
        [&self.index[..], &[count]].concat()
    }

    /// This entry with the reason why its place was left, in the headers of its URI.
    #[must_use]
    pub fn with_reason(mut self, reason: &Reason) -> Self {
        if let Uri::Sip(uri) = &mut self.address.uri {
            let value = escape::encode_header(&reason.to_bytes());
            uri.headers = Some(Bytes::from([b"Reason=", &value[..]].concat()));
        }
        self
    }

    /// Its text.
    pub fn to_bytes(&self) -> Bytes {
        let mut address = self.address.clone();
        let index: Vec<String> = self.index.iter().map(u32::to_string).collect();
        address.params.set("index", Some(index.join(".").as_bytes()));
        address.to_bytes()
    }

    /// A list as the value of one header.
    pub fn list_to_bytes(entries: &[Self]) -> Bytes {
        let mut out = BytesMut::new();
        for entry in entries {
            if !out.is_empty() {
                out.put_slice(b", ");
            }
            out.put_slice(&entry.to_bytes());
        }
        out.freeze()
    }
}

impl Headers {
    /// All places of History-Info, in order; none if one of them cannot be read, since the others would tell another story.
    pub fn history_info(&self) -> Vec<HistoryEntry> {
        let lists: Result<Vec<_>, _> =
            self.values(Field::HistoryInfo).map(HistoryEntry::parse_list).collect();
        let mut all = lists.unwrap_or_default().into_iter().flatten().collect::<Vec<_>>();
        all.truncate(limits::LIST_ITEMS_MAX);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_call_are_read_with_their_indexes_and_reasons() {
        let value = Bytes::from_static(
            b"<sip:bob@example.com>;index=1, <sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1,\
              <sip:office@example.com>;index=1.2;mp=1",
        );
        let list = HistoryEntry::parse_list(&value).unwrap();
        let indexes: Vec<_> = list.iter().map(|entry| entry.index.clone()).collect();
        assert_eq!(indexes, [vec![1], vec![1, 1], vec![1, 2]]);
        assert_eq!(list[2].address.params.value("mp").unwrap(), "1");
        let (name, reason) = list[1].address.uri.sip().unwrap().header_pairs().next().unwrap();
        assert_eq!((name, escape::decode(&reason)), ("Reason".into(), "SIP;cause=302".into()));
        assert_eq!(HistoryEntry::parse_list(&HistoryEntry::list_to_bytes(&list)).unwrap(), list);
    }

    #[test]
    fn a_place_that_was_left_says_why_in_its_uri() {
        let uri = Uri::parse(&Bytes::from_static(b"sip:ai@h.example")).unwrap();
        let entry = HistoryEntry::new(NameAddr::new(uri), vec![1]);
        assert_eq!(entry.child(3), [1, 3]);
        let text = entry.with_reason(&Reason::new("SIP", 486, b"busy; \"really\"")).to_bytes();
        assert!(text.starts_with(b"<sip:ai@h.example?Reason=SIP%3Bcause%3D486%3Btext%3D%22busy"));
        let list = HistoryEntry::parse_list(&text).unwrap();
        let (_, reason) = list[0].address.uri.sip().unwrap().header_pairs().next().unwrap();
        assert_eq!(Reason::parse_list(&escape::decode(&reason)).unwrap()[0].cause(), Some(486));
    }

    #[test]
    fn a_list_with_an_entry_that_has_no_index_is_none() {
        let mut headers = Headers::new();
        headers.push("History-Info", "<sip:a@b>;index=1");
        assert_eq!(headers.history_info().len(), 1);
        headers.push("History-Info", "<sip:c@d>");
        assert_eq!(headers.history_info(), []);
        assert!(HistoryEntry::parse_list(&Bytes::from_static(b"<sip:a@b>;index=1.x")).is_err());
    }
}
