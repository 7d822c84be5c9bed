//! `catchment serve`: options, start-up, reloads and shutdown of the service.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use clap::ValueEnum;
use tokio::net::{TcpListener, TcpSocket};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::dataset::{DatasetSource, MANIFEST};
use crate::fs::FileVersion;
use crate::http::{
    self, AccessConfig, App, BatchLimits, EmbedOrigin, FrameAncestors, IpNetwork, IpRateLimit,
    PublicUrl, ServerLimits, admin,
};
use crate::ops::dataset_store::DatasetStore;
use crate::ops::keys::{KeyStore, KeysError, Scope};
use crate::ops::log;
use crate::ops::rate::{InvalidRate, Rate, RateUnit};
use crate::tiles::basemap::Basemap;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// Folder of a dataset; the embedded dataset by default. Repeat the option to load several
    /// datasets: requests use the first dataset by default, and select the others with
    /// ?dataset=VERSION.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Public URL of the service, https://HOST or https://HOST/PATH, for links in TileJSON, OGC,
    /// oEmbed and Link headers. By default, links use the host that a trusted proxy forwards, or
    /// are relative.
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Address or Unix socket (mode 0600) of the admin listener, with POST /reload and GET
    /// /metrics; off by default. The listener has no authentication: do not expose it.
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH")]
    admin_listen: Option<AdminAddress>,
    /// Basemap of interactive maps: a PMTiles 3 file of images (PNG, JPEG, WebP) or of vector tiles
    /// with the layers of Protomaps or OpenMapTiles; none by default.
    #[arg(long, value_name = "FILE.pmtiles")]
    basemap: Option<PathBuf>,
    /// Reload a dataset when its manifest changes; manifests are checked every two seconds.
    #[arg(long)]
    watch: bool,
    /// Origin that may show the map in a frame (CSP frame-ancestors), such as
    /// `https://www.example.nhs.uk` or `https://*.nhs.uk`. Repeatable; any site by default.
    #[arg(long, value_name = "ORIGIN")]
    embed_origin: Vec<EmbedOrigin>,
    /// API key file, written by `catchment keys`; reloaded when it changes.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Scopes that need an API key: batch, locate, postcodes, practices, areas, ogc, tiles, maps,
    /// pages; none by default.
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    require_key_for: Vec<Scope>,
    /// Origin whose pages may send an API key (CORS), as https://HOST. Repeatable; none by default.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    cors_origin: Vec<String>,
    /// Reverse proxy whose X-Forwarded-For is trusted: an IP address or network. Repeatable; none
    /// by default.
    #[arg(long, value_name = "ADDRESS|CIDR")]
    trusted_proxy: Vec<IpNetwork>,
    /// Rate limit of each client IP address without an API key, per s, minute, hour or day; or off.
    /// The default is 6000/minute, except for loopback addresses, which have no limit.
    #[arg(long, value_name = "N/UNIT|off")]
    rate_limit: Option<RateLimitArgument>,
    /// Maximum number of connections. At the limit, an idle connection is closed to accept a new
    /// connection.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().connections,
        value_parser = at_least_one)]
    max_connections: usize,
    /// Maximum number of concurrent requests in each class: look-ups, requests with a body,
    /// searches, and rendered responses (areas, OGC, tiles, maps, pages). Further requests get 503
    /// with Retry-After.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().requests,
        value_parser = at_least_one)]
    max_concurrent_requests: usize,
    /// Maximum number of queued requests, and of requests with a body, from one client (an IP
    /// address or an API key). Further requests get 429.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().requests_per_client,
        value_parser = at_least_one)]
    max_concurrent_requests_per_client: usize,
    /// Timeout for receiving the first byte and the header of a request.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().header_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    header_timeout: u64,
    /// Timeout for reading a request body and producing the response; for batches, see
    /// --batch-stall-timeout.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().request_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    request_timeout: u64,
    /// Disconnect a client that reads a response more slowly than 1,000 bytes a second for this
    /// long.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().write_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    write_timeout: u64,
    /// Timeout for an idle connection between two requests.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().idle_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    idle_timeout: u64,
    /// How long connections are still accepted after SIGTERM, while /health/ready returns 503.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().shutdown_delay.as_secs())]
    shutdown_delay: u64,
    /// Grace period for requests in progress after SIGTERM, including --shutdown-delay. A second
    /// SIGTERM exits at once.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().shutdown_grace.as_secs())]
    shutdown_grace: u64,
    /// Maximum size of a batch, in bytes as uploaded.
    #[arg(long, value_name = "BYTES", default_value_t = BatchLimits::default().bytes_max)]
    batch_max_bytes: u64,
    /// Maximum number of concurrent batches; 0 turns batches off. Further batches wait in a queue.
    #[arg(long, value_name = "N", default_value_t = BatchLimits::default().concurrent_jobs_max)]
    batch_max_jobs: usize,
    /// Maximum number of concurrent batches from one client (an IP address or an API key); half of
    /// --batch-max-jobs by default.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch_max_jobs_per_client: Option<usize>,
    /// How long a batch waits in the queue before it gets 503.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().queue_timeout.as_secs())]
    batch_queue_timeout: u64,
    /// Maximum number of requests that wait, with a ticket, for the result of a batch.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().ticket_downloads,
        value_parser = at_least_one)]
    batch_max_tickets: usize,
    /// Maximum number of requests from one client that wait, with a ticket, for the result of a
    /// batch.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().ticket_downloads_per_client,
        value_parser = at_least_one)]
    batch_max_tickets_per_client: usize,
    /// Number of threads for each batch; half of the CPUs by default.
    #[arg(long, value_name = "N")]
    batch_threads: Option<NonZeroUsize>,
    /// Abort a batch that transfers less than 1,000 bytes a second, in both directions together,
    /// for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().stall_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    batch_stall_timeout: u64,
    /// Minimum average rate, in bytes a second, at which the client of a batch must send and read
    /// data, over the time that the service waits for the client. A batch is checked after one
    /// minute, or after 15 seconds if other batches are queued; a slower batch is aborted.
    #[arg(long, value_name = "BYTES", default_value_t = BatchLimits::default().bytes_per_second_min)]
    batch_min_rate: u64,
    /// Timeout for a whole batch.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().job_timeout.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    batch_timeout: u64,
    /// Format of log lines. They contain the route, status and duration of a request, never its
    /// content.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Level of log lines. The audit line of each batch is written at every level.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info"
    )]
    log_level: Level,
    /// TOML file of settings, which have the names of these options without --. Each setting also
    /// has an environment variable, such as CATCHMENT_LOG_LEVEL. The command line overrides the
    /// environment, which overrides the file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print and check the settings, check the API keys, basemap and datasets, and exit.
    #[arg(long)]
    check_config: bool,
}

