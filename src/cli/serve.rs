//! `catchment serve`.

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

use crate::dataset::{Files, MANIFEST};
use crate::http::{
    self, Access, AddressRate, App, BatchLimits, EmbedOrigin, FrameAncestors, Limits, Network,
    PublicUrl, admin,
};
use crate::keys::{Keys, KeysError, Scope};
use crate::log;
use crate::rate::{InvalidRate, Period, Rate};
use crate::releases::Live;
use crate::stamp::Stamp;
use crate::tiles::basemap::Basemap;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// A dataset's folder; by default the dataset compiled into the program. Given more than once,
    /// the first answers, and the others when they are asked for by ?dataset=VERSION.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The public address of the service, https://HOST or https://HOST/PATH, for links in TileJSON, OGC,
    /// oEmbed and Link headers. By default the host that a trusted proxy names, or else links are relative.
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Where the operator may POST /reload and GET /metrics: an address, or a Unix socket that the
    /// owner alone may use; nowhere by default. Keep it from others.
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH")]
    admin_listen: Option<AdminAddress>,
    /// A map to lie beneath our areas on maps that move: PMTiles 3 with pictures (PNG, JPEG, WebP) or with
    /// the vector layers of Protomaps or OpenMapTiles. None by default.
    #[arg(long, value_name = "FILE.pmtiles")]
    basemap: Option<PathBuf>,
    /// Reload when a dataset's manifest changes; looked at every two seconds.
    #[arg(long)]
    watch: bool,
    /// A site that may hold our map in a frame, such as `https://www.example.nhs.uk` or `https://*.nhs.uk`.
    /// Given more than once, each; not given, any site.
    #[arg(long, value_name = "ORIGIN")]
    embed_origin: Vec<EmbedOrigin>,
    /// The file of keys, which `catchment keys` writes; read again when it changes.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// What needs a key: batch, locate, postcodes, practices, areas, ogc, tiles, maps, pages. Nothing
    /// by default.
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    key_needed_for: Vec<Scope>,
    /// A page elsewhere that may show a key, as https://host; more than once for more.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    cors_origin: Vec<String>,
    /// A proxy in front of us, whose X-Forwarded-For is believed; more than once for more.
    #[arg(long, value_name = "ADDRESS|CIDR")]
    trusted_proxy: Vec<Network>,
    /// How often an address may ask without a key: s, minute, hour or day, or off. By default
    /// 6000/minute, but for this machine's own addresses.
    #[arg(long, value_name = "N/PERIOD|off")]
    address_rate: Option<AddressRateArgument>,
    /// Connections at a time; where there are as many, one on which nothing is asked makes room.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections,
        value_parser = at_least_one)]
    connections: usize,
    /// Look-ups at a time, as many again that bring a body, as many searches, and as many answers that
    /// are rendered (areas, OGC, tiles, maps, pages), which wait for their turn; others get 503 and
    /// come again.
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests,
        value_parser = at_least_one)]
    requests: usize,
    /// Of the requests that wait for their turn or bring a body, so many may be one client's; its
    /// others get 429. A client is an address, or a key.
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests_per_client,
        value_parser = at_least_one)]
    requests_per_client: usize,
    /// The first byte and the header of a request have arrived by then.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().header_within.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    header_within: u64,
    /// A request has been read and answered by then; lists have --batch-stall-timeout.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().answer_within.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    answer_within: u64,
    /// An answer of which so long fewer than 1,000 bytes a second are taken is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().write_within.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    write_within: u64,
    /// A connection may wait so long between two requests.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().idle_within.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    idle_within: u64,
    /// After SIGTERM, /health/ready says 503 and connections are still accepted for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().shutdown_delay.as_secs())]
    shutdown_delay: u64,
    /// Requests under way may finish for this long after SIGTERM, --shutdown-delay included; a second one
    /// ends all at once.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().drain_within.as_secs())]
    drain_within: u64,
    /// The longest list that is answered, in bytes as it is sent.
    #[arg(long, value_name = "BYTES", default_value_t = BatchLimits::default().bytes)]
    batch_bytes: u64,
    /// How many lists are answered at a time, 0 for none; others wait for their turn.
    #[arg(long, value_name = "N", default_value_t = BatchLimits::default().lists)]
    batch_lists: usize,
    /// How many of these may be one client's (an address, or a key); by default half of them.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch_lists_per_client: Option<usize>,
    /// A list waits so long for its turn, clients one after the other, and then gets 503.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().queue_within.as_secs())]
    batch_queue_within: u64,
    /// Requests at a time that wait for the answers to a list, by ticket.
    #[arg(long, value_name = "N", default_value_t = Limits::default().waiting,
        value_parser = at_least_one)]
    batch_tickets: usize,
    /// How many of these may be one client's.
    #[arg(long, value_name = "N", default_value_t = Limits::default().waiting_per_client,
        value_parser = at_least_one)]
    batch_tickets_per_client: usize,
    /// How many threads work on a list; by default half as many as there are processors.
    #[arg(long, value_name = "N")]
    batch_threads: Option<NonZeroUsize>,
    /// A list that stands still for so long is given up: fewer than 1,000 bytes a second, in and out.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().stalled_after.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    batch_stall: u64,
    /// Bytes a second that the client of a list sends and takes, each on average over the time that it
    /// is waited for, after a minute, or 15 seconds where others wait; a list whose client is slower
    /// is given up.
    #[arg(long, value_name = "BYTES", default_value_t = BatchLimits::default().rate_min)]
    batch_rate_min: u64,
    /// A list has been answered by then, or is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = BatchLimits::default().within.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..))]
    batch_within: u64,
    /// How log lines look. They hold routes, statuses and times, never what was asked.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// How much is logged; what became of each list is told at any level.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info"
    )]
    log_level: Level,
    /// A file of these settings, by their names without --; CATCHMENT_ and a name is the variable of
    /// each. The command line goes before the environment, and that before the file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings, check them, the keys, the basemap and the datasets, and end.
    #[arg(long)]
    check_config: bool,
}

