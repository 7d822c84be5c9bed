//! Tests of fairness. Neither a single client nor many waiting clients can use up the capacity for
//! look-ups and for other clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use catchment::http::{AccessConfig, App, BatchLimits, ServerLimits, admin};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;

use crate::support::server::{Reply, Server, embedded, read_to_close};

const CSV: &str = "postcode\nLA18 4DB\n";

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A server and its admin listener.
struct MonitoredServer {
    server: Server,
    admin: Server,
}

impl MonitoredServer {
    /// Waits until a metric has the value `expected`.
    #[track_caller]
    fn wait_for(&self, name: &str, expected: u32) {
        let line = format!("{name} {expected}");
        let started = Instant::now();
        loop {
            let metrics = self.admin.get("/metrics").expect(200);
            if metrics.text().lines().any(|other| other == line) {
                return;
            }
            assert!(started.elapsed() < ms(60_000), "not `{line}`: {metrics}");
            thread::sleep(ms(10));
        }
    }

    /// Starts a batch that does not end, and waits until `active` batches are in progress and
    /// `queued` batches are in the queue.
    fn start_endless_batch(&self, client: &str, (active, queued): (u32, u32)) -> TcpStream {
        let stream = connect_and_send(self, &endless_batch_request(client));
        self.wait_for("catchment_batches_in_flight", active);
        self.wait_for("catchment_batches_queued", queued);
        stream
    }
}

impl Deref for MonitoredServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Starts a server that trusts a proxy on loopback, so that `X-Forwarded-For` selects the client.
fn server(limits: ServerLimits, batches: BatchLimits) -> MonitoredServer {
    let access = AccessConfig {
        trusted_proxies: vec!["127.0.0.1".parse().expect("a network")],
        ..AccessConfig::default()
    };
    let index = Index::build(embedded()).expect("the dataset is valid");
    let dataset_store = Arc::new(DatasetStore::fixed(index));
    let app = App::new(Arc::clone(&dataset_store))
        .with_batch_limits(batches)
        .with_access(access, &limits);
    let admin = admin::router(dataset_store, &app);
    MonitoredServer {
        server: Server::for_app(app, limits),
        admin: Server::for_router(admin, ServerLimits::default()),
    }
}

/// Opens a connection and sends text.
fn connect_and_send(server: &Server, text: &str) -> TcpStream {
    let mut stream = server.connect();
    stream
        .write_all(text.as_bytes())
        .expect("the request is sent");
    stream
}

fn get_request(client: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {client}\r\nConnection: close\r\n\r\n"
    )
}

/// Returns the start of a chunked batch request that does not end.
fn endless_batch_request(client: &str) -> String {
    format!(
        "POST /api/v1/batch HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {client}\r\nConnection: close\r\n\
         Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npostcode\n\r\n"
    )
}

fn post_batch(server: &Server, client: &str) -> Reply {
    let headers = [("content-type", "text/csv"), ("x-forwarded-for", client)];
    server.send("POST", "/api/v1/batch", &headers, Some(CSV))
}

