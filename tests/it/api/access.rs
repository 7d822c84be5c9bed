//! Tests of API keys, rate limits, CORS origins and the admin socket.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use catchment::domain::today_in_london;
use catchment::http::{AccessConfig, BatchLimits, IpRateLimit, ServerLimits};
use catchment::ops::keys::{self, KeyStore, NewKey, Scope};
use tempfile::TempDir;

use crate::support::process::ServiceProcess;
use crate::support::server::{Reply, SERVER, Server, client, embedded, send};

const ALLOWED_ORIGIN: &str = "https://intranet.example";
const OTHER_ORIGIN: (&str, &str) = ("origin", "https://surgery.example");
const BATCH: &str = "postcode\nLA18 4DB\n";

fn server(access: AccessConfig) -> Server {
    let limits = ServerLimits::default();
    Server::with_access(embedded(), limits, BatchLimits::default(), access)
}

fn rate_limited_server(rate: &str, proxies: &[&str]) -> Server {
    server(AccessConfig {
        ip_rate_limit: IpRateLimit::AllClients(rate.parse().expect("a rate")),
        trusted_proxies: proxies
            .iter()
            .map(|proxy| proxy.parse().expect("a network"))
            .collect(),
        ..AccessConfig::default()
    })
}

/// An API key file in a temporary folder.
struct KeyFile {
    _folder: TempDir,
    path: PathBuf,
}

impl KeyFile {
    fn new() -> KeyFile {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("keys.toml");
        KeyFile {
            _folder: folder,
            path,
        }
    }

    /// Adds a key. Returns the value of the key's `Authorization` header (`Bearer …`) and the key's
    /// id.
    fn add(&self, scopes: &[Scope], quota: Option<&str>) -> (String, String) {
        let new = NewKey {
            name: "a test".into(),
            scopes: scopes.to_vec(),
            expires: None,
            quota: quota.map(|text| text.parse().expect("a rate")),
        };
        let added = keys::add(&self.path, new, today_in_london());
        let (key, secret) = added.expect("the key is added");
        (format!("Bearer {}", secret.expose()), key.id)
    }

    fn open(&self) -> Arc<KeyStore> {
        Arc::new(KeyStore::open(&self.path).expect("readable"))
    }
}

fn server_needing_key(keys: Arc<KeyStore>, scopes: &[Scope]) -> Server {
    server(AccessConfig {
        keys: Some(keys),
        scopes_requiring_key: scopes.to_vec(),
        cors_origins: vec![ALLOWED_ORIGIN.into()],
        ..AccessConfig::default()
    })
}

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    server.send("GET", path, headers, None)
}

fn post_batch(server: &Server, headers: &[(&str, &str)]) -> Reply {
    let mut all = vec![("content-type", "text/csv")];
    all.extend(headers);
    server.send("POST", "/api/v1/batch", &all, Some(BATCH))
}

// ---- rate limits --------------------------------------------------------------------------------

#[test]
fn rate_limited_clients_get_429_with_retry_after() {
    let server = rate_limited_server("3/hour", &[]);
    for left in ["2", "1", "0"] {
        let reply = get(&server, "/api/v1/dataset", &[OTHER_ORIGIN]).expect(200);
        assert_eq!(reply.header("ratelimit-policy"), "\"address\";q=3;w=3600");
        let now = reply.header("ratelimit");
        assert!(
            now.starts_with(&format!("\"address\";r={left};t=")),
            "{reply}"
        );
    }
    let refused =
        get(&server, "/api/v1/dataset", &[OTHER_ORIGIN]).expect_problem(429, "rate_limited");
    let retry_after_s: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1_190..=1_200).contains(&retry_after_s), "{refused}");
    assert!(
        refused
            .header("ratelimit")
            .starts_with("\"address\";r=0;t="),
        "{refused}"
    );
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "*",
        "{refused}"
    );
    let exposed_headers = refused.header("access-control-expose-headers");
    assert!(
        exposed_headers.contains("retry-after") && exposed_headers.contains("ratelimit"),
        "{refused}"
    );
    // Requests for pages and missing resources also count towards the rate limit. Health checks and
    // preflight requests do not.
    server.get("/").expect_problem(429, "rate_limited");
    server.get("/nothing").expect_problem(429, "rate_limited");
    post_batch(&server, &[]).expect_problem(429, "rate_limited");
    server.get("/health/live").expect(200);
    server.get("/health/ready").expect(200);
    let preflight_headers = [OTHER_ORIGIN, ("access-control-request-method", "GET")];
    let preflight = server
        .send("OPTIONS", "/api/v1/locate", &preflight_headers, None)
        .expect(200);
    assert_eq!(
        preflight.header("access-control-allow-origin"),
        "*",
        "{preflight}"
    );
}