/// Where the operator's listener is.
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
        address.map_err(|_| "it is an address and a port, or unix: and a path".into())
    }
}

/// How often an address may ask, as the operator says.
#[derive(Debug, Clone, Copy)]
enum AddressRateArgument {
    Off,
    Rate(Rate),
}

impl FromStr for AddressRateArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<AddressRateArgument, String> {
        match text {
            "off" => Ok(AddressRateArgument::Off),
            rate => rate
                .parse()
                .map(AddressRateArgument::Rate)
                .map_err(|fault: InvalidRate| format!("{fault}; or off")),
        }
    }
}

/// `https://host` or `https://host:port`, as browsers write it.
fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !host.is_empty()
            && host
                .bytes()
                .all(|it| is_letter(it) || b".-:[]".contains(&it))
    };
    match host {
        Some(host) if is_host(host) => Ok(text.into()),
        _ => Err("an origin is https://host, in lower case and without a slash at its end".into()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is a whole number, 1 or more".into()),
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
    let live = Arc::new(Live::start(sources(arguments))?);
    if arguments.check_config {
        log::message("the settings, the keys, the basemap and the datasets are right");
        return Ok(ExitCode::SUCCESS);
    }
    for index in live.releases().all() {
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
    let app = App::new(Arc::clone(&live))
        .with_batch_limits(arguments.batch_limits())
        .with_access(access, &limits)
        .with_basemap(basemap)
        .with_public_url(arguments.public_url.clone())
        .with_frame_ancestors(FrameAncestors::of(&arguments.embed_origin));
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = listen(arguments.listen)
            .with_context(|| format!("listening on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        // Before anybody is told that the service is there: until then a signal ends the program.
        let stop = asked_to_stop(Signals::new());
        let hangups = Hangups::new();
        arguments.say(format_args!(
            "http://{address}/ answers; press Ctrl+C to stop"
        ));
        if let Some(address) = &arguments.admin_listen {
            let router = admin::router(Arc::clone(&live), &app);
            let name = serve_operator(address, router).await?;
            tracing::info!(address = name, "listening for the operator");
            arguments.say(format_args!("{name} is the operator's"));
        }
        tokio::spawn(reload_on_hangup(hangups, Arc::clone(&live)));
        if arguments.watch {
            tokio::spawn(reload_on_change(Arc::clone(&live)));
        }
        if let Some(keys) = keys {
            tokio::spawn(read_keys_on_change(keys));
        }
        if arguments.is_reached_under_no_name() {
            tracing::warn!(
                "the public address is not known: links in TileJSON, OGC and oEmbed name no host; --public-url sets it"
            );
        }
        tracing::info!(%address, "listening");
        http::serve(listener, http::router(app), limits, stop).await?;
        anyhow::Ok(())
    })?;
    // A thread that works on a list that was given up is not waited for.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Connections that wait to be accepted: more than come while all processors are busy.
const BACKLOG: u32 = 4_096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of before that are not quite closed are no hindrance.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How often an address may ask where the operator does not say: a page of maps is some hundred tiles,
/// and behind an address may be a whole hospital.
const ADDRESS_RATE: Rate = Rate {
    requests: 6_000,
    period: Period::Minute,
};

impl ServeArguments {
    /// For whoever started it. A log in JSON has nothing but lines of JSON; there, `listening` says it.
    fn say(&self, words: std::fmt::Arguments<'_>) {
        if matches!(self.log_format, LogFormat::Text) {
            log::message(words);
        }
    }

    /// Others reach the service, and nothing says under which address.
    fn is_reached_under_no_name(&self) -> bool {
        let has_name = self.public_url.is_some() || !self.trusted_proxy.is_empty();
        !has_name && !self.listen.ip().is_loopback()
    }

    fn access(&self) -> Result<Access> {
        if self.keys.is_none() && !self.key_needed_for.is_empty() {
            bail!("--require-key-for goes with --keys, the file of the keys that open it");
        }
        let keys = self.keys.as_deref().map(Keys::open).transpose()?;
        if let Some(keys) = &keys {
            tracing::info!(count = keys.ring().len(), "keys read");
        }
        Ok(Access {
            keys: keys.map(Arc::new),
            key_needed_for: self.key_needed_for.clone(),
            address_rate: match self.address_rate {
                None => AddressRate::FromElsewhere(ADDRESS_RATE),
                Some(AddressRateArgument::Off) => AddressRate::Any,
                Some(AddressRateArgument::Rate(rate)) => AddressRate::Every(rate),
            },
            trusted_proxies: self.trusted_proxy.clone(),
            origins: self.cors_origin.clone(),
        })
    }

    fn basemap(&self) -> Result<Option<Basemap>> {
        let Some(path) = &self.basemap else {
            return Ok(None);
        };
        let opened = Basemap::open(path);
        let basemap = opened.with_context(|| format!("the basemap {}", path.display()))?;
        if basemap.attribution.is_empty() {
            tracing::warn!("the basemap does not say whose it is, and the maps will not");
        }
        Ok(Some(basemap))
    }

    fn limits(&self) -> Limits {
        Limits {
            header_within: Duration::from_secs(self.header_within),
            answer_within: Duration::from_secs(self.answer_within),
            write_within: Duration::from_secs(self.write_within),
            idle_within: Duration::from_secs(self.idle_within),
            shutdown_delay: Duration::from_secs(self.shutdown_delay),
            drain_within: Duration::from_secs(self.drain_within),
            connections: within_descriptors(self.connections),
            requests: self.requests,
            requests_per_client: self.requests_per_client,
            bodies: self.requests,
            waiting: self.batch_tickets,
            waiting_per_client: self.batch_tickets_per_client,
        }
    }

    fn batch_limits(&self) -> BatchLimits {
        let usual = BatchLimits::default();
        BatchLimits {
            bytes: self.batch_bytes,
            lists: self.batch_lists,
            lists_per_client: self
                .batch_lists_per_client
                .unwrap_or(self.batch_lists.div_ceil(2)),
            queue_within: Duration::from_secs(self.batch_queue_within),
            threads: self.batch_threads.unwrap_or(usual.threads),
            stalled_after: Duration::from_secs(self.batch_stall),
            rate_min: self.batch_rate_min,
            rate_after: usual.rate_after,
            rate_after_if_queued: usual.rate_after_if_queued,
            within: Duration::from_secs(self.batch_within),
        }
    }
}

fn sources(arguments: &ServeArguments) -> Vec<Files> {
    match arguments.data.as_slice() {
        [] => vec![Files::Embedded],
        folders => folders.iter().cloned().map(Files::Folder).collect(),
    }
}

/// Files, sockets and signals that are open beside the connections.
const OTHER_DESCRIPTORS: usize = 64;

/// As many connections as there are file descriptors for, of which the program asks for all that it
/// may have.
fn within_descriptors(connections: usize) -> usize {
    let Some(descriptors) = descriptors() else {
        return connections;
    };
    let room = descriptors.saturating_sub(OTHER_DESCRIPTORS).max(1);
    if room < connections {
        tracing::warn!(
            connections = room,
            wanted = connections,
            "fewer connections, for want of file descriptors"
        );
    }
    connections.min(room)
}

#[cfg(target_os = "linux")]
fn descriptors() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    // Where that is not allowed, those that there are have to do.
    let _ = setrlimit(Resource::Nofile, all);
    let current = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(not(target_os = "linux"))]
fn descriptors() -> Option<usize> {
    None
}

/// The operator's listener, and what to call it; it ends with the program.
async fn serve_operator(address: &AdminAddress, router: Router) -> Result<String> {
    let limits = Limits::default();
    Ok(match address {
        AdminAddress::Tcp(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("listening on {address} for the operator"))?;
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
                .with_context(|| format!("listening on {} for the operator", path.display()))?;
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

/// A socket for its owner alone. One that is left from before is replaced.
#[cfg(unix)]
fn bind_unix(path: &Path) -> io::Result<tokio::net::UnixListener> {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::UnixStream;
    let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    // Under another name until it is the owner's alone.
    let folder = path.parent().filter(|it| *it != Path::new(""));
    let beside = tempfile::Builder::new()
        .prefix(".catchment-")
        .tempdir_in(folder.unwrap_or(Path::new(".")))?;
    let name = beside.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&name)?;
    fs::set_permissions(&name, fs::Permissions::from_mode(0o600))?;
    // Unlike a rename, this does not take the place of another one.
    fs::hard_link(&name, path)?;
    Ok(listener)
}

/// Reads the keys again whenever their file is another one.
async fn read_keys_on_change(keys: Arc<Keys>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let read = Arc::clone(&keys);
        let read = tokio::task::spawn_blocking(move || {
            let is_new = read.refresh()?;
            Ok::<_, KeysError>(is_new.then(|| read.ring().len()))
        });
        match read.await {
            Ok(Ok(Some(count))) => tracing::info!(count, "keys read"),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                // In quotes: the file's own line breaks make no line of the log.
                tracing::error!(
                    error = error.to_string(),
                    "keys not read: the old ones stay"
                );
            }
            Err(_) => tracing::error!("keys not read: reading panicked; the old ones stay"),
        }
    }
}

/// Reloads at every SIGHUP.
async fn reload_on_hangup(mut hangups: Hangups, live: Arc<Live>) {
    while hangups.next().await.is_some() {
        // It is logged, and the next hang-up tries again.
        let _ = admin::reloaded(Arc::clone(&live)).await;
    }
}

/// SIGHUP, listened for from when this is made.
#[cfg(unix)]
struct Hangups(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    fn new() -> Hangups {
        use tokio::signal::unix::{SignalKind, signal};
        Hangups(signal(SignalKind::hangup()).expect("SIGHUP can be listened for"))
    }

    async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// There is none.
#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn new() -> Hangups {
        Hangups
    }

    async fn next(&mut self) -> Option<()> {
        None
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reloads when a manifest is another file than it was: a dataset is replaced whole, its manifest
/// with it.
///
/// One that is refused is tried again, ever less often: it may be for want of memory or file
/// descriptors, or be put right without a new manifest.
async fn reload_on_change(live: Arc<Live>) {
    let mut seen = manifests(&live);
    let mut again: Option<(Instant, Duration)> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = manifests(&live);
        let is_changed = now != seen;
        let is_due = again.is_some_and(|(at, _)| Instant::now() >= at);
        if !is_changed && !is_due {
            continue;
        }
        seen = now;
        let wait = match again {
            Some((_, waited)) if !is_changed => (waited * 2).min(TRY_EVERY_MAX),
            _ => LOOK_EVERY * 2,
        };
        let reloaded = admin::reloaded(Arc::clone(&live)).await;
        again = reloaded.is_err().then(|| (Instant::now() + wait, wait));
    }
}

/// A dataset that is refused is tried at least so often.
const TRY_EVERY_MAX: Duration = Duration::from_secs(300);

/// Each dataset's manifest, as a file; `None` where it is not there.
fn manifests(live: &Live) -> Vec<Option<Stamp>> {
    let folders = live.folders().into_iter();
    folders
        .map(|folder| Stamp::of(&folder.join(MANIFEST)))
        .collect()
}

/// Our own lines alone: other crates' might quote a request. Values are written in quotes, with control
/// characters escaped, so that none makes a line of its own. The audit's lines are written at any level.
///
/// # Errors
/// When the thread that writes them cannot be started.
fn start_log(arguments: &ServeArguments) -> Result<()> {
    let ours = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), arguments.log_level)
        .with_target(http::AUDIT, arguments.log_level.max(Level::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        // It would write of its own faults to standard error, and panic where that fails.
        .log_internal_errors(false)
        .with_writer(log::start().context("starting the log")?);
    let registry = tracing_subscriber::registry().with(ours);
    match arguments.log_format {
        LogFormat::Text => registry.with(lines).init(),
        LogFormat::Json => registry.with(lines.json()).init(),
    }
    Ok(())
}

/// How long the last log lines may take where the program has to end at once.
const FLUSH_AT_ONCE: Duration = Duration::from_millis(100);

/// Done at the first signal to stop; the second one ends the program at once.
async fn asked_to_stop(mut signals: Signals) {
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        log::flush(FLUSH_AT_ONCE);
        std::process::exit(130);
    });
}

/// SIGINT and SIGTERM, listened for once and for all: none is lost between two waits.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Signals {
        use tokio::signal::unix::{SignalKind, signal};
        Signals {
            interrupt: signal(SignalKind::interrupt()).expect("SIGINT can be listened for"),
            terminate: signal(SignalKind::terminate()).expect("SIGTERM can be listened for"),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl+C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Signals {
        Signals
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
