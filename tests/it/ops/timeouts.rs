//! Tests of timeouts and connection limits. Stalled clients are disconnected and do not delay other
//! clients, and clients above the limit receive status 503 with `Retry-After`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use catchment::http::{BatchLimits, ServerLimits};

use crate::support::server::{Server, embedded, read_to_close, send_raw};

const PARTIAL_BODY: &str = "POST /api/v1/locate HTTP/1.1\r\nHost: test\r\n\
    Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{\"postcode\":";

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn server(change: impl FnOnce(&mut ServerLimits)) -> Server {
    let mut limits = ServerLimits::default();
    change(&mut limits);
    Server::with(embedded(), limits)
}

/// Opens a connection and sends text.
fn connect_and_send(server: &Server, text: &str) -> TcpStream {
    let mut stream = server.connect();
    stream
        .write_all(text.as_bytes())
        .expect("the request is sent");
    stream
}

/// Waits until the server closes the connection. Returns the waiting time and the response.
fn time_until_closed(stream: TcpStream) -> (Duration, String) {
    let started = Instant::now();
    let answer = read_to_close(stream);
    (started.elapsed(), answer)
}

#[track_caller]
fn check_duration(took: Duration, from_ms: u64, to_ms: u64) {
    assert!((ms(from_ms)..ms(to_ms)).contains(&took), "{took:?}");
}

#[test]
fn first_byte_header_and_idle_timeouts_are_separate() {
    let server = server(|limits| {
        limits.header_timeout = ms(400);
        limits.idle_timeout = ms(1_600);
    });
    let stalled = ["", "G", "GET /health/live HTTP/1.1\r\nHost: te"];
    let stalled = stalled.map(|text| connect_and_send(&server, text));
    let request = "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";
    let idle = connect_and_send(&server, request);
    let pipelined = connect_and_send(&server, &format!("{request}GET / HT"));
    let started = Instant::now();
    for stream in stalled {
        let (_, answer) = time_until_closed(stream);
        assert!(!answer.contains("200"), "{answer}");
    }
    check_duration(started.elapsed(), 300, 1_200);
    let (_, answer) = time_until_closed(idle);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    check_duration(started.elapsed(), 1_400, 3_000);
    time_until_closed(pipelined);
    check_duration(started.elapsed(), 300, 3_000);
}

#[test]
fn slow_headers_time_out() {
    let server = server(|limits| limits.header_timeout = ms(400));
    let mut stream = server.connect();
    let started = Instant::now();
    let mut bytes = b"GET /health/live HTTP/1.1\r\nx-slow: "
        .iter()
        .chain(b"a".iter().cycle());
    let elapsed = loop {
        let byte = bytes.next().expect("an endless iterator");
        if stream.write_all(&[*byte]).is_err() || started.elapsed() > ms(3_000) {
            break started.elapsed();
        }
        thread::sleep(ms(20));
    };
    check_duration(elapsed, 300, 1_500);
}

#[test]
fn missing_bodies_time_out_with_408() {
    let server = server(|limits| limits.request_timeout = ms(300));
    let (took, answer) = time_until_closed(connect_and_send(&server, PARTIAL_BODY));
    check_duration(took, 250, 1_500);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"timed_out\""), "{answer}");
    assert!(
        answer.contains("x-content-type-options: nosniff"),
        "{answer}"
    );
}

const PIPELINED: usize = 400;

/// Requests far more data than fits into the socket buffers, and reads nothing.
fn send_without_reading(server: &Server) -> TcpStream {
    let request = "GET /api/v1/areas/icc.geojson HTTP/1.1\r\nHost: test\r\n\r\n";
    connect_and_send(server, &request.repeat(PIPELINED))
}

#[track_caller]
fn check_was_disconnected(stream: TcpStream) {
    let answers = read_to_close(stream);
    let complete = answers.matches("HTTP/1.1 200 OK").count();
    assert!(complete < PIPELINED, "the server sent all responses");
}

#[test]
fn stalled_readers_are_disconnected() {
    let server = server(|limits| limits.write_timeout = ms(400));
    let stalled = send_without_reading(&server);
    thread::sleep(ms(1_500));
    check_was_disconnected(stalled);
    let reader = send_without_reading(&server);
    let answers = crate::support::server::count_responses(reader, PIPELINED);
    assert_eq!(answers, PIPELINED);
}

#[test]
fn slow_readers_are_disconnected() {
    let server = server(|limits| limits.write_timeout = ms(600));
    let mut stalled = send_without_reading(&server);
    let started = Instant::now();
    while started.elapsed() < ms(2_500) {
        let mut few = [0; 5];
        if stalled.read_exact(&mut few).is_err() {
            break;
        }
        thread::sleep(ms(50));
    }
    check_was_disconnected(stalled);
}

