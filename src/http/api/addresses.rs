//! The public information about an address: whether it is listed, its codes, the reasons and the
//! end of each listing.
//!
//! It contains no counts, traps or evidence, and times are rounded to the hour. Anything more
//! precise would help an attacker who owns a relay to find out which addresses are traps.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use crate::blocklist::PublicRelay;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::listing::{Criterion, PublishedListing};
use crate::relay::{Relay, special_purpose};
use crate::score::RULES;
use crate::time::{Span, Timestamp};
use crate::zone::{Config, reversed};

/// The public information about one address.
#[derive(Debug, Serialize)]
pub(in crate::http) struct AddressJson {
    pub address: IpAddr,
    /// Listed in any zone.
    pub listed: bool,
    /// The kind of special-purpose address, which cannot be listed outside of a laboratory; `None`
    /// for any other address.
    pub special_purpose: Option<&'static str>,
    pub zones: Vec<ZoneJson>,
}

/// The information of one zone.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ZoneJson {
    pub zone: String,
    /// The DNS name to query.
    pub query: String,
    /// The value of the A record; `None` if the address is not listed in the zone.
    pub answer: Option<IpAddr>,
    pub url: String,
    pub codes: Vec<CodeJson>,
}

/// A listing under one code.
#[derive(Debug, Serialize)]
pub(in crate::http) struct CodeJson {
    pub value: u8,
    pub name: String,
    pub why: String,
    pub since: Timestamp,
    pub until: Timestamp,
    pub policy: String,
    /// The months of the first and the last report of the case. More precise times would let the
    /// owner of a relay find out which addresses are traps.
    pub reports: Option<[String; 2]>,
    /// The rules that the reports satisfied; empty if an operator made the listing.
    pub rules: Vec<&'static str>,
    /// Further codes that apply to the same listing.
    pub beside: Vec<FurtherCodeJson>,
}

/// A further code of a listing.
#[derive(Debug, Serialize)]
pub(in crate::http) struct FurtherCodeJson {
    pub value: u8,
    pub name: String,
    pub why: String,
}

/// `GET /api/v1/addresses/{address}`: the public information about an address, as JSON.
pub(super) async fn address(
    State(app): State<Arc<App>>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
) -> Result<Json<AddressJson>, ApiError> {
    let relay = address.parse().map_err(ApiError::InvalidValue)?;
    Ok(Json(describe(&app, relay)))
}

/// The public information about an address.
pub(in crate::http) fn describe(app: &App, relay: Relay) -> AddressJson {
    let known = app.published.public_relay(relay);
    let snapshot = app.published.snapshot();
    let zones: Vec<ZoneJson> = snapshot
        .zones()
        .iter()
        .map(|zone| {
            let origin = zone.config.apex.origin.to_string();
            let mask = known.answer_mask(&zone.config);
            ZoneJson {
                query: format!("{}.{origin}", reversed(relay.address())),
                answer: (mask != 0).then(|| IpAddr::from([127, 0, 0, mask])),
                url: zone.config.texts.url(relay.address()),
                codes: codes(&known, &zone.config),
                zone: origin,
            }
        })
        .collect();
    AddressJson {
        address: relay.address(),
        listed: zones.iter().any(|zone| !zone.codes.is_empty()),
        special_purpose: special_purpose(relay.address()).map(|reason| reason.what),
        zones,
    }
}

fn codes(known: &PublicRelay, config: &Config) -> Vec<CodeJson> {
    let listed = config.codes.iter().filter_map(|code| {
        let listing = known.listing(config, code.value)?;
        Some(CodeJson {
            value: code.value,
            name: code.name.clone(),
            why: code.meaning.clone(),
            since: listing.since.whole_hour(),
            until: listing.until.plus(Span::from_hours(1)).whole_hour(),
            policy: listing.policy.to_string(),
            reports: listing.shown.reported.map(|(first, last)| [first.month(), last.month()]),
            rules: match listing.criterion {
                Criterion::Case => RULES.iter().map(|rule| rule.shows).collect(),
                Criterion::Decision => Vec::new(),
            },
            beside: beside(config, listing),
        })
    });
    listed.collect()
}

fn beside(config: &Config, listing: &PublishedListing) -> Vec<FurtherCodeJson> {
    let goes = config.codes.iter().filter(|code| code.value & listing.shown.beside != 0);
    goes.map(|code| FurtherCodeJson { value: code.value, name: code.name.clone(), why: code.meaning.clone() })
        .collect()
}
