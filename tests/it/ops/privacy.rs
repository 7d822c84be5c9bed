//! Tests that logs reveal no input, and that stalled clients delay neither other clients nor the
//! shutdown.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use catchment::http::ServerLimits;

use crate::support::process::ServiceProcess;
use crate::support::server::{
    Server, client, connect, embedded, encode_fields, read_to_close, send, send_raw,
};

/// The inputs of the requests, in every form in which it could be written to a log. The markers are
/// too long to occur in a time or a duration by chance.
const MARKERS: &[&str] = &[
    "LA18 4DB",
    "LA18+4DB",
    "LA18%204DB",
    "LA184DB",
    // The next two markers are a malformed postcode and the suggested postcode.
    "LA1O 5DL",
    "LA1O+5DL",
    "LA10 5DL",
    "LA1 0AA",
    "LA1+0AA",
    "-3.2694711",
    "54.2097422",
    "317303.125",
    "480077.375",
    "P81064",
    "P99999",
    "P8-MARK",
    "Zq7Mark",
    "zq7mark",
    "192.0.2.77",
];

#[test]
fn text_logs_reveal_no_input() {
    check_log("text", " method=\"GET\" route=\"/api/v1/locate\"");
}

#[test]
fn json_logs_reveal_no_input() {
    let written = check_log("json", "\"route\":\"/api/v1/locate\"");
    for line in written.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        assert!(line["timestamp"].is_string() && line["level"].is_string());
    }
}

/// Sends requests, checks the log, and returns the log. The log must contain `expected`, to prove
/// that requests are logged.
#[track_caller]
fn check_log(format: &str, expected: &str) -> String {
    let running = ServiceProcess::start(&["--log-format", format]);
    let count = request_every_route(running.address);
    let signalled = Instant::now();
    running.signal("TERM");
    let (status, written) = running.wait_for_exit();
    let took = signalled.elapsed();
    assert_eq!(status, Some(0), "{written}");
    assert!(
        took < Duration::from_secs(5),
        "the program exited after {took:?}"
    );
    for line in [expected, "batch completed", "batch rejected"] {
        assert!(
            written.contains(line),
            "`{line}` is not in the log: {written}"
        );
    }
    let answered = written.matches("responded").count();
    assert!(answered >= count, "{count} requests: {written}");
    for mark in MARKERS {
        assert!(!written.contains(mark), "{mark} is in the log: {written}");
    }
    written
}

