//! `catchment health`: checks whether a service on this machine is ready. A container image that has
//! only this program needs this command for its health check.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::print;
use crate::ops::log;

#[derive(Debug, clap::Args)]
pub(super) struct HealthArguments {
    /// Address and port on which the service listens. The address must be a loopback address.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    address: SocketAddr,
}

/// The timeout for connecting, for sending the request and for each read of the response.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of bytes that are read from the response.
const RESPONSE_BYTES_MAX: u64 = 1 << 16;

/// The exit status if the service is not ready or does not respond. Container engines reserve the
/// exit status 2 of a health check.
const EXIT_NOT_READY: u8 = 1;

/// Requests `/health/ready`, and returns exit status 0 if the response is 200.
pub(super) fn run(arguments: &HealthArguments) -> Result<ExitCode> {
    let address = arguments.address;
    if !address.ip().is_loopback() {
        bail!("{address} is not a loopback address: give 127.0.0.1 or [::1], and the port");
    }
    let reason = match readiness_status(address) {
        Ok(200) => {
            print("ready\n")?;
            return Ok(ExitCode::SUCCESS);
        }
        Ok(status) => format!("/health/ready returns {status}"),
        Err(error) => format!("{error:#}"),
    };
    log::message(format_args!("not ready: {reason}"));
    Ok(ExitCode::from(EXIT_NOT_READY))
}

/// Returns the status of the response to `/health/ready`.
///
/// # Errors
/// If the service does not respond, or the response is not an HTTP response.
fn readiness_status(address: SocketAddr) -> Result<u16> {
    let connected = TcpStream::connect_timeout(&address, TIMEOUT);
    let mut stream = connected.with_context(|| format!("connecting to {address}"))?;
    let exchange = || {
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let request = "GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut response)?;
        std::io::Result::Ok(response)
    };
    let response = exchange().with_context(|| format!("waiting for a response of {address}"))?;
    // The status line is `HTTP/1.1 200 OK`.
    let status = response.strip_prefix(b"HTTP/1.1 ").and_then(|rest| {
        let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
        digits.parse().ok()
    });
    status.with_context(|| format!("the response of {address} is not an HTTP response"))
}
