//! Tests of the graceful shutdown. First readiness fails, then the server stops listening, and then
//! it closes idle connections. No request is lost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use catchment::http::ServerLimits;

use crate::support::process::ServiceProcess;
use crate::support::server::{Server, client, connect, embedded, read_to_close, send};

const REQUEST: &str = "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";

fn server(delay_ms: u64) -> Server {
    let limits = ServerLimits {
        shutdown_delay: Duration::from_millis(delay_ms),
        shutdown_grace: Duration::from_secs(8),
        ..ServerLimits::default()
    };
    Server::with(embedded(), limits)
}

/// Starts the shutdown on another thread, and returns when the server is no longer ready.
fn begin_shutdown(server: Server) -> JoinHandle<Duration> {
    let address = server.address();
    let thread = thread::spawn(move || server.stop());
    let deadline = Instant::now() + Duration::from_secs(5);
    while readiness_status(address) != 503 {
        assert!(Instant::now() < deadline, "the server is still ready");
    }
    thread
}

fn readiness_status(address: SocketAddr) -> u16 {
    send(&client(), address, ("GET", "/health/ready"), &[], None).status
}

/// Reads one response with a JSON body.
fn read_response(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            other => panic!(
                "the response is incomplete: {other:?}, {}",
                String::from_utf8_lossy(&bytes)
            ),
        }
    }
    String::from_utf8(bytes).expect("text")
}

#[test]
fn readiness_is_503_during_the_shutdown_delay() {
    let server = server(1_500);
    let address = server.address();
    assert_eq!(readiness_status(address), 200);
    let started = Instant::now();
    let thread = begin_shutdown(server);
    assert!(started.elapsed() < Duration::from_millis(1_000));
    // Requests are still answered, but the server closes the connection after the response.
    while started.elapsed() < Duration::from_millis(1_200) {
        assert_eq!(readiness_status(address), 503);
        let other = send(&client(), address, ("GET", "/api/v1/dataset"), &[], None).expect(200);
        assert_eq!(other.header("connection"), "close", "{other}");
        thread::sleep(Duration::from_millis(50));
    }
    let took = thread.join().expect("the server shuts down");
    assert!(took >= Duration::from_millis(1_450), "{took:?}");
    assert!(took < Duration::from_millis(4_000), "{took:?}");
    assert!(
        TcpStream::connect(address).is_err(),
        "the server is still listening"
    );
}

#[test]
fn keep_alive_responses_close_the_connection_during_shutdown() {
    let server = server(1_000);
    let mut stream = server.connect();
    stream
        .write_all(REQUEST.as_bytes())
        .expect("the request is sent");
    let first = read_response(&mut stream);
    assert!(!first.contains("connection: close"), "{first}");
    let thread = begin_shutdown(server);
    stream
        .write_all(REQUEST.as_bytes())
        .expect("the request is sent");
    let last = read_to_close(stream);
    assert!(last.starts_with("HTTP/1.1 200 "), "{last}");
    assert!(last.contains("connection: close\r\n"), "{last}");
    thread.join().expect("the server shuts down");
}

#[test]
fn requests_on_idle_connections_are_answered_as_the_listener_closes() {
    let server = server(400);
    let mut idle: Vec<TcpStream> = (0..20)
        .map(|value| {
            let mut stream = server.connect();
            // A request has already been sent on half of the connections.
            if value % 2 == 0 {
                stream
                    .write_all(REQUEST.as_bytes())
                    .expect("the request is sent");
                read_response(&mut stream);
            }
            stream
        })
        .collect();
    let stopped = Instant::now();
    let thread = begin_shutdown(server);
    // The requests are sent one after the other, from before until after the listener closes.
    for (index, stream) in (0..).zip(&mut idle) {
        let send_at = Duration::from_millis(300 + 20 * index);
        thread::sleep(send_at.saturating_sub(stopped.elapsed()));
        stream
            .write_all(REQUEST.as_bytes())
            .expect("the request is sent");
    }
    for stream in idle {
        let last = read_to_close(stream);
        assert!(
            last.starts_with("HTTP/1.1 200 "),
            "the request was lost: {last}"
        );
        assert!(last.contains("connection: close\r\n"), "{last}");
    }
    thread.join().expect("the server shuts down");
}

#[test]
fn idle_connections_are_closed_without_a_reset() {
    let server = server(0);
    let mut stream = server.connect();
    stream
        .write_all(REQUEST.as_bytes())
        .expect("the request is sent");
    read_response(&mut stream);
    let took = server.stop();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut rest = Vec::new();
    let length = stream
        .read_to_end(&mut rest)
        .expect("the connection is not reset");
    assert_eq!(length, 0, "{}", String::from_utf8_lossy(&rest));
}

