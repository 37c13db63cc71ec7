//! The SMTP and LMTP server (RFC 5321, RFC 2033). It receives mail and never sends any.

mod clients;
mod data;
mod listener;
mod naming;
mod proxy;
mod recipients;
mod session;
mod tls;

pub use clients::{ClientLimits, Clients, Rates};
pub use listener::{Door, Listening, Serve, TARPIT_SESSIONS_MAX, serve};
pub use recipients::Recipients;
pub use session::{Ending, Event, Limits, Peer, Protocol, Session, Tally};
pub use tls::{Tls, TlsError, TlsFiles};