/// Sends requests to every route with markers in every part, and returns the number of requests.
fn request_every_route(address: SocketAddr) -> usize {
    let client = client();
    let json = [("content-type", "application/json")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut count = 0;
    let mut send_marked =
        |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>| {
            let mut marked = headers.to_vec();
            marked.extend([
                ("referer", "https://a.example/?postcode=LA18+4DB"),
                ("x-patient", "LA18 4DB"),
                ("user-agent", "Zq7Mark"),
                ("authorization", "Bearer Zq7Mark"),
                ("x-forwarded-for", "192.0.2.77"),
                ("origin", "https://zq7mark.example"),
            ]);
            let reply = send(&client, address, (method, path), &marked, body);
            count += 1;
            if reply.status >= 400 && reply.header("content-type") == "application/problem+json" {
                let text = reply.text();
                // The response may contain the suggested postcode, but the log must not.
                for mark in MARKERS.iter().filter(|mark| **mark != "LA10 5DL") {
                    assert!(!text.contains(mark), "the response repeats {mark}: {reply}");
                }
            }
        };
    let lookups: &[&[(&str, &str)]] = &[
        &[("postcode", "LA18 4DB"), ("practice", "P81064")],
        &[("postcode", "LA184DB"), ("practice", "P99999")],
        &[("postcode", "LA18 4DB"), ("practice", "P8-MARK")],
        &[("postcode", "LA1O 5DL")],
        &[("postcode", "LA1 0AA")],
        &[("postcode", "Zq7Mark")],
        &[("lon", "-3.2694711"), ("lat", "54.2097422")],
        &[("lon", "54.2097422"), ("lat", "-3.2694711")],
        &[("lon", "-3.2694711"), ("lat", "Zq7Mark")],
        &[("easting", "317303.125"), ("northing", "480077.375")],
        &[("easting", "317303.125")],
        &[("practice", "P81064")],
        &[("practice", "P8-MARK")],
        &[("postcode", "LA18 4DB"), ("as_of", "Zq7Mark")],
        &[("postcode", "LA18 4DB"), ("layers", "Zq7Mark")],
        &[("postcode", "LA18 4DB"), ("Zq7Mark", "1")],
    ];
    for fields in lookups {
        let query = encode_fields(fields);
        let members = fields.iter().map(|&(name, value)| (name, value.into()));
        let object = serde_json::Value::Object(
            members
                .map(|(name, value): (&str, serde_json::Value)| (name.to_string(), value))
                .collect(),
        );
        send_marked("GET", &format!("/api/v1/locate?{query}"), &[], None);
        send_marked("HEAD", &format!("/api/v1/locate?{query}"), &[], None);
        send_marked("POST", "/api/v1/locate", &json, Some(&object.to_string()));
        send_marked("POST", "/", &form, Some(&query));
        send_marked("GET", &format!("/?{query}"), &[], None);
        send_marked("GET", &format!("/privacy?{query}"), &[], None);
        send_marked("GET", &format!("/areas/icc/mb-kendal?{query}"), &[], None);
        send_marked("GET", &format!("/practices?{query}"), &[], None);
        send_marked("GET", &format!("/api/v1/areas?{query}"), &[], None);
        send_marked("GET", &format!("/tiles/icc.json?{query}"), &[], None);
        send_marked("GET", &format!("/api/v1/postcodes?{query}"), &[], None);
        send_marked("GET", &format!("/api/v1/practices?{query}"), &[], None);
        send_marked(
            "GET",
            &format!("/api/v1/areas/icc/mb-lancaster/postcodes?{query}"),
            &[],
            None,
        );
        send_marked("GET", &format!("/health/live?{query}"), &[], None);
        send_marked("GET", &format!("/health/ready?{query}"), &[], None);
        send_marked("GET", &format!("/api/v1/dataset?{query}"), &[], None);
        send_marked("DELETE", &format!("/api/v1/locate?{query}"), &[], None);
    }
    let csv = "name,postcode,gp_practice_code\nZq7Mark,LA18 4DB,P81064\n\"Zq7Mark\",LA1O 5DL,P8-MARK\nLA1 0AA\n";
    for (path, content_type, body) in [
        ("/api/v1/batch", "text/csv", csv),
        ("/api/v1/batch?check", "text/csv", csv),
        ("/api/v1/batch?postcode_column=Zq7Mark", "text/csv", csv),
        ("/api/v1/batch?columns=Zq7Mark", "text/csv", csv),
        ("/api/v1/batch?Zq7Mark=LA18+4DB", "text/csv", csv),
        (
            "/api/v1/batch",
            "text/csv",
            "LA18 4DB,P81064\nLA18 4DB,P81064\n",
        ),
        ("/api/v1/batch", "text/csv", "Zq7Mark,LA1\nLA18 4DB,1\n"),
        ("/api/v1/batch", "text/csv", "Zq7Mark,Zq7Mark,pcd\n1,2,3\n"),
        (
            "/api/v1/batch",
            "application/x-ndjson",
            "{\"postcode\":\"LA18 4DB\"}\nLA18 4DB\n",
        ),
        ("/api/v1/batch", "application/x-ndjson", "LA18 4DB\n"),
        ("/api/v1/batch", "LA18 4DB", csv),
        ("/batch", "text/csv", csv),
        (
            "/batch",
            "multipart/form-data; boundary=Zq7Mark",
            "--Zq7Mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"LA18 4DB.csv\"\r\n\r\npostcode\nLA18 4DB\r\n--Zq7Mark--\r\n",
        ),
        (
            "/batch",
            "multipart/form-data; boundary=Zq7Mark",
            "--Zq7Mark\r\nContent-Disposition: form-data; name=\"LA18 4DB\"\r\n\r\nLA18 4DB\r\n--Zq7Mark--\r\n",
        ),
        (
            "/batch",
            "multipart/form-data; boundary=Zq7Mark",
            "--Zq7Mark\r\nLA18 4DB",
        ),
    ] {
        send_marked("POST", path, &[("content-type", content_type)], Some(body));
    }
    for path in [
        "/oembed?url=https%3A%2F%2Fa.example%2F%3Fpostcode%3DLA18%2B4DB",
        "/oembed?url=Zq7Mark",
        "/oembed?url=LA18%204DB&maxwidth=Zq7Mark",
        "/oembed?Zq7Mark=LA18+4DB",
        "/embed?postcode=LA18+4DB",
        "/embed?area=Zq7Mark",
        "/embed?as_of=Zq7Mark",
        "/embed?search=LA18+4DB",
        "/put-this-map-on-your-site?show=Zq7Mark",
        "/widget/Zq7Mark.json",
        "/widget/icc/Zq7Mark.json",
        "/widget.js?postcode=LA18+4DB",
        "/embed.js?postcode=LA18+4DB",
    ] {
        send_marked("GET", path, &[], None);
    }
    send_marked("GET", "/api/v1/batch/Zq7Mark", &[], None);
    send_marked("GET", "/batch?postcode=LA18+4DB", &[], None);
    send_marked("GET", "/api/v1/postcodes?prefix=LA18%204DB", &[], None);
    send_marked(
        "GET",
        "/api/v1/areas/icc/mb-lancaster/postcodes?after=LA18%204DB",
        &[],
        None,
    );
    for segment in [
        "LA18%204DB",
        "LA184DB",
        "LA1O+5DL",
        "P81064",
        "P99999",
        "Zq7Mark",
        "%ff",
    ] {
        for route in [
            "/api/v1/postcodes/",
            "/api/v1/practices/",
            "/api/v1/areas/",
            "/api/v1/areas/icc/",
            "/api/v1/areas/icc.geojson/",
            "/tiles/",
            "/tiles/icc/8/125/",
            "/assets/",
            "/areas/",
            "/areas/icc/",
            "/practices/",
            "/groups/",
            "/",
        ] {
            send_marked("GET", &format!("{route}{segment}"), &[], None);
        }
    }
    for body in [
        "LA18 4DB",
        "{\"postcode\":",
        "{\"postcode\":[\"LA18 4DB\", 1]}",
    ] {
        send_marked("POST", "/api/v1/locate", &json, Some(body));
        send_marked("POST", "/api/v1/locate", &form, Some(body));
    }
    send_marked(
        "POST",
        "/api/v1/locate",
        &json,
        Some(&"LA18 4DB".repeat(3_000)),
    );
    send_marked("LA184DB", "/api/v1/locate", &[], None);
    send_marked(
        "GET",
        "/api/v1/dataset",
        &[("if-none-match", "\"LA18 4DB\"")],
        None,
    );
    for malformed in [
        "LA18 4DB\r\n\r\n",
        "GET /api/v1/locate?postcode=LA18 4DB HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nLA18 4DB\r\n\r\n",
        "POST /api/v1/locate HTTP/1.1\r\nHost: a\r\nContent-Length: LA18 4DB\r\n\r\n",
    ] {
        send_raw(connect(address), malformed.as_bytes());
    }
    count
}

const PARTIAL_HEADER: &str = "GET /api/v1/locate?postcode=LA18+4DB HTTP/1.1\r\nHost: te";
const PARTIAL_BODY: &str = "POST /api/v1/locate HTTP/1.1\r\nHost: test\r\n\
    Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{\"postcode\":";

/// Sends part of a request and waits until the service reads the body of the request. At shutdown,
/// the service closes every connection from which it has not started to read a request.
fn start_request(mut stream: TcpStream) -> TcpStream {
    let (head, body) = PARTIAL_BODY.split_once("\r\n\r\n").expect("a head");
    let head = format!("{head}\r\nExpect: 100-continue\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("the request is sent");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("100 Continue");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    send_partial(stream, body)
}

fn limits(header_ms: u64, grace_ms: u64) -> ServerLimits {
    ServerLimits {
        header_timeout: Duration::from_millis(header_ms),
        idle_timeout: Duration::from_millis(header_ms),
        shutdown_grace: Duration::from_millis(grace_ms),
        ..ServerLimits::default()
    }
}

fn send_partial(mut stream: TcpStream, half: &str) -> TcpStream {
    stream
        .write_all(half.as_bytes())
        .expect("the request is sent");
    stream
}

#[test]
fn stalled_and_idle_connections_are_closed_in_time() {
    let server = Server::with(embedded(), limits(300, 5_000));
    let started = Instant::now();
    let stalled: Vec<TcpStream> = ["", PARTIAL_HEADER]
        .into_iter()
        .map(|half| send_partial(server.connect(), half))
        .collect();
    // Meanwhile, other requests are answered.
    server.get("/health/live").expect(200);
    let after_answer = send_partial(
        server.connect(),
        "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n",
    );
    for stream in stalled {
        let answer = read_to_close(stream);
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(!answer.contains("4DB"), "{answer}");
    }
    assert!(read_to_close(after_answer).starts_with("HTTP/1.1 200 "));
    let took = started.elapsed();
    assert!(
        (Duration::from_millis(250)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
}

#[test]
fn shutdown_does_not_wait_for_stalled_connections() {
    let server = Server::with(embedded(), limits(10_000, 400));
    let stalled = [
        send_partial(server.connect(), ""),
        send_partial(server.connect(), PARTIAL_HEADER),
        send_partial(server.connect(), PARTIAL_BODY),
    ];
    server.get("/health/live").expect(200);
    let took = server.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
    for stream in stalled {
        let answer = read_to_close(stream);
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[test]
fn shutdown_waits_for_running_requests() {
    let limits = ServerLimits {
        shutdown_delay: Duration::from_secs(2),
        ..limits(10_000, 5_000)
    };
    let server = Server::with(embedded(), limits);
    let mut stream = start_request(server.connect());
    let address = stream.peer_addr().expect("connected");
    let stopping = thread::spawn(move || server.stop());
    // Readiness fails at once, and requests are still answered.
    let deadline = Instant::now() + Duration::from_secs(5);
    let readiness = || send(&client(), address, ("GET", "/health/ready"), &[], None);
    while readiness().status != 503 {
        assert!(Instant::now() < deadline, "the server is still ready");
    }
    readiness().expect_problem(503, "stopping");
    send(&client(), address, ("GET", "/health/live"), &[], None).expect(200);
    let other = send(&client(), address, ("GET", "/api/v1/dataset"), &[], None).expect(200);
    assert_eq!(other.header("connection"), "close", "{other}");
    // Send the rest of the request.
    stream
        .write_all(b"\"LA18 4DB\"}")
        .expect("the request is sent");
    let answer = read_to_close(stream);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let took = stopping.join().expect("the server shuts down");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn second_signals_exit_immediately() {
    let mut running = ServiceProcess::start(&[]);
    let stalled = start_request(connect(running.address));
    running.signal("TERM");
    running.wait_for("stopping");
    let signalled = Instant::now();
    running.signal("TERM");
    let (status, written) = running.wait_for_exit();
    assert_eq!(status, Some(130), "{written}");
    let took = signalled.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "the program exited after {took:?}"
    );
    drop(stalled);
}
