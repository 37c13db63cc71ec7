//! The configuration file as written: every setting, its meaning and its default.
//!
//! `deploy/backscatterd.toml` shows all settings. A test checks that its values equal these
//! defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::observe::LaboratoryHost;
use crate::time::{Span, Timestamp};

/// Declares one section of the file: a struct whose fields are settings with defaults. The file may
/// leave out any setting, and may contain no other.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }
    };
}

section!(
    /// The whole configuration file.
    ConfigSpec {
        /// The version of the file's format.
        version: u32 = 1,
        /// The name of this node, in evidence and in the file names of the operator's Maildir.
        node: String = "trap1".to_owned(),
        /// The folder of the zone files (`*.toml`).
        zones_directory: PathBuf = "/etc/backscatterd/zones".into(),
        /// The journal, and how long data are kept.
        journal: JournalSection = JournalSection::default(),
        /// The secret keys.
        keys: KeysSection = KeysSection::default(),
        /// The SMTP server of the traps.
        smtp: SmtpSection = SmtpSection::default(),
        /// The DNS queries about relays.
        observe: ObserveSection = ObserveSection::default(),
        /// The name server.
        dns: DnsSection = DnsSection::default(),
        /// Pages, API and metrics.
        http: HttpSection = HttpSection::default(),
        /// The control socket.
        control: ControlSection = ControlSection::default(),
        /// The audit record.
        audit: AuditSection = AuditSection::default(),
        /// The clock.
        clock: ClockSection = ClockSection::default(),
        /// The log.
        log: LogSection = LogSection::default(),
    }
);

section!(
    /// The journal, and how long data are kept.
    JournalSection {
        /// The folder of the store, which holds the journal.
        directory: PathBuf = "/var/lib/backscatterd".into(),
        /// How long journal entries are kept: evidence, observations, directives and ticks.
        keep_entries: Span = Span::from_days(56),
        /// How long reduced reports are kept: the messages themselves, encrypted. At most
        /// `keep_entries`.
        keep_reports: Span = Span::from_days(14),
        /// Free octets on the disk below which mail gets a 451 reply. The rest is reserved for
        /// decisions and ticks.
        free_octets_min: u64 = 64 << 20,
        /// How often a tick gives the fold the time, so that listings expire: 1s to 1h.
        tick_interval: Span = Span::from_seconds(10),
    }
);

section!(
    /// The secret keys.
    KeysSection {
        /// The folder of the keys. It must be outside the journal's folder.
        directory: PathBuf = "/var/lib/backscatterd-keys".into(),
    }
);

