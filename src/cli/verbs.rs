//! Commands about addresses and traps.

use std::path::PathBuf;

use axum::body::Body;
use clap::{Args, Subcommand};
use serde_json::Value;
use tokio_util::io::{InspectReader, ReaderStream};

use super::client::{Client, parse};
use super::submit::encoded;
use super::{EX_DATA, EX_UNAVAILABLE, Failure, tell};
use crate::config::Config;
use crate::daemon::StartError;
use crate::http::{Advance, Done, FeedReport, NewTrap, Removal, RetireTrap, TrapLine};
use crate::keys::Keys;
use crate::mail::Mailbox;
use crate::observe::{Fault, Lookups, faults};
use crate::time::{Clock, Span, SystemClock, Timestamp};
use crate::trap::feed::Form;

/// Octets of a list that are read at once.
const IMPORT_OCTETS: usize = 256 << 10;
/// Progress is told of larger files only.
const PROGRESS_OCTETS: u64 = 8 << 20;
/// Most addresses made up at once.
const GENERATED_MAX: usize = 100_000;

#[derive(Debug, Subcommand)]
pub(super) enum Trap {
    /// Make an address, or a whole domain, a trap.
    Add {
        /// `address@domain`, or a domain of which every local part is a trap.
        trap: String,
        /// Who gave it.
        #[arg(long, default_value = "own")]
        donor: String,
        /// Since when it has been known to send no mail and to expect none (RFC 3339). A trap counts once it has been
        /// silent for as long as the policy says; without this, from now on.
        #[arg(long)]
        silent_since: Option<Timestamp>,
        #[arg(long, default_value = "added by hand")]
        why: String,
    },
    /// Add the traps of a list: a line, a trap.
    Import(Import),
    /// Make up addresses that nobody has, to be put where only harvesters look. Their endings tell, by our key alone, that we made
    /// them and for which place.
    Generate(Generate),
    /// Tell for which place an address was made up.
    Place { address: String },
    /// List the traps by their keys; addresses are not kept.
    List,
    /// Tell whether a domain is fit to be a trap, by what its DNS says, and what to publish.
    Verify { domain: String },
    /// Print an address with a tag of ours, good for a week: reports to it are known to be about mail that was sent.
    Tag { address: String },
    /// Let a trap count no more.
    Retire {
        /// The address, the domain, or the key that `trap list` shows.
        trap: String,
        #[arg(long, default_value = "retired by hand")]
        why: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file, or `-` for standard input.
    file: PathBuf,
    /// Who gave them.
    #[arg(long, default_value = "own")]
    donor: String,
    /// `lines` (a trap, and behind white space since when it is silent), `csv` (trap,silent_since) or `jsonl`.
    #[arg(long, default_value_t = Form::Lines)]
    form: Form,
    /// Retire the donor's traps that aren't in the list, if no line of it is wrong.
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    domain: String,
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// A number for the place where they go; keep a note of what it stands for.
    #[arg(long)]
    place: u16,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    address: String,
    #[arg(long, default_value = "removed by hand")]
    why: String,
}

/// Who is at the keyboard, for the record.
pub(super) fn by() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    user.unwrap_or_else(|_| "operator".to_owned())
}

