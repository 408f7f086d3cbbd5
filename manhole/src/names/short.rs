//! Names as they stand in an answer: without generic arguments, and foreign ones cut in the middle.

use super::path::{self, CLOSURE, Path};

/// A foreign path of more segments loses those in the middle.
const FOREIGN_SEGMENTS: usize = 4;

/// A demangled name, shortened for people.
///
/// Generic arguments go; `<T as Trait>::m` becomes `T::m`, or `Trait::m` where `T` is a bare
/// parameter, or belongs to the standard library and `Trait` does not; primitive types go by the
/// name of their documentation (`slice`, `fn`); a run of closures and async blocks becomes `{}`. What
/// is not of the application (`app`) and has more than four segments becomes `crate::…::last::two`.
/// C and C++ names stay as they are.
pub fn short(full: &str, app: bool) -> String {
    let Some(path) = path::parse(full) else {
        return full.to_owned();
    };
    let steps = steps(&path);
    match steps.as_slice() {
        [first, middle @ .., last_but_one, last] if !app && middle.len() + 3 > FOREIGN_SEGMENTS => {
            format!("{first}::…::{last_but_one}::{last}")
        }
        steps => steps.join("::"),
    }
}

/// The segments, each with the closures in it.
fn steps(path: &Path<'_>) -> Vec<String> {
    let mut steps: Vec<String> = Vec::with_capacity(path.segments.len());
    for segment in &path.segments {
        match steps.last_mut() {
            Some(last) if *segment == CLOSURE => last.push_str(segment),
            _ => steps.push((*segment).to_owned()),
        }
    }
    steps
}

/// The crate that a demangled name belongs to; empty for names that are not of Rust.
///
/// Of `<T as Trait>::m` it is the crate of `T`, and that of `Trait` where [`short`] shows `Trait`.
pub fn crate_of(full: &str) -> &str {
    path::parse(full).map_or("", |path| path.of_crate)
}

