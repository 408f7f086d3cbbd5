//! The three faults: each is a mistake that real services make, switched on and off while they run.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use manhole::{
    Arg,
    commands::{Cell, IntoReply, Reply, Table},
};

/// A mistake that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The cache remembers for ever.
    Leak,
    /// The report keeps the cache's lock while it is written.
    Lock,
    /// The rates are fetched with a blocking call in async code.
    Stall,
}

impl Fault {
    /// All of them, in the order in which they are shown.
    pub(super) const ALL: [Self; 3] = [Self::Leak, Self::Lock, Self::Stall];

    /// As one types it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Lock => "lock",
            Self::Stall => "stall",
        }
    }

    /// What it does to the service.
    const fn about(self) -> &'static str {
        match self {
            Self::Leak => "the price cache forgets nothing, up to 256 MiB",
            Self::Lock => {
                "the report is written with the cache's lock held: requests wait for a disk"
            }
            Self::Stall => {
                "the rates are fetched with a blocking sleep in an async fn: a worker stands still"
            }
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// Which faults are on.
#[derive(Debug, Default)]
pub(super) struct Faults([AtomicBool; 3]);

impl Faults {
    /// Every fault is on: there is something to find.
    pub(super) fn all_on() -> Self {
        Self([const { AtomicBool::new(true) }; 3])
    }

    /// Whether `fault` is on.
    pub(super) fn is_on(&self, fault: Fault) -> bool {
        self.switch(fault).load(Ordering::Relaxed)
    }

    /// Switches `fault`, and returns whether it was on.
    pub(super) fn set(&self, fault: Fault, on: bool) -> bool {
        self.switch(fault).swap(on, Ordering::Relaxed)
    }

    fn switch(&self, fault: Fault) -> &AtomicBool {
        let [leak, lock, stall] = &self.0;
        match fault {
            Fault::Leak => leak,
            Fault::Lock => lock,
            Fault::Stall => stall,
        }
    }
}

/// Adds the command `fault` to the console.
pub(super) fn register(faults: &Arc<Faults>) {
    let faults = Arc::clone(faults);
    manhole::command("fault")
        .about("shows the faults of this demo, or switches one")
        .cost("none by itself; the fault does what it says")
        .arg(Arg::choice("fault", Fault::ALL.map(Fault::name)).about("which one; all of them"))
        .arg(Arg::choice("state", ["on", "off"]).about("what it becomes"))
        .example("fault lock off", "the workers stop waiting for the cache")
        .run(
            move |_, args| match args.text("fault").and_then(Fault::named) {
                None => list(&faults).into_reply(),
                Some(fault) => answer(&faults, fault, args.text("state")).into_reply(),
            },
        );
}

fn list(faults: &Faults) -> Reply {
    let mut table = Table::new(["fault", "state", "about"]);
    for fault in Fault::ALL {
        let state = word(faults.is_on(fault));
        table.row([fault.name(), state, fault.about()].map(Cell::from));
    }
    let on = Fault::ALL.into_iter().find(|fault| faults.is_on(*fault));
    let reply = Reply::table(table);
    match on {
        Some(fault) => reply.next(format!("fault {} off", fault.name())),
        None => reply.next("fault leak on"),
    }
}

/// Old and new state and the way back, or the state alone.
fn answer(faults: &Faults, fault: Fault, state: Option<&str>) -> String {
    let name = fault.name();
    let Some(state) = state else {
        return word(faults.is_on(fault)).to_owned();
    };
    let before = word(faults.set(fault, state == "on"));
    let about = fault.about();
    match state {
        "on" => format!("{name}   {before} -> on     {about}; undo it with: fault {name} off"),
        _ => format!("{name}   {before} -> off     undo it with: fault {name} on"),
    }
}

const fn word(on: bool) -> &'static str {
    match on {
        true => "on",
        false => "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_switch_of_its_own() {
        for fault in Fault::ALL {
            let faults = Faults::default();
            assert!(!faults.set(fault, true));
            let on = Fault::ALL.map(|other| faults.is_on(other));
            assert_eq!(on, Fault::ALL.map(|other| other == fault));
            assert!(faults.set(fault, false) && !faults.is_on(fault));
            assert_eq!(Fault::named(fault.name()), Some(fault));
        }
        assert!(Fault::ALL.map(|fault| Faults::all_on().is_on(fault)) == [true; 3]);
    }

    #[test]
    fn a_switch_tells_what_it_was_and_the_way_back() {
        let faults = Faults::default();
        let check =
            |state, expected: &str| assert_eq!(answer(&faults, Fault::Leak, state), expected);
        check(None, "off");
        check(
            Some("on"),
            "leak   off -> on     the price cache forgets nothing, up to 256 MiB; undo it with: fault leak off",
        );
        check(None, "on");
        check(
            Some("off"),
            "leak   on -> off     undo it with: fault leak on",
        );
    }
}
