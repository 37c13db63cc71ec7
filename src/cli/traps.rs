//! `trap`: adds, imports, generates, checks, lists and retires traps.

use std::path::PathBuf;

use axum::body::Body;
use clap::{Args, Subcommand};
use tokio_util::io::{InspectReader, ReaderStream};

use super::client::{ControlClient, parse};
use super::directive::{by, done};
use super::failure::{CommandFailure, EX_DATA, EX_UNAVAILABLE};
use super::output::tell;
use super::uri::encoded;
use crate::config::Config;
use crate::daemon::StartError;
use crate::http::{FeedReport, MailChoice, NewTrap, RetireTrap, TrapLine, TrapMailChange, TrapMailDone};
use crate::keys::Keys;
use crate::mail::Mailbox;
use crate::observe::{EnrolmentFault, Lookups, faults};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::trap::feed::FeedForm;

/// Octets of a list of traps that one read takes.
const IMPORT_OCTETS: usize = 256 << 10;
/// Least size of a file, in octets, for which progress is printed.
const PROGRESS_OCTETS: u64 = 8 << 20;
/// Most addresses that one `trap generate` prints.
const GENERATED_MAX: usize = 100_000;

/// The verbs of `backscatterd trap`.
#[derive(Debug, Subcommand)]
pub(super) enum TrapVerb {
    /// Make an address, a pattern of addresses or a domain a trap.
    Add {
        /// The trap: `local@domain`; `prefix-*@domain`, where `*` follows one of `-+._=`; `domain`
        /// (every address of it); or `*.domain` (the domain and all domains below it).
        trap: String,
        /// The donor that gave the trap.
        #[arg(long, default_value = "own")]
        donor: String,
        /// The time since which the trap has sent no mail and expected none (RFC 3339). The default
        /// is now. Reports to a trap count once the trap has been silent for the policy's trap_age.
        #[arg(long)]
        silent_since: Option<Timestamp>,
        /// Where the mail for the trap's domain goes: `dns` (where its MX records lead; they are looked
        /// up again every day), `here` or `elsewhere`. Mail for a domain whose mail goes elsewhere is
        /// refused like mail for a stranger's domain, except from an MTA in front and from trusted
        /// relays.
        #[arg(long, default_value = "dns")]
        mail: MailChoice,
        /// The reason, for the audit record.
        #[arg(long, default_value = "added by hand")]
        why: String,
    },
    /// Say where the mail for a trap domain goes, or look it up now.
    Mail {
        /// The domain, or the key of a trap in it as `trap list` prints it.
        domain: String,
        /// Where the mail goes: `dns` (where the MX records lead, from now on), `here` or `elsewhere`.
        #[arg(default_value = "dns")]
        mail: MailChoice,
        /// The reason, for the audit record.
        #[arg(long, default_value = "decided by hand")]
        why: String,
    },
    /// Add the traps of a list, which has one trap on each line.
    Import(ImportArgs),
    /// Print new addresses that were never in use, for places where only address harvesters look.
    ///
    /// Each address ends in a watermark. With the trap key of this server, `trap place` reads from
    /// the watermark that this server generated the address, and for which place.
    Generate(GenerateArgs),
    /// Show for which place an address was generated.
    Place {
        /// An address that `trap generate` may have printed.
        address: String,
    },
    /// List the traps by their keys. The store does not hold their addresses.
    List,
    /// Check the DNS records of a domain that is to become a trap, and print the records to
    /// publish.
    Verify {
        /// The domain.
        domain: String,
    },
    /// Print a trap's address with a BATV tag that is valid for 7 days.
    ///
    /// Use the tagged address as the reverse-path of mail that you send. The server then knows that
    /// reports to the tagged address are about mail that you really sent. Such reports never count.
    Tag {
        /// The address to tag.
        address: String,
    },
    /// Retire a trap: reports to it no longer count.
    Retire {
        /// The address, pattern or domain of the trap, or its key as `trap list` prints it.
        trap: String,
        /// The reason, for the audit record.
        #[arg(long, default_value = "retired by hand")]
        why: String,
    },
}