/// Whether a derive macro made the function: `checkout::_::<impl Serialize for Order>::serialize`.
///
/// In v0 names only what is inside such code can be told, `__Visitor` and the like.
pub fn is_derive(full: &str) -> bool {
    path::parse(full).is_some_and(|path| path.derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `full` as foreign code, as the application's, and its crate.
    #[track_caller]
    fn check(full: &str, foreign: &str, app: &str, of_crate: &str) {
        assert_eq!(short(full, false), foreign, "{full}");
        assert_eq!(short(full, true), app, "{full}");
        assert_eq!(crate_of(full), of_crate, "{full}");
    }

    /// The same where nothing is cut.
    #[track_caller]
    fn same(full: &str, expected: &str, of_crate: &str) {
        check(full, expected, expected, of_crate);
    }

    #[test]
    fn plain_paths() {
        same("checkout::main", "checkout::main", "checkout");
        same("a::b::c::d", "a::b::c::d", "a");
        check("a::b::c::d::e", "a::…::d::e", "a::b::c::d::e", "a");
        check(
            "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
            "tokio::…::Context::run_task",
            "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
            "tokio",
        );
    }

    #[test]
    fn what_is_not_rust_stays() {
        for name in [
            "main",
            "epoll_wait",
            "_ZN3foo3barEv",
            "foo(int, char)",
            "operator new(unsigned long)",
            "[vdso]",
            "memcpy@GLIBC_2.14",
            "",
            "<",
            ">",
            "::",
            "{",
            "{}",
            "…",
        ] {
            assert_eq!(short(name, false), name);
            assert_eq!(crate_of(name), "", "{name}");
            assert!(!is_derive(name), "{name}");
        }
    }

    #[test]
    fn generic_arguments_go() {
        same("checkout::run<T>", "checkout::run", "checkout");
        same("a::b::<a::C<u8>, fn(u8) -> a::D>::e", "a::b::e", "a");
        same("a::b<dyn core::ops::Fn(u8) -> u8>::c", "a::b::c", "a");
        same("a::b::<'<', '\\'', \"a<\\\"b\">::c", "a::b::c", "a");
        same("a::b::<&'a str, 3, -4>", "a::b", "a");
        same(
            "core::ptr::drop_in_place<alloc::vec::Vec<checkout::Foo>>",
            "core::ptr::drop_in_place",
            "core",
        );
        // Cut by `demangle`.
        same("a::b::<c::D<e…", "a::b", "a");
    }

    #[test]
    fn of_a_type_and_a_trait_one_is_shown() {
        same("<T as a::Trait>::m", "a::Trait::m", "a");
        same("<&mut T as a::Trait>::m", "a::Trait::m", "a");
        same("<_ as a::Trait>::m", "a::Trait::m", "a");
        same("<b::T<U> as a::Trait<V>>::m", "b::T::m", "b");
        same("<&b::T as core::fmt::Debug>::fmt", "b::T::fmt", "b");
        same("<&'a mut b::T as core::fmt::Debug>::fmt", "b::T::fmt", "b");
        same(
            "<dyn b::T + core::marker::Send as a::Tr>::m",
            "b::T::m",
            "b",
        );
        same("<dyn b::T+core::marker::Send as a::Tr>::m", "b::T::m", "b");
        same("<dyn for<'a> b::T<&'a u8> as a::Tr>::m", "b::T::m", "b");
        same("<(dyn b::T + a::Q) as a::Tr>::m", "b::T::m", "b");
        same("<impl b::T as a::Tr>::m", "b::T::m", "b");
        same("<<T as a::A>::B as c::C>::m", "a::A::B::m", "a");
        same("<b::T>::m::<u8>", "b::T::m", "b");
        same("<dyn b::T>::m", "b::T::m", "b");
        check(
            "<h::p::h1::Dispatcher<D, Bs> as core::future::future::Future>::poll",
            "h::…::Dispatcher::poll",
            "h::p::h1::Dispatcher::poll",
            "h",
        );
    }

    #[test]
    fn a_foreign_trait_on_a_type_of_std_is_of_the_trait_s_crate() {
        same(
            "<alloc::vec::Vec<T> as a::Work>::work",
            "a::Work::work",
            "a",
        );
        same("<i32 as a::Work>::work", "a::Work::work", "a");
        same("<[T; N] as a::Only>::only", "a::Only::only", "a");
        same("<fn(u8) -> u8 as a::Only>::only", "a::Only::only", "a");
        same("<(b::T, u8) as a::Only>::only", "a::Only::only", "a");
        same(
            "<alloc::boxed::Box<F> as core::ops::function::FnOnce<A>>::call_once",
            "alloc::boxed::Box::call_once",
            "alloc",
        );
    }

    #[test]
    fn primitive_types_go_by_their_name() {
        same("<u32 as core::fmt::Display>::fmt", "u32::fmt", "core");
        same("<str as core::fmt::Display>::fmt", "str::fmt", "core");
        same(
            "<[A] as core::slice::cmp::S<B>>::equal",
            "slice::equal",
            "core",
        );
        same("<[u8; 4] as core::fmt::Debug>::fmt", "array::fmt", "core");
        same(
            "<*mut c::V as core::fmt::Debug>::fmt",
            "pointer::fmt",
            "core",
        );
        same("<() as core::fmt::Debug>::fmt", "unit::fmt", "core");
        same("<(A, B) as core::fmt::Debug>::fmt", "tuple::fmt", "core");
        same("<! as core::fmt::Debug>::fmt", "never::fmt", "core");
        same(
            "<extern \"C\" fn() as core::fmt::Debug>::fmt",
            "fn::fmt",
            "core",
        );
        same("<unsafe fn() as core::fmt::Debug>::fmt", "fn::fmt", "core");
        same(
            "<for<'a> fn(&'a u8) as core::fmt::Debug>::fmt",
            "fn::fmt",
            "core",
        );
        same("<[checkout::Foo]>::sort_by::<F>", "slice::sort_by", "core");
        same("<str>::find", "str::find", "core");
        same(
            "<u8 as <[_]>::to_vec_in::C>::to_vec::<A>",
            "u8::to_vec",
            "core",
        );
    }

    #[test]
    fn impl_blocks_of_older_names() {
        same(
            "alloc::slice::<impl [T]>::concat",
            "alloc::slice::concat",
            "alloc",
        );
        same("core::str::<impl str>::find", "core::str::find", "core");
        same(
            "core::fmt::num::<impl core::fmt::Debug for u32>::fmt",
            "u32::fmt",
            "core",
        );
        same(
            "a::b::<impl core::convert::From<c::D> for a::E>::from",
            "a::E::from",
            "a",
        );
        same("a::b::<impl a::Tr for T>::m", "a::Tr::m", "a");
        same("a::b::<impl c::Q>::m", "c::Q::m", "a");
        same(
            "a::<impl core::ops::Fn<A> for &F>::call",
            "core::ops::Fn::call",
            "a",
        );
        check(
            "<d::<impl d::De for alloc::vec::Vec<T>>::de::Vis<T> as d::Visitor>::visit",
            "d::…::Vis::visit",
            "d::De::de::Vis::visit",
            "d",
        );
    }

    #[test]
    fn closures_have_no_name() {
        same("a::b::{{closure}}", "a::b{}", "a");
        same("a::b::{{closure}}::{{closure}}::c", "a::b{}::c", "a");
        same("a::b::{closure#0}::{async_block#1}", "a::b{}", "a");
        same("a::b::{async_fn#0}", "a::b{}", "a");
        same("a::{{closure}}", "a{}", "a");
        check(
            "core::ops::function::FnOnce::call_once{{vtable.shim}}",
            "core::…::FnOnce::call_once",
            "core::ops::function::FnOnce::call_once",
            "core",
        );
        same(
            "<a::main::{closure#0} as core::ops::function::FnOnce<()>>::call_once::{shim:vtable#0}",
            "a::main{}::call_once",
            "a",
        );
        same("a::b::{impl#3}::c", "a::b::c", "a");
        same("a::b::{closure#0}<T>::{closure#1}", "a::b{}", "a");
        same("x::a::b::c{}", "x::a::b::c{}", "x");
    }

    #[test]
    fn derive_code_is_known() {
        let check = |full: &str, expected: bool| assert_eq!(is_derive(full), expected, "{full}");
        check("a::_::<impl s::Serialize for a::T>::serialize", true);
        check(
            "<a::_::<impl s::De for a::T>::de::__Visitor as s::Visitor>::visit_map",
            true,
        );
        check(
            "<<a::T as s::De>::de::__Visitor as s::Visitor>::visit_map",
            true,
        );
        check("a::run::<<a::T as s::De>::de::__Visitor>", false);
        check("<a::T as core::fmt::Debug>::fmt", false);
        check("std::sys::backtrace::__rust_begin_short_backtrace", false);
        check("<_ as a::Trait>::m", false);
    }

    #[test]
    fn names_that_nobody_wrote_are_bounded() {
        let deep = format!("{}a::b{}", "<".repeat(5000), " as c::D>::m".repeat(5000));
        let _ = short(&deep, true);
        let deep = format!("<{}u8", "&(".repeat(20_000));
        let _ = short(&deep, true);
        let wide = "<a as b>".repeat(10_000);
        assert!(short(&wide, true).len() <= wide.len());
    }
}
