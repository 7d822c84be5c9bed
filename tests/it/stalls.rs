//! Timeouts and connection limits: stalled clients are disconnected and delay no other; excess
//! clients get 503 with `Retry-After`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use catchment::http::{BatchLimits, ServerLimits};

use crate::server::{Server, embedded, raw, read_to_close};

const HALF_A_BODY: &str = "POST /api/v1/locate HTTP/1.1\r\nHost: test\r\n\
    Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{\"postcode\":";

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn server(change: impl FnOnce(&mut ServerLimits)) -> Server {
    let mut limits = ServerLimits::default();
    change(&mut limits);
    Server::with(embedded(), limits)
}

/// Opens a connection and sends a text.
fn sent(server: &Server, text: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(text.as_bytes()).expect("the request is sent");
    stream
}

/// Waits until the server closes the connection. Returns the time that took, and the response.
fn until_closed(stream: TcpStream) -> (Duration, String) {
    let started = Instant::now();
    let answer = read_to_close(stream);
    (started.elapsed(), answer)
}

#[track_caller]
fn check_took(took: Duration, from_ms: u64, to_ms: u64) {
    assert!((ms(from_ms)..ms(to_ms)).contains(&took), "{took:?}");
}

#[test]
fn the_first_byte_the_header_and_the_time_between_have_limits_of_their_own() {
    let server = server(|limits| {
        limits.header_timeout = ms(400);
        limits.idle_timeout = ms(1_600);
    });
    let stalled = ["", "G", "GET /health/live HTTP/1.1\r\nHost: te"];
    let stalled = stalled.map(|text| sent(&server, text));
    let asked = "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";
    let idle = sent(&server, asked);
    let asked_again = sent(&server, &format!("{asked}GET / HT"));
    let started = Instant::now();
    for stream in stalled {
        let (_, answer) = until_closed(stream);
        assert!(!answer.contains("200"), "{answer}");
    }
    check_took(started.elapsed(), 300, 1_200);
    let (_, answer) = until_closed(idle);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    check_took(started.elapsed(), 1_400, 3_000);
    until_closed(asked_again);
    check_took(started.elapsed(), 300, 3_000);
}

#[test]
fn a_header_that_comes_byte_by_byte_is_given_up_all_the_same() {
    let server = server(|limits| limits.header_timeout = ms(400));
    let mut stream = server.connect();
    let started = Instant::now();
    let mut bytes = b"GET /health/live HTTP/1.1\r\nx-slow: "
        .iter()
        .chain(b"a".iter().cycle());
    let gone = loop {
        let byte = bytes.next().expect("an endless iterator");
        if stream.write_all(&[*byte]).is_err() || started.elapsed() > ms(3_000) {
            break started.elapsed();
        }
        thread::sleep(ms(20));
    };
    check_took(gone, 300, 1_500);
}

#[test]
fn a_body_that_does_not_come_is_a_problem_in_time() {
    let server = server(|limits| limits.request_timeout = ms(300));
    let (took, answer) = until_closed(sent(&server, HALF_A_BODY));
    check_took(took, 250, 1_500);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"timed_out\""), "{answer}");
    assert!(
        answer.contains("x-content-type-options: nosniff"),
        "{answer}"
    );
}

const PIPELINED: usize = 400;

/// Requests far more than fits into the socket buffers, and reads nothing.
fn asks_and_does_not_read(server: &Server) -> TcpStream {
    let asked = "GET /api/v1/areas/icc.geojson HTTP/1.1\r\nHost: test\r\n\r\n";
    sent(server, &asked.repeat(PIPELINED))
}

#[track_caller]
fn check_was_given_up(stream: TcpStream) {
    let answers = read_to_close(stream);
    let whole = answers.matches("HTTP/1.1 200 OK").count();
    assert!(whole < PIPELINED, "all responses were sent");
}

#[test]
fn who_does_not_read_is_given_up_and_who_does_is_answered() {
    let server = server(|limits| limits.write_timeout = ms(400));
    let stalled = asks_and_does_not_read(&server);
    thread::sleep(ms(1_500));
    check_was_given_up(stalled);
    let reads = asks_and_does_not_read(&server);
    let answers = crate::server::read_to_close_or_idle(reads, PIPELINED);
    assert_eq!(answers, PIPELINED);
}

