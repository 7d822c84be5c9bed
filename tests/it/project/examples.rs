//! Runs the examples in `examples/`, and checks their output.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::external_tools::stdout_of;
use crate::support::server::{client, send};

/// Returns a command that runs an example. Cargo builds the examples with the tests, in a folder
/// next to the program.
fn example(name: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_catchment")).with_file_name("examples");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} does not exist: run `cargo test` without `--test`, or first `cargo build --examples`",
        path.display()
    );
    Command::new(path)
}

/// Checks that an example prints these lines, among others, in this order.
#[track_caller]
fn check(name: &str, expected: &[&str]) {
    let output = stdout_of(&mut example(name));
    let mut lines = output.lines();
    for line in expected {
        assert!(
            lines.any(|printed| printed == *line),
            "{name} does not print `{line}`, or prints it too early: {output}"
        );
    }
}

#[test]
fn locate_prints_areas_practices_and_groups_with_their_provenance() {
    check(
        "locate",
        &[
            "LA18 4DB: located",
            "lives in icc: Barrow and Millom ICC (indicative)",
            "lives in gp-practice: A82033 Waterloo House Surgery (modelled)",
            "lives in resilience-group: West Cumbria Resilience Group, via mb-millom (indicative)",
            "registered in icc: Lancaster ICC (derived)",
            "registered in resilience-group: unknown: none named by the source",
            "residence and registration: differ",
            "lancashire-and-cumbria 2026.1",
        ],
    );
}

#[test]
fn own_areas_finds_exactly_one_area_on_a_border() {
    let output = stdout_of(&mut example("own_areas"));
    let places: Vec<&str> = output
        .lines()
        .map(|line| line.split(" m from").next().expect("a part"))
        .collect();
    let [west, border, hole, outside] = places[..] else {
        panic!("one line for each coordinate: {output}")
    };
    assert!(west.starts_with("-2.77 54.35: in west, "), "{output}");
    let on_border = ["-2.74 54.33: in west, 0", "-2.74 54.33: in east, 0"];
    assert!(on_border.contains(&border), "{output}");
    assert!(hole.starts_with("-2.785 54.315: in no area, "), "{output}");
    assert!(
        outside.starts_with("-2.6 54.33: in no area, ") && output.ends_with(" m from east\n"),
        "{output}"
    );
}

#[test]
fn answer_csv_prints_every_row_and_the_summary() {
    let output = stdout_of(&mut example("answer_csv"));
    let (table, _) = output.split_once("\n\n").expect("a table");
    let rows: Vec<&str> = table.lines().collect();
    let input = [
        "nhs_number,postcode,gp_practice_code,catchment_status,",
        "9990000011,LA18 4DB,P81064,located,",
        "9990000022,LA10 5DL,A82608,located,",
        "9990000033,LA1O 5DL,A82608,malformed,",
        "9990000044,ZZ99 3VZ,A82608,no_fixed_abode,",
    ];
    assert_eq!(rows.len(), input.len(), "{output}");
    for (row, start) in rows.iter().zip(input) {
        assert!(row.starts_with(start), "{output}");
    }
    check(
        "answer_csv",
        &[
            "rows: 4",
            "located: 2",
            "no_fixed_abode: 1",
            "malformed: 1",
            "agree: 1",
            "differ: 1",
            "registration_only: 2",
            "Barrow and Millom ICC: 1 resident, 0 registered",
            "East ICC: 1 resident, 3 registered",
            "Lancaster ICC: 0 resident, 1 registered",
        ],
    );
}

/// A running example, which is killed when it is dropped.
struct RunningExample(Child);

impl Drop for RunningExample {
    fn drop(&mut self) {
        // The process has exited, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn mount_router_serves_both_apps_until_ctrl_c() {
    let spawned = example("mount_router").stdout(Stdio::piped()).spawn();
    let mut running = RunningExample(spawned.expect("the example starts"));
    let mut stdout = BufReader::new(running.0.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    let url = line.strip_prefix("listening on http://");
    let address = url.and_then(|url| url.split('/').next());
    let address: Option<SocketAddr> = address.and_then(|address| address.parse().ok());
    let address = address.unwrap_or_else(|| panic!("no address: {line}"));
    let get = |path| send(&client(), address, ("GET", path), &[], None);

    assert_eq!(get("/hello").expect(200).text(), "a route of your own\n");
    let located = get("/api/v1/locate?postcode=LA18+4DB").expect(200).json();
    assert_eq!(located["residence"]["icc"][0]["id"], "mb-barrow-and-millom");
    // Paths with parameters work as in the routes of the service.
    let entry = get("/api/v1/postcodes/LA184DB").expect(200).json();
    assert_eq!(entry["location"]["postcode"], "LA18 4DB");
    get("/no/such/path").expect_problem(404, "not_found");

    let id = running.0.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill runs").success());
    let status = running.0.wait().expect("the example exits");
    assert_eq!(status.code(), Some(0));
}