#[test]
fn x_forwarded_for_from_untrusted_clients_is_ignored() {
    let server = rate_limited_server("2/hour", &["10.0.0.0/8"]);
    for value in 0..4 {
        let hop = format!("192.0.2.{value}");
        let reply = get(&server, "/api/v1/dataset", &[("x-forwarded-for", &hop)]);
        assert_eq!(reply.status, if value < 2 { 200 } else { 429 }, "{reply}");
    }
}

#[test]
fn client_ip_is_the_last_untrusted_hop_of_x_forwarded_for() {
    let server = rate_limited_server("2/hour", &["127.0.0.0/8", "10.0.0.0/8"]);
    let ask = |hops: &str| get(&server, "/api/v1/dataset", &[("x-forwarded-for", hops)]).status;
    assert_eq!(ask("192.0.2.1"), 200);
    assert_eq!(ask("192.0.2.1"), 200);
    assert_eq!(ask("192.0.2.1"), 429);
    assert_eq!(ask("192.0.2.2"), 200);
    // The client itself may have written the addresses before the last untrusted address.
    assert_eq!(ask("198.51.100.1, 192.0.2.1"), 429);
    assert_eq!(ask("198.51.100.2, 192.0.2.1, 10.1.1.1"), 429);
    // IPv6 clients with the same /64 prefix are counted as one client.
    assert_eq!(ask("2001:db8:1:1::1"), 200);
    assert_eq!(ask("2001:db8:1:1::2"), 200);
    assert_eq!(ask("2001:db8:1:1:ffff::3"), 429);
    assert_eq!(ask("2001:db8:1:2::1"), 200);
}

/// Regression test: if `X-Forwarded-For` contained a non-ASCII byte, the server mistook the client
/// for the proxy, which is on loopback and therefore exempt from the rate limit.
#[test]
fn unparsable_forwarded_hops_are_rate_limited_as_one_client() {
    let server = server(AccessConfig {
        ip_rate_limit: IpRateLimit::ExceptLoopback("20/hour".parse().expect("a rate")),
        trusted_proxies: vec!["127.0.0.1".parse().expect("a network")],
        ..AccessConfig::default()
    });
    let ask = |hops: &[u8]| {
        let mut request =
            b"GET /api/v1/dataset HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Forwarded-For: "
                .to_vec();
        request.extend_from_slice(hops);
        request.extend_from_slice(b"\r\n\r\n");
        let mut stream = server.connect();
        stream.write_all(&request).expect("the request is sent");
        let answer = crate::support::server::read_to_close(stream);
        answer[9..12].to_string()
    };
    // The client is the last hop, which the proxy added.
    for _ in 0..20 {
        assert_eq!(ask(b"\xff, 192.0.2.1"), "200");
    }
    assert_eq!(ask(b"192.0.2.1"), "429");
    assert_eq!(ask(b"\xff, 192.0.2.1"), "429");
    // All unparsable addresses are counted as one client, which is limited to a tenth of the rate
    // limit.
    for (hops, status) in [
        (b"192.0.2.7, \xff".as_slice(), "200"),
        (b"unknown", "200"),
        (b"_hidden", "429"),
        (b"", "429"),
        (b"192.0.2.8, 127.0.0.1, rubbish", "429"),
        (b"192.0.2.8", "200"),
    ] {
        assert_eq!(ask(hops), status, "{}", String::from_utf8_lossy(hops));
    }
}