/// The address of the admin listener.
#[derive(Debug, Clone)]
enum AdminAddress {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<AdminAddress, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(AdminAddress::Unix(path.into()));
        }
        let address = text.parse().map(AdminAddress::Tcp);
        address.map_err(|_| "expected ADDRESS:PORT or unix:PATH".into())
    }
}

/// The value of `--rate-limit`.
#[derive(Debug, Clone, Copy)]
enum RateLimitArgument {
    Off,
    Rate(Rate),
}

impl FromStr for RateLimitArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<RateLimitArgument, String> {
        match text {
            "off" => Ok(RateLimitArgument::Off),
            rate => rate
                .parse()
                .map(RateLimitArgument::Rate)
                .map_err(|error: InvalidRate| format!("{error}; or off")),
        }
    }
}

/// Parses an origin as browsers send it: `https://host` or `https://host:port`.
fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        let is_host_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| is_host_byte(byte) || b".-:[]".contains(&byte))
    };
    match host {
        Some(host) if is_host(host) => Ok(text.into()),
        _ => Err("expected https://HOST in lower case, without a slash at the end".into()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number, 1 or more".into()),
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) fn serve(arguments: &ServeArguments) -> Result<ExitCode> {
    start_log(arguments)?;
    let access = arguments.access()?;
    let basemap = arguments.basemap()?;
    let store = Arc::new(DatasetStore::load(sources(arguments))?);
    if arguments.check_config {
        log::message("the settings, keys, basemap and datasets are valid");
        return Ok(ExitCode::SUCCESS);
    }
    for index in store.datasets().all() {
        tracing::info!(
            dataset = index.manifest().name,
            version = index.manifest().version,
            postcodes = index.postcodes().len(),
            practices = index.practices().len(),
            "loaded"
        );
    }
    let limits = arguments.limits();
    let keys = access.keys.clone();
    let app = App::new(Arc::clone(&store))
        .with_batch_limits(arguments.batch_limits())
        .with_access(access, &limits)
        .with_basemap(basemap)
        .with_public_url(arguments.public_url.clone())
        .with_frame_ancestors(FrameAncestors::from_origins(&arguments.embed_origin));
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = listen(arguments.listen)
            .with_context(|| format!("listening on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        // Install the handlers before the address is printed; until then a signal ends the program.
        let stop_requested = wait_for_stop_signal(StopSignals::new());
        let sighups = SighupStream::new();
        arguments.print_ready(format_args!(
            "listening on http://{address}/ (press Ctrl+C to stop)"
        ));
        if let Some(address) = &arguments.admin_listen {
            let router = admin::router(Arc::clone(&store), &app);
            let name = serve_admin(address, router).await?;
            tracing::info!(address = name, "admin listener started");
            arguments.print_ready(format_args!("admin listener on {name}"));
        }
        tokio::spawn(reload_on_sighup(sighups, Arc::clone(&store)));
        if arguments.watch {
            tokio::spawn(reload_on_change(Arc::clone(&store)));
        }
        if let Some(keys) = keys {
            tokio::spawn(reload_keys_on_change(keys));
        }
        if arguments.lacks_public_url() {
            tracing::warn!(
                "the public URL is not known, so links in TileJSON, OGC and oEmbed are relative; set it with --public-url"
            );
        }
        tracing::info!(%address, "listening");
        http::serve(listener, http::router(app), limits, stop_requested).await?;
        anyhow::Ok(())
    })?;
    // Do not wait for threads of aborted batches.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// The length of the accept queue. The queue is longer than the number of connections that arrive
/// while all CPUs are busy.
const BACKLOG: u32 = 4_096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Allow a restart while old connections are in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The default rate limit of an IP address. A page with maps loads a few hundred tiles, and a whole
/// hospital may share one address.
const DEFAULT_RATE_LIMIT: Rate = Rate {
    requests: 6_000,
    unit: RateUnit::Minute,
};

impl ServeArguments {
    /// Prints a message for the person who started the service. With `--log-format json`, prints
    /// nothing, because the output must be JSON only; the log line `listening` contains the
    /// address.
    fn print_ready(&self, message: std::fmt::Arguments<'_>) {
        if matches!(self.log_format, LogFormat::Text) {
            log::message(message);
        }
    }

    /// Returns whether the service is reachable from other machines but has no known public URL.
    fn lacks_public_url(&self) -> bool {
        let has_name = self.public_url.is_some() || !self.trusted_proxy.is_empty();
        !has_name && !self.listen.ip().is_loopback()
    }

    fn access(&self) -> Result<AccessConfig> {
        if self.keys.is_none() && !self.require_key_for.is_empty() {
            bail!("--require-key-for needs --keys, the API key file");
        }
        let keys = self.keys.as_deref().map(KeyStore::open).transpose()?;
        if let Some(keys) = &keys {
            tracing::info!(count = keys.ring().len(), "API keys loaded");
        }
        Ok(AccessConfig {
            keys: keys.map(Arc::new),
            scopes_requiring_key: self.require_key_for.clone(),
            ip_rate_limit: match self.rate_limit {
                None => IpRateLimit::ExceptLoopback(DEFAULT_RATE_LIMIT),
                Some(RateLimitArgument::Off) => IpRateLimit::Unlimited,
                Some(RateLimitArgument::Rate(rate)) => IpRateLimit::AllClients(rate),
            },
            trusted_proxies: self.trusted_proxy.clone(),
            cors_origins: self.cors_origin.clone(),
        })
    }

    fn basemap(&self) -> Result<Option<Basemap>> {
        let Some(path) = &self.basemap else {
            return Ok(None);
        };
        let opened = Basemap::open(path);
        let basemap = opened.with_context(|| format!("opening the basemap {}", path.display()))?;
        if basemap.attribution.is_empty() {
            tracing::warn!("the basemap has no attribution, so maps do not show one");
        }
        Ok(Some(basemap))
    }

    fn limits(&self) -> ServerLimits {
        ServerLimits {
            header_timeout: Duration::from_secs(self.header_timeout),
            request_timeout: Duration::from_secs(self.request_timeout),
            write_timeout: Duration::from_secs(self.write_timeout),
            idle_timeout: Duration::from_secs(self.idle_timeout),
            shutdown_delay: Duration::from_secs(self.shutdown_delay),
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            connections: clamp_to_fd_limit(self.max_connections),
            requests: self.max_concurrent_requests,
            requests_per_client: self.max_concurrent_requests_per_client,
            bodies: self.max_concurrent_requests,
            ticket_downloads: self.batch_max_tickets,
            ticket_downloads_per_client: self.batch_max_tickets_per_client,
        }
    }

    fn batch_limits(&self) -> BatchLimits {
        let defaults = BatchLimits::default();
        BatchLimits {
            bytes_max: self.batch_max_bytes,
            concurrent_jobs_max: self.batch_max_jobs,
            concurrent_jobs_per_client_max: self
                .batch_max_jobs_per_client
                .unwrap_or(self.batch_max_jobs.div_ceil(2)),
            queue_timeout: Duration::from_secs(self.batch_queue_timeout),
            threads_per_job: self.batch_threads.unwrap_or(defaults.threads_per_job),
            stall_timeout: Duration::from_secs(self.batch_stall_timeout),
            bytes_per_second_min: self.batch_min_rate,
            rate_grace: defaults.rate_grace,
            rate_grace_if_queued: defaults.rate_grace_if_queued,
            job_timeout: Duration::from_secs(self.batch_timeout),
        }
    }
}

fn sources(arguments: &ServeArguments) -> Vec<DatasetSource> {
    match arguments.data.as_slice() {
        [] => vec![DatasetSource::Embedded],
        folders => folders.iter().cloned().map(DatasetSource::Folder).collect(),
    }
}

/// The number of file descriptors reserved for uses other than client connections: files, other
/// sockets and signals.
const RESERVED_DESCRIPTORS: usize = 64;

/// Raises the limit on file descriptors to its maximum. Returns the number of connections that the
/// limit allows, at most `connections`.
fn clamp_to_fd_limit(connections: usize) -> usize {
    let Some(descriptors) = fd_limit() else {
        return connections;
    };
    let available = descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(1);
    if available < connections {
        tracing::warn!(
            connections = available,
            wanted = connections,
            "too few file descriptors for max-connections; the service uses a lower limit"
        );
    }
    connections.min(available)
}

#[cfg(target_os = "linux")]
fn fd_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    // If raising the limit is not allowed, keep the current limit.
    let _ = setrlimit(Resource::Nofile, all);
    let current = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(not(target_os = "linux"))]
fn fd_limit() -> Option<usize> {
    None
}

/// Starts the admin listener, which runs until the program exits. Returns the name of the listener
/// for messages.
async fn serve_admin(address: &AdminAddress, router: Router) -> Result<String> {
    let limits = ServerLimits::default();
    Ok(match address {
        AdminAddress::Tcp(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("starting the admin listener on {address}"))?;
            let name = format!("http://{}/reload", listener.local_addr()?);
            tokio::spawn(http::serve(
                listener,
                router,
                limits,
                std::future::pending(),
            ));
            name
        }
        #[cfg(unix)]
        AdminAddress::Unix(path) => {
            let listener = bind_unix(path)
                .with_context(|| format!("starting the admin listener on {}", path.display()))?;
            tokio::spawn(http::serve(
                listener,
                router,
                limits,
                std::future::pending(),
            ));
            path.display().to_string()
        }
    })
}

