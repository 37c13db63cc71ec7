//! The configuration as written: every setting, its meaning and its default, and nothing else.
//!
//! `deploy/backscatterd.toml` shows them all; a test holds the two together.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::observe::LaboratoryHost;
use crate::time::{Span, Timestamp};

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
    /// The whole file.
    Spec {
        /// The version of the file's form.
        version: u32 = 1,
        /// The name of this node, in evidence and in the operator's Maildir.
        node: String = "trap1".to_owned(),
        /// The folder of zone files.
        zones_directory: PathBuf = "/etc/backscatterd/zones".into(),
        journal: Journal = Journal::default(),
        keys: Keys = Keys::default(),
        smtp: Smtp = Smtp::default(),
        observe: Observe = Observe::default(),
        dns: Dns = Dns::default(),
        http: Http = Http::default(),
        control: Control = Control::default(),
        audit: Audit = Audit::default(),
        clock: Clock = Clock::default(),
        log: Log = Log::default(),
    }
);

section!(
    /// What is kept, where, and for how long.
    Journal {
        /// The folder of the store.
        directory: PathBuf = "/var/lib/backscatterd".into(),
        /// Evidence and everything else that makes the list.
        keep_facts: Span = Span::from_days(56),
        /// Reduced reports: the mail itself, sealed.
        keep_reports: Span = Span::from_days(14),
        /// Evidence is not taken (451) where the disk has less room than this, so that decisions and ticks still can be.
        free_octets_min: u64 = 64 << 20,
        /// How often the fold is told the time, so that listings end.
        tick_interval: Span = Span::from_seconds(10),
    }
);

section!(
    /// Secrets, which must not lie below the journal's folder.
    Keys {
        directory: PathBuf = "/var/lib/backscatterd-keys".into(),
    }
);

section!(
    /// The trap's door.
    Smtp {
        /// The host's name in the greeting.
        hostname: String = "trap.example.org".to_owned(),
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([0, 0, 0, 0], 25))],
        /// Listeners whose clients are named by the PROXY protocol, version 1 or 2.
        listen_proxy: Vec<SocketAddr> = Vec::new(),
        /// Who may name clients on those.
        proxy_peers: Vec<IpNet> = Vec::new(),
        /// Listeners for an MTA in front, which speaks LMTP (RFC 2033) and says by XFORWARD, or in its Received line, from whom
        /// it took a message.
        listen_lmtp: Vec<SocketAddr> = Vec::new(),
        /// Who may speak LMTP.
        lmtp_peers: Vec<IpNet> = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).to_vec(),
        /// Who may name clients by XCLIENT and XFORWARD.
        naming_peers: Vec<IpNet> = Vec::new(),
        /// The certificate chain and its key for STARTTLS, in PEM; read again when they change. No STARTTLS where empty.
        tls_certificate: PathBuf = PathBuf::new(),
        tls_key: PathBuf = PathBuf::new(),
        /// Our own secondary exchangers and donors' relays: what they wrote at the top of a message is believed, and the host
        /// that handed it to them is the one that is judged. They are never judged themselves.
        trusted_relays: Vec<IpNet> = Vec::new(),
        /// Where mail for postmaster and abuse goes.
        operator_maildir: PathBuf = "/var/lib/backscatterd/operator".into(),
        /// 421 beyond.
        sessions_max: usize = 4_096,
        sessions_per_client_max: usize = 64,
        /// What one client (an IPv4 address, an IPv6 /64) may send within a minute; 421 beyond, 0 for no limit.
        messages_per_client_max: u32 = 3_000,
        octets_per_client_max: u64 = 256 << 20,
        errors_per_client_max: u32 = 300,
        /// What all of them together may; 421 beyond, 0 for no limit.
        messages_max: u32 = 0,
        octets_max: u64 = 0,
        messages_per_session_max: usize = 1_000,
        errors_per_session_max: usize = 20,
        /// 452 beyond.
        recipients_per_message_max: usize = 100,
        /// 552 beyond. Large, because some clients leave without a word where it is too small.
        message_octets_max: usize = 50 << 20,
        /// 421 after so long without a whole command, or anything of a message (RFC 5321 §4.5.3.2.7 asks for five minutes).
        idle_timeout: Span = Span::from_seconds(300),
        /// 421 for a message that takes longer.
        message_timeout: Span = Span::from_hours(1),
        /// The longest that a client who goes on erring is kept waiting for a reply; "0s" for not at all.
        tarpit_max: Span = Span::from_seconds(5),
    }
);