#[test]
fn loopback_clients_are_exempt_from_the_default_rate_limit() {
    let server = server(AccessConfig {
        ip_rate_limit: IpRateLimit::ExceptLoopback("1/hour".parse().expect("a rate")),
        trusted_proxies: vec!["127.0.0.1".parse().expect("a network")],
        ..AccessConfig::default()
    });
    for _ in 0..3 {
        let reply = server.get("/api/v1/dataset").expect(200);
        assert_eq!(reply.header("ratelimit"), "", "{reply}");
    }
    let forwarded = [("x-forwarded-for", "192.0.2.1")];
    get(&server, "/api/v1/dataset", &forwarded).expect(200);
    get(&server, "/api/v1/dataset", &forwarded).expect_problem(429, "rate_limited");
}

// ---- API keys -----------------------------------------------------------------------------------

#[test]
fn only_configured_scopes_need_an_api_key() {
    let file = KeyFile::new();
    let (key, id) = file.add(&[Scope::Batch], None);
    let (for_tiles, _) = file.add(&[Scope::Tiles], None);
    let keys = file.open();
    let server = server_needing_key(Arc::clone(&keys), &[Scope::Batch]);

    let refused = post_batch(&server, &[]).expect_problem(401, "key_required");
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer realm=\"catchment\""
    );
    for wrong in [
        "Bearer",
        "Bearer ",
        "Bearer x",
        &format!("{key}0"),
        "Basic eDp5",
    ] {
        let reply = post_batch(&server, &[("authorization", wrong)]).expect(401);
        assert!(
            reply
                .header("www-authenticate")
                .starts_with("Bearer realm="),
            "{reply}"
        );
        // The response does not contain the id of the valid key.
        assert!(!reply.text().contains(&id), "{reply}");
    }
    let wrong = [("authorization", "Bearer catchment_00000000_00")];
    let refused = post_batch(&server, &wrong).expect_problem(401, "unknown_key");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.ends_with("error=\"invalid_token\""), "{refused}");

    let other = [("authorization", for_tiles.as_str())];
    let refused = post_batch(&server, &other).expect_problem(403, "insufficient_scope");
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.contains("error=\"insufficient_scope\", scope=\"batch\""),
        "{refused}"
    );

    let right = [("authorization", key.as_str())];
    let reply = post_batch(&server, &right).expect(200);
    assert!(reply.text().contains("located"), "{reply}");
    let in_capitals = key.replacen("Bearer", "BEARER", 1);
    post_batch(&server, &[("authorization", &in_capitals)]).expect(200);
    for path in ["/batch", "/api/v1/batch/0123456789abcdef0123456789abcdef"] {
        server.get(path).expect_problem(401, "key_required");
    }

    // Public routes need no key, but a key that is sent to them must be valid.
    server.locate(&[("postcode", "LA18 4DB")]).expect(200);
    server.get("/").expect(200);
    get(&server, "/api/v1/dataset", &other).expect(200);
    get(&server, "/api/v1/dataset", &wrong).expect_problem(401, "unknown_key");

    keys::revoke(&file.path, &id, today_in_london()).expect("the key exists");
    assert!(keys.refresh().expect("readable"));
    post_batch(&server, &right).expect_problem(401, "revoked_key");
}

#[test]
fn browsers_can_send_the_key_as_the_basic_auth_password() {
    let file = KeyFile::new();
    let (key, _) = file.add(&[Scope::Batch, Scope::Pages], None);
    let key = key.trim_start_matches("Bearer ");
    let server = server_needing_key(file.open(), &[Scope::Batch, Scope::Pages]);
    let basic = |user_and_password: &str| {
        let encoded = BASE64_STANDARD.encode(user_and_password);
        format!("Basic {encoded}")
    };
    for path in ["/", "/batch"] {
        let refused = server.get(path).expect(401);
        let challenges = refused.headers.get_all("www-authenticate").iter();
        let challenges: Vec<&str> = challenges
            .filter_map(|challenge| challenge.to_str().ok())
            .collect();
        assert_eq!(
            challenges,
            [
                "Bearer realm=\"catchment\"",
                "Basic realm=\"catchment\", charset=\"UTF-8\""
            ]
        );
        for user in ["", "anybody"] {
            let credentials = basic(&format!("{user}:{key}"));
            get(&server, path, &[("authorization", &credentials)]).expect(200);
        }
        // Passwords that are not keys are rejected on routes that require a key.
        let other = basic("user:password");
        get(&server, path, &[("authorization", &other)]).expect(401);
        let wrong = basic(&format!("user:{key}0"));
        get(&server, path, &[("authorization", &wrong)]).expect(401);
        get(&server, path, &[("authorization", "Basic ???")]).expect(401);
    }
    let other = basic("user:password");
    get(&server, "/privacy", &[("authorization", &other)]).expect(200);
}

