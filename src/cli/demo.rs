//! `demo`: runs the complete server on loopback, with a laboratory's clock and the shipped policy,
//! and sends it bounces that real MTAs wrote.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args as ClapArgs;
use ppp::v2;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::client::ControlClient;
use super::failure::{CommandFailure, EX_DATA};
use super::output::tell;
use super::runtime::until_told;
use crate::config::{self, Config, ConfigSpec};
use crate::daemon::Daemon;
use crate::dns::{LookupAnswer, ask};
use crate::http::{ClockAdvance, MailChoice, NewTrap};
use crate::observe::{LaboratoryAnswer, LaboratoryHost};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::zone::reversed;

/// The arguments of `demo`.
#[derive(Debug, ClapArgs)]
pub(super) struct DemoArgs {
    /// Exit after the last line instead of serving until Ctrl-C.
    #[arg(long)]
    once: bool,
}

/// The shipped zone, whose policy the demo shows.
const ZONE: &str = include_str!("../../zones/backscatter.toml");
const NO_LABORATORY: &str = "laboratory_networks = []";
/// The documentation networks (RFC 5737), which hold the relays and injectors of the demo.
const LABORATORY: &str = r#"laboratory_networks = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]"#;
const ORIGIN: &str = "bl.backscatter.example";
const TRAP_DOMAINS: [&str; 2] = ["trap.example", "bare.example"];
/// Most lines of one SMTP reply.
const REPLY_LINES_MAX: usize = 20;

/// A mail server, and the reports that it sends to the traps.
struct DemoServer {
    what: &'static str,
    address: &'static str,
    helo: &'static str,
    reports: &'static [DemoReport],
}

struct DemoReport {
    /// Hours since the start of the demo.
    hour: i64,
    trap: &'static str,
    message: &'static [u8],
}

macro_rules! report {
    ($hour:literal, $trap:literal, $sample:literal) => {
        DemoReport {
            hour: $hour,
            trap: $trap,
            message: include_bytes!(concat!("../../tests/samples/rfc3464/", $sample, ".eml")),
        }
    };
}

/// Three servers that accept any recipient and bounce later, and a well-run one with a broken
/// forward.
const SERVERS: &[DemoServer] = &[
    DemoServer {
        what: "Postfix that accepts unknown recipients",
        address: "198.51.100.101",
        helo: "postfix-bad.relay.example",
        reports: &[
            report!(0, "sales@trap.example", "postfix-3.7-trap-bernd"),
            report!(1, "jdoe@bare.example", "postfix-3.7-bare-clara"),
            report!(9, "sales@trap.example", "postfix-3.7-trap-dieter"),
            report!(14, "jdoe@bare.example", "postfix-3.7-bare-emma"),
            report!(25, "sales@trap.example", "postfix-3.7-trap-frank"),
            report!(29, "jdoe@bare.example", "postfix-3.7-bare-greta"),
        ],
    },
    DemoServer {
        what: "Exim that does not verify recipients",
        address: "198.51.100.103",
        helo: "exim-bad.relay.example",
        reports: &[
            report!(2, "sales@trap.example", "exim-4.96-trap-bernd"),
            report!(3, "jdoe@bare.example", "exim-4.96-bare-clara"),
            report!(8, "sales@trap.example", "exim-4.96-trap-dieter"),
            report!(16, "jdoe@bare.example", "exim-4.96-bare-emma"),
            report!(28, "sales@trap.example", "exim-4.96-trap-frank"),
            report!(31, "jdoe@bare.example", "exim-4.96-bare-greta"),
        ],
    },
    DemoServer {
        what: "Sendmail as a gateway that does not know which recipients exist",
        address: "198.51.100.107",
        helo: "sendmail-bad.relay.example",
        reports: &[
            report!(4, "sales@trap.example", "sendmail-8.17-trap-bernd"),
            report!(6, "jdoe@bare.example", "sendmail-8.17-bare-clara"),
            report!(17, "sales@trap.example", "sendmail-8.17-trap-dieter"),
            report!(20, "jdoe@bare.example", "sendmail-8.17-bare-emma"),
            report!(30, "sales@trap.example", "sendmail-8.17-trap-frank"),
            report!(32, "jdoe@bare.example", "sendmail-8.17-bare-greta"),
        ],
    },
    DemoServer {
        what: "Postfix, well run, with one broken forward",
        address: "198.51.100.102",
        helo: "postfix-good.relay.example",
        reports: &[
            report!(10, "sales@trap.example", "postfix-3.7-wellrun-forward-refused"),
            report!(11, "sales@trap.example", "postfix-3.7-wellrun-success"),
            report!(33, "sales@trap.example", "postfix-3.7-wellrun-delayed"),
        ],
    },
];