/// Binds a Unix socket that only its owner can use (mode 0600). An existing socket on which no
/// program listens is replaced.
#[cfg(unix)]
fn bind_unix(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;
    let is_socket =
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    // Bind the socket in a private folder, so that no other user can connect before the mode is
    // set.
    let folder = path.parent().filter(|path| *path != Path::new(""));
    let temp_folder = tempfile::Builder::new()
        .prefix(".catchment-")
        .tempdir_in(folder.unwrap_or(Path::new(".")))?;
    let name = temp_folder.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&name)?;
    fs::set_permissions(&name, fs::Permissions::from_mode(0o600))?;
    // Unlike a rename, a link does not replace an existing socket.
    fs::hard_link(&name, path)?;
    Ok(listener)
}

/// Reloads the API keys when their file changes.
async fn reload_keys_on_change(keys: Arc<KeyStore>) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let store = Arc::clone(&keys);
        let reload = tokio::task::spawn_blocking(move || {
            let is_new = store.refresh()?;
            Ok::<_, KeysError>(is_new.then(|| store.ring().len()))
        });
        match reload.await {
            Ok(Ok(Some(count))) => tracing::info!(count, "API keys loaded"),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                // The error is logged as a string, so that line breaks from the file are escaped.
                tracing::error!(
                    error = error.to_string(),
                    "could not load the API keys; the previous keys stay in use"
                );
            }
            Err(_) => tracing::error!(
                "could not load the API keys: loading panicked; the previous keys stay in use"
            ),
        }
    }
}