/// The arguments of `trap import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file of the list, or `-` for standard input.
    file: PathBuf,
    /// The donor that gave the traps.
    #[arg(long, default_value = "own")]
    donor: String,
    /// The format of the list: `lines` (a trap and, after white space, the time since which it has
    /// been silent), `csv` (trap,silent_since) or `jsonl` ({"trap": ..., "silent_since": ...}).
    #[arg(long, default_value_t = FeedForm::Lines)]
    form: FeedForm,
    /// Also retire the traps of the donor that are not in the list. No trap is retired if a line of
    /// the list is wrong, or if more than half of the donor's active traps, and more than 10 traps,
    /// would be retired.
    #[arg(long)]
    replace: bool,
}

/// The arguments of `trap generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The domain of the addresses.
    domain: String,
    /// The number of addresses, at most 100000.
    #[arg(long, default_value_t = 10)]
    count: usize,
    /// A number below 1024 for the place where you publish the addresses. Keep a note of its
    /// meaning.
    #[arg(long)]
    place: u16,
}

/// Runs a verb of `backscatterd trap`.
///
/// # Errors
/// When an argument is not valid, the keys cannot be read, or neither the daemon nor the store can
/// be reached.
pub(super) async fn run(config: &Config, trap: TrapVerb) -> Result<(), CommandFailure> {
    match trap {
        TrapVerb::Add { trap, donor, silent_since, mail, why } => {
            let new = NewTrap { trap, donor, silent_since, mail, by: by(), why };
            mail_done(&ControlClient::to_write(config).await?.post("/control/v1/traps", &new).await?)
        }
        TrapVerb::Mail { domain, mail, why } => {
            let change = TrapMailChange { domain, mail, by: by(), why };
            mail_done(&ControlClient::to_write(config).await?.post("/control/v1/traps/mail", &change).await?)
        }
        TrapVerb::Retire { trap, why } => {
            let retire = RetireTrap { trap, by: by(), why };
            done(&ControlClient::to_write(config).await?.post("/control/v1/traps/retire", &retire).await?)
        }
        TrapVerb::Import(args) => import(config, args).await,
        TrapVerb::Generate(args) => generate(config, &args),
        TrapVerb::Place { address } => place(config, &address),
        TrapVerb::Verify { domain } => verify(config, &domain).await,
        TrapVerb::Tag { address } => tag(config, &address),
        TrapVerb::List => {
            let text = ControlClient::to_read(config).await?.get("/control/v1/traps").await?;
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

/// Prints the journal entry of a change, and where the mail for the trap's domain goes.
fn mail_done(text: &str) -> Result<(), CommandFailure> {
    done(text)?;
    let TrapMailDone { mail, .. } = parse(text)?;
    tell(match mail.as_str() {
        "here" => "mail for the domain comes here\n",
        "elsewhere" => {
            "mail for the domain goes elsewhere: the server refuses it, except from an MTA in front and from trusted relays\n"
        }
        _ => {
            "the DNS gave no answer about the mail for the domain: the server refuses it, and looks again; \"trap mail DOMAIN here\" accepts it now\n"
        }
    })
}

async fn verify(config: &Config, domain: &str) -> Result<(), CommandFailure> {
    let domain =
        crate::zone::DomainName::parse(domain).map_err(|problem| CommandFailure::new(EX_DATA, problem))?;
    let domain = domain.labels().join(".");
    let lookups = Lookups::dns(&config.observe.resolvers)
        .map_err(|problem| CommandFailure::new(EX_UNAVAILABLE, problem))?;
    let found = faults(&domain, &config.smtp.texts.hostname, &lookups.published(&domain).await);
    if found.is_empty() {
        return tell(&format!("{domain} is ready to be a trap domain\n"));
    }
    let lines =
        found.iter().map(|EnrolmentFault { problem, publish }| format!("{problem}; publish: {publish}"));
    Err(CommandFailure { code: EX_DATA, lines: lines.collect() })
}

async fn import(config: &Config, args: ImportArgs) -> Result<(), CommandFailure> {
    let failed =
        |error: std::io::Error| CommandFailure::of_io(&error, format!("{}: {error}", args.file.display()));
    let path = format!(
        "/control/v1/donors/{}/traps?form={}&replace={}&by={}",
        super::donors::name(&args.donor)?,
        args.form,
        args.replace,
        encoded(&by())
    );
    let client = ControlClient::to_write(config).await?;
    let body = if args.file.as_os_str() == "-" {
        Body::from_stream(ReaderStream::with_capacity(tokio::io::stdin(), IMPORT_OCTETS))
    } else {
        let file = tokio::fs::File::open(&args.file).await.map_err(failed)?;
        let whole = file.metadata().await.map_err(failed)?.len();
        let mut progress = FileProgress { whole, read: 0, told: 0 };
        let read = InspectReader::new(file, move |octets| progress.add(octets.len()));
        Body::from_stream(ReaderStream::with_capacity(read, IMPORT_OCTETS))
    };
    let (status, text) = client.post_octets(&path, "application/octet-stream", body).await?;
    let report: FeedReport = serde_json::from_str(&text)
        .map_err(|_| CommandFailure::new(EX_UNAVAILABLE, format!("{status}: {}", text.trim())))?;
    let mut lines = format!(
        "{} lines: {} traps added, {} already known, {} lines wrong, {} traps retired\n",
        report.lines, report.taken, report.known, report.rejected, report.retired
    );
    for problem in &report.problems {
        lines.push_str(&format!("line {}: {}\n", problem.line, problem.problem));
    }
    if report.problems_left_out > 0 {
        lines.push_str(&format!("and {} more wrong lines\n", report.problems_left_out));
    }
    tell(&lines)?;
    match (report.stopped, report.kept, report.rejected) {
        (Some(why), _, _) => {
            Err(CommandFailure::new(EX_UNAVAILABLE, format!("the list was not read to its end: {why}")))
        }
        (None, Some(why), _) => Err(CommandFailure::new(EX_DATA, why)),
        (None, None, 0) => Ok(()),
        (None, None, wrong) => Err(CommandFailure::new(EX_DATA, format!("{wrong} lines were wrong"))),
    }
}

/// How much of a file was read. Prints a line for each 5 % of it.
struct FileProgress {
    whole: u64,
    read: u64,
    told: u64,
}

impl FileProgress {
    fn add(&mut self, octets: usize) {
        self.read += octets as u64;
        let part = self.read.saturating_mul(20) / self.whole.max(1);
        if part > self.told && self.whole > PROGRESS_OCTETS {
            self.told = part;
            eprintln!("{} % of the list read", part * 5);
        }
    }
}

fn generate(config: &Config, args: &GenerateArgs) -> Result<(), CommandFailure> {
    let keys = Keys::open_known(&config.keys_directory).map_err(StartError::Keys)?;
    let mut lines = String::new();
    for _ in 0..args.count.min(GENERATED_MAX) {
        let random = keys.nonce().map_err(StartError::Keys)?;
        let made = keys.hasher().made_up(random, &args.domain, args.place);
        let made = made.map_err(|problem| CommandFailure::new(EX_DATA, problem))?;
        lines.push_str(&format!("{made}\n"));
    }
    tell(&lines)
}

fn place(config: &Config, address: &str) -> Result<(), CommandFailure> {
    let wrong = |problem: &str| CommandFailure::new(EX_DATA, format!("{address:?} {problem}"));
    let keys = Keys::open_known(&config.keys_directory).map_err(StartError::Keys)?;
    let mailbox = Mailbox::parse(address).ok_or_else(|| wrong("is not an address"))?;
    let place = keys.hasher().place_of(&mailbox).ok_or_else(|| wrong("was not generated here"))?;
    tell(&format!("generated here for place {place}; it has never sent mail\n"))
}

fn tag(config: &Config, address: &str) -> Result<(), CommandFailure> {
    let wrong = || CommandFailure::new(EX_DATA, format!("{address:?} is not an address"));
    let keys = Keys::open_known(&config.keys_directory).map_err(StartError::Keys)?;
    let mailbox = Mailbox::parse(address).ok_or_else(wrong)?;
    let tagged = keys.hasher().tagged(&mailbox, SystemClock::start().now()).ok_or_else(wrong)?;
    tell(&format!("{tagged}\n"))
}
