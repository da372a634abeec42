//! Links behind a proxy, which begin with a PROXY header.

use log::debug;

use crate::broker::CloseReason;
use crate::ring::{Buffer, Key, Ring};
use crate::store::Medium;
use crate::transport::{ProxyHeader, read_proxy_header};

use super::accept_filter::Refused;
use super::links::conn_of;
use super::listener::{ListenerKind, Proxied};
use super::turn::{Clock, Reactor};

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Notes that a link must begin with a PROXY header, if its listener is behind a proxy.
    pub(super) fn await_header(&mut self, key: Key, kind: ListenerKind) {
        if let Some(link) = self.links.get_mut(key) {
            link.awaits_header = kind.proxied != Proxied::No;
        }
    }

    /// Handles the first bytes of a link behind a proxy. The bytes after the header are handled as
    /// those of any other link.
    pub(super) fn on_header_data(&mut self, key: Key, buffer: Buffer) {
        let Some(link) = self.links.get_mut(key) else { return };
        let bytes: &[u8] = self.ring.bytes_mut(&buffer);
        // A header nearly always arrives in one piece.
        let kept = link.unread.as_slice().len();
        let read = if kept == 0 {
            read_proxy_header(bytes)
        } else {
            link.unread.extend(bytes);
            read_proxy_header(link.unread.as_slice())
        };
        match read {
            Ok(Some(header)) => {
                link.unread.clear();
                // The earlier pieces were not a complete header, so it ends in this one.
                let skip = header.bytes - kept;
                let whole = skip == bytes.len();
                if !self.take_header(key, header) || whole {
                    return self.ring.recycle(buffer);
                }
                self.on_data(key, Some(buffer), skip);
            }
            Ok(None) => {
                if kept == 0 {
                    link.unread.extend(bytes);
                }
                self.ring.recycle(buffer);
            }
            Err(error) => {
                debug!("link {} from {}: {error}", key.slot, link.client_address);
                self.ring.recycle(buffer);
                self.end(key, CloseReason::ProxyHeader);
            }
        }
    }

    /// Takes the client's address from a header; returns whether the link is kept.
    fn take_header(&mut self, key: Key, header: ProxyHeader) -> bool {
        let Some(link) = self.links.get_mut(key) else { return false };
        link.awaits_header = false;
        if let Some(client) = header.client {
            debug!("link {}: {} speaks for {client}", key.slot, link.client_address);
            (link.client_address.address, link.client_address.port) =
                (Some(client.ip()), client.port());
        }
        let (address, port) = (link.client_address.address, link.client_address.port);
        self.broker.relocate(conn_of(key), address, port);
        match self.accept_filter.count_in(address, self.broker.stats_mut(), self.now_ms) {
            Ok(permit) => {
                if let Some(link) = self.links.get_mut(key) {
                    link.permit = permit;
                }
                true
            }
            Err(Refused) => {
                self.end(key, CloseReason::AddressLimit);
                false
            }
        }
    }
}
