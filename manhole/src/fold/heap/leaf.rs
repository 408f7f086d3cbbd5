//! What is hidden at the leaf of a stack that allocates: the hook, and what of the language calls it.
//! Every one of them ends there, so it tells nothing.

use super::super::{frames::Item, path::is_allocator_shim};

/// Functions that viewers of a profile leave out, with all that they call. Nothing of an application
/// runs below them.
pub(super) const DROP_FRAMES: &str = "(.*::)?__(rust|rdl|rg)_(alloc|realloc).*|<?manhole::alloc::.*|\
                                      alloc::alloc::.*|<alloc::alloc::.*|<?alloc::raw_vec::.*";

/// `items` without those at the leaf that only serve to allocate, unless that is all there is.
pub(super) fn without_allocator<'t, 'a>(items: &'t [Item<'a>]) -> &'t [Item<'a>] {
    let behind = items.iter().position(|item| !is_allocator(item));
    behind.and_then(|at| items.get(at..)).unwrap_or(items)
}

fn is_allocator(item: &Item<'_>) -> bool {
    let name = &item.name;
    matches!(name.of.as_str(), "manhole" | "alloc" | "core" | "__rustc")
        || is_allocator_shim(name.last())
}