#[test]
fn each_key_has_its_own_quota() {
    let file = KeyFile::new();
    let (key, _) = file.add(&[Scope::Locate], Some("2/hour"));
    let (other, _) = file.add(&[Scope::Locate], Some("2/hour"));
    let server = server_needing_key(file.open(), &[Scope::Locate]);
    let ask = |key: &str| {
        let path = "/api/v1/locate?postcode=LA18+4DB";
        get(&server, path, &[("authorization", key)])
    };
    for left in ["1", "0"] {
        let reply = ask(&key).expect(200);
        assert_eq!(
            reply.header("ratelimit-policy"),
            "\"key\";q=2;w=3600",
            "{reply}"
        );
        assert!(
            reply
                .header("ratelimit")
                .starts_with(&format!("\"key\";r={left};t=")),
            "{reply}"
        );
    }
    ask(&key).expect_problem(429, "rate_limited");
    ask(&other).expect(200);
}

#[test]
fn keyed_responses_are_cache_control_private() {
    let file = KeyFile::new();
    let (key, _) = file.add(&[Scope::Areas], None);
    let server = server_needing_key(file.open(), &[Scope::Areas, Scope::Postcodes]);
    let cache_control = |path: &str| {
        let reply = get(&server, path, &[("authorization", &key)]).expect(200);
        reply.header("cache-control").to_string()
    };
    for path in ["/api/v1/areas/icc.geojson", "/areas/icc/mb-kendal"] {
        assert!(
            cache_control(path).starts_with("private, max-age="),
            "{path}"
        );
    }
    assert!(cache_control("/tiles/icc.json").starts_with("public, max-age="));
    for path in [
        "/areas/icc/mb-kendal",
        "/practices/P81002",
        "/groups/barrow-resilience-group",
    ] {
        let path = format!("{path}/postcodes");
        get(&server, &path, &[]).expect_problem(401, "key_required");
    }
}

