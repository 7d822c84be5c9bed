//! Tests of the files that run the service in containers: deploy/compose.yaml and
//! deploy/kubernetes.yaml.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::support::external_tools::{python, stdout_of};
use crate::support::server::{Server, client, send};

const COMPOSE: &str = "deploy/compose.yaml";
const KUBERNETES: &str = "deploy/kubernetes.yaml";

/// The oldest version of Kubernetes that the file supports, and the newest versions whose schemas
/// are available.
const KUBERNETES_VERSIONS: [&str; 3] = ["1.27", "1.33", "1.37"];

/// Validates a file with tests/oracle/containers.py, and returns its content. Returns `None`, and
/// reports that the test is skipped, if there is no Python.
fn validated(kind: &str, file: &str, versions: &[&str]) -> Option<Value> {
    let mut python = python(file)?;
    python.args(["tests/oracle/containers.py", kind, file]);
    let output = stdout_of(python.args(versions));
    Some(serde_json::from_str(&output).expect("JSON"))
}

fn compose_file() -> Option<Value> {
    validated("compose", COMPOSE, &[])
}

fn kubernetes_objects() -> Option<Value> {
    validated("kubernetes", KUBERNETES, &KUBERNETES_VERSIONS)
}

/// Returns the only object of a kind.
fn object<'a>(objects: &'a Value, kind: &str) -> &'a Value {
    let mut found = list(objects).iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "several objects are a {kind}");
    first
}

fn list(value: &Value) -> &[Value] {
    let values = value.as_array();
    values.unwrap_or_else(|| panic!("not a list: {value}"))
}

