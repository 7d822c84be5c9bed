//! Compares the number of look-ups per second over HTTP with the rate of a bare axum handler that
//! returns the same bytes without a look-up. The rate of the bare handler shows the cost of HTTP
//! itself. The two servers run in the same process with the same client, in alternating rounds.
//!
//! The benchmark needs wrk. Logging is off, as with `RUST_LOG=off`. The responses have the same
//! headers as those of `catchment serve`.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use axum::http::header;
use axum::routing::get;
use catchment::dataset::{DatasetSource, read};
use catchment::http::{App, ServerLimits, router, serve};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const ROUNDS: usize = 5;
const SECONDS: &str = "3";
const CONNECTIONS: &str = "32";

/// A kind of request: its name, path and body, and the target for its rate relative to that of the
/// bare handler.
struct RequestKind {
    name: &'static str,
    path: &'static str,
    json: Option<&'static str>,
    target_ratio: f64,
}

const REQUEST_KINDS: [RequestKind; 3] = [
    RequestKind {
        name: "GET, a postcode",
        path: "/api/v1/locate?postcode=LA18%204DB",
        json: None,
        target_ratio: 0.8,
    },
    RequestKind {
        name: "GET, longitude and latitude",
        path: "/api/v1/locate?lon=-2.8&lat=54.05",
        json: None,
        target_ratio: 0.8,
    },
    RequestKind {
        name: "POST, a postcode and a practice",
        path: "/api/v1/locate",
        json: Some(r#"{"postcode":"LA18 4DB","practice":"P81002"}"#),
        target_ratio: 0.7,
    },
];

fn main() {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("SKIPPED: wrk is not installed");
        return;
    }
    let runtime = Runtime::new().expect("the runtime starts");
    let dataset = read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
    let index = Index::build(dataset).expect("the dataset is consistent");
    let app = App::new(Arc::new(DatasetStore::fixed(index)));
    let ours = start(&runtime, router(app));
    println!(
        "{:34} {:>9} {:>9} {:>6} {:>6} {:>15}",
        "requests per second", "ours", "bare", "ratio", "target", "p99 ours, bare"
    );
    for kind in REQUEST_KINDS {
        let answer = fetch(ours, &kind);
        let bare = start(&runtime, bare_router(answer));
        let mut rounds: Vec<[LoadResult; 2]> = (0..ROUNDS)
            .map(|_| [ours, bare].map(|address| run_wrk(address, &kind)))
            .collect();
        rounds.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let middle = &rounds[ROUNDS / 2];
        let [ours, bare] = middle;
        println!(
            "{:34} {:>9.0} {:>9.0} {:>6.2} {:>6.2} {:>8}, {}",
            kind.name,
            ours.rate,
            bare.rate,
            ratio(middle),
            kind.target_ratio,
            ours.p99,
            bare.p99
        );
    }
}

struct LoadResult {
    rate: f64,
    p99: String,
}

fn ratio([ours, bare]: &[LoadResult; 2]) -> f64 {
    ours.rate / bare.rate
}

fn start(runtime: &Runtime, router: axum::Router) -> SocketAddr {
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port is free");
    let address = listener.local_addr().expect("the listener has an address");
    runtime.spawn(serve(
        listener,
        router,
        ServerLimits::default(),
        std::future::pending(),
    ));
    address
}

/// Returns a router that responds to every look-up with the bytes of `answer`, as JSON.
fn bare_router(answer: Vec<u8>) -> axum::Router {
    let answer = axum::body::Bytes::from(answer);
    let handler = async move || ([(header::CONTENT_TYPE, "application/json")], answer);
    axum::Router::new().route("/api/v1/locate", get(handler.clone()).post(handler))
}

/// Sends one request, checks the response and returns its body.
fn fetch(address: SocketAddr, kind: &RequestKind) -> Vec<u8> {
    let mut request = match kind.json {
        None => format!("GET {} HTTP/1.1\r\n", kind.path),
        Some(json) => format!(
            "POST {} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            kind.path,
            json.len()
        ),
    };
    write!(
        request,
        "Host: localhost\r\nConnection: close\r\n\r\n{}",
        kind.json.unwrap_or_default()
    )
    .expect("writing to a String");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream
        .write_all(request.as_bytes())
        .expect("the server reads");
    let mut response = Vec::new();
    stream
        .read_to_end(&mut response)
        .expect("the server responds");
    let head = response
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("the response has headers");
    assert!(
        response.starts_with(b"HTTP/1.1 200"),
        "{}: the status is not 200",
        kind.name
    );
    let body = response.split_off(head + 4);
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(json["status"], "located");
    assert_ne!(json["residence"]["icc"][0]["id"], serde_json::Value::Null);
    body
}

fn run_wrk(address: SocketAddr, kind: &RequestKind) -> LoadResult {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency", "-c", CONNECTIONS, "-d", SECONDS]);
    if let Some(json) = kind.json {
        let script = folder.path().join("post.lua");
        let lua = format!(
            "wrk.method = 'POST'\nwrk.body = '{json}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        );
        std::fs::write(&script, lua).expect("a file");
        wrk.arg("-s").arg(script);
    }
    let output = wrk
        .arg(format!("http://{address}{}", kind.path))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{text}");
    let value_after = |label: &str| {
        let rest = text.split(label).nth(1).expect("wrk reports the value");
        rest.split_whitespace().next().expect("a value").to_string()
    };
    LoadResult {
        rate: value_after("Requests/sec:").parse().expect("a number"),
        p99: value_after("99%"),
    }
}
