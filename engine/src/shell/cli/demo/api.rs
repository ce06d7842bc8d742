//! The node as its API shows it: a few GETs over loopback, without an HTTP client of our own making or choosing.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(2);
/// Larger than any answer to the demo's one call.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The body of `GET path`, if the answer is 200.
pub(crate) async fn get(node: SocketAddr, path: &str) -> Option<String> {
    tokio::time::timeout(TIMEOUT, fetch(node, path)).await.ok().flatten()
}

/// The body of `GET path` as JSON.
pub(crate) async fn get_json(node: SocketAddr, path: &str) -> Option<Value> {
    serde_json::from_str(&get(node, path).await?).ok()
}

async fn fetch(node: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(node).await.ok()?;
    // HTTP/1.0: the answer comes whole and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {node}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

/// The sum of a metric's samples that carry `label`.
pub(crate) fn metric(page: &str, name: &str, label: &str) -> Option<f64> {
    let samples = page.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
    let values: Vec<f64> = samples.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_sum_of_its_samples_with_a_label() {
        let page = "# TYPE a counter\na_total{x=\"1\",y=\"1\"} 3\na_total{x=\"1\"} 4\na_total{x=\"2\"} 5\n";
        assert_eq!(metric(page, "a_total", "x=\"1\""), Some(7.0));
        assert_eq!(metric(page, "a_total", "x=\"3\""), None);
        assert_eq!(metric(page, "a", "x"), None);
    }
}
