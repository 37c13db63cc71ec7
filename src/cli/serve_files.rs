//! `serve-files`: runs only the name server, over list files, in the way of rbldnsd.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::failure::{CommandFailure, EX_NO_INPUT, EX_UNAVAILABLE};
use super::runtime::{on_runtime, start_log, until_told_or};
use crate::config::{self, LogSettings};
use crate::daemon::BoundAddresses;
use crate::lists::{ListSpec, WatchedLists};
use crate::name_server::{self, NameServer, NameServerSecrets};
use crate::time::{Clock, SystemClock};

/// The arguments of `serve-files`.
#[derive(Debug, clap::Args)]
pub(super) struct ServeFilesArgs {
    /// The address to listen on, by UDP and TCP: `address:port`, `[address]:port`, or an address
    /// alone, which means port 53. The option may be repeated.
    #[arg(long, short = 'b', default_value = "127.0.0.1:53", value_parser = listen)]
    listen: Vec<SocketAddr>,
    /// The number of threads for UDP on each address; 0 means one for each processor.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// The lists, as `zone:type:file[,file]...`. The types are ip4set, ip4trie, ip4tset, ip6trie,
    /// ip6tset and addresses. The server checks the files every second, and reads changed files
    /// again.
    #[arg(required = true)]
    lists: Vec<ListSpec>,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    let address = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    text.parse()
        .or_else(|_| address())
        .map_err(|_| format!("{text:?} is not an address; write 127.0.0.1:53 or [::1]:53"))
}

/// Serves lists until SIGINT or SIGTERM.
///
/// # Errors
/// When a list cannot be read, an address cannot be bound, or a part of the server fails.
pub(super) fn run(args: ServeFilesArgs) -> Result<(), CommandFailure> {
    start_log(&LogSettings::default())?;
    on_runtime(serve(args))
}

async fn serve(args: ServeFilesArgs) -> Result<(), CommandFailure> {
    let clock = Arc::new(SystemClock::start());
    let watched = WatchedLists::read(args.lists, clock.now())
        .map_err(|error| CommandFailure::new(EX_NO_INPUT, error.to_string()))?;
    let cannot_listen = |address: SocketAddr, error: io::Error| {
        CommandFailure::of_io(&error, format!("DNS cannot listen on {address}: {error}"))
    };
    let listening = name_server::bind(&args.listen, args.threads)
        .map_err(|(address, error)| cannot_listen(address, error))?;
    let mut bound = BoundAddresses::default();
    for (listener, &address) in listening.iter().zip(&args.listen) {
        bound.dns.push(listener.local_address().map_err(|error| cannot_listen(address, error))?);
    }
    let random =
        NameServerSecrets::new().map_err(|error| CommandFailure::new(EX_UNAVAILABLE, error.to_string()))?;
    let name_server = NameServer::over_lists(config::default_name_server(), watched, clock, random);
    let (failed, stop) = (CancellationToken::new(), CancellationToken::new());
    let serving = tokio::spawn(name_server.serve(listening, failed.clone(), stop.clone()));
    tracing::info!(?bound, "ready");
    let told = until_told_or(&failed).await;
    stop.cancel();
    serving.await.map_err(|error| CommandFailure::new(EX_UNAVAILABLE, error.to_string()))?;
    told
}
