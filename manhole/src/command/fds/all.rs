//! `fds --all`: one line for each descriptor.

use super::group::access;
use crate::{
    model::{Cell, Column, Table},
    probe::fds::{Descriptor, Kind, Socket, Sockets, name::address},
};

/// Every descriptor, by number.
pub(super) fn table(descriptors: &[Descriptor], sockets: &Sockets) -> Table {
    let columns = [
        Column::new("fd", "fd"),
        Column::new("kind", "kind"),
        Column::new("state", "state"),
        Column::new("unread_bytes", "unread"),
        Column::new("unsent_bytes", "unsent"),
        Column::new("deleted_bytes", "deleted"),
        Column::json("inode"),
        Column::new("local", "local"),
        Column::new("place", "peer or path"),
    ];
    let mut table = Table::new("descriptors", columns);
    for descriptor in descriptors {
        let inode = descriptor.link.inode;
        let socket = inode.and_then(|inode| sockets.by_inode.get(&inode));
        table.row(
            match socket.filter(|_| descriptor.link.kind == Kind::Socket) {
                Some(socket) => socket_cells(descriptor, socket),
                None => other_cells(descriptor),
            },
        );
    }
    table
}

fn socket_cells(descriptor: &Descriptor, socket: &Socket) -> Vec<Cell> {
    let bytes = |bytes: u64| {
        if bytes == 0 {
            Cell::Empty
        } else {
            Cell::Bytes(bytes)
        }
    };
    let local = socket
        .local
        .as_ref()
        .map_or(Cell::Empty, |local| Cell::text(address(local)));
    let place = socket
        .peer
        .as_ref()
        .map_or(Cell::Empty, |peer| Cell::text(address(peer)));
    vec![
        Cell::Id(descriptor.fd.into()),
        Cell::text(socket.protocol.name()),
        Cell::text(socket.state.name()),
        bytes(socket.unread),
        bytes(socket.unsent),
        Cell::Empty,
        descriptor.link.inode.map_or(Cell::Empty, Cell::Id),
        local,
        place,
    ]
}

fn other_cells(descriptor: &Descriptor) -> Vec<Cell> {
    let link = &descriptor.link;
    let state = match link.deleted {
        true => format!("{}, deleted", access(descriptor.access)),
        false => access(descriptor.access).to_owned(),
    };
    vec![
        Cell::Id(descriptor.fd.into()),
        Cell::text(link.kind.name()),
        if state.is_empty() {
            Cell::Empty
        } else {
            Cell::Text(state)
        },
        Cell::Empty,
        Cell::Empty,
        descriptor.deleted_bytes.map_or(Cell::Empty, Cell::Bytes),
        link.inode.map_or(Cell::Empty, Cell::Id),
        Cell::Empty,
        link.path.as_deref().map_or(Cell::Empty, Cell::text),
    ]
}
