//! `/debug/pprof/NAME` for the profiles that the application makes (`manhole::profile`).

use super::http::{send, usage};
use crate::{
    app::profiles::Profile,
    command::{Context, Query, Reply},
    fold,
    model::{Failure, profile},
    names::{self, Wanted},
    probe::stacks,
    render::legacy,
    sys::unix_now_ns,
};

/// Serves `kept` as net/http/pprof serves a profile of the application's: as it is now, and not over a
/// time.
///
/// # Errors
/// `usage` in Go's words; `cancelled`.
pub(crate) fn serve(
    kept: Profile,
    ctx: &Context,
    query: &Query,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    if let Some(seconds) = query.first("seconds").filter(|text| !text.is_empty()) {
        return Err(usage(match seconds.parse::<i64>() {
            Ok(1..) => "\"seconds\" parameter is not supported for this profile type",
            _ => "invalid value for \"seconds\" - must be a positive integer",
        }));
    }
    let profile = profile(kept, ctx)?;
    match query.first("debug").and_then(|text| text.parse().ok()) {
        None | Some(0_i64) => send(&profile, kept.lasting_name(), reply),
        Some(_) => reply.file(legacy::MEDIA_TYPE, "", |out| {
            legacy::counts(&profile, kept.name(), 0, out)
        }),
    }
}

/// What there is by now, with names.
fn profile(kept: Profile, ctx: &Context) -> Result<profile::Profile, Failure> {
    let keep_going = || ctx.check().is_ok();
    let snapshot = kept.snapshot();
    let (addresses, counts): (Vec<_>, Vec<u64>) = snapshot.stacks.into_iter().unzip();
    let app_crates = ctx.state.stacks.app_crates.clone();
    let mut dump = stacks::of_addresses(&addresses, app_crates, &keep_going)?;
    names::name(&mut dump, &names::OnDisk, Wanted::Affordable, &keep_going);
    ctx.check()?;
    let mut profile = fold::profile::of_counts(&dump, &counts, kept.lasting_name());
    profile.time_unix_ns = unix_now_ns();
    if snapshot.lost > 0 {
        let said = format!("{} were not kept for want of room", snapshot.lost);
        profile.comments.push(said);
    }
    Ok(profile)
}