section!(
    /// What the DNS is asked about relays that brought evidence.
    Observe {
        /// Without it nothing is known of any relay, and reports weigh what the policy gives to the unknown.
        enabled: bool = true,
        /// Resolvers to ask; those of the system where none is named.
        resolvers: Vec<SocketAddr> = Vec::new(),
        /// Asked at once; what waits beyond `queue_max` is not asked.
        inquiries_max: usize = 64,
        queue_max: usize = 10_000,
        /// The longest that one inquiry may take.
        timeout: Span = Span::from_seconds(20),
        /// A table of networks and their systems' numbers, by which injectors are told apart; empty for none.
        networks_file: PathBuf = PathBuf::new(),
        /// Only for a laboratory: its mail servers, instead of the DNS.
        laboratory_hosts: Vec<LaboratoryHost> = Vec::new(),
    }
);

section!(
    Dns {
        /// UDP and TCP.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([0, 0, 0, 0], 53))],
        /// Threads for UDP at each address; as many as there are processors where 0.
        threads: usize = 0,
        /// How old the data may be and still be answered from: beyond it SERVFAIL, so that mail is let in.
        data_age_max: Span = Span::from_seconds(3_600),
        /// Responses a second to the same question from one network (an IPv4 /24, an IPv6 /56); 0 for no limit.
        identical_responses_max: u32 = 50,
        /// All responses a second to one network; 0 for no limit.
        network_responses_max: u32 = 2_000,
        /// Errors and refusals a second to one network; 0 for no limit.
        error_responses_max: u32 = 20,
        /// Networks whose responses are not limited. Nobody outside can forge a loopback address.
        unlimited: Vec<IpNet> = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).to_vec(),
        /// Of responses beyond a limit, every so manieth is sent empty with TC set; 0 for none.
        slip: u8 = 2,
        /// Secrets of DNS cookies, each of 32 hexadecimal digits: the first makes new ones, the others are still good. One at
        /// random where none is named.
        cookie_secrets: Vec<String> = Vec::new(),
        /// The name server's identifier (RFC 5001), also for `id.server`; empty for none.
        nsid: String = String::new(),
        /// What `version.bind` is told; empty for nothing.
        version: String = String::new(),
        /// A TCP client that asks nothing for so long is let go (RFC 7766 §6.2.3).
        tcp_idle_timeout: Span = Span::from_seconds(10),
        /// TCP clients at one time; more wait.
        tcp_connections_max: usize = 1_024,
        /// TCP clients at one time from one IPv4 address or IPv6 /64.
        tcp_connections_per_client_max: usize = 64,
        /// Who may ask which zone.
        access: Vec<AccessRule> = Vec::new(),
        /// Keys in names (`<reversed address>.<key>.<zone>`).
        keys: Vec<DnsKey> = Vec::new(),
        /// Your own lists, served beside the judged ones, each as `zone:type:file[,file]...`.
        lists: Vec<String> = Vec::new(),
    }
);

/// What becomes of questions from some networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// Origins; all zones where none is named.
    #[serde(default)]
    pub zones: Vec<String>,
    pub networks: Vec<IpNet>,
    pub action: AccessAction,
}

/// `pass`, `empty` (as if nothing were listed), `key` (only with a key), `refuse`, or `ignore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessAction {
    Pass,
    Empty,
    Key,
    Refuse,
    Ignore,
}

/// A key that may stand in names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsKey {
    /// For the metrics.
    pub name: String,
    /// As `backscatterd token` prints it.
    pub digest: String,
}

section!(
    /// Pages, API and metrics.
    Http {
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 8053))],
        /// Who may take decisions through the API.
        operators: Vec<Operator> = Vec::new(),
        /// Proxies whose X-Forwarded-For tells the client.
        proxies: Vec<IpNet> = Vec::new(),
        /// Self-removals an hour from one client, an IPv4 /24 or an IPv6 /48.
        removals_per_client_max: u32 = 20,
    }
);

/// Somebody who may take decisions, and the digest of the token that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    pub name: String,
    /// As `backscatterd token` prints it.
    pub token_digest: String,
}

section!(
    /// The record of every change, and who made it.
    Audit {
        /// The folder of the record, one file a month.
        directory: PathBuf = "/var/lib/backscatterd/audit".into(),
    }
);

section!(
    /// Where the command line talks to the daemon: whoever may write to the socket may do all of it.
    Control {
        socket: PathBuf = "/run/backscatterd/control.sock".into(),
    }
);

section!(Clock {
    /// Only for a laboratory: a clock that stands still until `POST /control/v1/clock` moves it.
    laboratory: bool = false,
    /// Where it stands at first: 2026-01-01T00:00:00Z.
    laboratory_start: Timestamp = Timestamp::from_milliseconds(1_767_225_600_000),
    /// How far the machine's clock may be ahead of the journal's last entry at the start. The journal's time never
    /// goes back: one wrong moment would end every listing and drop every day.
    leap_max: Span = Span::from_days(7),
});

section!(Log {
    /// error, warn, info, debug or trace; or a filter such as `backscatterd=debug`.
    filter: String = "info".to_owned(),
    /// One JSON object a line instead of text.
    json: bool = false,
});
