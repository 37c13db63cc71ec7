//! Verification: asks a relay's side by SMTP whether it refuses recipients that do not exist.
//!
//! A session says MAIL with the null reverse-path, RCPT for postmaster and for two made-up names,
//! RSET and QUIT. It never sends a message. Only the side of a relay that brought evidence is asked,
//! at most once a day (RFC 6471 §3.6). docs/JUDGING.md has the table of conclusions.
//!
//! The module takes a request and returns a finding. It knows nothing of the list.

mod conclusion;
mod counts;
mod dialogue;
mod finding;
mod laboratory;
mod names;
mod reach;
mod reply;
mod request;
mod rotation;
mod session;
mod settings;
mod stance;
mod tls;
mod turns;
mod verifier;

pub use conclusion::HostReplies;
pub use counts::KeyCounts;
pub use dialogue::{Dialogue, NextAct, Script, StartTls};
pub use finding::{Finding, HostFinding, SideFinding, Unanswered};
pub use names::made_up_names;
pub use reach::PortReach;
pub use reply::{ReplyFault, ReplyReader, ServerReply};
pub use request::{AskedDomain, VerifyRequest};
pub use rotation::{NetworkPlace, NetworkRotation};
pub use session::{HostSession, SessionTimes};
pub use settings::{LocalAddresses, VerifierLimits, VerifierSettings};
pub use stance::RecipientStance;
pub use turns::{PastSession, SessionTurns, Turn, TurnLimits, TurnStart};
pub use verifier::Verifier;
