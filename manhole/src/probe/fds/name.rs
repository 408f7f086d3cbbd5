//! What a descriptor leads to, in as few words as tell it.

use super::{Address, Descriptor, Kind, Socket, State};

/// A socket: its peer, the address it listens on, or its protocol.
pub(crate) fn socket(socket: &Socket) -> String {
    let here = socket.local.as_ref().map(address);
    match (&socket.peer, here) {
        (Some(peer), _) => address(peer),
        (None, Some(here)) if socket.state == State::Listen => here,
        (None, Some(here)) => format!("{} {here}", socket.protocol.name()),
        (None, None) => format!("{} socket", socket.protocol.name()),
    }
}

/// Any other descriptor: the path of a file, else its kind.
pub(crate) fn descriptor(descriptor: &Descriptor) -> String {
    match (&descriptor.link.path, descriptor.link.kind) {
        (Some(path), Kind::File | Kind::Device | Kind::Kernel) => path.clone(),
        (_, kind) => kind.name().to_owned(),
    }
}

/// An address as one writes it: `10.2.0.9:5432`, `:8080` for any, the path of a Unix socket.
pub(crate) fn address(address: &Address) -> String {
    match address {
        Address::Internet(address) if address.ip().is_unspecified() => {
            format!(":{}", address.port())
        }
        Address::Internet(address) => address.to_string(),
        Address::Path(path) => path.clone(),
    }
}
