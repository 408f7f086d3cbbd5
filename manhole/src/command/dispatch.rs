//! From words to a call, from a call to its end: look-up, access, execution, audit.

use super::{BUILT_IN, Command, Context, Entry, Event, Record, Reply, Run, Sink, Style, suggest};
use crate::{
    app,
    model::{Args, Code, Failure, Level, Spec},
    render,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

/// Other spellings of a command's first word.
const ALIASES: &[(&str, &str)] = &[("?", "help"), ("exit", "quit"), ("q", "quit")];

/// What a line asks for, parsed and typed.
pub(crate) struct Call {
    /// The command.
    pub target: Target,
    /// Its arguments.
    pub args: Args,
    /// The words as given, for the audit.
    words: Vec<String>,
}

/// Where a command comes from.
pub(crate) enum Target {
    /// Ours.
    BuiltIn(&'static Command),
    /// The application's.
    Application(app::commands::Registered),
}

impl Target {
    fn spec(&self) -> &'static Spec {
        match self {
            Target::BuiltIn(command) => &command.spec,
            Target::Application(command) => command.spec(),
        }
    }
}

impl Call {
    /// What the command is.
    pub(crate) fn spec(&self) -> &'static Spec {
        self.target.spec()
    }

    /// The level this call needs.
    pub(crate) fn level(&self) -> Level {
        self.args.level(self.spec())
    }

    /// Whether the kernel may not answer it.
    pub(crate) fn may_stick(&self) -> bool {
        match &self.target {
            Target::BuiltIn(command) => matches!(command.run, Run::Kernel(_)),
            Target::Application(_) => false,
        }
    }

    /// The line for the audit: secrets masked.
    pub(crate) fn masked(&self) -> String {
        masked(&self.words)
    }
}

/// A line as the audit keeps it, whether or not it could be understood.
///
/// Where a command takes secrets only option names are sure to be harmless; where a word looks like
/// the name of a secret, what follows it is masked, and so are passwords in URLs.
pub(crate) fn masked(words: &[String]) -> String {
    let spec = find(words).ok().map(|target| target.spec());
    let Some(spec) = spec.filter(|spec| spec.args.iter().any(|arg| arg.secret)) else {
        return mask_after_names(words).join(" ");
    };
    let mut line = spec.name.to_owned();
    for word in words.iter().skip(spec.name.split(' ').count()) {
        match word.strip_prefix("--") {
            Some(option) => {
                let name = option.split_once('=').map_or(option, |(name, _)| name);
                line.push_str(&format!(" --{name}"));
            }
            None => line.push_str(" ***"),
        }
    }
    line
}

/// `vars set db.password x`: a word that names a secret hides the one behind it.
fn mask_after_names(words: &[String]) -> Vec<String> {
    let mut masked = render::mask::command_line(words);
    let named = words.iter().map(|word| render::mask::is_secret_name(word));
    for (word, after_secret) in masked.iter_mut().skip(1).zip(named) {
        if after_secret {
            *word = render::mask::MASK.to_owned();
        }
    }
    masked
}

/// Every command there is: ours, then the application's.
pub(crate) fn specs() -> Vec<&'static Spec> {
    let ours = BUILT_IN.iter().map(|command| &command.spec);
    ours.chain(
        app::commands::all()
            .into_iter()
            .map(|command| command.spec()),
    )
    .collect()
}

/// Finds the command whose name is the longest beginning of `words`, sees whether the caller may run
/// it, and parses its arguments.
///
/// # Errors
/// `unknown` with a remedy; `denied` with who may; `usage` with the argument that is wrong.
pub(crate) fn admit(words: &[String], ctx: &Context) -> Result<Call, Failure> {
    let words = canonical(words);
    let target = find(&words)?;
    let spec = target.spec();
    let skip = spec.name.split(' ').count();
    let given = words.get(skip..).unwrap_or(&[]);
    refuse_level(spec.name, Args::level_of_words(spec, given), ctx)?;
    let args = Args::parse(spec, given)?;
    refuse_level(spec.name, args.level(spec), ctx)?;
    Ok(Call {
        target,
        args,
        words,
    })
}

/// The command that `words` begin with, whatever its arguments are.
///
/// # Errors
/// `unknown` with a remedy.
pub(crate) fn resolve_spec(words: &[String]) -> Result<&'static Spec, Failure> {
    find(&canonical(words)).map(|target| target.spec())
}

