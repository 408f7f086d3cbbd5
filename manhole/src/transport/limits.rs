//! How many may be connected at once, and who goes when one more comes.
//!
//! The places are counted by uid, so nobody can lock anybody else out: 8 each, and one more for
//! root. When they are taken, whoever has been idle longest makes room; whoever runs something
//! never does.

use crate::{
    model::{Code, Failure, order},
    session::Connection,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places of one user.
const PER_UID: usize = 8;
/// Connections of one user that were told to end and have not yet done so. Bounds what a client
/// can pile up by connecting faster than goodbyes are said.
const LEAVING: usize = 8;

/// All connections of a console.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    /// Of the connection; unique.
    number: u64,
    uid: u32,
    leaving: bool,
    connection: Connection,
}

impl Connections {
    /// Gives connection `number` of `uid` a place, if need be that of another connection of the
    /// same user, which is told to end.
    ///
    /// # Errors
    /// `Code::Busy` when all of them run something.
    pub(crate) fn admit(&self, number: u64, uid: u32) -> Result<Seat, Failure> {
        let limit = PER_UID + usize::from(uid == 0);
        let mut entries = self.entries();
        let own = || entries.iter().filter(|entry| entry.uid == uid);
        let leaving = own().filter(|entry| entry.leaving).count();
        let seated = own().count().saturating_sub(leaving);
        if seated >= limit {
            if leaving >= LEAVING {
                let text = format!(
                    "connections of uid {uid} come faster than old ones can be closed; try again in a second"
                );
                return Err(Failure::new(Code::Busy, text));
            }
            make_room(&mut entries, uid).ok_or_else(|| {
                let text = format!(
                    "all {limit} connections of uid {uid} are running commands; close one or wait"
                );
                Failure::new(Code::Busy, text)
            })?;
        }
        let connection = Connection::new();
        entries.push(Entry {
            number,
            uid,
            leaving: false,
            connection: connection.clone(),
        });
        Ok(Seat {
            connections: self.clone(),
            number,
            connection,
        })
    }

    #[cfg(test)]
    /// How many are connected, those included that were told to end.
    pub(crate) fn count(&self) -> usize {
        self.entries().len()
    }

    /// A panic elsewhere leaves a list that is still right.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the longest idle connection of `uid` to end.
fn make_room(entries: &mut [Entry], uid: u32) -> Option<()> {
    let mut idle: Vec<&mut Entry> = entries
        .iter_mut()
        .filter(|entry| entry.uid == uid)
        .collect();
    order::sort_by_key(&mut idle, |entry| {
        std::cmp::Reverse(entry.connection.idle())
    });
    // One that began to run something this moment refuses; the next one is asked.
    let evicted = idle.into_iter().find(|entry| entry.connection.evict())?;
    evicted.leaving = true;
    Some(())
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Connections,
    number: u64,
    connection: Connection,
}

impl Seat {
    /// The handle for the conversation.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections
            .entries()
            .retain(|entry| entry.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(connections: &Connections, uid: u32, numbers: impl Iterator<Item = u64>) -> Vec<Seat> {
        numbers
            .map(|number| connections.admit(number, uid).unwrap())
            .collect()
    }

    fn gone(seats: &[Seat]) -> Vec<u64> {
        let leaving = |seat: &&Seat| {
            let entries = seat.connections.entries();
            entries
                .iter()
                .any(|entry| entry.number == seat.number && entry.leaving)
        };
        seats
            .iter()
            .filter(leaving)
            .map(|seat| seat.number)
            .collect()
    }

    #[test]
    fn the_longest_idle_one_makes_room() {
        let connections = Connections::default();
        let mut all = seats(&connections, 7, 0..8);
        let _busy = all[0].connection().running();
        drop(all[1].connection().running());
        all.push(connections.admit(8, 7).unwrap());
        assert_eq!(gone(&all), [2], "0 runs something, 1 did so lately");
        all.push(connections.admit(9, 7).unwrap());
        assert_eq!(gone(&all), [2, 3]);
    }

    #[test]
    fn when_all_run_something_the_newcomer_is_told() {
        let connections = Connections::default();
        let all = seats(&connections, 7, 0..8);
        let running: Vec<_> = all.iter().map(|seat| seat.connection().running()).collect();
        let failure = connections.admit(8, 7).unwrap_err();
        assert_eq!(failure.code, Code::Busy);
        assert!(
            failure.text.starts_with("all 8 connections of uid 7"),
            "{failure}"
        );
        drop(running);
        assert!(connections.admit(9, 7).is_ok());
    }

    #[test]
    fn users_do_not_take_each_others_places_and_root_has_one_more() {
        let connections = Connections::default();
        let seven = seats(&connections, 7, 0..8);
        let root = seats(&connections, 0, 8..17);
        assert!(gone(&seven).is_empty() && gone(&root).is_empty());
        assert_eq!(connections.count(), 17);
        let _one_more = connections.admit(17, 0).unwrap();
        assert_eq!((gone(&seven), gone(&root)), (vec![], vec![8]));
    }

    #[test]
    fn a_place_is_given_back() {
        let connections = Connections::default();
        let mut all = seats(&connections, 7, 0..8);
        all.truncate(3);
        assert_eq!(connections.count(), 3);
        let more = seats(&connections, 7, 8..13);
        assert!(gone(&all).is_empty() && gone(&more).is_empty());
    }

    #[test]
    fn whoever_connects_faster_than_goodbyes_are_said_has_to_wait() {
        let connections = Connections::default();
        let mut all = seats(&connections, 7, 0..16);
        assert_eq!(gone(&all), [0, 1, 2, 3, 4, 5, 6, 7]);
        let failure = connections.admit(16, 7).unwrap_err();
        assert_eq!(failure.code, Code::Busy);
        all.remove(0);
        assert!(connections.admit(17, 7).is_ok());
    }
}