/// Returns the bytes that have been received, without waiting for more.
fn response_so_far(stream: &TcpStream) -> String {
    stream.set_nonblocking(true).expect("a socket");
    let mut bytes = [0; 1_024];
    let length = (&mut &*stream).read(&mut bytes).unwrap_or_default();
    stream.set_nonblocking(false).expect("a socket");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// Waits until `expected` of the streams have received a response. Returns all responses. A
/// response that has not arrived is empty.
#[track_caller]
fn wait_for_responses(streams: &[TcpStream], expected: usize) -> Vec<String> {
    let mut answers = vec![String::new(); streams.len()];
    let started = Instant::now();
    while answers.iter().filter(|text| !text.is_empty()).count() < expected {
        assert!(started.elapsed() < ms(60_000), "{answers:?}");
        thread::sleep(ms(10));
        for (answer, stream) in answers.iter_mut().zip(streams) {
            answer.push_str(&response_so_far(stream));
        }
    }
    answers
}

fn check_within<T>(limit: Duration, get: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = get();
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    value
}

#[test]
fn waiting_downloads_leave_capacity_for_lookups_and_other_clients() {
    let limits = ServerLimits {
        requests: 4,
        ticket_downloads: 6,
        ticket_downloads_per_client: 4,
        ..ServerLimits::default()
    };
    let server = server(limits, BatchLimits::default());
    let ticket = |index: usize| format!("/api/v1/batch/{index:032x}");
    let downloads: Vec<TcpStream> = (0..20)
        .map(|index| connect_and_send(&server, &get_request("192.0.2.1", &ticket(index))))
        .collect();
    let answers = wait_for_responses(&downloads, 16);
    let waiting = answers.iter().filter(|text| text.is_empty()).count();
    assert_eq!(waiting, 4, "{answers:?}");
    for refused in answers.iter().filter(|text| !text.is_empty()) {
        assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
        assert!(
            refused.contains("\"too_many_concurrent_requests\""),
            "{refused}"
        );
        assert!(refused.contains("retry-after: "), "{refused}");
    }
    // Another client can use the remaining capacity for this class of requests.
    let others: Vec<TcpStream> = (20..23)
        .map(|index| connect_and_send(&server, &get_request("192.0.2.2", &ticket(index))))
        .collect();
    let answers = wait_for_responses(&others, 1);
    // The order in which the server reads the three requests determines which of them is rejected.
    let waiting = answers.iter().filter(|text| text.is_empty()).count();
    let refused = answers
        .iter()
        .filter(|text| text.starts_with("HTTP/1.1 503 "));
    assert_eq!((waiting, refused.count()), (2, 1), "{answers:?}");
    for _ in 0..10 {
        server.locate(&[("postcode", "LA18 4DB")]).expect(200);
        server.get("/areas").expect(200);
    }
    server.get("/health/ready").expect(200);
}

#[test]
fn readiness_fails_while_lookups_are_rejected() {
    let limits = ServerLimits {
        requests: 0,
        ..ServerLimits::default()
    };
    let server = server(limits, BatchLimits::default());
    server.get("/health/ready").expect(200);
    let refused = server.locate(&[("postcode", "LA18 4DB")]);
    refused.expect_problem(503, "busy");
    let ready = server.get("/health/ready");
    let ready = ready.expect_problem(503, "overloaded");
    assert_eq!(ready.header("retry-after"), "5", "{ready}");
    server.get("/health/live").expect(200);
}

#[test]
fn readiness_fails_while_connections_are_rejected() {
    let limits = ServerLimits {
        connections: 2,
        ..ServerLimits::default()
    };
    let server = server(limits, BatchLimits::default());
    let half = "POST /api/v1/locate HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
        Content-Length: 23\r\n\r\n{\"postcode\":";
    let mut busy = [half; 2].map(|half| {
        let stream = connect_and_send(&server, half);
        thread::sleep(ms(100));
        stream
    });
    let refused = read_to_close(server.connect());
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    // The first of the two connections completes its request and then sends a readiness check.
    let rest = "\"LA18 4DB\"}GET /health/ready HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    busy[0]
        .write_all(rest.as_bytes())
        .expect("the request is sent");
    let [first, _second] = busy;
    let answers = read_to_close(first);
    assert!(answers.contains("HTTP/1.1 200 OK"), "{answers}");
    assert!(answers.contains("\"overloaded\""), "{answers}");
}

#[test]
fn batches_are_limited_per_client_and_queued() {
    let batches = BatchLimits {
        concurrent_jobs_max: 3,
        concurrent_jobs_per_client_max: 2,
        queue_timeout: ms(4_000),
        ..BatchLimits::default()
    };
    let server = server(ServerLimits::default(), batches);
    let client = "192.0.2.1";
    let _running = server.start_endless_batch(client, (1, 0));
    let ends_early = server.start_endless_batch(client, (2, 0));
    let queued = server.start_endless_batch(client, (2, 1));
    // The third slot is reserved for other clients: their batches do not wait in the queue.
    post_batch(&server, "192.0.2.2").expect(200);
    post_batch(&server, "2001:db8::1").expect(200);
    // The client's third batch waits, and is rejected after the queue timeout.
    let answer = read_to_close(queued);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 10\r\n"), "{answer}");
    // If a slot becomes free in time, the waiting batch starts.
    let queued = thread::scope(|scope| {
        let queued = scope.spawn(|| post_batch(&server, client));
        server.wait_for("catchment_batches_queued", 1);
        drop(ends_early);
        queued.join().expect("no panic")
    });
    queued.expect(200);
}

#[test]
fn queued_batches_are_served_in_turn_by_client() {
    let batches = BatchLimits {
        concurrent_jobs_max: 1,
        concurrent_jobs_per_client_max: 1,
        queue_timeout: ms(30_000),
        ..BatchLimits::default()
    };
    let server = server(ServerLimits::default(), batches);
    let first = server.start_endless_batch("192.0.2.1", (1, 0));
    let more: Vec<TcpStream> = (1..=7)
        .map(|queued| server.start_endless_batch("192.0.2.1", (1, queued)))
        .collect();
    thread::scope(|scope| {
        // This batch arrives after seven batches of another client, but it is served after at most
        // one of these batches.
        let queued = scope.spawn(|| post_batch(&server, "192.0.2.2"));
        server.wait_for("catchment_batches_queued", 8);
        drop(first);
        thread::sleep(ms(300));
        let mut more = more.into_iter();
        drop(more.next());
        queued.join().expect("no panic").expect(200);
    });
}

#[test]
fn slow_uploads_are_aborted() {
    let batches = BatchLimits {
        concurrent_jobs_max: 1,
        bytes_per_second_min: 10_000,
        rate_grace: ms(1_000),
        ..BatchLimits::default()
    };
    let server = server(ServerLimits::default(), batches);
    let slow = server.start_endless_batch("192.0.2.1", (1, 0));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut sending = slow.try_clone().expect("a second handle");
        let stop = &stop;
        let started = Instant::now();
        scope.spawn(move || {
            // While the server reads, the client sends at twice the rate below which the server
            // treats a batch as stalled.
            let rows = CSV.repeat(25);
            let chunk = format!("{:x}\r\n{rows}\r\n", rows.len());
            let may_send = || !stop.load(Ordering::Relaxed) && started.elapsed() < ms(20_000);
            while may_send() && sending.write_all(chunk.as_bytes()).is_ok() {
                thread::sleep(ms(200));
            }
        });
        // The slow batch is aborted, although its client continues to send.
        post_batch(&server, "192.0.2.2").expect(200);
        stop.store(true, Ordering::Relaxed);
        let took = started.elapsed();
        assert!((ms(400)..ms(7_000)).contains(&took), "{took:?}");
    });
}

