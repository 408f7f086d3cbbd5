//! The grammar of demangled names, as far as shortening needs it.
//!
//! `<T as Trait>::m` is resolved to the side whose code it is, and generic arguments are passed over.
//! What is not understood is left to the caller as it was; no input makes this fail or recurse deeply.

/// Types within types deeper than this are not looked into.
const DEEPEST: usize = 24;

/// A name, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Path<'a> {
    /// Without generic arguments; [`CLOSURE`] stands for a run of closures and async blocks.
    pub segments: Vec<&'a str>,
    /// The crate that the code belongs to; empty when it has none.
    pub of_crate: &'a str,
    /// Whether a derive macro made it.
    pub derived: bool,
}

/// A run of closures, async blocks and the like, which have no name of their own.
pub(super) const CLOSURE: &str = "{}";

/// Takes `name` apart; `None` when it is not a name of Rust.
pub(super) fn parse(name: &str) -> Option<Path<'_>> {
    let (path, rest) = path(name, 0);
    let understood = rest.is_empty() || rest.ends_with('…');
    let first = path.segments.first().copied().unwrap_or_default();
    (understood && !matches!(first, "" | CLOSURE)).then_some(path)
}

/// The path that `text` begins with, and what follows it.
fn path(text: &str, depth: usize) -> (Path<'_>, &str) {
    let mut path = Path::default();
    let mut rest = text;
    loop {
        rest = rest.strip_prefix("::").unwrap_or(rest);
        if rest.starts_with('<') {
            let (inner, after) = bracketed(rest);
            if path.segments.is_empty() || inner.starts_with("impl ") {
                path = qualified(inner, path, depth);
            }
            rest = after;
        } else if rest.starts_with('{') {
            let (inner, after) = bracketed(rest);
            path.enter(inner);
            rest = after;
        } else {
            let end = rest.find(|c| !is_part_of_identifier(c));
            let (identifier, after) = rest.split_at(end.unwrap_or(rest.len()));
            if identifier.is_empty() {
                break;
            }
            path.push(identifier);
            rest = after;
        }
    }
    (path, rest)
}

fn is_part_of_identifier(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.')
}

impl<'a> Path<'a> {
    fn push(&mut self, identifier: &'a str) {
        if let ([first], "") = (self.segments.as_slice(), self.of_crate) {
            self.of_crate = first;
        }
        self.derived |= is_of_derive(identifier);
        self.segments.push(identifier);
    }

    /// Goes into what `{...}` names.
    fn enter(&mut self, inner: &str) {
        let inner = inner.trim_start_matches('{');
        // Shims only pass calls on; impl and extern blocks only stand around functions.
        let nothing = ["shim", "vtable", "impl", "extern"];
        let says_nothing = nothing.iter().any(|word| inner.starts_with(word));
        if says_nothing || self.segments.last() == Some(&CLOSURE) {
            return;
        }
        if let ([first], "") = (self.segments.as_slice(), self.of_crate) {
            self.of_crate = first;
        }
        self.segments.push(CLOSURE);
    }
}

/// Derive macros put their code into a constant `_`; v0 names do not show it, only what is inside.
fn is_of_derive(identifier: &str) -> bool {
    let hidden = identifier.strip_prefix("__");
    identifier == "_" || hidden.is_some_and(|rest| rest.starts_with(char::is_uppercase))
}

/// What `<inner>` stands for behind `prefix`, which is empty unless it is `module::<impl ..>`.
fn qualified<'a>(inner: &'a str, prefix: Path<'a>, depth: usize) -> Path<'a> {
    if depth >= DEEPEST {
        return prefix;
    }
    let body = inner.strip_prefix("impl ");
    let pair = match body {
        Some(body) => split(body, " for ").map(|(of, on)| (on, of)),
        None => None,
    };
    let pair = pair.or_else(|| split(inner, " as "));
    let mut found = match pair {
        Some((on, of)) => implemented(on, of, depth + 1),
        None => inherent(body.unwrap_or(inner), &prefix, depth + 1),
    };
    if !prefix.segments.is_empty() {
        found.of_crate = match prefix.of_crate {
            "" => prefix.segments.first().copied().unwrap_or_default(),
            of_crate => of_crate,
        };
    }
    found.derived |= prefix.derived;
    found
}

/// `<on as of>`: the type, unless that says less about whose code it is than the trait.
///
/// A bare parameter says nothing. A type of the standard library with a trait from elsewhere is
/// implemented where the trait is: nothing else may implement it.
fn implemented<'a>(on: &'a str, of: &'a str, depth: usize) -> Path<'a> {
    let (of, _) = path(of, depth);
    match named_type(on, depth) {
        Type::Path(on) if !is_std(on.of_crate) || is_std(of.of_crate) => on,
        Type::Primitive(name) if is_std(of.of_crate) => Path {
            segments: vec![name],
            of_crate: of.of_crate,
            derived: false,
        },
        _ => of,
    }
}

