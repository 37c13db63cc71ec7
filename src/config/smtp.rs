//! The section `[smtp]`: the SMTP server of the traps, and what becomes of the mail that it takes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::section::section;
use crate::complaint::Complaints;
use crate::intake::IntakeSettings;
use crate::smtp::{ClientLimits, MinuteRates, SessionLimits, SessionTexts, SmtpSettings, Tls, TlsFiles};
use crate::time::Span;
use crate::{mail, zone};

/// Least allowed `smtp.message_octets_max`. Reports may return the whole original message.
const MESSAGE_OCTETS_MIN: usize = 64 << 10;
/// How many octets of a message are kept and judged. Of a larger message only the beginning is
/// kept.
const KEPT_OCTETS_MAX: usize = mail::MESSAGE_OCTETS_MAX;
/// Maximum length of `smtp.greeting` and of `smtp.refusal` in octets. A reply line holds 512 octets with
/// the host name or an address (RFC 5321 §4.5.3.1.5).
const TEXT_OCTETS_MAX: usize = 200;

section!(
    /// The SMTP server of the traps.
    SmtpSection {
        /// The full host name in the greeting, to which the MX records of the trap domains point.
        hostname: String = "mx.example.org".to_owned(),
        /// The text after the host name in the greeting.
        greeting: String = SessionTexts::GREETING.to_owned(),
        /// The text with which recipients of other domains are refused, after the code and the address.
        refusal: String = SessionTexts::REFUSAL.to_owned(),
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
        /// message to them. Hosts in these networks are never judged.
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
        /// Refused recipients in an hour of one network, an IPv4 /24 or an IPv6 /48, beyond which the
        /// network's answers come later; five times as many for an IPv6 /32, 0 for no limit.
        refused_recipients_per_hour: u32 = 20,
        /// The longest delay of replies to a client that keeps making errors; "0s" for no delay.
        tarpit_max: Span = Span::from_seconds(5),
    }
);

impl SmtpSection {
    /// Checks the section. `node` is the name of this node.
    pub(super) fn check(self, node: String, complaints: &mut Complaints) -> (SmtpSettings, IntakeSettings) {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let SmtpSection {
            hostname,
            greeting,
            refusal,
            listen,
            listen_proxy,
            proxy_peers,
            listen_lmtp,
            lmtp_peers,
            naming_peers,
            tls_certificate,
            tls_key,
            trusted_relays,
            operator_maildir,
            sessions_max,
            sessions_per_client_max,
            messages_per_client_max,
            octets_per_client_max,
            errors_per_client_max,
            messages_max,
            octets_max,
            messages_per_session_max,
            errors_per_session_max,
            recipients_per_message_max,
            message_octets_max,
            idle_timeout,
            message_timeout,
            refused_recipients_per_hour,
            tarpit_max,
        } = self;
        complaints.require(
            zone::DomainName::parse(&hostname).is_ok_and(|name| name.labels().len() >= 2),
            "smtp.hostname",
            format!("{hostname:?} is not a full host name"),
            "write the name to which the MX records of the trap domains point",
        );
        check_text("smtp.greeting", &greeting, SessionTexts::GREETING, complaints);
        check_text("smtp.refusal", &refusal, SessionTexts::REFUSAL, complaints);
        complaints.require(
            listen_proxy.is_empty() || !proxy_peers.is_empty(),
            "smtp.proxy_peers",
            "it is empty, so smtp.listen_proxy would reject every connection",
            "write the networks of your proxies",
        );
        complaints.require(
            message_octets_max >= MESSAGE_OCTETS_MIN,
            "smtp.message_octets_max",
            format!("{message_octets_max} is too small for reports"),
            format!("write {MESSAGE_OCTETS_MIN} or more"),
        );
        let limits = [
            ("smtp.sessions_max", sessions_max),
            ("smtp.sessions_per_client_max", sessions_per_client_max),
            ("smtp.messages_per_session_max", messages_per_session_max),
            ("smtp.errors_per_session_max", errors_per_session_max),
            ("smtp.recipients_per_message_max", recipients_per_message_max),
        ];
        for (key, limit) in limits {
            complaints.require(limit >= 1, key, "0 would reject every client", "write 1 or more");
        }
        for (key, timeout) in [("smtp.idle_timeout", idle_timeout), ("smtp.message_timeout", message_timeout)]
        {
            let problem = format!("{timeout} is too short");
            complaints.require(timeout.seconds() >= 1, key, problem, "write \"1s\" or more");
        }
        complaints.require(
            listen_lmtp.is_empty() || !lmtp_peers.is_empty(),
            "smtp.lmtp_peers",
            "it is empty, so smtp.listen_lmtp would reject every connection",
            "write the networks of your MTAs",
        );
        let session = SessionLimits {
            message_octets_max,
            kept_octets_max: KEPT_OCTETS_MAX,
            recipients_max: recipients_per_message_max,
            messages_max: messages_per_session_max,
            errors_max: errors_per_session_max,
            idle_timeout,
            message_timeout,
            tarpit_max,
        };
        let clients = ClientLimits {
            sessions_max,
            sessions_per_client_max,
            per_client: MinuteRates {
                messages_max: messages_per_client_max,
                octets_max: octets_per_client_max,
                errors_max: errors_per_client_max,
            },
            global: MinuteRates { messages_max, octets_max, errors_max: 0 },
        };
        let smtp = SmtpSettings {
            texts: SessionTexts { hostname: hostname.into(), greeting, refusal },
            listen,
            listen_proxy,
            listen_lmtp,
            proxy_peers,
            naming_peers,
            lmtp_peers,
            session,
            clients,
            refused_recipients_per_hour,
            tls: check_tls(tls_certificate, tls_key, complaints),
        };
        (smtp, IntakeSettings { node, trusted_relays, operator_maildir })
    }
}

/// Checks a text that every client sees.
fn check_text(key: &str, text: &str, usual: &str, complaints: &mut Complaints) {
    let is_plain = text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    complaints.require(
        is_plain && text.trim() == text && (1..=TEXT_OCTETS_MAX).contains(&text.len()),
        key,
        format!("{text:?} is not one line of printable ASCII"),
        format!("write 1 to {TEXT_OCTETS_MAX} printable ASCII characters, such as {usual:?}"),
    );
    complaints.require(
        !text.to_ascii_lowercase().contains(env!("CARGO_PKG_NAME")),
        key,
        format!("{text:?} names this program, so clients would know that the host is a trap"),
        format!("write a text that other mail servers have, such as {usual:?}"),
    );
}

fn check_tls(certificate: PathBuf, key: PathBuf, complaints: &mut Complaints) -> Option<TlsFiles> {
    let is_set = |path: &Path| !path.as_os_str().is_empty();
    match (is_set(&certificate), is_set(&key)) {
        (false, false) => return None,
        (true, true) => {}
        _ => {
            complaints.add(
                "smtp.tls_certificate, smtp.tls_key",
                "only one of them is set",
                "set both to offer STARTTLS, or neither",
            );
            return None;
        }
    }
    let files = TlsFiles { certificate, key };
    if let Err(error) = Tls::read(files.clone()) {
        complaints.add(
            "smtp.tls_certificate, smtp.tls_key",
            error.to_string(),
            "name readable PEM files of a certificate chain and its key; a self-signed certificate is enough, because MTAs accept unknown ones",
        );
    }
    Some(files)
}