/// Sends requests on a keep-alive connection, and opens a new connection whenever a response closes
/// the old connection. Ends when the server no longer accepts connections. Returns the number of
/// responses, and adds the number of lost requests to `lost`.
fn request_until_refused(
    address: SocketAddr,
    is_stopping: &AtomicBool,
    lost: &AtomicUsize,
) -> usize {
    let mut count = 0;
    while let Ok(stream) = TcpStream::connect(address) {
        let mut stream = stream;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a read timeout");
        loop {
            if stream.write_all(REQUEST.as_bytes()).is_err() {
                lost.fetch_add(1, Ordering::SeqCst);
                break;
            }
            let mut bytes = Vec::new();
            let mut buffer = [0; 2_048];
            while !bytes.ends_with(b"}") {
                match stream.read(&mut buffer) {
                    Ok(length @ 1..) => bytes.extend_from_slice(&buffer[..length]),
                    _ => break,
                }
            }
            if !bytes.starts_with(b"HTTP/1.1 200 ") {
                lost.fetch_add(1, Ordering::SeqCst);
                break;
            }
            count += 1;
            if String::from_utf8_lossy(&bytes).contains("connection: close") {
                break;
            }
            assert!(
                !is_stopping.load(Ordering::SeqCst),
                "during the shutdown, a response did not close its connection"
            );
        }
        thread::sleep(Duration::from_millis(2));
    }
    count
}

#[test]
fn keep_alive_clients_lose_no_request_during_shutdown() {
    let server = server(800);
    let address = server.address();
    let (is_stopping, lost) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let begin = Arc::new(Barrier::new(9));
    let clients: Vec<JoinHandle<usize>> = (0..8)
        .map(|_| {
            let (is_stopping, lost) = (Arc::clone(&is_stopping), Arc::clone(&lost));
            let begin = Arc::clone(&begin);
            thread::spawn(move || {
                begin.wait();
                request_until_refused(address, &is_stopping, &lost)
            })
        })
        .collect();
    begin.wait();
    thread::sleep(Duration::from_millis(300));
    let thread = thread::spawn(move || server.stop());
    thread.join().expect("the server shuts down");
    let counts: Vec<usize> = clients
        .into_iter()
        .map(|handle| handle.join().expect("no panic"))
        .collect();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    let lost = lost.load(Ordering::SeqCst);
    assert_eq!(
        lost, 0,
        "requests were lost; responses by client: {counts:?}"
    );
}

#[test]
fn shutdown_delay_is_configurable_and_skipped_by_a_second_signal() {
    let mut running = ServiceProcess::start(&["--shutdown-delay", "30"]);
    assert_eq!(readiness_status(running.address), 200);
    running.signal("TERM");
    running.wait_for("stopping");
    assert_eq!(readiness_status(running.address), 503);
    drop(connect(running.address));
    let signalled = Instant::now();
    running.signal("INT");
    let (status, written) = running.wait_for_exit();
    assert_eq!(status, Some(130), "{written}");
    assert!(signalled.elapsed() < Duration::from_secs(5));
}

/// Runs `catchment health`. Returns its exit status and its output.
fn health_command(address: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["health", "--address", address])
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    (output.status.code(), text)
}

#[test]
fn health_command_reports_readiness() {
    let mut running = ServiceProcess::start(&["--shutdown-delay", "30"]);
    let address = running.address.to_string();
    assert_eq!(health_command(&address), (Some(0), "ready\n".into()));
    running.signal("TERM");
    running.wait_for("stopping");
    let (status, text) = health_command(&address);
    assert_eq!(status, Some(1), "{text}");
    assert_eq!(text, "not ready: /health/ready returns 503\n");
    running.signal("TERM");
    running.wait_for_exit();
    let (status, text) = health_command(&address);
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains(&format!("connecting to {address}: ")),
        "{text}"
    );
}

#[test]
fn health_command_reports_other_programs_and_timeouts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        // A connection that is closed with unread bytes is reset.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            request.push(byte[0]);
        }
        stream.write_all(b"220 mail\r\n").expect("written");
        drop(stream);
        // The second connection gets no response.
        let stream = listener.accept().expect("a connection");
        thread::sleep(Duration::from_secs(4));
        drop(stream);
    });
    let (status, text) = health_command(&address);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("is not an HTTP response"), "{text}");
    let started = Instant::now();
    let (status, text) = health_command(&address);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("waiting for a response"), "{text}");
    assert!(started.elapsed() < Duration::from_millis(3_500), "{text}");
    server.join().expect("no panic");
}

#[test]
fn health_command_connects_only_to_loopback_addresses() {
    for address in ["192.0.2.1:8080", "0.0.0.0:8080", "[2001:db8::1]:8080"] {
        let (status, text) = health_command(address);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains("is not a loopback address"), "{text}");
    }
}