fn text(value: &Value) -> &str {
    let found = value.as_str();
    found.unwrap_or_else(|| panic!("not a string: {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

fn run_program(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments)
        .output();
    output.expect("the program runs")
}

/// Checks that a time such as `30s` is longer than the shutdown takes.
fn check_stop_timeout(seconds: u64) {
    let limits = catchment::http::ServerLimits::default();
    // Two more seconds are allowed for writing the log.
    let longest = limits.shutdown_grace.max(limits.shutdown_delay) + Duration::from_secs(2);
    assert!(seconds > longest.as_secs(), "{seconds} s, {longest:?}");
}

#[test]
fn compose_starts_the_service_with_valid_options() {
    let Some(file) = compose_file() else {
        return;
    };
    for name in ["catchment-1", "catchment-2"] {
        let service = &file["services"][name];
        let arguments: Vec<String> = texts(&service["command"])
            .iter()
            .map(|word| {
                // The default of the folder is the folder `data` of this project.
                word.replace("=/srv/catchment/", "=data/")
                    .replace("=PUBLIC_URL", "=https://catchment.example.nhs.uk")
            })
            .chain(["--check-config".to_string()])
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let checked = run_program(&arguments);
        assert!(checked.status.success(), "{checked:?}");
        let settings = String::from_utf8_lossy(&checked.stdout);
        let address = text(&file["services"]["nginx"]["networks"]["inside"]["ipv4_address"]);
        let trusted = format!("trusted-proxy = [\"{address}\"]  # command line");
        assert!(settings.contains(&trusted), "{settings}");
        // The first word is CMD, and the second word is the path of the program.
        let health = texts(&service["healthcheck"]["test"]);
        assert_eq!(&health[..3], ["CMD", "/usr/bin/catchment", "health"]);
        let checked = run_program(&health[2..]);
        assert!(matches!(checked.status.code(), Some(0 | 1)), "{checked:?}");
        let seconds = text(&service["stop_grace_period"]).strip_suffix('s');
        let seconds = seconds.and_then(|number| number.parse().ok());
        check_stop_timeout(seconds.expect("seconds"));
    }
}

#[test]
fn compose_services_have_no_privileges_and_limited_resources() {
    let Some(file) = compose_file() else {
        return;
    };
    let services = file["services"].as_object().expect("services");
    assert_eq!(services.len(), 3);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(service["cap_add"], Value::Null, "{name}");
        let options = texts(&service["security_opt"]);
        assert_eq!(options, ["no-new-privileges:true"], "{name}");
        assert!(!text(&service["user"]).starts_with('0'), "{name}");
        assert!(!texts(&service["healthcheck"]["test"]).is_empty(), "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        for limit in ["cpus", "memory", "pids"] {
            assert!(!limits[limit].is_null(), "{name} has no limit of {limit}");
        }
        // Without this equality, the container could use swap.
        assert_eq!(service["memswap_limit"], limits["memory"], "{name}");
    }
    let inside = &file["networks"]["inside"];
    assert_eq!(inside["internal"], true);
    for name in ["catchment-1", "catchment-2"] {
        let networks = services[name]["networks"].as_object().expect("networks");
        assert_eq!(networks.keys().collect::<Vec<_>>(), ["inside"]);
        assert_eq!(services[name]["ports"], Value::Null);
    }
}

#[test]
fn compose_mounts_files_that_exist_and_that_nginx_reads() {
    let Some(file) = compose_file() else {
        return;
    };
    let configuration = fs::read_to_string("deploy/nginx.conf").expect("readable");
    let services = file["services"].as_object().expect("services");
    let mut count = 0;
    for volume in services
        .values()
        .flat_map(|service| list(&service["volumes"]))
    {
        let (source, target) = match volume {
            Value::String(volume) => {
                let volume = volume.strip_suffix(":ro").expect("a read-only volume");
                volume.split_once(':').expect("a source and a target")
            }
            _ => {
                assert_eq!(volume["read_only"], true, "{volume}");
                (text(&volume["source"]), text(&volume["target"]))
            }
        };
        // The operator provides the certificate.
        let exists = Path::new("deploy").join(source).exists();
        assert!(exists || source == "./tls", "{source} does not exist");
        let name = target.rsplit('/').next().expect("a name");
        let is_read = target.starts_with("/srv/catchment")
            || target == "/etc/nginx/nginx.conf"
            || configuration.contains(&format!("{target}/"))
            || configuration.contains(&format!("include {name};"));
        assert!(is_read, "{target}");
        count += 1;
    }
    assert_eq!(count, 5);
    // nginx must be able to write its files, because its root file system is read-only.
    let temporary = texts(&file["services"]["nginx"]["tmpfs"]);
    for path in ["/var/cache/nginx", "/run"] {
        assert!(configuration.contains(&format!("{path}/")), "{path}");
        let prefix = format!("{path}:");
        assert!(temporary.iter().any(|mount| mount.starts_with(&prefix)));
    }
}

#[test]
fn compose_instances_are_the_servers_of_nginx() {
    let Some(file) = compose_file() else {
        return;
    };
    let lines = |path: &str| -> Vec<String> {
        let text = fs::read_to_string(path).expect("readable");
        let servers = text.lines().filter(|line| line.starts_with("server "));
        servers.map(str::to_string).collect()
    };
    let default = lines("deploy/catchment-instances.conf");
    let expected: Vec<String> = ["catchment-1", "catchment-2"]
        .iter()
        .map(|name| {
            let address = text(&file["services"][name]["networks"]["inside"]["ipv4_address"]);
            default[0].replace("127.0.0.1", address)
        })
        .collect();
    assert_eq!(lines("deploy/compose-instances.conf"), expected);
}

#[test]
fn kubernetes_settings_and_probes_are_valid() {
    let Some(objects) = kubernetes_objects() else {
        return;
    };
    let settings = text(&object(&objects, "ConfigMap")["data"]["catchment.toml"]);
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("catchment.toml");
    let dataset = "data/lancashire-and-cumbria";
    let local = settings.replace("/srv/catchment/2026.1", dataset);
    assert_ne!(local, settings, "the settings have no dataset");
    fs::write(&path, local).expect("written");
    let pod = &object(&objects, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let arguments = texts(&container["args"]);
    let config = format!("--config={}", path.display());
    assert_eq!(
        arguments,
        ["serve", "--config=/etc/catchment/catchment.toml"]
    );
    let checked = run_program(&["serve", &config, "--check-config"]);
    assert!(checked.status.success(), "{checked:?}");
    for (name, setting) in [("http", "listen"), ("admin", "admin-listen")] {
        let ports = list(&container["ports"]);
        let port = ports.iter().find(|port| port["name"] == name);
        let port = &port.expect("a port")["containerPort"];
        let line = format!("{setting} = \"0.0.0.0:{port}\"");
        assert!(settings.contains(&line), "{line}");
    }
    let server = Server::start();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let request = &container[probe]["httpGet"];
        assert_eq!(request["port"], "http", "{probe}");
        let path = text(&request["path"]);
        send(&client(), server.address(), ("GET", path), &[], None).expect(200);
    }
    assert_eq!(
        container["readinessProbe"]["httpGet"]["path"],
        "/health/ready"
    );
    let mounts = list(&container["volumeMounts"]);
    let volumes: Vec<&str> = list(&pod["volumes"])
        .iter()
        .map(|volume| text(&volume["name"]))
        .collect();
    for mount in mounts {
        assert_eq!(mount["readOnly"], true);
        assert!(volumes.contains(&text(&mount["name"])), "{mount}");
    }
    assert_eq!(mounts.len(), volumes.len());
}

#[test]
fn kubernetes_rollouts_and_drains_leave_instances_available() {
    let Some(objects) = kubernetes_objects() else {
        return;
    };
    let deployment = &object(&objects, "Deployment")["spec"];
    let replicas = deployment["replicas"].as_u64().expect("a number");
    assert!(replicas >= 2, "{replicas}");
    assert_eq!(deployment["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    let budget = &object(&objects, "PodDisruptionBudget")["spec"];
    let available = budget["minAvailable"].as_u64().expect("a number");
    assert!((1..replicas).contains(&available), "{available}");
    let pod = &deployment["template"];
    let labels = &pod["metadata"]["labels"];
    assert_eq!(&deployment["selector"]["matchLabels"], labels);
    assert_eq!(&budget["selector"]["matchLabels"], labels);
    assert_eq!(&object(&objects, "Service")["spec"]["selector"], labels);
    let policy = &object(&objects, "NetworkPolicy")["spec"];
    assert_eq!(&policy["podSelector"]["matchLabels"], labels);
    assert_eq!(list(&policy["egress"]).len(), 0);
    let grace = pod["spec"]["terminationGracePeriodSeconds"].as_u64();
    check_stop_timeout(grace.expect("a number"));
    // One rejected look-up makes an instance unready for 10 s. This must not remove all instances.
    let probe = &pod["spec"]["containers"][0]["readinessProbe"];
    let number = |name: &str| probe[name].as_u64().expect("a number");
    assert!(number("periodSeconds") * number("failureThreshold") > 10);
}

#[test]
fn kubernetes_pods_have_no_privileges_and_limited_resources() {
    let Some(objects) = kubernetes_objects() else {
        return;
    };
    let pod = &object(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let profile = &pod["securityContext"]["seccompProfile"]["type"];
    assert_eq!(profile, "RuntimeDefault");
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
    for kind in ["requests", "limits"] {
        for resource in ["cpu", "memory"] {
            assert!(!container["resources"][kind][resource].is_null());
        }
    }
}