#[test]
fn who_reads_hardly_anything_is_given_up() {
    let server = server(|limits| limits.write_timeout = ms(600));
    let mut stalled = asks_and_does_not_read(&server);
    let started = Instant::now();
    while started.elapsed() < ms(2_500) {
        let mut few = [0; 5];
        if stalled.read_exact(&mut few).is_err() {
            break;
        }
        thread::sleep(ms(50));
    }
    check_was_given_up(stalled);
}

#[test]
fn a_list_keeps_limits_of_its_own() {
    let limits = ServerLimits {
        header_timeout: ms(300),
        request_timeout: ms(300),
        write_timeout: ms(300),
        idle_timeout: ms(300),
        ..ServerLimits::default()
    };
    let server = Server::with_lists(embedded(), limits, BatchLimits::default());
    let mut stream = sent(
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
fn connections_on_which_nothing_is_asked_make_room() {
    let server = server(|limits| limits.connections = 8);
    let idle: Vec<TcpStream> = (0..40).map(|_| sent(&server, "")).collect();
    for _ in 0..20 {
        server.get("/health/live").expect(200);
    }
    let started = Instant::now();
    let closed = idle.into_iter().filter(|stream| {
        stream.set_read_timeout(Some(ms(1))).expect("a read timeout");
        matches!((&mut &*stream).read(&mut [0]), Ok(0)) || {
            let error = (&mut &*stream).read(&mut [0]).err();
            error.is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionReset)
        }
    });
    assert!(closed.count() >= 32);
    assert!(started.elapsed() < ms(5_000));
}

#[test]
fn where_every_connection_is_at_work_another_is_told_to_come_again() {
    let server = server(|limits| limits.connections = 2);
    let _busy = [HALF_A_BODY; 2].map(|half| {
        let stream = sent(&server, half);
        // Until the server has read the head of the request.
        thread::sleep(ms(100));
        stream
    });
    let answer = read_to_close(server.connect());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
}

#[test]
fn connections_that_read_slowly_make_room_where_no_other_does() {
    let server = server(|limits| limits.connections = 3);
    let _slow = [(); 3].map(|()| {
        let stream = asks_and_does_not_read(&server);
        thread::sleep(ms(100));
        stream
    });
    // Until the server has noticed that they read nothing.
    thread::sleep(ms(3_500));
    server.locate(&[("postcode", "LA18 4DB")]).expect(200);
    server.get("/health/ready").expect(200);
}

#[test]
fn too_many_bodies_are_refused_before_they_are_read_and_slow_ones_make_room() {
    let server = server(|limits| limits.bodies = 2);
    let slow = [HALF_A_BODY; 2].map(|half| sent(&server, half));
    thread::sleep(ms(100));
    // The body is not sent.
    let (head, _) = HALF_A_BODY.split_once("{").expect("a body");
    let answer = raw(server.connect(), head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for expected in [
        "retry-after: 1\r\n",
        "access-control-allow-origin: *\r\n",
        "content-security-policy: default-src 'none'",
        "\"code\":\"busy\"",
    ] {
        assert!(answer.contains(expected), "no {expected}: {answer}");
    }
    // Requests without a body are not affected.
    server.locate(&[("postcode", "LA18 4DB")]).expect(200);
    thread::sleep(ms(1_100));
    let body = r#"{"postcode":"LA18 4DB"}"#;
    server
        .post("/api/v1/locate", "application/json", body)
        .expect(200);
    // One of the two is evicted, and gets the response as soon as a CPU is free.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !slow.iter().any(has_answer) && Instant::now() < deadline {
        thread::sleep(ms(20));
    }
    let (gone, mut stays): (Vec<TcpStream>, Vec<TcpStream>) =
        slow.into_iter().partition(has_answer);
    assert_eq!((gone.len(), stays.len()), (1, 1));
    let mut stream = stays.remove(0);
    stream.write_all(b"\"LA18 4DB\"}").expect("the request is sent");
    assert!(read_to_answer(stream).contains("200 OK"));
}

/// Returns whether a response or the end of the connection has arrived.
fn has_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let came = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).expect("a socket");
    came
}

