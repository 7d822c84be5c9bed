//! The options of `catchment serve`, and the configuration of the service that these options
//! specify.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use jiff::civil::Date;
use tracing::Level;

use crate::http::{
    AccessConfig, AccessibilityDetails, BatchLimits, CompatLimits, EmbedOrigin, IpNetwork,
    IpRateLimit, PublicUrl, ServerLimits, SourceAgeMax,
};
use crate::ops::keys::{KeyStore, Scope};
use crate::ops::rate::{InvalidRate, Rate, RateUnit};
use catchment_data::dataset::DatasetSource;
use catchment_tiles::basemap::Basemap;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ServeArguments {
    /// Folder of a dataset; the embedded dataset by default. Repeat the option to load several
    /// datasets: requests use the first dataset by default, and select the others with
    /// ?dataset=VERSION.
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// Public URL of the service, https://HOST or https://HOST/PATH, for links in TileJSON, OGC,
    /// oEmbed and Link headers. By default, links use the host that a trusted proxy forwards, or
    /// are relative.
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<PublicUrl>,
    /// Address or Unix socket (mode 0600) of the admin listener, with POST /reload and GET
    /// /metrics; off by default. The listener has no authentication: do not expose it.
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH")]
    pub(super) admin_listen: Option<AdminAddress>,
    /// Basemap of interactive maps: a PMTiles 3 file of images (PNG, JPEG, WebP) or of vector tiles
    /// with the layers of Protomaps or OpenMapTiles; none by default.
    #[arg(long, value_name = "FILE.pmtiles")]
    basemap: Option<PathBuf>,
    /// Table of UPRNs, written by `catchment build`, for look-ups by UPRN; none by default. The
    /// table is not loaded into memory. A reload opens the file again.
    #[arg(long, value_name = "FILE")]
    pub(super) uprn_table: Option<PathBuf>,
    /// Reload a dataset when its manifest changes; manifests are checked every two seconds.
    #[arg(long)]
    pub(super) watch: bool,
    /// Maximum age of the sources of the current dataset: days, for all sources or for one of them,
    /// such as practices=200; or next-edition, until a newer edition should have been published.
    /// Repeatable; off by default. If a source is older, /health/ready lists it under `degraded` and
    /// still returns 200.
    #[arg(long, value_name = "DAYS|SOURCE=DAYS|next-edition")]
    pub(super) source_age_max: Vec<SourceAgeMax>,
    /// Origin that may show the map in a frame (CSP frame-ancestors), such as
    /// `https://www.example.nhs.uk` or `https://*.nhs.uk`. Repeatable; any site by default.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) embed_origin: Vec<EmbedOrigin>,
    /// Organisation that runs the service, for the accessibility statement (/accessibility).
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// How people report problems with accessibility: an email address, a telephone number or a URL.
    #[arg(long, value_name = "TEXT")]
    accessibility_contact: Option<String>,
    /// Date on which the organisation last reviewed the accessibility statement.
    #[arg(long, value_name = "YYYY-MM-DD")]
    accessibility_reviewed: Option<Date>,
    /// Turn the routes of postcodes.io and MapIt off (/postcodes, /outcodes, /random,
    /// /terminated_postcodes, /ping, /mapit); see docs/users/compat.md and docs/users/mapit.md.
    #[arg(long)]
    no_compat: bool,
    /// Maximum number of postcodes or locations in one request to POST /postcodes, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = CompatLimits::default().bulk_items_max,
        value_parser = bulk_items)]
    compat_max_items: usize,
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
    /// time.
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
    /// Number of threads for each batch; half the number of CPUs by default.
    #[arg(long, value_name = "N")]
    batch_threads: Option<NonZeroUsize>,
    /// Abort a batch that transfers less than 1,000 bytes a second, in both directions together,
    /// for this time.
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
    pub(super) log_format: LogFormat,
    /// Level of log lines. The audit line of each batch is written at every level.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info"
    )]
    pub(super) log_level: Level,
    /// TOML file of settings, which have the names of these options without --. Each setting also
    /// has an environment variable, such as CATCHMENT_LOG_LEVEL. The command line overrides the
    /// environment, which overrides the file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print and check the settings, check the API keys, basemap and datasets, and exit.
    #[arg(long)]
    pub(super) check_config: bool,
}

/// The default rate limit of an IP address. A page with maps loads a few hundred tiles, and a whole
/// hospital may share one address.
const DEFAULT_RATE_LIMIT: Rate = Rate {
    requests: 6_000,
    unit: RateUnit::Minute,
};

impl ServeArguments {
    pub(super) fn sources(&self) -> Vec<DatasetSource> {
        match self.data.as_slice() {
            [] => vec![DatasetSource::Embedded],
            folders => folders.iter().cloned().map(DatasetSource::Folder).collect(),
        }
    }

    /// Returns whether the service is reachable from other machines but has no known public URL.
    pub(super) fn lacks_public_url(&self) -> bool {
        let has_name = self.public_url.is_some() || !self.trusted_proxy.is_empty();
        !has_name && !self.listen.ip().is_loopback()
    }

    pub(super) fn access(&self) -> Result<AccessConfig> {
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

    pub(super) fn accessibility(&self) -> AccessibilityDetails {
        AccessibilityDetails {
            organisation: self.organisation.clone(),
            contact: self.accessibility_contact.clone(),
            reviewed: self.accessibility_reviewed,
        }
    }

    pub(super) fn compat(&self) -> Option<CompatLimits> {
        let limits = CompatLimits {
            bulk_items_max: self.compat_max_items,
        };
        (!self.no_compat).then_some(limits)
    }

    pub(super) fn basemap(&self) -> Result<Option<Basemap>> {
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

    pub(super) fn limits(&self) -> ServerLimits {
        ServerLimits {
            header_timeout: Duration::from_secs(self.header_timeout),
            request_timeout: Duration::from_secs(self.request_timeout),
            write_timeout: Duration::from_secs(self.write_timeout),
            idle_timeout: Duration::from_secs(self.idle_timeout),
            shutdown_delay: Duration::from_secs(self.shutdown_delay),
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            connections: self.max_connections,
            requests: self.max_concurrent_requests,
            requests_per_client: self.max_concurrent_requests_per_client,
            bodies: self.max_concurrent_requests,
            ticket_downloads: self.batch_max_tickets,
            ticket_downloads_per_client: self.batch_max_tickets_per_client,
        }
    }

    pub(super) fn batch_limits(&self) -> BatchLimits {
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

/// The address of the admin listener.
#[derive(Debug, Clone)]
pub(super) enum AdminAddress {
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

fn bulk_items(text: &str) -> Result<usize, String> {
    let max = CompatLimits::BULK_ITEMS_LIMIT;
    match text.parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {max}")),
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}
