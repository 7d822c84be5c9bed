//! Tests that the program makes no outbound connections. It works without a network, and it makes
//! no system call that could reach another machine.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::external_tools::{report_skipped, stdout_of};
use crate::support::process::ServiceProcess;
use crate::support::server::{client, send};

const NAMESPACE_VARIABLE: &str = "CATCHMENT_TEST_IN_A_NAMESPACE";

/// Sends a request of each kind.
pub(crate) fn send_requests(running: &ServiceProcess) {
    let ask = |method: &str, path: &str, body: Option<&str>| {
        let headers = [("content-type", "text/csv")];
        send(&client(), running.address, (method, path), &headers, body).expect(200);
    };
    for path in [
        "/",
        "/privacy",
        "/sources",
        "/docs",
        "/api/v1/locate?postcode=LA18+4DB",
        "/api/v1/areas/icc.geojson",
        "/tiles/icc/8/125/81.mvt",
        "/maps/icc.png",
        "/maps/icc/mb-kendal.pdf",
        "/ogc/collections/icc/items",
        "/health/ready",
    ] {
        ask("GET", path, None);
    }
    let page = format!("/oembed?url=http%3A%2F%2F{}%2F", running.address);
    ask("GET", &page, None);
    ask("POST", "/api/v1/batch", Some("postcode\nLA18 4DB\n"));
}

fn commands(input: &Path) -> Vec<Vec<String>> {
    let input = input.display().to_string();
    let sibling = |name: &str| Path::new(&input).with_file_name(name).display().to_string();
    [
        vec!["locate", "LA18 4DB"],
        vec!["batch", &input, "-o", &sibling("answered.csv")],
        vec!["check"],
        vec!["export", "--areas", &sibling("areas.geojson")],
        vec!["keys", "list", "--keys", "/nowhere/keys.toml"],
    ]
    .map(|words| words.into_iter().map(str::to_string).collect())
    .to_vec()
}

fn write_input(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("list.csv");
    fs::write(&path, "postcode\nLA18 4DB\n").expect("written");
    path
}

/// The next test runs this test in a child process.
#[test]
#[ignore = "run in a network namespace by service_and_commands_work_without_a_network"]
fn works_without_a_network_in_a_child_process() {
    if env::var_os(NAMESPACE_VARIABLE).is_none() {
        return;
    }
    let routes = fs::read_to_string("/proc/net/route").expect("a routing table");
    assert_eq!(
        routes.lines().count(),
        1,
        "the namespace has a network: {routes}"
    );
    let running = ServiceProcess::start(&[]);
    send_requests(&running);
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0, Some(0));
    let folder = TempDir::new().expect("a folder");
    for words in commands(&write_input(&folder)) {
        let done = Command::new(env!("CARGO_BIN_EXE_catchment"))
            .args(&words)
            .output();
        let done = done.expect("the program runs");
        assert!(
            done.status.success() || words[0] == "keys" || words[0] == "check",
            "{done:?}"
        );
    }
    println!("everything succeeded");
}

#[test]
fn service_and_commands_work_without_a_network() {
    let namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script, "sh"]);
        command
    };
    let probe = namespace("ip link set lo up").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        report_skipped(
            "a test without a network: install unshare and ip, and permit network namespaces",
        );
        return;
    }
    let mut command = namespace("ip link set lo up && exec \"$@\"");
    command
        .arg(env::current_exe().expect("the path of this program"))
        .args([
            "ops::no_network::works_without_a_network_in_a_child_process",
            "--exact",
        ])
        .args(["--ignored", "--nocapture"])
        .env(NAMESPACE_VARIABLE, "1");
    let output = stdout_of(&mut command);
    assert!(output.contains("everything succeeded"), "{output}");
}

/// The system calls that could reach another machine.
const TRACED_CALLS: &str = "trace=socket,connect,bind,listen,sendto,sendmsg,sendmmsg";

fn traced_command(to: &Path) -> Command {
    let mut command = Command::new("strace");
    // With -D, strace is a child of the program, so that signals reach the program.
    command
        .args(["-D", "-f", "-qq", "-e", TRACED_CALLS, "-o"])
        .arg(to);
    command.arg(env!("CARGO_BIN_EXE_catchment"));
    command
}

/// Returns the traced system calls, including continuation lines that contain a socket address.
fn network_calls(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a trace");
    let lines = text.lines().map(|line| match line.split_once(' ') {
        Some((id, rest)) if id.bytes().all(|byte| byte.is_ascii_digit()) => rest.trim_start(),
        _ => line,
    });
    let calls = lines.filter(|line| line.contains('(') || line.contains("sa_family"));
    calls.map(str::to_string).collect()
}

#[test]
fn no_outbound_system_calls_are_made() {
    let folder = TempDir::new().expect("a folder");
    let trace = folder.path().join("trace");
    let probe = Command::new("strace")
        .args(["-D", "-o"])
        .arg(&trace)
        .arg("true")
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        report_skipped("system calls: install strace, and permit it to trace the program");
        return;
    }
    let running = ServiceProcess::start_command(
        &mut traced_command(&trace),
        &["--admin-listen", "127.0.0.1:0"],
    );
    send_requests(&running);
    running.signal("HUP");
    send_requests(&running);
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0, Some(0));
    let calls = network_calls(&trace);
    let count = |name: &str| calls.iter().filter(|text| text.starts_with(name)).count();
    assert_eq!(count("connect("), 0, "{calls:?}");
    // The program has two listeners. Socket pairs between its own threads have no address.
    assert_eq!(count("listen("), 2, "{calls:?}");
    assert_eq!(count("bind("), 2, "{calls:?}");
    assert_eq!(count("socket("), 2, "{calls:?}");
    let with_address = calls
        .iter()
        .filter(|call| call.starts_with("send") && call.contains("sa_family"));
    assert_eq!(with_address.count(), 0, "{calls:?}");
    for words in commands(&write_input(&folder)) {
        let done = traced_command(&trace)
            .args(&words)
            .output()
            .expect("the program runs");
        let calls = network_calls(&trace);
        assert!(calls.is_empty(), "{words:?}: {calls:?}: {done:?}");
    }
}