/// Runs the demo in a temporary folder, which is deleted at the end.
///
/// # Errors
/// When the folder cannot be created, or the server cannot start or stops answering.
pub(super) async fn run(args: DemoArgs) -> Result<(), CommandFailure> {
    let failed =
        |error: io::Error| CommandFailure::of_io(&error, format!("the demo's temporary folder: {error}"));
    let scratch = std::env::temp_dir().join(format!("backscatterd-demo-{}", std::process::id()));
    crate::folder::create(&scratch).map_err(failed)?;
    let outcome = in_scratch(&scratch, args).await;
    std::fs::remove_dir_all(&scratch).map_err(failed)?;
    outcome
}

async fn in_scratch(scratch: &Path, args: DemoArgs) -> Result<(), CommandFailure> {
    let config = configuration(scratch)?;
    let daemon = Daemon::start(&config).await?;
    let shown = show(&config, &daemon).await;
    if shown.is_ok() && !args.once {
        tell("\nThe server runs until you press Ctrl-C.\n")?;
        until_told().await?;
    }
    daemon.stop(&config.control_socket).await;
    shown
}

fn configuration(scratch: &Path) -> Result<Config, CommandFailure> {
    let failed = |error: io::Error| CommandFailure::of_io(&error, format!("{}: {error}", scratch.display()));
    let zones = scratch.join("zones");
    crate::folder::create(&zones).map_err(failed)?;
    let zone = ZONE.replace(NO_LABORATORY, LABORATORY);
    std::fs::write(zones.join("backscatter.toml"), zone).map_err(failed)?;
    let loopback = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let mut spec = ConfigSpec { zones_directory: zones, ..ConfigSpec::default() };
    spec.journal.directory = scratch.join("journal");
    spec.keys.directory = scratch.join("keys");
    spec.audit.directory = scratch.join("audit");
    spec.smtp.hostname = "trap.backscatter.example".to_owned();
    spec.smtp.listen = Vec::new();
    spec.smtp.listen_proxy.clone_from(&loopback);
    spec.smtp.proxy_peers = vec!["127.0.0.0/8".parse().expect("a valid network")];
    spec.smtp.operator_maildir = scratch.join("operator");
    spec.dns.listen.clone_from(&loopback);
    spec.http.listen = loopback;
    spec.metrics.listen = Vec::new();
    spec.control.socket = scratch.join("control.sock");
    spec.clock.laboratory = true;
    spec.observe.laboratory_hosts = vec![LaboratoryHost {
        addresses: "198.51.100.0/24".parse().expect("a valid network"),
        name: "mx.relay.example".to_owned(),
        exchanger_of: vec!["relay.example".to_owned()],
        answers: LaboratoryAnswer::Takes,
    }];
    Ok(config::check(Path::new("demo"), spec)?)
}

async fn show(config: &Config, daemon: &Daemon) -> Result<(), CommandFailure> {
    let bound = daemon.bound();
    let ([smtp], [dns], [http]) = (&bound.smtp_proxy[..], &bound.dns[..], &bound.http[..]) else {
        unreachable!("the demo configures one listener of each kind");
    };
    tell(&format!(
        "backscatterd runs on loopback: SMTP {smtp} (PROXY protocol), DNS {dns} (UDP and TCP), HTTP http://{http}/\n\
         The zone is {ORIGIN} with the shipped policy. The demo sets the clock.\n\
         New listings become public at slots, a quarter of an hour apart.\n\n"
    ))?;
    for domain in TRAP_DOMAINS {
        let new = NewTrap {
            trap: domain.to_owned(),
            silent_since: Some(Timestamp::default()),
            donor: "own".to_owned(),
            mail: MailChoice::Dns,
            by: "demo".to_owned(),
            why: "demo".to_owned(),
        };
        ControlClient::to_write(config).await?.post("/control/v1/traps", &new).await?;
        tell(&format!("trap      every address of {domain}\n"))?;
    }
    let mut schedule: Vec<(&DemoServer, &DemoReport)> =
        SERVERS.iter().flat_map(|server| server.reports.iter().map(move |report| (server, report))).collect();
    schedule.sort_by_key(|(_, report)| report.hour);
    // The time since the demo began.
    let mut now = Timestamp::default();
    for (server, report) in schedule {
        let hour = report.hour;
        let due = Timestamp::default().plus(Span::from_hours(hour)).max(now);
        advance(config, due.since(now)).await?;
        let reply = deliver(*smtp, *dns, server, report)
            .await
            .map_err(|error| CommandFailure::of_io(&error, format!("the demo's mail: {error}")))?;
        settle(daemon).await;
        // What the report decided becomes public at the next slot.
        advance(config, SLOT).await?;
        now = due.plus(SLOT);
        let said = asked(*dns, server.address).await?;
        let answer = said.addresses.first().map_or(said.rcode, ToString::to_string);
        tell(&format!(
            "hour {hour:>3}  {} -> {:<18}  {reply}  dns: {answer}\n",
            server.address, report.trap
        ))?;
    }
    for server in SERVERS {
        tell_verdict(config, server, *dns, *http).await?;
    }
    Ok(())
}