#[test]
fn batches_have_their_own_timeouts() {
    let limits = ServerLimits {
        header_timeout: ms(300),
        request_timeout: ms(300),
        write_timeout: ms(300),
        idle_timeout: ms(300),
        ..ServerLimits::default()
    };
    let server = Server::with_batch_limits(embedded(), limits, BatchLimits::default());
    let mut stream = connect_and_send(
        &server,
        "POST /api/v1/batch HTTP/1.1\r\nHost: test\r\nContent-Type: text/csv\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npostcode\n\r\n",
    );
    for _ in 0..5 {
        thread::sleep(ms(250));
        stream
            .write_all(b"9\r\nLA18 4DB\n\r\n")
            .expect("the request is sent");
    }
    stream.write_all(b"0\r\n\r\n").expect("the request is sent");
    let answer = read_to_close(stream);
    assert_eq!(answer.matches("located").count(), 5, "{answer}");
}

#[test]
fn idle_connections_are_evicted_at_the_limit() {
    let server = server(|limits| limits.connections = 8);
    let idle: Vec<TcpStream> = (0..40).map(|_| connect_and_send(&server, "")).collect();
    for _ in 0..20 {
        server.get("/health/live").expect(200);
    }
    let started = Instant::now();
    let closed = idle.into_iter().filter(|stream| {
        stream
            .set_read_timeout(Some(ms(1)))
            .expect("a read timeout");
        matches!((&mut &*stream).read(&mut [0]), Ok(0)) || {
            let error = (&mut &*stream).read(&mut [0]).err();
            error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        }
    });
    assert!(closed.count() >= 32);
    assert!(started.elapsed() < ms(5_000));
}

#[test]
fn busy_connections_at_the_limit_give_503() {
    let server = server(|limits| limits.connections = 2);
    let _busy = [PARTIAL_BODY; 2].map(|half| {
        let stream = connect_and_send(&server, half);
        // Wait until the server has read the request line and headers.
        thread::sleep(ms(100));
        stream
    });
    let answer = read_to_close(server.connect());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
}

#[test]
fn slow_readers_are_evicted_at_the_limit() {
    let server = server(|limits| limits.connections = 3);
    let _slow = [(); 3].map(|()| {
        let stream = send_without_reading(&server);
        thread::sleep(ms(100));
        stream
    });
    // Wait until the server has detected that the clients read nothing.
    thread::sleep(ms(3_500));
    server.locate(&[("postcode", "LA18 4DB")]).expect(200);
    server.get("/health/ready").expect(200);
}

#[test]
fn excess_bodies_are_rejected_and_slow_ones_evicted() {
    let server = server(|limits| limits.bodies = 2);
    let slow = [PARTIAL_BODY; 2].map(|half| connect_and_send(&server, half));
    thread::sleep(ms(100));
    // The client does not send the body.
    let (head, _) = PARTIAL_BODY.split_once("{").expect("a body");
    let answer = send_raw(server.connect(), head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for expected in [
        "retry-after: 1\r\n",
        "access-control-allow-origin: *\r\n",
        "content-security-policy: default-src 'none'",
        "\"code\":\"busy\"",
    ] {
        assert!(answer.contains(expected), "{expected} is not in: {answer}");
    }
    // Requests without a body are not affected.
    server.locate(&[("postcode", "LA18 4DB")]).expect(200);
    thread::sleep(ms(1_100));
    let body = r#"{"postcode":"LA18 4DB"}"#;
    server
        .post("/api/v1/locate", "application/json", body)
        .expect(200);
    // The server evicts one of the two slow requests. The client of this request receives the
    // response as soon as a CPU is free.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !slow.iter().any(has_response) && Instant::now() < deadline {
        thread::sleep(ms(20));
    }
    let (evicted, mut remaining): (Vec<TcpStream>, Vec<TcpStream>) =
        slow.into_iter().partition(has_response);
    assert_eq!((evicted.len(), remaining.len()), (1, 1));
    let mut stream = remaining.remove(0);
    stream
        .write_all(b"\"LA18 4DB\"}")
        .expect("the request is sent");
    assert!(read_some(stream).contains("200 OK"));
}

/// Returns whether a response or the end of the connection has arrived.
fn has_response(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let has_bytes = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).expect("a socket");
    has_bytes
}

