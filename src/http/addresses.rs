//! The public information about an address: whether it is listed, its codes, the reasons and the
//! end of each listing.
//!
//! It contains no counts, traps or evidence, and times are rounded to the hour. Anything more
//! precise would help an attacker who owns a relay to find out which addresses are traps.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::App;
use crate::blocklist::RelayRecord;
use crate::explain::{answer_mask, record_of};
use crate::listing::{Criterion, Listing, ListingGrounds};
use crate::relay::{Relay, special_purpose};
use crate::score::RULES;
use crate::time::{Span, Timestamp};
use crate::zone::{Config, reversed};

/// The public information about one address.
#[derive(Debug, Serialize)]
pub(super) struct AddressJson {
    address: IpAddr,
    /// Listed in any zone.
    listed: bool,
    /// The kind of special-purpose address, which cannot be listed outside of a laboratory; `None`
    /// for any other address.
    special_purpose: Option<&'static str>,
    zones: Vec<ZoneJson>,
}

/// The information of one zone.
#[derive(Debug, Serialize)]
struct ZoneJson {
    zone: String,
    /// The DNS name to query.
    query: String,
    /// The value of the A record; `None` if the address is not listed in the zone.
    answer: Option<IpAddr>,
    url: String,
    codes: Vec<CodeJson>,
}

/// A listing under one code.
#[derive(Debug, Serialize)]
struct CodeJson {
    value: u8,
    name: String,
    why: String,
    since: Timestamp,
    until: Timestamp,
    policy: String,
    /// The months of the first and the last report of the case. More precise times would let the
    /// owner of a relay find out which addresses are traps.
    reports: Option<[String; 2]>,
    /// The rules that the reports satisfied; empty if an operator made the listing.
    rules: Vec<&'static str>,
    /// Further codes that apply to the same listing.
    beside: Vec<FurtherCodeJson>,
}

/// A further code of a listing.
#[derive(Debug, Serialize)]
struct FurtherCodeJson {
    value: u8,
    name: String,
    why: String,
}

/// The body of every error response.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// What is wrong.
    pub(super) error: String,
}

#[derive(Template)]
#[template(path = "address.html")]
struct AddressPage<'a> {
    address: &'a AddressJson,
}

#[derive(Template)]
#[template(path = "index.html")]
struct FrontPage;

/// Query parameters of the front page.
#[derive(Deserialize)]
pub(super) struct FrontPageQuery {
    address: Option<String>,
}

fn describe(app: &App, relay: Relay) -> AddressJson {
    let record = app.published.relay(relay).unwrap_or_default();
    let snapshot = app.published.snapshot();
    let zones: Vec<ZoneJson> = snapshot
        .zones()
        .iter()
        .map(|zone| {
            let origin = zone.config.apex.origin.to_string();
            let mask = answer_mask(relay, &record, &zone.config);
            ZoneJson {
                query: format!("{}.{origin}", reversed(relay.address())),
                answer: (mask != 0).then(|| IpAddr::from([127, 0, 0, mask])),
                url: zone.config.texts.url(relay.address()),
                codes: codes(relay, &record, &zone.config),
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

fn codes(relay: Relay, record: &RelayRecord, config: &Config) -> Vec<CodeJson> {
    let listed = config.codes.iter().filter_map(|code| {
        let listing = record_of(record, config, code.value)?
            .current
            .as_ref()
            .filter(|listing| listing.prefix.contains(relay.address()))?;
        Some(CodeJson {
            value: code.value,
            name: code.name.clone(),
            why: code.meaning.clone(),
            // A more precise time would reveal which report completed the case.
            since: listing.since.whole_hour(),
            until: listing.until.plus(Span::from_hours(1)).whole_hour(),
            policy: listing.policy.to_string(),
            reports: months(record, &listing.grounds),
            rules: match listing.grounds.criterion {
                Criterion::Case => RULES.iter().map(|rule| rule.shows).collect(),
                Criterion::Decision => Vec::new(),
            },
            beside: beside(config, listing),
        })
    });
    listed.collect()
}

fn beside(config: &Config, listing: &Listing) -> Vec<FurtherCodeJson> {
    let goes = config.codes.iter().filter(|code| code.basis.goes_with(listing));
    goes.map(|code| FurtherCodeJson { value: code.value, name: code.name.clone(), why: code.meaning.clone() })
        .collect()
}

/// The months of the first and the last report of a case.
fn months(record: &RelayRecord, grounds: &ListingGrounds) -> Option<[String; 2]> {
    let of_case = record.ledger.marks().iter().filter(|mark| grounds.evidence.contains(&mark.offset));
    let seen: Vec<Timestamp> = of_case.map(|mark| mark.seen_at).collect();
    Some([seen.iter().min()?.month(), seen.iter().max()?.month()])
}

/// A 400 response.
pub(super) fn bad_address(problem: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(Problem { error: problem })).into_response()
}

/// `GET /api/v1/addresses/{address}`: the public information about an address, as JSON.
pub(super) async fn api(State(app): State<Arc<App>>, Path(address): Path<String>) -> Response {
    match address.parse() {
        Ok(relay) => Json(describe(&app, relay)).into_response(),
        Err(problem) => bad_address(problem),
    }
}

/// `GET /ip/{address}`: the public information about an address, as HTML.
pub(super) async fn page(State(app): State<Arc<App>>, Path(address): Path<String>) -> Response {
    match address.parse() {
        Ok(relay) => render(&AddressPage { address: &describe(&app, relay) }),
        Err(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
    }
}

/// `GET /`: the front page; with `?address=...`, a redirect to the page of that address.
pub(super) async fn index(Query(asked): Query<FrontPageQuery>) -> Response {
    match asked.address.map(|text| text.trim().parse::<Relay>()) {
        Some(Ok(relay)) => Redirect::to(&format!("/ip/{relay}")).into_response(),
        Some(Err(problem)) => (StatusCode::BAD_REQUEST, problem).into_response(),
        None => render(&FrontPage),
    }
}

fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot render a page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
