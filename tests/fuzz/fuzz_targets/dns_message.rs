//! Fuzz target: any octets as a datagram are answered without a panic, and the fast path and the
//! library agree.

#![no_main]

use std::sync::LazyLock;

use backscatterd::dns::{Agreement, CLIENTS};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static AGREEMENT: Agreement = Agreement::default();
}
static CLIENT_ADDRESSES: LazyLock<Vec<std::net::IpAddr>> =
    LazyLock::new(|| CLIENTS.iter().map(|client| client.parse().expect("an address")).collect());

// The first octet selects the client address.
fuzz_target!(|octets: &[u8]| {
    let Some((client, datagram)) = octets.split_first() else { return };
    let client = CLIENT_ADDRESSES[usize::from(*client) % CLIENT_ADDRESSES.len()];
    AGREEMENT.with(|agreement| agreement.check(datagram, client));
});