/// `<on>` or `prefix::<impl on>`: methods of primitive types are better known by their module.
fn inherent<'a>(on: &'a str, prefix: &Path<'a>, depth: usize) -> Path<'a> {
    match named_type(on, depth) {
        Type::Path(path) => path,
        _ if !prefix.segments.is_empty() => Path {
            segments: prefix.segments.clone(),
            of_crate: prefix.of_crate,
            derived: prefix.derived,
        },
        Type::Primitive(name) => Path {
            segments: vec![name],
            of_crate: "core",
            derived: false,
        },
        Type::Parameter => Path::default(),
    }
}

/// Whether the crate is part of the standard library.
pub(super) fn is_std(of_crate: &str) -> bool {
    matches!(of_crate, "core" | "alloc" | "std" | "proc_macro" | "test")
}

enum Type<'a> {
    Path(Path<'a>),
    /// By the name that the standard library's documentation has for it.
    Primitive(&'a str),
    /// A bare parameter, or nothing that can be named.
    Parameter,
}

fn named_type(text: &str, depth: usize) -> Type<'_> {
    if depth >= DEEPEST {
        return Type::Parameter;
    }
    let text = without_references(text);
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    match text.as_bytes() {
        [b'*', ..] => Type::Primitive("pointer"),
        [b'!', ..] => Type::Primitive("never"),
        [b'(', b')', ..] => Type::Primitive("unit"),
        [b'(', ..] => match bracketed(text).0 {
            inner if split(inner, ",").is_some() => Type::Primitive("tuple"),
            inner => named_type(inner, depth + 1),
        },
        [b'[', ..] => match split(bracketed(text).0, ";") {
            Some(_) => Type::Primitive("array"),
            None => Type::Primitive("slice"),
        },
        _ if begins(&["fn(", "unsafe ", "extern "]) => Type::Primitive("fn"),
        _ => of_path(path(text, depth).0),
    }
}

fn of_path(path: Path<'_>) -> Type<'_> {
    match path.segments.as_slice() {
        [] => Type::Parameter,
        [name] if is_primitive(name) => Type::Primitive(name),
        [_] => Type::Parameter,
        _ => Type::Path(path),
    }
}

fn is_primitive(name: &str) -> bool {
    let number = name.strip_prefix(['i', 'u', 'f']);
    let bits = |bits: &str| matches!(bits, "8" | "16" | "32" | "64" | "128" | "size");
    matches!(name, "str" | "bool" | "char") || number.is_some_and(bits)
}

/// `text` behind `&'a mut`, `dyn`, `impl`, `for<..>`.
fn without_references(text: &str) -> &str {
    let mut text = text;
    loop {
        text = text.trim_start();
        let words = ["&", "mut ", "dyn ", "impl "];
        let word = words.iter().find_map(|word| text.strip_prefix(word));
        let binder = || {
            let rest = text.strip_prefix("for")?;
            rest.starts_with('<').then(|| bracketed(rest).1)
        };
        let lifetime = || {
            let rest = text.strip_prefix('\'')?;
            Some(rest.split_once(' ').map_or("", |(_, rest)| rest))
        };
        match word.or_else(binder).or_else(lifetime) {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// What stands between the bracket that `text` begins with and the one that closes it, and what
/// follows; everything, when none does.
fn bracketed(text: &str) -> (&str, &str) {
    let inner = text.get(1..).unwrap_or_default();
    let end = outside_brackets(inner, |rest| {
        matches!(rest, [b'>' | b')' | b']' | b'}', ..])
    });
    let (inner, rest) = inner.split_at(end.unwrap_or(inner.len()));
    (inner, rest.get(1..).unwrap_or_default())
}

/// `text` around the first `separator` that is not in brackets.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = outside_brackets(text, |rest| rest.starts_with(separator.as_bytes()))?;
    let (head, rest) = text.split_at(at);
    Some((head, rest.get(separator.len()..)?))
}

/// The first place outside brackets and literals where `found` says so of what follows.
fn outside_brackets(text: &str, found: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        if depth == 0 && found(rest) {
            return Some(at);
        }
        at += match rest {
            [b'-', b'>', ..] => 2,
            [b'\'' | b'"', ..] => literal(rest),
            [b'<' | b'(' | b'[' | b'{', ..] => {
                depth += 1;
                1
            }
            [b'>' | b')' | b']' | b'}', ..] => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
    }
    None
}

/// Length of the literal that `text` begins with, a constant of a v0 name; 1 for a lifetime.
fn literal(text: &[u8]) -> usize {
    let (quote, escaped) = match text {
        [b'\'', _, b'\'', ..] => return 3,
        [quote @ b'"', ..] => (quote, 0),
        [quote @ b'\'', b'\\', ..] => (quote, 2),
        _ => return 1,
    };
    let mut at = 1 + escaped;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    1
}
