//! `[hep]`: where copies of the calls' SIP messages go.

use std::net::SocketAddr;

use super::document::Table;
use super::value::Secret;

/// `[hep]`: a Homer server, or another that takes HEP3 over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hep {
    /// `address`: where it takes HEP. Needed.
    pub address: SocketAddr,
    /// `id`: by which number it knows this node. 1 to 4294967295, default 2001.
    pub id: u32,
    /// `secret`: what it asks of its senders. Default none.
    pub secret: Option<Secret>,
}

/// The number by which a server knows us where nothing is said.
const ID: u32 = 2001;

pub(super) fn read(root: &Table<'_>) -> Option<Hep> {
    let table = root.table_if("hep")?;
    let address = table.required("address");
    let id = table.integer("id", 1..=u32::MAX).map_or(ID, |found| found.value);
    let secret = table.string("secret").map(|found| Secret::new(found.value));
    let parsed = address.value.parse::<SocketAddr>().ok().filter(|parsed| parsed.port() != 0);
    if parsed.is_none() && !address.value.is_empty() {
        table.note(&address.at, "must be an IP address and a port, like \"127.0.0.1:9060\"");
    }
    table.finish();
    Some(Hep { address: parsed?, id, secret })
}
