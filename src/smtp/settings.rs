//! The settings of the SMTP server, as the configuration makes them.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::clients::ClientLimits;
use super::session::{SessionLimits, SessionTexts};
use super::tls::TlsFiles;

/// The settings of the SMTP and LMTP server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// The texts that the operator may choose, with the server's host name.
    pub texts: SessionTexts,
    /// The addresses to listen on for SMTP.
    pub listen: Vec<SocketAddr>,
    /// The addresses to listen on for SMTP after a PROXY protocol header.
    pub listen_proxy: Vec<SocketAddr>,
    /// The addresses to listen on for LMTP.
    pub listen_lmtp: Vec<SocketAddr>,
    /// Networks of the peers that may name a client by the PROXY protocol.
    pub proxy_peers: Vec<IpNet>,
    /// Networks of the peers that may name a client by XCLIENT and XFORWARD.
    pub naming_peers: Vec<IpNet>,
    /// Networks of the peers that may use LMTP.
    pub lmtp_peers: Vec<IpNet>,
    /// Limits of each session.
    pub session: SessionLimits,
    /// Limits for each client, and for all clients together.
    pub clients: ClientLimits,
    /// Refused recipients in an hour of an IPv4 /24 or an IPv6 /48, beyond which its answers come later;
    /// 0 for no limit.
    pub refused_recipients_per_hour: u32,
    /// The files for STARTTLS; `None` if it is not offered.
    pub tls: Option<TlsFiles>,
}