#[test]
fn slow_uploads_are_aborted_sooner_when_others_wait() {
    let batches = BatchLimits {
        concurrent_jobs_max: 1,
        rate_grace_if_queued: ms(500),
        queue_timeout: ms(8_000),
        ..BatchLimits::default()
    };
    let server = server(ServerLimits::default(), batches);
    let mut slow = server.start_endless_batch("192.0.2.1", (1, 0));
    thread::sleep(ms(2_000));
    // No other client is waiting, so the slow batch is not aborted.
    slow.write_all(b"9\r\nLA18 4DB\n\r\n")
        .expect("the request is sent");
    assert!(!response_so_far(&slow).contains("408"));
    check_within(ms(7_000), || post_batch(&server, "192.0.2.2").expect(200));
}

#[test]
fn batches_are_aborted_at_their_time_limit() {
    let batches = BatchLimits {
        concurrent_jobs_max: 1,
        job_timeout: ms(700),
        ..BatchLimits::default()
    };
    let server = server(ServerLimits::default(), batches);
    let mut steady = connect_and_send(&server, &endless_batch_request("192.0.2.1"));
    let started = Instant::now();
    let rows = CSV.repeat(400);
    let chunk = format!("{:x}\r\n{rows}\r\n", rows.len());
    while started.elapsed() < ms(8_000) && steady.write_all(chunk.as_bytes()).is_ok() {
        thread::sleep(ms(50));
    }
    let took = started.elapsed();
    assert!((ms(600)..ms(7_900)).contains(&took), "{took:?}");
    post_batch(&server, "192.0.2.2").expect(200);
}

#[test]
fn static_pages_are_compressed_once() {
    let server = server(ServerLimits::default(), BatchLimits::default());
    for path in ["/", "/docs", "/batch"] {
        let plain = server.get(path).expect(200);
        if plain.text().contains("built without pages") {
            continue;
        }
        let brotli = |encoding: &'static str| {
            let headers = [("accept-encoding", encoding)];
            server.send("GET", path, &headers, None).expect(200)
        };
        let (first, second) = (brotli("br"), brotli("br"));
        assert_eq!(first.header("content-encoding"), "br", "{path}");
        assert!(
            first.header("vary").starts_with("accept-encoding"),
            "{path}"
        );
        assert!(first.body == second.body && first.body.len() * 3 < plain.body.len());
    }
}

/// While a response is not read, it does not occupy a CPU permit and uses a limited amount of
/// memory.
#[test]
fn slow_readers_do_not_block_rendered_responses() {
    let server = server(ServerLimits::default(), BatchLimits::default());
    let request = get_request("192.0.2.1", "/api/v1/areas/gp-practice.geojson");
    let requests = request.replace("Connection: close\r\n", "").repeat(40);
    let _slow: Vec<TcpStream> = (0..20)
        .map(|_| connect_and_send(&server, &requests))
        .collect();
    thread::sleep(ms(1_000));
    check_within(ms(5_000), || {
        server.get("/api/v1/areas/icc.geojson").expect(200)
    });
}