/// Every route in the API document belongs to a scope or is always public.
#[test]
fn every_data_route_can_require_a_key() {
    let file = KeyFile::new();
    file.add(&[], None);
    let server = server_needing_key(file.open(), &Scope::ALL);
    let document = SERVER.get("/openapi.json").expect(200).json();
    let public_paths = [
        "/api/v1/dataset",
        "/dataset.jsonld",
        "/datasets.atom",
        "/oembed",
        "/openapi.json",
        "/docs",
        "/privacy",
        "/sources",
        "/health/live",
        "/health/ready",
        "/ping",
    ];
    let mut key_required_count = 0;
    for (template, methods) in document["paths"].as_object().expect("paths") {
        let path: String = template
            .split('/')
            .map(|part| if part.contains('{') { "1" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let method = if methods.get("get").is_some() {
            "GET"
        } else {
            "POST"
        };
        let reply = server.send(method, &path, &[], None);
        let requires_key = reply.status == 401;
        assert_eq!(
            requires_key,
            !public_paths.contains(&template.as_str()),
            "{reply}"
        );
        key_required_count += usize::from(requires_key);
    }
    assert!(key_required_count > 15, "{key_required_count}");
    // The definition needs no key, so it must not contain an answer from the dataset.
    let example = "/paths/~1api~1v1~1locate/get/responses/200/content/application~1json/example";
    assert!(document.pointer(example).is_some());
    let restricted = server.get("/openapi.json").expect(200).json();
    assert_eq!(restricted.pointer(example), None);
    server.get("/").expect_problem(401, "key_required");
}

#[test]
fn cors_allows_keys_only_from_configured_origins() {
    let file = KeyFile::new();
    let (key, _) = file.add(&[Scope::Batch], None);
    let server = server_needing_key(file.open(), &[Scope::Batch]);
    let allowed_origin = ("origin", ALLOWED_ORIGIN);
    let request_method = ("access-control-request-method", "POST");
    let preflight = |path, origin| {
        server
            .send("OPTIONS", path, &[origin, request_method], None)
            .expect(200)
    };
    let allowed = |reply: &Reply| reply.header("access-control-allow-origin").to_string();
    let allows_key = |reply: &Reply| {
        let headers = reply.header("access-control-allow-headers");
        headers.contains("authorization")
    };

    let response = preflight("/api/v1/batch", allowed_origin);
    assert_eq!(
        (allowed(&response).as_str(), allows_key(&response)),
        (ALLOWED_ORIGIN, true),
        "{response}"
    );
    assert!(response.header("vary").contains("origin"), "{response}");
    assert_eq!(
        response.header("access-control-max-age"),
        "86400",
        "{response}"
    );
    for origin in [
        "https://surgery.example",
        "null",
        "https://intranet.example.evil",
        "https://INTRANET.example",
    ] {
        let response = preflight("/api/v1/batch", ("origin", origin));
        assert_eq!(
            (allowed(&response).as_str(), allows_key(&response)),
            ("", false),
            "{response}"
        );
    }
    // Pages from any origin can read public resources.
    let response = preflight("/api/v1/locate", OTHER_ORIGIN);
    assert_eq!(
        (allowed(&response).as_str(), allows_key(&response)),
        ("*", false),
        "{response}"
    );
    let response = preflight("/api/v1/locate", allowed_origin);
    assert_eq!(
        (allowed(&response).as_str(), allows_key(&response)),
        ("*", true),
        "{response}"
    );

    let right = ("authorization", key.as_str());
    assert_eq!(
        allowed(&post_batch(&server, &[right, allowed_origin]).expect(200)),
        ALLOWED_ORIGIN
    );
    assert_eq!(
        allowed(&post_batch(&server, &[right, OTHER_ORIGIN]).expect(200)),
        ""
    );
    let refused = post_batch(&server, &[allowed_origin]).expect_problem(401, "key_required");
    assert_eq!(allowed(&refused), ALLOWED_ORIGIN, "{refused}");
    for reply in [response, refused] {
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            "",
            "{reply}"
        );
    }
}

#[test]
fn rejections_have_security_headers() {
    let file = KeyFile::new();
    let (key, _) = file.add(&[], None);
    let server = server(AccessConfig {
        keys: Some(file.open()),
        scopes_requiring_key: vec![Scope::Batch],
        ip_rate_limit: IpRateLimit::AllClients("2/hour".parse().expect("a rate")),
        ..AccessConfig::default()
    });
    let long = format!("/api/v1/dataset?as_of={}", "1".repeat(13_000));
    let replies = [
        server.get(&long).expect(414),
        post_batch(&server, &[]).expect(401),
        post_batch(&server, &[("authorization", &key)]).expect(403),
        post_batch(&server, &[("authorization", "Bearer x")]).expect(401),
        server.get("/").expect(429),
    ];
    for reply in replies {
        for (name, expected) in [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("permissions-policy", "camera=()"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("content-type", "application/problem+json"),
        ] {
            assert!(reply.header(name).starts_with(expected), "{reply}");
        }
    }
}

// ---- the keys command, and the admin socket -----------------------------------------------------

fn keys_command(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command
        .arg("keys")
        .args(arguments)
        .output()
        .expect("the program runs")
}

#[track_caller]
fn stdout_of(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn keys_can_be_added_and_revoked_at_runtime_and_are_never_logged() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("keys.toml");
    let path = path.to_str().expect("text");
    let add = |name: &str, more: &[&str]| {
        let mut arguments = vec!["add", "--keys", path, "--name", name];
        arguments.extend(more);
        stdout_of(keys_command(&arguments)).trim_end().to_string()
    };
    let first = add("call handlers", &["--quota", "600/minute"]);
    let mut running = ServiceProcess::start(&["--keys", path, "--require-key-for", "batch"]);
    let address = running.address;
    let ask = |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("content-type", "text/csv"),
            ("authorization", bearer.as_str()),
        ];
        send(
            &client(),
            address,
            ("POST", "/api/v1/batch"),
            &headers,
            Some(BATCH),
        )
    };
    ask(&first).expect(200);
    let second = add(
        "analysts",
        &["--scopes", "batch,tiles", "--expires", "2999-01-01"],
    );
    running.wait_for("API keys loaded count=2");
    ask(&second).expect(200);

    let listing = stdout_of(keys_command(&["list", "--keys", path]));
    assert!(listing.contains("active\tbatch,tiles\t"), "{listing}");
    assert!(
        listing.contains("\t600/minute\tcall handlers\n"),
        "{listing}"
    );
    let id = first.split('_').nth(1).expect("an id");
    stdout_of(keys_command(&["revoke", "--keys", path, id]));
    running.wait_for("API keys loaded count=2");
    ask(&first).expect_problem(401, "revoked_key");
    ask(&second).expect(200);
    ask("Zq7Mark").expect_problem(401, "unknown_key");

    // An error in the API key file is logged, and the previous keys remain in use.
    std::fs::write(path, "key = 1").expect("written");
    running.wait_for("could not load the API keys; the previous keys stay in use");
    ask(&second).expect(200);
    running.signal("TERM");
    let (status, written) = running.wait_for_exit();
    assert_eq!(status, Some(0), "{written}");
    let line = written
        .lines()
        .find(|line| line.contains("batch completed"));
    assert!(
        line.expect("a line").contains(&format!("key=\"{id}\"")),
        "{written}"
    );
    for secret in [&first, &second] {
        let random = secret.rsplit('_').next().expect("a part");
        assert!(!written.contains(random), "{written}");
        assert!(!listing.contains(random), "{listing}");
    }
    assert!(!written.contains("Zq7Mark"), "{written}");
    assert!(!stderr_of_failure(&keys_command(&["revoke", "--keys", path, "x"])).is_empty());
}

