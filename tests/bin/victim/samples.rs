//! What the application says for profiles: labels of threads, and profiles of its own.

use super::{Answer, number};
use manhole::Tracked;
use std::{
    hint::black_box,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "labelled" => labelled(words),
        "things" => number(words, 0).and_then(things),
        "coming" => coming(),
        _ => return None,
    })
}

/// A thread for each of `tenants`, called after it, that waits under its label.
fn labelled(tenants: &[&str]) -> Answer {
    for tenant in tenants {
        let label = (*tenant).to_owned();
        let body = move || {
            let _tenant = manhole::label("tenant", &label);
            loop {
                thread::park();
            }
        };
        let named = thread::Builder::new().name((*tenant).to_owned());
        named.spawn(body).map_err(|error| error.to_string())?;
    }
    Ok(String::new())
}

static OPEN: Mutex<Vec<Tracked>> = Mutex::new(Vec::new());

/// There are so many things in the profile `victim/things`.
fn things(count: usize) -> Answer {
    let profile = manhole::profile("victim/things");
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    match profile {
        Ok(profile) => open.extend((0..count).map(|_| open_thing(profile))),
        Err(_) => open.truncate(count),
    }
    Ok(open.len().to_string())
}

#[inline(never)]
fn open_thing(profile: manhole::Profile) -> Tracked {
    black_box(profile.track())
}

/// From now on there are threads `short` that live for 30 ms, three at a time.
fn coming() -> Answer {
    for _ in 0..3 {
        let body = || {
            loop {
                let short = thread::Builder::new().name("short".to_owned());
                match short.spawn(|| thread::sleep(Duration::from_millis(30))) {
                    Ok(thread) => drop(thread.join()),
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        };
        let source = thread::Builder::new().name("source".to_owned());
        source.spawn(body).map_err(|error| error.to_string())?;
    }
    Ok(String::new())
}
