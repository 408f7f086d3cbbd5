//! What the descriptors are that threads wait on.

use crate::{
    model::stack::{Call, ThreadStack},
    probe::fds::{self, Descriptor, Sockets, name},
    sys::calls::{self, Shape},
};
use std::collections::BTreeMap;

/// Different descriptors that are looked up; 5 us each, and once the tables of sockets.
const MOST: usize = 1024;

/// Fills in [`Call::on`] of all calls that wait on a descriptor.
pub(in crate::probe) fn fill(threads: &mut [ThreadStack], keep_going: &dyn Fn() -> bool) {
    let mut wanted: BTreeMap<u32, Option<Descriptor>> = BTreeMap::new();
    for fd in threads.iter().filter_map(descriptor) {
        if wanted.len() < MOST {
            wanted.insert(fd, None);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let table = fds::table();
    for (fd, found) in &mut wanted {
        *found = fds::look(&table, *fd);
    }
    let inodes = wanted
        .values()
        .flatten()
        .filter_map(|found| found.link.socket());
    let sockets = Sockets::find(inodes.collect(), keep_going);
    for thread in threads {
        let on = descriptor(thread).and_then(|fd| wanted.get(&fd)?.as_ref());
        let on = on.map(|on| say(on, &sockets));
        if let Some(call) = &mut thread.call {
            call.on = on;
        }
    }
}

/// The descriptor that a thread waits on.
fn descriptor(thread: &ThreadStack) -> Option<u32> {
    let Call {
        number, arguments, ..
    } = thread.call.as_ref()?;
    let (_, shape) = calls::find((*number)?)?;
    let first = arguments.first()?;
    // An int in a register may have anything above it.
    (shape == Shape::Descriptor).then_some(u32::try_from(first & 0xffff_ffff).ok()?)
}

fn say(on: &Descriptor, sockets: &Sockets) -> String {
    let socket = on
        .link
        .socket()
        .and_then(|inode| sockets.by_inode.get(&inode));
    socket.map_or_else(|| name::descriptor(on), name::socket)
}
