//! Traps: the operator lists, adds, imports and retires them.

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use crate::evidence::Order;
use crate::http::app::App;
use crate::http::directives::{DirectiveDone, direct};
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::http::trap_lists::{ListSender, import, listed};
use crate::intake::feed::{FeedAction, FeedReport, TrapFeed};
use crate::time::Timestamp;
use crate::trap::{Donor, DonorTerms, MailRoute, NamedTrap, TrapKey, TrapMail, named_domain};

/// A trap to add: an address, a pattern or a domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewTrap {
    /// The address, pattern or domain.
    pub trap: String,
    /// The donor that gives it.
    pub donor: String,
    /// Since when the address has sent no mail and expected none; the time of the directive if
    /// absent.
    #[serde(default)]
    pub silent_since: Option<Timestamp>,
    /// Whether the mail for the trap's domain comes to this server.
    #[serde(default)]
    pub mail: MailChoice,
    /// Who made the change.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Where the mail for a trap domain goes, as an operator says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailChoice {
    /// Where the MX records of the domain lead. They are looked up again every day.
    #[default]
    Dns,
    /// It comes to this server.
    Here,
    /// It goes elsewhere: reports to the traps are handed on.
    Elsewhere,
}

impl FromStr for MailChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dns" => Ok(MailChoice::Dns),
            "here" => Ok(MailChoice::Here),
            "elsewhere" => Ok(MailChoice::Elsewhere),
            _ => Err(format!("{text:?} is not dns, here or elsewhere")),
        }
    }
}

/// A decision about the mail for a trap domain.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrapMailChange {
    /// The domain, or the key of a trap in it.
    pub domain: String,
    /// Where its mail goes.
    pub mail: MailChoice,
    /// Who made the change.
    pub by: String,
    /// Why.
    pub why: String,
}

/// The response to a change after which it is known where the mail for a trap domain goes.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrapMailDone {
    /// The last directive of the change.
    #[serde(flatten)]
    pub done: DirectiveDone,
    /// `here`, `elsewhere` or `unknown`.
    pub mail: String,
}

/// A trap to retire.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetireTrap {
    /// The address, pattern or domain, or the key of the trap.
    pub trap: String,
    /// Who made the change.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Query parameters of a trap list import.
#[derive(Deserialize)]
pub(super) struct ImportQuery {
    /// The format: `lines`, `csv` or `jsonl`.
    form: String,
    /// Who imports it.
    by: String,
    /// Retire the donor's other traps.
    #[serde(default)]
    replace: bool,
}

/// `GET /control/v1/traps`: the traps of all donors, as JSON lines of [`crate::http::TrapLine`].
pub(super) async fn traps(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    listed(&app, None)
}

/// `POST /control/v1/traps`: adds a trap, and looks up where the mail for its domain goes.
pub(super) async fn add_trap(
    State(app): State<Arc<App>>,
    RequestBody(Json(new)): RequestBody<Json<NewTrap>>,
) -> Result<Json<TrapMailDone>, ApiError> {
    let donor = Donor::parse(&new.donor).map_err(ApiError::InvalidValue)?;
    let NamedTrap { scope, key, domain } =
        app.keys.hasher().named(&new.trap).map_err(ApiError::InvalidValue)?;
    let order = Order::AddTrap { key, scope, domain, donor, silent_since: new.silent_since };
    let _added = direct(&app, new.by.clone(), new.why.clone(), order).await?;
    let said = said_of(&app, domain, Some(named_domain(&new.trap)), new.mail).await?;
    set_mail(&app, new.by, new.why, vec![said]).await
}

/// `POST /control/v1/traps/mail`: decides where the mail for a trap domain goes, or leaves it to the DNS.
pub(super) async fn change_mail(
    State(app): State<Arc<App>>,
    RequestBody(Json(change)): RequestBody<Json<TrapMailChange>>,
) -> Result<Json<TrapMailDone>, ApiError> {
    let TrapMailChange { domain, mail, by, why } = change;
    let (key, name) = match domain.parse::<TrapKey>() {
        Ok(key) => (app.published.traps().traps.get(key).map_or(key, |trap| trap.domain), None),
        Err(_) => {
            let named = app.keys.hasher().named(&domain).map_err(ApiError::InvalidValue)?;
            (named.domain, Some(named_domain(&domain)))
        }
    };
    let mut said = vec![said_of(&app, key, name, mail).await?];
    if mail == MailChoice::Dns {
        // Ends an earlier decision.
        said.insert(0, TrapMail { domain: key, route: MailRoute::Unknown, decided: true, name: None });
    }
    set_mail(&app, by, why, said).await
}

/// What to record about a trap domain. `name` is its name, unless the operator gave its key.
async fn said_of(
    app: &App,
    domain: TrapKey,
    name: Option<String>,
    mail: MailChoice,
) -> Result<TrapMail, ApiError> {
    let route = match (mail, &name) {
        (MailChoice::Here, _) => MailRoute::Here,
        (MailChoice::Elsewhere, _) => MailRoute::Elsewhere,
        (MailChoice::Dns, Some(name)) => app.routes.of(name).await,
        (MailChoice::Dns, None) => MailRoute::Unknown,
    };
    let name = name.map(|name| app.keys.seal_name(domain, &name)).transpose();
    let name = name.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(TrapMail { domain, route, decided: mail != MailChoice::Dns, name })
}

async fn set_mail(
    app: &App,
    by: String,
    why: String,
    domains: Vec<TrapMail>,
) -> Result<Json<TrapMailDone>, ApiError> {
    let domain = domains.last().map(|said| said.domain);
    let Json(done) = direct(app, by, why, Order::SetTrapMail { domains }).await?;
    let known = domain.map(|domain| app.published.traps().traps.mail_of(domain)).unwrap_or_default();
    Ok(Json(TrapMailDone { done, mail: known.route.name().to_owned() }))
}

/// `POST /control/v1/traps/retire`: retires a trap.
pub(super) async fn retire_trap(
    State(app): State<Arc<App>>,
    RequestBody(Json(retire)): RequestBody<Json<RetireTrap>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let key = retire.trap.parse().or_else(|_| app.keys.hasher().named(&retire.trap).map(|named| named.key));
    let key = key.map_err(ApiError::InvalidValue)?;
    if !app.published.traps().traps.is_active(key) {
        return Err(ApiError::UnknownTrap);
    }
    direct(&app, retire.by, retire.why, Order::RetireTrap { key }).await
}

/// `POST /control/v1/donors/{donor}/traps?form=...&by=...&replace=...`: imports a trap list in the
/// donor's name.
pub(super) async fn import_traps(
    State(app): State<Arc<App>>,
    RequestPart(Path(donor)): RequestPart<Path<String>>,
    RequestPart(Query(asked)): RequestPart<Query<ImportQuery>>,
    body: Body,
) -> Result<Json<FeedReport>, ApiError> {
    let donor = Donor::parse(&donor).map_err(ApiError::InvalidValue)?;
    let form = asked.form.parse().map_err(ApiError::InvalidValue)?;
    let terms = app.published.donors().get(&donor).map(|record| record.terms.clone()).unwrap_or_default();
    // The restrictions of the donor's terms do not apply to the operator.
    let terms = DonorTerms { silence_believed: true, gives_domains: true, sends_hashes: true, ..terms };
    let action = if asked.replace { FeedAction::Replace } else { FeedAction::Add };
    let feed = TrapFeed { donor, terms, by: asked.by, form, action };
    import(&app, ListSender::Operator, feed, body).await
}