fn find(words: &[String]) -> Result<Target, Failure> {
    let given = |spec: &Spec| starts_with(words, spec.name);
    let ours = BUILT_IN
        .iter()
        .filter(|command| given(&command.spec))
        .max_by_key(|command| command.spec.name.len())
        .map(|command| Target::BuiltIn(command));
    let theirs = app::commands::all()
        .into_iter()
        .filter(|command| given(command.spec()))
        .max_by_key(|command| command.spec().name.len())
        .map(Target::Application);
    ours.or(theirs).ok_or_else(|| unknown(words))
}

fn canonical(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut()
        && let Some((_, name)) = ALIASES.iter().find(|(alias, _)| alias == first)
    {
        *first = (*name).to_owned();
    }
    words
}

fn starts_with(words: &[String], name: &str) -> bool {
    let mut words = words.iter();
    name.split(' ')
        .all(|part| words.next().is_some_and(|word| word == part))
}

fn unknown(words: &[String]) -> Failure {
    let first = words.first().map_or("", String::as_str);
    let specs = specs();
    let below: Vec<&str> = specs
        .iter()
        .map(|spec| spec.name)
        .filter(|name| name.split(' ').next() == Some(first))
        .collect();
    if !below.is_empty() {
        let text = format!(
            "{}: no such command; use one of: {}",
            words.join(" "),
            below.join(", ")
        );
        return Failure::new(Code::Unknown, text);
    }
    let remedy = suggest::remedy(first, specs.iter().map(|spec| spec.name));
    Failure::new(Code::Unknown, format!("{}: {remedy}", super::shown(first)))
}

/// Whether the caller has `level`, which `what` needs.
///
/// # Errors
/// `denied`, with who may.
pub(crate) fn refuse_level(what: &str, level: Level, ctx: &Context) -> Result<(), Failure> {
    match ctx.may(level) {
        true => Ok(()),
        false => Err(Failure::new(
            Code::Denied,
            ctx.state.needs(what, level, &ctx.caller),
        )),
    }
}

/// Runs a call to its end, tells `sink`, and writes the audit: before it runs if it changes
/// something, and afterwards in any case.
pub(crate) fn execute(
    call: &Call,
    ctx: &Context,
    style: Style,
    entry: &Entry,
    sink: &mut dyn Sink,
) {
    let audit = &ctx.state.audit;
    if entry.changes {
        audit.add_before(entry);
    }
    let record = entry.draft();
    let started = Instant::now();
    let style = Style {
        json: style.json || call.args.json,
        ..style
    };
    let mut reply = Reply::new(sink, style, ctx.state.provenance(call.spec().name));
    let result = guarded(|| run(call, ctx, &mut reply));
    let sent = reply.sent();
    finish(result, sent, started, ctx, (entry, record), sink);
}

/// Runs an HTTP endpoint likewise.
pub(crate) fn serve(
    name: &'static str,
    ctx: &Context,
    entry: &Entry,
    sink: &mut dyn Sink,
    style: Style,
    run: impl FnOnce(&mut Reply<'_>) -> Result<(), Failure>,
) {
    let record = entry.draft();
    let started = Instant::now();
    let mut reply = Reply::new(sink, style, ctx.state.provenance(name));
    let result = guarded(|| run(&mut reply));
    let sent = reply.sent();
    finish(result, sent, started, ctx, (entry, record), sink);
}

fn finish(
    result: Result<(), Failure>,
    sent: u64,
    started: Instant,
    ctx: &Context,
    (entry, mut record): (&Entry, Record),
    sink: &mut dyn Sink,
) {
    record.bytes = sent;
    record.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    record.result = result
        .as_ref()
        .map_or_else(|failure| failure.code.name(), |()| "ok");
    // The record comes before the end: who has read a whole reply finds it in the audit.
    ctx.state.audit.finish(entry, record);
    ctx.state
        .commands
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let _ = sink.send(Event::End(result)); // whoever is gone needs no end
}

fn run(call: &Call, ctx: &Context, reply: &mut Reply<'_>) -> Result<(), Failure> {
    match &call.target {
        Target::BuiltIn(command) => match command.run {
            Run::Answer(function) | Run::Kernel(function) => {
                reply.answer(function(ctx, &call.args)?)
            }
            Run::Both(_, function) | Run::Stream(function) => function(ctx, &call.args, reply),
        },
        Target::Application(command) => super::application::run(command, ctx, &call.args, reply),
    }
}

/// Our own code does not panic; if it does all the same, one command fails and the console lives.
fn guarded(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Failure::new(
            Code::Internal,
            "the command panicked: a defect of manhole, please report it",
        ))
    })
}