/// Advances the clock, and waits until the list knows the time.
async fn advance(config: &Config, advance: Span) -> Result<(), CommandFailure> {
    let advance = ClockAdvance { advance };
    ControlClient::to_write(config).await?.post("/control/v1/clock", &advance).await.map(drop)
}

/// How often the demo looks whether all relays' sides have answered, and how many times at most.
const VERIFIED_LOOK: Duration = Duration::from_millis(20);
const VERIFIED_LOOKS_MAX: usize = 250;
/// The time between two slots in the shipped zone file.
const SLOT: Span = Span::from_seconds(900);

/// Waits until the fold has applied all entries of the journal.
async fn settle(daemon: &Daemon) {
    daemon.observed().await;
    let head = *daemon.app().journal.head().borrow();
    daemon.published().reached(head).await;
    // A complete case waits until the relay's side has answered.
    for _ in 0..VERIFIED_LOOKS_MAX {
        if !daemon.published().has_new_question() {
            break;
        }
        tokio::time::sleep(VERIFIED_LOOK).await;
    }
}

async fn asked(dns: SocketAddr, address: &str) -> Result<LookupAnswer, CommandFailure> {
    let relay: Relay = address.parse().map_err(|problem: String| CommandFailure::new(EX_DATA, problem))?;
    ask(dns, &format!("{}.{ORIGIN}.", reversed(relay.address())))
        .await
        .map_err(|error| CommandFailure::of_io(&error, format!("the demo's query: {error}")))
}

async fn tell_verdict(
    config: &Config,
    server: &DemoServer,
    dns: SocketAddr,
    http: SocketAddr,
) -> Result<(), CommandFailure> {
    let LookupAnswer { rcode, addresses, texts } = asked(dns, server.address).await?;
    let address: IpAddr = server.address.parse().expect("the demo's addresses are valid");
    let name = format!("{}.{ORIGIN}", reversed(address));
    tell(&format!("\n== {} ({})\n", server.address, server.what))?;
    tell(&format!("$ dig @{} -p {} {name} A\n{rcode}\n", dns.ip(), dns.port()))?;
    for address in addresses {
        tell(&format!("{name}.  A    {address}\n"))?;
    }
    for text in texts {
        tell(&format!("{name}.  TXT  {text:?}\n"))?;
    }
    tell(&format!("http://{http}/ip/{address}\n"))?;
    let path = format!("/control/v1/explain/{address}?format=text");
    tell(&ControlClient::to_write(config).await?.get(&path).await?)
}

/// Delivers one report to its trap, with the server as the client, and returns the code of the
/// reply to the message.
async fn deliver(
    smtp: SocketAddr,
    dns: SocketAddr,
    server: &DemoServer,
    report: &DemoReport,
) -> io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(smtp).await?);
    let client: IpAddr = server.address.parse().map_err(io::Error::other)?;
    // Only the source is used. The destination may be any address of the same family.
    let header = v2::Builder::with_addresses(
        v2::Version::Two | v2::Command::Proxy,
        v2::Protocol::Stream,
        (SocketAddr::new(client, 25), SocketAddr::new(dns.ip(), 25)),
    )
    .build()?;
    stream.write_all(&header).await?;
    reply(&mut stream).await?;
    for command in [
        format!("EHLO {}", server.helo),
        "MAIL FROM:<>".to_owned(),
        format!("RCPT TO:<{}>", report.trap),
        "DATA".to_owned(),
    ] {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        reply(&mut stream).await?;
    }
    stream.write_all(&stuffed(report.message)).await?;
    let last = reply(&mut stream).await?;
    stream.write_all(b"QUIT\r\n").await?;
    reply(&mut stream).await?;
    Ok(last.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// A message with CRLF line ends, dot-stuffing and the final dot (RFC 5321 §4.5.2).
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + 64);
    for line in message.strip_suffix(b"\n").unwrap_or(message).split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b".\r\n");
    octets
}

/// Reads one SMTP reply and returns its last line.
async fn reply(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    for _ in 0..REPLY_LINES_MAX {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return match line.as_bytes().first() {
                Some(b'2' | b'3') => Ok(line.trim_end().to_owned()),
                _ => Err(io::Error::other(format!("the server replied: {}", line.trim_end()))),
            };
        }
    }
    Err(io::Error::other("the SMTP reply has more than 20 lines"))
}
