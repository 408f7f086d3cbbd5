//! `/debug/pprof/goroutine`: stacks for what knows Go's.

use super::{Context, Depth, look};
use crate::{
    command::{Query, Reply},
    fold,
    model::{Code, Failure, stack::Asked},
    render::goroutine,
};

/// Which of Go's shapes is wanted.
enum Shape {
    Merged,
    Each,
}

pub(super) fn serve(ctx: &Context, query: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let shape = shape(query)?;
    let dump = look(ctx, Depth::Cheap)?;
    let full = Asked {
        full: true,
        ..Asked::default()
    };
    let now = dump.taken_unix_ns;
    let folded = fold::fold(&dump, &fold::Options::of(&full));
    drop(dump);
    reply.file("text/plain; charset=utf-8", "", |out| match shape {
        Shape::Merged => goroutine::merged(&folded.full, out),
        Shape::Each => goroutine::each(&folded.full, now, out),
    })
}

fn shape(query: &Query) -> Result<Shape, Failure> {
    let mut debug = "0";
    for (name, value) in query.pairs() {
        match name {
            "debug" => debug = value,
            "seconds" => {
                let text = "seconds: a difference of two looks at the threads is not served";
                return Err(Failure::new(Code::Usage, text));
            }
            _ => {}
        }
    }
    match debug {
        "1" => Ok(Shape::Merged),
        "2" => Ok(Shape::Each),
        "0" | "" => {
            let text =
                "a gzipped profile of the threads is not served yet; debug=1 and debug=2 are texts";
            Err(Failure::new(Code::Unsupported, text))
        }
        other => {
            let text = format!("debug is {:?}, use 1 or 2", crate::command::shown(other));
            Err(Failure::new(Code::Usage, text))
        }
    }
}