/// Reloads the datasets at every SIGHUP.
async fn reload_on_sighup(mut sighups: SighupStream, store: Arc<DatasetStore>) {
    while sighups.next().await.is_some() {
        // `reload_datasets` logs a failure; the next SIGHUP tries again.
        let _ = admin::reload_datasets(Arc::clone(&store)).await;
    }
}

/// A stream of the SIGHUP signals that arrive after its creation.
#[cfg(unix)]
struct SighupStream(tokio::signal::unix::Signal);

#[cfg(unix)]
impl SighupStream {
    fn new() -> SighupStream {
        use tokio::signal::unix::{SignalKind, signal};
        SighupStream(signal(SignalKind::hangup()).expect("a SIGHUP handler"))
    }

    async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// An empty stream, because the platform has no SIGHUP.
#[cfg(not(unix))]
struct SighupStream;

#[cfg(not(unix))]
impl SighupStream {
    fn new() -> SighupStream {
        SighupStream
    }

    async fn next(&mut self) -> Option<()> {
        None
    }
}

/// The interval at which the API key file and the manifests are checked for changes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Reloads the datasets when the manifest of a dataset changes. (A dataset is always replaced as a
/// whole, including its manifest.)
///
/// A failed reload is retried at growing intervals, because its cause may disappear without a
/// change of the manifest: too little memory, too few file descriptors, or a file that is repaired
/// later.
async fn reload_on_change(store: Arc<DatasetStore>) {
    let mut known = manifest_versions(&store);
    let mut retry: Option<(Instant, Duration)> = None;
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let current = manifest_versions(&store);
        let is_changed = current != known;
        let is_due = retry.is_some_and(|(instant, _)| Instant::now() >= instant);
        if !is_changed && !is_due {
            continue;
        }
        known = current;
        let wait = match retry {
            Some((_, waited)) if !is_changed => (waited * 2).min(RETRY_INTERVAL_MAX),
            _ => POLL_INTERVAL * 2,
        };
        let reloaded = admin::reload_datasets(Arc::clone(&store)).await;
        retry = reloaded.is_err().then(|| (Instant::now() + wait, wait));
    }
}

