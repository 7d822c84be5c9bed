//! The test harness: a real server on a free port, and an HTTP client whose responses are printed
//! when an assertion fails.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use catchment::dataset::{self, Dataset, DatasetSource};
use catchment::http::{self, AccessConfig, App, BatchLimits, ServerLimits};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use catchment::tiles::basemap::Basemap;
use serde_json::Value;
use tokio::sync::oneshot;
use ureq::http::{HeaderMap, Request};

/// The server that most tests share, with the embedded dataset and the default limits.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// The as-of date of most requests, so that responses do not depend on the current date.
pub(crate) const AS_OF: &str = "2025-12-01";

/// The time after which a test stops waiting for an operation and fails. It is long, because many
/// tests may share the processors of a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running server, which shuts down when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    client: ureq::Agent,
    stop_handle: Option<(oneshot::Sender<()>, JoinHandle<io::Result<()>>)>,
}

impl Server {
    /// Starts a server with the embedded dataset.
    pub(crate) fn start() -> Server {
        Server::with(embedded(), ServerLimits::default())
    }

    /// Starts a server with `dataset` and `limits`.
    pub(crate) fn with(dataset: Dataset, limits: ServerLimits) -> Server {
        Server::with_batch_limits(dataset, limits, BatchLimits::default())
    }

    /// Starts a server with `dataset`, `limits` and `batch_limits`.
    pub(crate) fn with_batch_limits(
        dataset: Dataset,
        limits: ServerLimits,
        batch_limits: BatchLimits,
    ) -> Server {
        Server::with_access(dataset, limits, batch_limits, AccessConfig::default())
    }

    /// Starts a server with API keys, rate limits, trusted proxies or CORS origins.
    pub(crate) fn with_access(
        dataset: Dataset,
        limits: ServerLimits,
        batch_limits: BatchLimits,
        access: AccessConfig,
    ) -> Server {
        let index = Index::build(dataset).expect("the dataset is valid");
        let app = App::new(Arc::new(DatasetStore::fixed(index)))
            .with_batch_limits(batch_limits)
            .with_access(access, &limits);
        Server::for_app(app, limits)
    }

    /// Starts a server with a basemap.
    pub(crate) fn with_basemap(dataset: Dataset, limits: ServerLimits, basemap: Basemap) -> Server {
        let index = Index::build(dataset).expect("the dataset is valid");
        let app = App::new(Arc::new(DatasetStore::fixed(index))).with_basemap(Some(basemap));
        Server::for_app(app, limits)
    }

    /// Starts a server for `app`. The server has no shutdown delay, unless the delay in `limits`
    /// differs from the default.
    pub(crate) fn for_app(app: App, mut limits: ServerLimits) -> Server {
        if limits.shutdown_delay == ServerLimits::default().shutdown_delay {
            limits.shutdown_delay = Duration::ZERO;
        }
        Server::for_router(http::router(app), limits)
    }

    /// Starts a server for `router`.
    pub(crate) fn for_router(router: Router, limits: ServerLimits) -> Server {
        let (stop, stopped) = oneshot::channel();
        let (address_sender, address_receiver) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            tokio::runtime::Runtime::new()?.block_on(async {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
                address_sender
                    .send(listener.local_addr()?)
                    .expect("the test receives the address");
                // Dropping the sender also stops the server.
                let stop = async { stopped.await.unwrap_or_default() };
                http::serve(listener, router, limits, stop).await
            })
        });
        let address = address_receiver
            .recv_timeout(TIMEOUT)
            .expect("the server starts");
        Server {
            address,
            client: client(),
            stop_handle: Some((stop, thread)),
        }
    }

    /// Shuts the server down and returns how long that took.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Duration {
        let started = Instant::now();
        self.shut_down();
        started.elapsed()
    }

    fn shut_down(&mut self) {
        let Some((stop, thread)) = self.stop_handle.take() else {
            return;
        };
        // If the server has already stopped because of an error, `join` returns the error.
        let _ = stop.send(());
        let ended = thread.join().expect("the server does not panic");
        ended.expect("the server stops without an error");
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", content_type)], Some(body))
    }

    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        send(&self.client, self.address, (method, path), headers, body)
    }

    /// Sends `GET /api/v1/locate` with these parameters.
    #[track_caller]
    pub(crate) fn locate(&self, fields: &[(&str, &str)]) -> Reply {
        self.get(&format!("/api/v1/locate?{}", encode_fields(fields)))
    }

    /// Returns the origin of the server, such as `http://127.0.0.1:8080`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address on which the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection for requests that an HTTP client would not send.
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A second panic during unwinding would hide the first panic.
        if !thread::panicking() {
            self.shut_down();
        }
    }
}