fn stderr_of_failure(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn keys_command_explains_invalid_arguments() {
    let nowhere = "/nowhere/keys.toml";
    for (arguments, expected) in [
        (&["list", "--keys", nowhere][..], "/nowhere/keys.toml: "),
        (&["add", "--keys", nowhere, "--name", "a"], "/nowhere"),
        (
            &["add", "--keys", "k", "--name", "a", "--scopes", "lists"],
            "expected a scope: batch",
        ),
        (
            &["add", "--keys", "k", "--name", "a", "--quota", "5/week"],
            "such as 6000/minute",
        ),
        (
            &["add", "--keys", "k", "--name", "a", "--expires", "soon"],
            "--expires",
        ),
    ] {
        let output = keys_command(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let message = stderr_of_failure(&output);
        assert!(message.contains(expected), "{message}");
    }
    assert!(!Path::new("k").exists());
}

#[cfg(unix)]
#[test]
fn admin_socket_is_accessible_only_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("admin.sock");
    let socket = format!("unix:{}", path.display());
    let ask = |request: &str| {
        let mut stream = UnixStream::connect(&path).expect("the socket is listening");
        let head = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream
            .write_all(head.as_bytes())
            .expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    };
    // The second process replaces the socket that the first process left.
    for _ in 0..2 {
        let mut running = ServiceProcess::start(&["--admin-listen", &socket]);
        running.wait_for(&format!("address=\"{}\"", path.display()));
        let mode = path
            .metadata()
            .expect("the socket exists")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let metrics = ask("GET /metrics");
        assert!(
            metrics.contains("catchment_requests_rejected_total{reason=\"rate_limit\"} 0"),
            "{metrics}"
        );
        assert!(ask("POST /reload").contains("\"reloaded\""));
        assert!(ask("GET /api/v1/dataset").starts_with("HTTP/1.1 404 "));
        let started = Instant::now();
        running.signal("TERM");
        let (status, written) = running.wait_for_exit();
        assert_eq!(status, Some(0), "{written}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    let file_count = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(file_count, 1);
}
