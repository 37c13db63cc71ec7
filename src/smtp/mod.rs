//! The SMTP and LMTP server (RFC 5321, RFC 2033). The server receives mail and never sends any.

mod clients;
mod guesses;
mod listener;
mod proxy;
mod recipients;
mod session;
mod settings;
mod tls;

pub use clients::{ClientAccounts, ClientLimits, MinuteRates};
pub use guesses::{GUESSERS_WAITING_MAX, GuessAccounts};
pub use listener::{ListenerKind, SmtpListener, SmtpService, TARPIT_SESSIONS_MAX, serve};
pub use recipients::RecipientDomains;
pub use session::{
    Protocol, Session, SessionCosts, SessionEnd, SessionEvent, SessionLimits, SessionPeer, SessionTexts,
    TlsOffer, queue_id,
};
pub use settings::SmtpSettings;
pub use tls::{Tls, TlsError, TlsFiles};
