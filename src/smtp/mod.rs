//! The trap's door: SMTP (RFC 5321). It takes mail in and never sends any.

mod data;
mod intake;
mod listener;
mod maildir;
mod proxy;
mod recipients;
mod session;

pub use intake::{Intake, attribute};
pub use listener::{Listening, Serve, serve};
pub use recipients::Recipients;
pub use session::{Event, Limits, Outcome, Session, Transaction};