pub(super) async fn lookup(config: &Config, address: &str) -> Result<(), Failure> {
    let text = Client::to_read(config).await?.get(&format!("/api/v1/addresses/{}", segment(address))).await?;
    let told: Value = parse(&text)?;
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = if told["listed"] == true { "listed" } else { "not listed" };
    let mut lines = format!("{} is {listed}\n", text_of(&told["address"]));
    if let Some(reason) = told["special_purpose"].as_str() {
        lines.push_str(&format!("  special-purpose: {reason}\n"));
    }
    for zone in told["zones"].as_array().into_iter().flatten() {
        let answer = zone["answer"].as_str().unwrap_or("no such name");
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

pub(super) async fn explain(config: &Config, address: &str, json: bool) -> Result<(), Failure> {
    let form = if json { "json" } else { "text" };
    let path = format!("/control/v1/explain/{}?format={form}", segment(address));
    tell(&Client::to_read(config).await?.get(&path).await?)
}

pub(super) async fn notice(config: &Config, address: &str, from: &str, to: &str) -> Result<(), Failure> {
    let (address, from, to) = (segment(address), encoded(from), encoded(to));
    let path = format!("/control/v1/notice/{address}?from={from}&to={to}");
    tell(&Client::to_read(config).await?.get(&path).await?)
}

pub(super) async fn trap(config: &Config, trap: Trap) -> Result<(), Failure> {
    match trap {
        Trap::Add { trap, donor, silent_since, why } => {
            let new = NewTrap { trap, donor, silent_since, by: by(), why };
            done(&Client::to_write(config).await?.post("/control/v1/traps", &new).await?)
        }
        Trap::Retire { trap, why } => {
            let retire = RetireTrap { trap, by: by(), why };
            done(&Client::to_write(config).await?.post("/control/v1/traps/retire", &retire).await?)
        }
        Trap::Import(args) => import(config, args).await,
        Trap::Generate(args) => generate(config, &args),
        Trap::Place { address } => place(config, &address),
        Trap::Verify { domain } => verify(config, &domain).await,
        Trap::Tag { address } => tag(config, &address),
        Trap::List => {
            let text = Client::to_read(config).await?.get("/control/v1/traps").await?;
            let mut lines = String::new();
            for line in text.lines() {
                let trap: TrapLine = parse(line)?;
                let retired = trap.retired.map_or(String::new(), |at| format!(", retired {at}"));
                let TrapLine { key, scope, donor, since, .. } = trap;
                lines.push_str(&format!("{key}  {scope:<10}  {donor}  since {since}{retired}\n"));
            }
            tell(&lines)
        }
    }
}

async fn verify(config: &Config, domain: &str) -> Result<(), Failure> {
    let domain = crate::zone::Name::parse(domain).map_err(|problem| Failure::new(EX_DATA, problem))?;
    let domain = domain.labels().join(".");
    let lookups = Lookups::dns(&config.spec.observe.resolvers)
        .map_err(|problem| Failure::new(EX_UNAVAILABLE, problem))?;
    let found = faults(&domain, &config.spec.smtp.hostname, &lookups.published(&domain).await);
    if found.is_empty() {
        return tell(&format!("{domain} is fit to be a trap\n"));
    }
    let lines = found.iter().map(|Fault { problem, publish }| format!("{problem}; publish: {publish}"));
    Err(Failure { code: EX_DATA, lines: lines.collect() })
}

async fn import(config: &Config, args: Import) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of_io(&error, format!("{}: {error}", args.file.display()));
    let path = format!(
        "/control/v1/donors/{}/traps?form={}&replace={}&by={}",
        super::donors::name(&args.donor)?,
        args.form,
        args.replace,
        segment_of_name(&by())
    );
    let client = Client::to_write(config).await?;
    let body = if args.file.as_os_str() == "-" {
        Body::from_stream(ReaderStream::with_capacity(tokio::io::stdin(), IMPORT_OCTETS))
    } else {
        let file = tokio::fs::File::open(&args.file).await.map_err(failed)?;
        let whole = file.metadata().await.map_err(failed)?.len();
        let mut progress = Progress { whole, read: 0, told: 0 };
        let read = InspectReader::new(file, move |octets| progress.add(octets.len()));
        Body::from_stream(ReaderStream::with_capacity(read, IMPORT_OCTETS))
    };
    let (status, text) = client.post_octets(&path, "application/octet-stream", body).await?;
    let report: FeedReport = serde_json::from_str(&text)
        .map_err(|_| Failure::new(EX_UNAVAILABLE, format!("{status}: {}", text.trim())))?;
    let mut lines = format!(
        "{} lines: {} added, {} known, {} wrong, {} retired\n",
        report.lines, report.taken, report.known, report.rejected, report.retired
    );
    for problem in &report.problems {
        lines.push_str(&format!("line {}: {}\n", problem.line, problem.problem));
    }
    if report.problems_left_out > 0 {
        lines.push_str(&format!("and {} more\n", report.problems_left_out));
    }
    tell(&lines)?;
    match (report.stopped, report.kept, report.rejected) {
        (Some(why), _, _) => Err(Failure::new(EX_UNAVAILABLE, format!("not read to its end: {why}"))),
        (None, Some(why), _) => Err(Failure::new(EX_DATA, why)),
        (None, None, 0) => Ok(()),
        (None, None, wrong) => Err(Failure::new(EX_DATA, format!("{wrong} lines were wrong"))),
    }
}

/// How much of a file was read, told by the twentieth.
struct Progress {
    whole: u64,
    read: u64,
    told: u64,
}

impl Progress {
    fn add(&mut self, octets: usize) {
        self.read += octets as u64;
        let part = self.read.saturating_mul(20) / self.whole.max(1);
        if part > self.told && self.whole > PROGRESS_OCTETS {
            self.told = part;
            eprintln!("{} % read", part * 5);
        }
    }
}

fn segment_of_name(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect()
}

fn generate(config: &Config, args: &Generate) -> Result<(), Failure> {
    let keys = Keys::open_known(&config.spec.keys.directory).map_err(StartError::Keys)?;
    let mut lines = String::new();
    for _ in 0..args.count.min(GENERATED_MAX) {
        let random = keys.nonce().map_err(StartError::Keys)?;
        let made = keys.hasher().made_up(random, &args.domain, args.place);
        let made = made.map_err(|problem| Failure::new(EX_DATA, problem))?;
        lines.push_str(&format!("{made}\n"));
    }
    tell(&lines)
}

fn place(config: &Config, address: &str) -> Result<(), Failure> {
    let wrong = |problem: &str| Failure::new(EX_DATA, format!("{address:?} {problem}"));
    let keys = Keys::open_known(&config.spec.keys.directory).map_err(StartError::Keys)?;
    let mailbox = Mailbox::parse(address).ok_or_else(|| wrong("is no address"))?;
    let place = keys.hasher().place_of(&mailbox).ok_or_else(|| wrong("was not made up here"))?;
    tell(&format!("made up here for place {place}; it has never sent mail\n"))
}

fn tag(config: &Config, address: &str) -> Result<(), Failure> {
    let wrong = || Failure::new(EX_DATA, format!("{address:?} is not an address"));
    let keys = Keys::open_known(&config.spec.keys.directory).map_err(StartError::Keys)?;
    let mailbox = Mailbox::parse(address).ok_or_else(wrong)?;
    let tagged = keys.hasher().tagged(&mailbox, SystemClock::start().now()).ok_or_else(wrong)?;
    tell(&format!("{tagged}\n"))
}

pub(super) async fn remove(config: &Config, RemoveArgs { address, why }: RemoveArgs) -> Result<(), Failure> {
    let removal = Removal { address, by: by(), why };
    done(&Client::to_write(config).await?.post("/control/v1/removals", &removal).await?)
}

pub(super) async fn advance(config: &Config, span: Span) -> Result<(), Failure> {
    done(&Client::to_write(config).await?.post("/control/v1/clock", &Advance { advance: span }).await?)
}

pub(super) fn done(text: &str) -> Result<(), Failure> {
    let Done { offset, time } = parse(text)?;
    tell(&format!("done as entry {offset}, at {time}\n"))
}

/// An address as one segment of a path: anything else is for the daemon to refuse.
pub(super) fn segment(address: &str) -> String {
    address
        .bytes()
        .map(|b| if b.is_ascii_hexdigit() || b":.".contains(&b) { char::from(b) } else { '_' })
        .collect()
}
