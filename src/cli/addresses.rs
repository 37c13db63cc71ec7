//! Commands about one address: `lookup`, `explain`, `notice` and `remove`.

use clap::Args;
use serde_json::Value;

use super::client::{ControlClient, parse};
use super::directive::{by, done};
use super::failure::CommandFailure;
use super::output::tell;
use super::uri::encoded;
use crate::config::Config;
use crate::http::RemovalRequest;

/// The arguments of `remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The IPv4 or IPv6 address.
    address: String,
    /// The reason, for the audit record.
    #[arg(long, default_value = "removed by hand")]
    why: String,
}

/// Prints whether an address is listed, and the answer of each zone.
///
/// # Errors
/// When the address is not valid, or neither the daemon nor the store can be reached.
pub(super) async fn lookup(config: &Config, address: &str) -> Result<(), CommandFailure> {
    let text =
        ControlClient::to_read(config).await?.get(&format!("/api/v1/addresses/{}", encoded(address))).await?;
    let told: Value = parse(&text)?;
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = if told["listed"] == true { "listed" } else { "not listed" };
    let mut lines = format!("{} is {listed}\n", text_of(&told["address"]));
    if let Some(reason) = told["special_purpose"].as_str() {
        lines.push_str(&format!("  special-purpose: {reason}\n"));
    }
    for zone in told["zones"].as_array().into_iter().flatten() {
        let answer = zone["answer"].as_str().unwrap_or("NXDOMAIN");
        lines.push_str(&format!("  {}  A  {answer}\n", text_of(&zone["query"])));
        for code in zone["codes"].as_array().into_iter().flatten() {
            lines.push_str(&format!(
                "    {} {}: {}, until {}\n",
                code["value"],
                text_of(&code["name"]),
                text_of(&code["why"]),
                text_of(&code["until"])
            ));
        }
    }
    tell(&lines)
}

/// Prints how an address was judged, as text or JSON.
///
/// # Errors
/// When the address is not valid, or neither the daemon nor the store can be reached.
pub(super) async fn explain(config: &Config, address: &str, json: bool) -> Result<(), CommandFailure> {
    let form = if json { "json" } else { "text" };
    let path = format!("/control/v1/explain/{}?format={form}", encoded(address));
    tell(&ControlClient::to_read(config).await?.get(&path).await?)
}

/// Prints a feedback report about a listed relay (RFC 5965).
///
/// # Errors
/// When an address or mailbox is not valid, the relay is not listed, or neither the daemon nor the
/// store can be reached.
pub(super) async fn notice(
    config: &Config,
    address: &str,
    from: &str,
    to: &str,
) -> Result<(), CommandFailure> {
    let (address, from, to) = (encoded(address), encoded(from), encoded(to));
    let path = format!("/control/v1/notice/{address}?from={from}&to={to}");
    tell(&ControlClient::to_read(config).await?.get(&path).await?)
}

/// Removes an address from every zone.
///
/// # Errors
/// When the address is not valid, or neither the daemon nor the store can be reached.
pub(super) async fn remove(
    config: &Config,
    RemoveArgs { address, why }: RemoveArgs,
) -> Result<(), CommandFailure> {
    let removal = RemovalRequest { address, by: by(), why };
    done(&ControlClient::to_write(config).await?.post("/control/v1/removals", &removal).await?)
}