section!(
    /// The SMTP server of the traps.
    SmtpSection {
        /// The full host name in the greeting, to which the MX records of the trap domains point.
        hostname: String = "trap.example.org".to_owned(),
        /// Addresses to listen on for SMTP.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([0, 0, 0, 0], 25))],
        /// Addresses to listen on for connections that begin with a PROXY protocol header, version
        /// 1 or 2.
        listen_proxy: Vec<SocketAddr> = Vec::new(),
        /// Networks of the proxies that may connect to `listen_proxy`.
        proxy_peers: Vec<IpNet> = Vec::new(),
        /// Addresses to listen on for an MTA in front, which delivers by LMTP (RFC 2033). The relay
        /// is taken from XFORWARD or, without it, from the MTA's own Received line.
        listen_lmtp: Vec<SocketAddr> = Vec::new(),
        /// Networks of the MTAs that may connect to `listen_lmtp`.
        lmtp_peers: Vec<IpNet> = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).to_vec(),
        /// Networks of the SMTP clients that may name the original client by XCLIENT or XFORWARD.
        naming_peers: Vec<IpNet> = Vec::new(),
        /// The certificate chain for STARTTLS, in PEM; read again when it changes. STARTTLS is not
        /// offered if it is empty.
        tls_certificate: PathBuf = PathBuf::new(),
        /// The key of the certificate, in PEM; read again when it changes.
        tls_key: PathBuf = PathBuf::new(),
        /// Networks of our secondary mail exchangers and of donors' mail hosts. Their Received
        /// lines at the top of a message are trusted, and the relay is the host that delivered the
        /// message to them. They are never judged.
        trusted_relays: Vec<IpNet> = Vec::new(),
        /// The Maildir for mail to postmaster, abuse and removal.
        operator_maildir: PathBuf = "/var/lib/backscatterd/operator".into(),
        /// Most concurrent sessions; 421 beyond.
        sessions_max: usize = 4_096,
        /// Most concurrent sessions of one client, an IPv4 address or IPv6 /64; 421 beyond.
        sessions_per_client_max: usize = 64,
        /// Most messages of one client per minute; 421 beyond, 0 for no limit.
        messages_per_client_max: u32 = 3_000,
        /// Most octets of one client per minute; 421 beyond, 0 for no limit.
        octets_per_client_max: u64 = 256 << 20,
        /// Most errors of one client per minute; 421 beyond, 0 for no limit.
        errors_per_client_max: u32 = 300,
        /// Most messages of all clients together per minute; 421 beyond, 0 for no limit.
        messages_max: u32 = 0,
        /// Most octets of all clients together per minute; 421 beyond, 0 for no limit.
        octets_max: u64 = 0,
        /// Most messages in one session; 421 beyond.
        messages_per_session_max: usize = 1_000,
        /// Errors in one session at which it is ended with 421.
        errors_per_session_max: usize = 20,
        /// Most recipients of one message; 452 beyond.
        recipients_per_message_max: usize = 100,
        /// Most octets of one message; 552 beyond. The default is large because some clients
        /// disconnect without a message if the advertised SIZE is too small for them.
        message_octets_max: usize = 50 << 20,
        /// The session ends with 421 if no complete command, or no octet of a message, arrives
        /// within this time. RFC 5321 §4.5.3.2.7 asks for at least five minutes.
        idle_timeout: Span = Span::from_seconds(300),
        /// The session ends with 421 if a message takes longer than this.
        message_timeout: Span = Span::from_hours(1),
        /// The longest delay of replies to a client that keeps making errors; "0s" for no delay.
        tarpit_max: Span = Span::from_seconds(5),
    }
);

section!(
    /// The DNS queries about relays that brought evidence.
    ObserveSection {
        /// Whether the DNS is queried. If not, every relation is unknown, and a report weighs what
        /// the policy gives for `relation_unknown`.
        enabled: bool = true,
        /// Resolvers to query; those of `/etc/resolv.conf` if empty.
        resolvers: Vec<SocketAddr> = Vec::new(),
        /// Most inquiries at one time. An inquiry is the DNS queries about the relay of one piece of
        /// evidence.
        inquiries_max: usize = 64,
        /// Most inquiries that run or wait. Beyond it, no inquiry is made.
        queue_max: usize = 10_000,
        /// The longest time for one attempt at an inquiry.
        timeout: Span = Span::from_seconds(20),
        /// A file that maps networks to autonomous system numbers, by which injector networks are
        /// distinguished; empty for none.
        networks_file: PathBuf = PathBuf::new(),
        /// For laboratories only: mail servers that are used instead of the DNS.
        laboratory_hosts: Vec<LaboratoryHost> = Vec::new(),
    }
);

