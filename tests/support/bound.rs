//! Reads from the program's log the addresses that it has bound.

use std::net::SocketAddr;

use backscatterd::daemon::BoundAddresses;

/// The addresses in the log of one start of the program, or `None` as long as it is not ready. The
/// log must be without colours.
pub(crate) fn addresses(log: &str) -> Option<BoundAddresses> {
    // The program may still be writing the last line.
    let (whole, _) = log.rsplit_once('\n')?;
    let line = whole.lines().find_map(|line| line.split_once(" ready bound=").map(|(_, bound)| bound))?;
    let of = |listeners: &str| -> Vec<SocketAddr> {
        let (_, list) = line.split_once(&format!(" {listeners}: [")).expect("every kind of listener");
        // An IPv6 address has brackets too.
        let end = list.find("], ").or_else(|| list.find("] }")).expect("the end of the list");
        let addresses = list[..end].split(", ").filter(|address| !address.is_empty());
        addresses.map(|address| address.parse().expect("an address with a port")).collect()
    };
    Some(BoundAddresses {
        smtp: of("smtp"),
        smtp_proxy: of("smtp_proxy"),
        lmtp: of("lmtp"),
        dns: of("dns"),
        http: of("http"),
        metrics: of("metrics"),
    })
}