/// The longest interval between retries of a failed reload.
const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// Returns the version of each dataset's manifest file; `None` if the file does not exist.
fn manifest_versions(store: &DatasetStore) -> Vec<Option<FileVersion>> {
    let folders = store.folders().into_iter();
    folders
        .map(|folder| FileVersion::of(&folder.join(MANIFEST)))
        .collect()
}

/// Starts logging, for this crate only: lines of other crates might quote a request.
///
/// Strings are quoted, and control characters in them are escaped, so that no value can forge a log
/// line. Audit lines are written at every level.
///
/// # Errors
/// If the thread that writes the log cannot be started.
fn start_log(arguments: &ServeArguments) -> Result<()> {
    let targets = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), arguments.log_level)
        .with_target(http::AUDIT_TARGET, arguments.log_level.max(Level::INFO));
    let line_layer = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        // Otherwise the layer would report its own errors with `eprintln!`, which panics if
        // standard error is closed.
        .log_internal_errors(false)
        .with_writer(log::start().context("starting the log")?);
    let registry = tracing_subscriber::registry().with(targets);
    match arguments.log_format {
        LogFormat::Text => registry.with(line_layer).init(),
        LogFormat::Json => registry.with(line_layer.json()).init(),
    }
    Ok(())
}

/// The maximum time for writing the last log lines before a forced exit.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// Completes at the first stop signal. The second signal exits the program at once.
async fn wait_for_stop_signal(mut signals: StopSignals) {
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        log::flush(EXIT_FLUSH_TIMEOUT);
        std::process::exit(130);
    });
}

/// Streams of SIGINT and SIGTERM. The streams stay open, so that no signal is lost between two
/// waits.
#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    fn new() -> StopSignals {
        use tokio::signal::unix::{SignalKind, signal};
        StopSignals {
            interrupt: signal(SignalKind::interrupt()).expect("a SIGINT handler"),
            terminate: signal(SignalKind::terminate()).expect("a SIGTERM handler"),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The stop signal on other platforms: Ctrl+C.
#[cfg(not(unix))]
struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    fn new() -> StopSignals {
        StopSignals
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