/// Returns the first bytes of a response; empty if there are none.
fn read_to_answer(mut stream: TcpStream) -> String {
    let mut bytes = [0; 256];
    let length = stream.read(&mut bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn what_is_too_long_or_too_deep_is_told() {
    let server = server(|_| {});
    let path = format!("/api/v1/areas/icc?as_of={}", "a".repeat(13_000));
    server.get(&path).expect_problem(414, "uri_too_long");
    let deep = format!("{{\"postcode\":{}", "[".repeat(10_000));
    server
        .post("/api/v1/locate", "application/json", &deep)
        .expect_problem(400, "malformed");
    let long = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nx-long: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    let mut stream = server.connect();
    // The server may close the connection before all is sent.
    let _ = stream.write_all(long.as_bytes());
    let answer = read_to_answer(stream);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
}

/// A client that expects `100 Continue` does not get it; one that sends the body gets the response.
#[test]
fn a_content_length_over_the_limit_is_refused_before_anything_is_read() {
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
        let waits = format!("{head}Expect: 100-continue\r\n\r\n");
        let answer = raw(server.connect(), waits.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
        let mut stream = server.connect();
        stream
            .write_all(format!("{head}\r\n").as_bytes())
            .expect("the request is sent");
        let body = vec![b'a'; 1 << 20];
        // The server may close the connection before all is sent.
        let _ = stream.write_all(&body);
        let answer = read_to_answer(stream);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
}

// ---- load tests ---------------------------------------------------------------------------------

/// Returns the 99th percentile of the duration of `count` look-ups.
fn p99_of(server: &Server, count: usize) -> Duration {
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

/// Raises the limit of open files of this process to its maximum, and returns it.
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
fn ten_thousand_idle_connections_hold_nobody_up() {
    // Both ends of each connection are in this process.
    let count = descriptors().saturating_sub(600).min(20_000) / 2;
    let server = server(|limits| limits.connections = count * 8 / 10);
    let idle: Vec<TcpStream> = (0..count)
        .map(|at| {
            if at % 100 == 0 {
                // No faster than they are accepted.
                thread::sleep(ms(2));
            }
            sent(&server, "GET / HTTP/1.1\r\n")
        })
        .collect();
    let p99 = p99_of(&server, 500);
    assert!(p99 < ms(1_000), "{p99:?}");
    println!("p99 with {} idle connections: {p99:?}", idle.len());
}

/// Requests far more work than can be done and reads nothing; look-ups are still answered.
#[test]
#[ignore = "uses all CPUs for a while"]
fn a_crowd_that_asks_for_big_answers_and_does_not_read_holds_no_look_up_up() {
    let server = server(|_| {});
    let asked = "GET /api/v1/areas/icc.geojson HTTP/1.1\r\nHost: test\r\n\r\n".repeat(5);
    let count = descriptors().saturating_sub(600).min(4_000) / 2;
    let crowd: Vec<TcpStream> = (0..count).map(|_| sent(&server, &asked)).collect();
    let p99 = p99_of(&server, 200);
    assert!(p99 < ms(1_000), "{p99:?}");
    println!("p99 with {} connections that request areas: {p99:?}", crowd.len());
}

#[test]
#[ignore = "uses all CPUs for a while"]
fn after_twenty_times_the_load_it_is_as_before() {
    let server = server(|_| {});
    let before = p99_of(&server, 200);
    let address = server.address();
    let deadline = Instant::now() + Duration::from_secs(8);
    let asked = b"GET /api/v1/areas/icc.geojson HTTP/1.1\r\nHost: test\r\n\r\n";
    let during = thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(move || {
                while Instant::now() < deadline {
                    let mut stream = crate::server::connect(address);
                    let _ = stream.write_all(&asked.repeat(4));
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            });
        }
        thread::sleep(ms(1_000));
        p99_of(&server, 100)
    });
    let ended = Instant::now();
    while p99_of(&server, 50) > before * 3 + ms(20) {
        assert!(ended.elapsed() < ms(5_000), "the latency does not recover");
    }
    println!(
        "p99 before {before:?}, during {during:?}, recovered after {:?}",
        ended.elapsed()
    );
}
