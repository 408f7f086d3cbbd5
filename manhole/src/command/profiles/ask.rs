//! What is asked for, of a sampler: by a command's arguments or a request's parameters.

use super::super::{
    Context, shown,
    stacks::{self, Depth, look},
};
use crate::{
    fold,
    model::{
        Args, Code, Failure,
        samples::Samples,
        wish::{Kind, Wish},
    },
    names::{self, Wanted},
    probe::{Options, cores::Cores, cpu, wall},
};
use std::time::Duration;

/// Lines of a tree, if nothing is said.
const TREE_ROWS: usize = 60;
/// Most lines of a table that can be asked for by number.
const MOST_ROWS: usize = 1_000_000;

/// A profile that somebody asks for.
#[derive(Debug)]
pub(super) struct Ask {
    /// How long.
    pub window: Duration,
    /// Samples per second.
    pub hz: u32,
    /// What of it, and how it is shown.
    pub wish: Wish,
}

impl Ask {
    /// Reads the arguments of the command of `kind`.
    ///
    /// # Errors
    /// `usage` for `--rows` and `--thread`; the others are checked already.
    pub(super) fn of_args(kind: Kind, args: &Args) -> Result<Self, Failure> {
        let name = kind.name();
        let tree = args.text("format") == Some("tree");
        let rows = match args.text("rows").filter(|_| args.given("rows")) {
            None if tree => Some(TREE_ROWS),
            None => Some(15),
            Some("all") => None,
            Some(text) => Some(rows(text).ok_or_else(|| {
                let text = format!(
                    "{name}: --rows is {}, a number or all is wanted",
                    shown(text)
                );
                Failure::new(Code::Usage, text)
            })?),
        };
        let thread = args.text("thread").map(str::to_owned);
        if thread.as_deref().is_some_and(is_empty) {
            let text = format!(
                "{name}: --thread is empty; it takes ids, names or roles: 4713,image-*,worker"
            );
            return Err(Failure::new(Code::Usage, text));
        }
        Ok(Self {
            window: args.duration("n").unwrap_or(Duration::from_secs(5)),
            hz: args
                .int("hz")
                .and_then(|hz| u32::try_from(hz).ok())
                .unwrap_or(99),
            wish: Wish {
                kind,
                tree,
                thread,
                tids: Vec::new(),
                rows,
                full_names: args.text("names") == Some("full"),
                cores: Cores::read().most(),
            },
        })
    }

    /// Samples, and names what was met.
    ///
    /// # Errors
    /// `unknown` when no thread is meant; what the sampler says; `cancelled`.
    pub(super) fn take(
        &mut self,
        ctx: &Context,
        progress: &dyn Fn(u64),
    ) -> Result<Samples, Failure> {
        let keep_going = || ctx.check().is_ok();
        self.find_threads(ctx)?;
        let samples = sample(self, ctx, &keep_going, progress);
        let mut samples = samples.map_err(|failure| self.named(failure))?;
        ctx.check()?;
        names::name(
            &mut samples.dump,
            &names::OnDisk,
            Wanted::Affordable,
            &keep_going,
        );
        ctx.check()?;
        Ok(samples)
    }

    /// Looks which threads are meant, before anybody waits for them.
    ///
    /// # Errors
    /// `unknown` when there is none.
    pub(super) fn find_threads(&mut self, ctx: &Context) -> Result<(), Failure> {
        if let Some(thread) = &self.wish.thread
            && self.wish.tids.is_empty()
        {
            self.wish.tids = self.tids(thread, ctx)?;
        }
        Ok(())
    }

    fn tids(&self, thread: &str, ctx: &Context) -> Result<Vec<u32>, Failure> {
        let dump = look(ctx, Depth::Symbols).map_err(|failure| self.named(failure))?;
        let tids = fold::tids(&dump, thread);
        match tids.is_empty() {
            false => Ok(tids),
            true => Err(stacks::unknown(self.wish.kind.name(), thread, &dump)),
        }
    }

    /// An error begins with the command that it is of.
    fn named(&self, mut failure: Failure) -> Failure {
        if failure.code != Code::Cancelled {
            failure.text = format!("{}: {}", self.wish.kind.name(), failure.text);
        }
        failure
    }
}

/// Has the sampler of its kind run.
fn sample(
    ask: &Ask,
    ctx: &Context,
    keep_going: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Samples, Failure> {
    let setting = &ctx.state.stacks;
    let (signal, app_crates) = (setting.signal, setting.app_crates.clone());
    let Ask { window, hz, .. } = *ask;
    let options = Options {
        signal,
        hz,
        window,
        app_crates,
    };
    match ask.wish.kind {
        Kind::Cpu => cpu::sample(&options, keep_going, progress),
        Kind::Wall | Kind::Block | Kind::Mutex => wall::sample(&options, keep_going, progress),
    }
}

fn rows(text: &str) -> Option<usize> {
    let rows = text.parse().ok()?;
    (1..=MOST_ROWS).contains(&rows).then_some(rows)
}

pub(super) fn is_empty(thread: &str) -> bool {
    thread.trim_matches([',', ' ']).is_empty()
}