section!(
    /// The name server.
    DnsSection {
        /// Addresses to listen on, by UDP and TCP.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([0, 0, 0, 0], 53))],
        /// Threads for UDP on each address; 0 for one per processor.
        threads: usize = 0,
        /// The greatest age of the data. Older data are not served: the answer is SERVFAIL, and
        /// mail servers then accept the mail.
        data_age_max: Span = Span::from_seconds(3_600),
        /// Most responses per second and thread to one question from one network (IPv4 /24, IPv6
        /// /56); 0 for no limit.
        identical_responses_max: u32 = 50,
        /// Most responses per second and thread to one network; 0 for no limit.
        network_responses_max: u32 = 2_000,
        /// Most errors and refusals per second and thread to one network; 0 for no limit.
        error_responses_max: u32 = 20,
        /// Networks to which responses are not limited. Loopback is safe here: packets from outside
        /// cannot have such a source.
        unlimited: Vec<IpNet> = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).to_vec(),
        /// Of the responses over a limit, 1 in `slip` is sent, without records and with TC set, so
        /// that real clients retry over TCP; 0 sends none.
        slip: u8 = 2,
        /// Secrets of DNS cookies (RFC 9018), each of 32 hexadecimal digits. New cookies are made
        /// with the first; cookies of the others are still valid. If empty, a random secret is
        /// used.
        cookie_secrets: Vec<String> = Vec::new(),
        /// The name server identifier (RFC 5001), also the answer to `id.server` and
        /// `hostname.bind`; empty for none.
        nsid: String = String::new(),
        /// The answer to `version.bind` and `version.server`; empty for none.
        version: String = String::new(),
        /// A TCP connection is closed when no complete query arrives within this time (RFC 7766
        /// §6.2.3).
        tcp_idle_timeout: Span = Span::from_seconds(10),
        /// Most concurrent TCP connections; further ones wait.
        tcp_connections_max: usize = 1_024,
        /// Most concurrent TCP connections from one IPv4 address or IPv6 /64; further ones are
        /// closed.
        tcp_connections_per_client_max: usize = 64,
        /// Rules that say which clients may query which zones.
        access: Vec<AccessRuleSpec> = Vec::new(),
        /// Keys in query names (`<reversed address>.<key>.<zone>`).
        keys: Vec<AccessKeySpec> = Vec::new(),
        /// The operator's own lists, served beside the judged zones, each as
        /// `zone:type:file[,file]...`.
        lists: Vec<String> = Vec::new(),
    }
);

/// What the name server does with queries from some networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRuleSpec {
    /// The origins of the zones; all zones if empty.
    #[serde(default)]
    pub zones: Vec<String>,
    /// The clients' networks. Of several, the smallest network around the client decides.
    pub networks: Vec<IpNet>,
    /// What is done.
    pub action: AccessActionSpec,
}

/// The actions of an access rule, written in lower case in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessActionSpec {
    /// Answer.
    Pass,
    /// Answer as if nothing were listed.
    Empty,
    /// Answer only if the query name contains a valid key.
    Key,
    /// Answer REFUSED.
    Refuse,
    /// Do not answer.
    Ignore,
}

/// A key that may stand in query names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKeySpec {
    /// The name of the key in the metrics.
    pub name: String,
    /// The digest of the key, as `backscatterd token` prints it.
    pub digest: String,
}

section!(
    /// Pages, API and metrics.
    HttpSection {
        /// Addresses to listen on.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 8053))],
        /// The operators that may make decisions through the API.
        operators: Vec<OperatorSpec> = Vec::new(),
        /// Networks of the proxies whose X-Forwarded-For field names the client.
        proxies: Vec<IpNet> = Vec::new(),
        /// Most self-removals per hour from one network, an IPv4 /24 or an IPv6 /48; 429 beyond.
        removals_per_client_max: u32 = 20,
    }
);

/// An operator that may make decisions through the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSpec {
    /// The operator's name in the audit record.
    pub name: String,
    /// The digest of the operator's token, as `backscatterd token` prints it.
    pub token_digest: String,
}

section!(
    /// The audit record (RFC 6471 §2.1.2).
    AuditSection {
        /// The folder of the audit record, which has one file per month.
        directory: PathBuf = "/var/lib/backscatterd/audit".into(),
    }
);

section!(
    /// The control socket, through which the command line reaches the daemon.
    ControlSection {
        /// The path of the Unix socket. Every user that may write to it may use every command.
        socket: PathBuf = "/run/backscatterd/control.sock".into(),
    }
);

section!(
    /// The clock.
    ClockSection {
        /// For laboratories only: a clock that stands still until `POST /control/v1/clock` moves
        /// it.
        laboratory: bool = false,
        /// The first time of that clock: 2026-01-01T00:00:00Z.
        laboratory_start: Timestamp = Timestamp::from_milliseconds(1_767_225_600_000),
        /// How far the system clock may be ahead of the journal's last entry at the start; the
        /// server does not start beyond it. The journal's time never goes back, so a wrong clock
        /// would end all listings and drop all data by age.
        leap_max: Span = Span::from_days(7),
    }
);

section!(
    /// The log, which the daemon writes to standard error.
    LogSection {
        /// A level (error, warn, info, debug or trace), or a filter such as `backscatterd=debug`.
        filter: String = "info".to_owned(),
        /// Whether each line is a JSON object instead of text.
        json: bool = false,
    }
);
