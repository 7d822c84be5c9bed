//! The program makes no outbound connections: it works without a network, and makes no system call
//! that could reach another machine.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::programs::{printed, tell_skipped};
use crate::running::Running;
use crate::server::{client, send};

const INSIDE: &str = "CATCHMENT_TEST_IN_A_NAMESPACE";

/// Sends a request of each kind.
pub(crate) fn ask(running: &Running) {
    let ask = |method: &str, path: &str, body: Option<&str>| {
        let headers = [("content-type", "text/csv")];
        send(&client(), running.address, (method, path), &headers, body).expect(200);
    };
    for path in [
        "/",
        "/privacy",
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

fn commands(list: &Path) -> Vec<Vec<String>> {
    let list = list.display().to_string();
    let beside = |name: &str| Path::new(&list).with_file_name(name).display().to_string();
    [
        vec!["locate", "LA18 4DB"],
        vec!["batch", &list, "-o", &beside("answered.csv")],
        vec!["check"],
        vec!["export", "--areas", &beside("areas.geojson")],
        vec!["keys", "list", "--keys", "/nowhere/keys.toml"],
    ]
    .map(|words| words.into_iter().map(str::to_string).collect())
    .to_vec()
}

fn list(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("list.csv");
    fs::write(&path, "postcode\nLA18 4DB\n").expect("written");
    path
}

/// Run by the next test in a child process.
#[test]
#[ignore = "run in a network namespace by service_and_commands_work_without_a_network"]
fn everything_works_without_a_way_out() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let routes = fs::read_to_string("/proc/net/route").expect("a routing table");
    assert_eq!(routes.lines().count(), 1, "there is a network: {routes}");
    let running = Running::start(&[]);
    ask(&running);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
    let folder = TempDir::new().expect("a folder");
    for words in commands(&list(&folder)) {
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
fn it_answers_where_there_is_no_way_out() {
    let namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script, "sh"]);
        command
    };
    let may = namespace("ip link set lo up").output();
    if !may.is_ok_and(|it| it.status.success()) {
        tell_skipped(
            "without a network: cannot create a network namespace (unshare, ip)",
        );
        return;
    }
    let mut inside = namespace("ip link set lo up && exec \"$@\"");
    inside
        .arg(env::current_exe().expect("the path of this program"))
        .args(["no_network::works_without_a_network_in_a_child_process", "--exact"])
        .args(["--ignored", "--nocapture"])
        .env(INSIDE, "1");
    let told = printed(&mut inside);
    assert!(told.contains("everything succeeded"), "{told}");
}

/// The system calls that could reach another machine.
const CALLS: &str = "trace=socket,connect,bind,listen,sendto,sendmsg,sendmmsg";

fn traced(to: &Path) -> Command {
    let mut command = Command::new("strace");
    // With -D, the tracer is a child of the traced process, so that signals reach the latter.
    command.args(["-D", "-f", "-qq", "-e", CALLS, "-o"]).arg(to);
    command.arg(env!("CARGO_BIN_EXE_catchment"));
    command
}

/// Returns the traced system calls, including continued ones with a socket address.
fn calls(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a trace");
    let of_threads = text.lines().map(|line| match line.split_once(' ') {
        Some((id, rest)) if id.bytes().all(|byte| byte.is_ascii_digit()) => rest.trim_start(),
        _ => line,
    });
    let calls = of_threads.filter(|line| line.contains('(') || line.contains("sa_family"));
    calls.map(str::to_string).collect()
}

#[test]
fn the_kernel_is_never_asked_to_reach_anybody() {
    let folder = TempDir::new().expect("a folder");
    let trace = folder.path().join("trace");
    let may = Command::new("strace")
        .args(["-D", "-o"])
        .arg(&trace)
        .arg("true")
        .status();
    if !may.is_ok_and(|it| it.success()) {
        tell_skipped("system calls: strace is missing or lacks permission");
        return;
    }
    let running = Running::by(&mut traced(&trace), &["--admin-listen", "127.0.0.1:0"]);
    ask(&running);
    running.signal("HUP");
    ask(&running);
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
    let made = calls(&trace);
    let count = |name: &str| made.iter().filter(|it| it.starts_with(name)).count();
    assert_eq!(count("connect("), 0, "{made:?}");
    // Two listeners. Socket pairs between its own threads have no address.
    assert_eq!(count("listen("), 2, "{made:?}");
    assert_eq!(count("bind("), 2, "{made:?}");
    assert_eq!(count("socket("), 2, "{made:?}");
    let named = made
        .iter()
        .filter(|it| it.starts_with("send") && it.contains("sa_family"));
    assert_eq!(named.count(), 0, "{made:?}");
    for words in commands(&list(&folder)) {
        let done = traced(&trace).args(&words).output().expect("the program runs");
        let made = calls(&trace);
        assert!(made.is_empty(), "{words:?}: {made:?}: {done:?}");
    }
}
