//! Answers messages through the DNS library: octets in, octets out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::edns::{UDP_OCTETS_MAX, UDP_OCTETS_MIN};
use super::handler::DnsHandler;
use super::message;
use super::udp::Fallback;
use crate::metrics::{AnswerOutcome, DropReason};

/// Receives the octets of a response, up to a limit.
#[derive(Clone)]
struct Sink {
    octets: Arc<Mutex<Vec<u8>>>,
    octets_max: u16,
}

#[async_trait::async_trait]
impl ResponseHandler for Sink {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(usize::from(UDP_OCTETS_MIN));
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(self.octets_max);
        let info = response.destructive_emit(&mut encoder)?;
        *self.octets.lock().unwrap_or_else(PoisonError::into_inner) = octets;
        Ok(info)
    }
}

/// Answers a message that came over TCP; `None` if no response is sent.
pub(super) async fn respond(handler: &DnsHandler, message: Vec<u8>, client: SocketAddr) -> Option<Vec<u8>> {
    answer(handler, message, client, Protocol::Tcp).await
}

/// Answers queued datagrams that only the library can read, until `stop` is cancelled.
pub(super) async fn serve(
    handler: Arc<DnsHandler>,
    mut queue: mpsc::Receiver<Fallback>,
    stop: CancellationToken,
) {
    loop {
        let slow = tokio::select! {
            slow = queue.recv() => slow,
            () = stop.cancelled() => return,
        };
        let Some(Fallback { message, way }) = slow else { return };
        if let Some(response) = answer(&handler, message, way.client, Protocol::Udp).await
            && !way.send(&response)
        {
            handler.unsent();
        }
    }
}

/// Answers one message; `None` if no response is sent.
pub(super) async fn answer(
    handler: &DnsHandler,
    message: Vec<u8>,
    client: SocketAddr,
    protocol: Protocol,
) -> Option<Vec<u8>> {
    let ip = client.ip();
    if handler.service.ignores(ip) {
        handler.dropped(protocol, DropReason::Access);
        return None;
    }
    if message::is_response(&message) {
        handler.dropped(protocol, DropReason::Malformed);
        return None;
    }
    let error = message::format_error(&message);
    let request = if message::is_malformed(&message) {
        None
    } else {
        Request::from_bytes(message, client, protocol).ok()
    };
    let Some(request) = request else {
        return error.filter(|_| handler.may_tell(protocol, ip, AnswerOutcome::FormErr));
    };
    let octets_max = match protocol {
        Protocol::Udp => {
            let asked = request.edns.as_ref().map_or(UDP_OCTETS_MIN, |edns| edns.max_payload());
            asked.clamp(UDP_OCTETS_MIN, UDP_OCTETS_MAX)
        }
        _ => u16::MAX,
    };
    let sink = Sink { octets: Arc::default(), octets_max };
    handler.handle_request::<_, TokioTime>(&request, sink.clone()).await;
    let octets = std::mem::take(&mut *sink.octets.lock().unwrap_or_else(PoisonError::into_inner));
    (!octets.is_empty()).then_some(octets)
}