/// Returns the first bytes of a response, or an empty string if no response arrives.
fn read_some(mut stream: TcpStream) -> String {
    let mut bytes = [0; 256];
    let length = stream.read(&mut bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn overlong_and_deeply_nested_requests_are_rejected() {
    let server = server(|_| {});
    let path = format!("/api/v1/areas/icc?as_of={}", "a".repeat(13_000));
    server.get(&path).expect_problem(414, "uri_too_long");
    let deep = format!("{{\"postcode\":{}", "[".repeat(10_000));
    server
        .post("/api/v1/locate", "application/json", &deep)
        .expect_problem(400, "invalid_json");
    let long = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nx-long: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    let mut stream = server.connect();
    // The server may close the connection before the whole request is sent.
    let _ = stream.write_all(long.as_bytes());
    let answer = read_some(stream);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
}

/// A client that waits for `100 Continue` receives status 413 instead. A client that sends the body
/// immediately also receives status 413.
#[test]
fn excessive_content_lengths_are_rejected_before_reading() {
    let server = server(|_| {});
    for (path, content_type, limit) in [
        ("/api/v1/locate", "application/json", 16 << 10),
        ("/", "application/x-www-form-urlencoded", 16 << 10),
        (
            "/batch",
            "multipart/form-data; boundary=b",
            (32 << 20) + (1 << 20),
        ),
        ("/api/v1/batch", "text/csv", 16_u64 << 30),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n",
            limit + 1
        );
        let expecting = format!("{head}Expect: 100-continue\r\n\r\n");
        let answer = send_raw(server.connect(), expecting.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
        let mut stream = server.connect();
        stream
            .write_all(format!("{head}\r\n").as_bytes())
            .expect("the request is sent");
        let body = vec![b'a'; 1 << 20];
        // The server may close the connection before the whole body is sent.
        let _ = stream.write_all(&body);
        let answer = read_some(stream);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
}

// ---- load tests ---------------------------------------------------------------------------------

/// Returns the 99th percentile of the duration of `count` look-ups.
fn lookup_p99(server: &Server, count: usize) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let started = Instant::now();
            server.locate(&[("postcode", "LA18 4DB")]).expect(200);
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[count * 99 / 100]
}

/// Raises this process's limit on open files to the maximum, and returns the new limit.
#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Nofile, all);
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |count| usize::try_from(count).expect("fewer"))
}

#[cfg(not(target_os = "linux"))]
fn descriptors() -> usize {
    1_024
}

#[test]
#[ignore = "opens 10,000 connections"]
fn ten_thousand_idle_connections_do_not_delay_lookups() {
    // Both ends of each connection are in this process.
    let count = descriptors().saturating_sub(600).min(20_000) / 2;
    let server = server(|limits| limits.connections = count * 8 / 10);
    let idle: Vec<TcpStream> = (0..count)
        .map(|index| {
            if index % 100 == 0 {
                // The pause limits the rate of new connections to the rate at which the server
                // accepts them.
                thread::sleep(ms(2));
            }
            connect_and_send(&server, "GET / HTTP/1.1\r\n")
        })
        .collect();
    let p99 = lookup_p99(&server, 500);
    assert!(p99 < ms(1_000), "{p99:?}");
    println!("p99 with {} idle connections: {p99:?}", idle.len());
}

/// Look-ups are still answered while clients request far more work than the server can do, and do
/// not read the responses.
#[test]
#[ignore = "uses all CPUs for a while"]
fn unread_large_responses_do_not_delay_lookups() {
    let server = server(|_| {});
    let requests = "GET /api/v1/areas/icc.geojson HTTP/1.1\r\nHost: test\r\n\r\n".repeat(5);
    let count = descriptors().saturating_sub(600).min(4_000) / 2;
    let connections: Vec<TcpStream> = (0..count)
        .map(|_| connect_and_send(&server, &requests))
        .collect();
    let p99 = lookup_p99(&server, 200);
    assert!(p99 < ms(1_000), "{p99:?}");
    println!(
        "p99 with {} connections that request areas: {p99:?}",
        connections.len()
    );
}

#[test]
#[ignore = "uses all CPUs for a while"]
fn latency_recovers_after_overload() {
    let server = server(|_| {});
    let before = lookup_p99(&server, 200);
    let address = server.address();
    let deadline = Instant::now() + Duration::from_secs(8);
    let request = b"GET /api/v1/areas/icc.geojson HTTP/1.1\r\nHost: test\r\n\r\n";
    let during = thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(move || {
                while Instant::now() < deadline {
                    let mut stream = crate::support::server::connect(address);
                    let _ = stream.write_all(&request.repeat(4));
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            });
        }
        thread::sleep(ms(1_000));
        lookup_p99(&server, 100)
    });
    let ended = Instant::now();
    while lookup_p99(&server, 50) > before * 3 + ms(20) {
        assert!(
            ended.elapsed() < ms(5_000),
            "the latency does not recover in time"
        );
    }
    println!(
        "p99 before {before:?}, during {during:?}, recovered after {:?}",
        ended.elapsed()
    );
}
