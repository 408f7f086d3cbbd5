//! What is known of an address from symbols and from debug information, put together.

use super::{
    demangle,
    dwarf::{Place, Step},
    qualify::qualify,
};
use crate::model::stack::Function;
use std::sync::Arc;

/// The functions at an address, innermost first, and whether the inlined ones are known.
pub(super) fn functions(symbol: Option<String>, place: Option<&Place>) -> (Arc<[Function]>, bool) {
    let symbol = symbol.map(Arc::<str>::from);
    let Some(place) = place else {
        let functions = symbol.iter().map(|symbol| by_symbol(symbol)).collect();
        return (functions, false);
    };
    if place.steps.is_empty() {
        // Assembler code: it has lines, but no functions.
        let functions = symbol.iter().map(|symbol| Function {
            file: place.file.as_deref().map(str::to_owned),
            line: place.line,
            ..by_symbol(symbol)
        });
        return (functions.collect(), false);
    }
    let outermost = place.steps.len() - 1;
    let functions = place.steps.iter().enumerate().map(|(at, step)| {
        let symbol = symbol.as_ref().filter(|_| at == outermost && !step.linkage);
        function(step, symbol)
    });
    (functions.collect(), true)
}

fn by_symbol(symbol: &str) -> Function {
    let name = demangle(symbol);
    Function {
        mangled: (name != symbol).then(|| symbol.to_owned()),
        name,
        ..Function::default()
    }
}

/// `symbol` is known from elsewhere, and better than a bare name.
fn function(step: &Step, symbol: Option<&Arc<str>>) -> Function {
    let file = step.file.as_deref();
    let known = match (symbol, &step.name) {
        (Some(symbol), _) => by_symbol(symbol),
        (None, Some(name)) if step.linkage => by_symbol(name),
        (None, Some(name)) => Function {
            name: qualify(name, file, step.root.as_deref()),
            ..Function::default()
        },
        (None, None) => Function {
            name: "?".to_owned(),
            ..Function::default()
        },
    };
    Function {
        file: file.map(str::to_owned),
        line: step.line,
        ..known
    }
}