/// Returns a copy of the embedded dataset, which a test may change.
pub(crate) fn embedded() -> Dataset {
    dataset::read(&DatasetSource::Embedded).expect("the embedded dataset is valid")
}

/// Creates a client that returns every status as a response and follows no redirect.
pub(crate) fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // When the server rejects a body, it closes the connection. If the client reused the
        // connection, the next request would receive no response.
        .max_idle_connections(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(TIMEOUT))
        .build()
        .new_agent()
}

/// Sends a request and reads the whole response.
#[track_caller]
pub(crate) fn send(
    client: &ureq::Agent,
    address: SocketAddr,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Reply {
    let request_line = format!("{method} {path}");
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"));
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    let malformed = |error| panic!("{request_line} cannot be sent: {error}");
    let result = match body {
        None => client.run(request.body(()).unwrap_or_else(malformed)),
        Some(body) => client.run(request.body(body).unwrap_or_else(|error| {
            panic!("{request_line} cannot be sent: {error}");
        })),
    };
    let mut response =
        result.unwrap_or_else(|error| panic!("{request_line}: no response: {error}"));
    let body = response.body_mut().read_to_vec();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: body
            .unwrap_or_else(|error| panic!("{request_line}: the response is incomplete: {error}")),
        request: request_line,
    }
}

/// Opens a connection with a read timeout.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server is listening");
    stream
        .set_read_timeout(Some(TIMEOUT))
        .expect("a read timeout can be set");
    stream
}

/// Writes bytes unchanged, and reads until the server closes the connection.
#[track_caller]
pub(crate) fn send_raw(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).expect("the bytes are sent");
    read_to_close(stream)
}

/// Reads until the server closes or resets the connection.
#[track_caller]
pub(crate) fn read_to_close(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!(
            "the server did not close the connection within {TIMEOUT:?} ({error}); received: {}",
            String::from_utf8_lossy(&answer)
        ),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Counts responses with status 200 until `expected` responses have arrived, or no more arrive.
/// Does not wait for the server to close the connection.
pub(crate) fn count_responses(mut stream: TcpStream, expected: usize) -> usize {
    const STATUS_LINE: &[u8] = b"HTTP/1.1 200 OK";
    let (mut count, mut rest) = (0, Vec::new());
    let mut bytes = vec![0; 1 << 20];
    while count < expected {
        let Ok(length @ 1..) = stream.read(&mut bytes) else {
            break;
        };
        rest.extend_from_slice(&bytes[..length]);
        let found = rest.windows(STATUS_LINE.len());
        count += found.filter(|bytes| *bytes == STATUS_LINE).count();
        // A status line may be split between two reads.
        let consumed = rest.len().saturating_sub(STATUS_LINE.len() - 1);
        rest.drain(..consumed);
    }
    count
}

/// Encodes fields as a query string or form.
pub(crate) fn encode_fields(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A response. For messages, `Display` prints the status, the headers and the first 2,000
/// characters of the body.
pub(crate) struct Reply {
    request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Returns the body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body)
            .unwrap_or_else(|error| panic!("{self}\nthe body is not text: {error}"))
    }

    /// Returns the body decoded as Latin-1, so that text and binary bodies can be compared.
    pub(crate) fn latin1_text(&self) -> String {
        let bytes = self.body.iter().map(|byte| char::from(*byte));
        bytes.collect()
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{self}\nthe body is not JSON: {error}"))
    }

    /// Returns the value of a header that occurs at most once, or `""` if the header is absent.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| {
            value
                .to_str()
                .unwrap_or_else(|_| panic!("{self}\n{name} is not ASCII"))
        });
        assert!(values.next().is_none(), "{self}\n{name} is repeated");
        value
    }

    /// Returns the response.
    ///
    /// # Panics
    /// If the response has a different status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Returns the response.
    ///
    /// # Panics
    /// If the response is not a complete RFC 9457 problem with this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Reply {
        let reply = self.expect(status);
        assert_eq!(
            reply.header("content-type"),
            "application/problem+json",
            "{reply}"
        );
        let body = reply.json();
        assert_eq!(body["code"], code, "{reply}");
        assert_eq!(body["status"], status, "{reply}");
        for member in ["type", "title", "detail"] {
            let is_present = body[member].as_str().is_some_and(|text| !text.is_empty());
            assert!(is_present, "{reply}\n{member} is missing");
        }
        assert_eq!(reply.header("cache-control"), "no-store", "{reply}");
        reply
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: status {}", self.request, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "  {name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        let text = String::from_utf8_lossy(&self.body);
        let excerpt: String = text.chars().take(2_000).collect();
        write!(f, "\n{excerpt}")
    }
}
