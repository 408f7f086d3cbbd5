//! One request to one response: checks, route, access, then the events of a worker as the body.

use super::{
    super::{peer::Peer, running},
    application,
    body::Body,
    index,
    refusal::{self, RETRY_AFTER, TEXT},
    routes::{self, Route},
};
use crate::{
    app::profiles,
    command::{self, Cancel, Context, Event, Query, Sink, Style},
    model::{Code, Dialect, Failure, Level},
    render::escape,
};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use std::rc::Rc;

type Reply = Response<Body>;

const NOSNIFF: HeaderName = header::X_CONTENT_TYPE_OPTIONS;
const GO_PPROF: HeaderName = HeaderName::from_static("x-go-pprof");
const ACTS: HeaderName = HeaderName::from_static("x-manhole");

/// Answers a request.
pub(super) async fn answer(peer: Rc<Peer>, cancel: Cancel, request: Request<Incoming>) -> Reply {
    let line = refusal::line(request.method().as_str(), request.uri().path());
    if let Err((status, text)) = acceptable(&request) {
        return turned_away(&peer, line, status, &text);
    }
    let mut ctx = peer.context();
    ctx.cancel = cancel;
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let route = match routes::find(request.uri().path(), &query, &peer.state.routes) {
        Ok(route) => route,
        Err(failure) => return refused(&peer, line, &failure),
    };
    match route {
        Route::Redirect(to) => redirect(to),
        Route::Index => page(&peer, &request),
        Route::Endpoint(endpoint) => {
            let place = (endpoint.path, endpoint.level);
            serve_endpoint(&peer, ctx, line, place, endpoint.run, query, request).await
        }
        Route::Profile(profile) => {
            let place = (profile.path(), profiles::LEVEL);
            let run = move |ctx: &Context, query: &Query, reply: &mut command::Reply<'_>| {
                command::serve_custom(profile, ctx, query, reply)
            };
            serve_endpoint(&peer, ctx, line, place, run, query, request).await
        }
        Route::Command(words) => serve_command(&peer, ctx, &words, &request).await,
        Route::Application(route) if route.level() == Level::Control && !acts(&request) => {
            let text = "this path changes something: it takes the header X-Manhole: 1";
            turned_away(&peer, line, 403, text)
        }
        Route::Application(route) => {
            application::serve(&peer, ctx, line, route, request, query).await
        }
    }
}

/// What a browser may have been tricked into sending, and what hyper should not be left to.
fn acceptable(request: &Request<Incoming>) -> Result<(), (u16, String)> {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) {
        return Err((
            403,
            "a request with an Origin header comes from a web page; those are not served"
                .to_owned(),
        ));
    }
    for host in headers.get_all(header::HOST) {
        let host = String::from_utf8_lossy(host.as_bytes());
        if names_a_site(&host) {
            let text = format!(
                "the Host {} is the name of a site; use localhost or an address",
                command::shown(&host)
            );
            return Err((403, text));
        }
    }
    if content_length(headers) > application::BODY_MAX {
        return Err((
            413,
            format!(
                "a request's body may have {} KiB at most",
                application::BODY_MAX >> 10
            ),
        ));
    }
    let methods = [Method::GET, Method::HEAD, Method::POST];
    if !methods.contains(request.method()) {
        return Err((
            405,
            format!("{} is not served; use GET or POST", request.method()),
        ));
    }
    Ok(())
}

fn content_length(headers: &HeaderMap) -> u64 {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A Host with a dot that is no IP literal can only come from DNS: rebinding.
fn names_a_site(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) && !host.ends_with(']') => {
            name
        }
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.contains('.') && name.parse::<std::net::IpAddr>().is_err()
}

async fn serve_endpoint(
    peer: &Peer,
    ctx: Context,
    line: String,
    (path, level): (&'static str, Level),
    run: impl Fn(&Context, &Query, &mut command::Reply<'_>) -> Result<(), Failure> + Send + 'static,
    mut query: Query,
    request: Request<Incoming>,
) -> Reply {
    if let Err(failure) = command::refuse_level(path, level, &ctx) {
        return refused(peer, line, &failure);
    }
    if request.method() == Method::POST {
        match application::read(request.into_body()).await {
            Ok(body) => query = query.with_body(body),
            Err(failure) => return refused(peer, line, &failure),
        }
    }
    let entry = peer.entry(Dialect::Http, line);
    let work = move |sink: &mut dyn Sink| {
        let run = |reply: &mut command::Reply<'_>| run(&ctx, &query, reply);
        command::serve(path, &ctx, &entry, sink, Style::default(), run);
    };
    let (workers, uid) = (&peer.state.workers, peer.caller.uid);
    let begin = |events| running::spawn(workers, uid, 0, events, work);
    stream(begin, endpoint_error).await
}

/// What is wrong with the parameters of a path that Go's tools know is said in Go's words alone.
fn endpoint_error(failure: &Failure) -> Reply {
    match failure.code {
        Code::Usage | Code::Unknown => bare(failure),
        _ => error(failure),
    }
}

fn bare(failure: &Failure) -> Reply {
    let lines = std::iter::once(&failure.text).chain(&failure.hints);
    let text = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
    plain(failure.code.http_status(), &escape::line(&text))
}

async fn serve_command(
    peer: &Peer,
    ctx: Context,
    words: &[String],
    request: &Request<Incoming>,
) -> Reply {
    let call = match command::admit(words, &ctx) {
        Ok(call) => call,
        Err(failure) => return refused(peer, command::masked(words), &failure),
    };
    let posted = request.method() == Method::POST && acts(request);
    if call.level() == Level::Control && !posted {
        let text = format!(
            "{} changes something: it takes POST with the header X-Manhole: 1",
            call.spec().name
        );
        let mut reply = turned_away(peer, call.masked(), 405, &text);
        reply
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return reply;
    }
    let style = Style {
        json: call.args.json || accepts(request.headers(), "application/json"),
        ..Style::default()
    };
    let media = if style.json { "application/json" } else { TEXT };
    let entry = peer.entry_of(Dialect::Http, &call);
    let begin = |events| running::start(call, ctx, style, entry, 0, events);
    let mut reply = stream(begin, error).await;
    if reply.status() == StatusCode::OK
        && !reply.headers().contains_key(header::CONTENT_DISPOSITION)
    {
        reply
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    reply
}

/// Whether the client says that it means to change something; no web page can say that for it.
fn acts(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get(ACTS)
        .is_some_and(|value| value == "1")
}

fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains(media))
}

/// Answers with the events of what `begin` starts; the status waits for the first of them.
async fn stream(begin: impl FnOnce(running::Sender), error: fn(&Failure) -> Reply) -> Reply {
    let (sender, mut events) = running::channel();
    begin(sender);
    let (first, media, name, more) = loop {
        match events.recv().await {
            Some((_, Event::Text { chunk, stream })) => break (chunk, TEXT, None, stream),
            Some((_, Event::Bytes { media, name, chunk })) => {
                break (chunk, media, Some(name), false);
            }
            Some((_, Event::Progress { .. } | Event::Outcome { .. })) => {}
            Some((_, Event::End(Ok(())))) => return with_media(Body::whole(""), TEXT, None),
            Some((_, Event::End(Err(failure)))) => return error(&failure),
            None => return error(&super::super::text::lost()),
        }
    };
    let body = match more {
        true => Body::Events([Some(first.into()), None], events),
        false => short_or_long(first, events).await,
    };
    with_media(body, media, name)
}

/// A reply of one piece gets its length stated, so it is waited for; longer ones are streamed.
async fn short_or_long(first: Vec<u8>, mut events: running::Events) -> Body {
    loop {
        match events.recv().await {
            Some((_, Event::End(Ok(())))) => return Body::whole(first),
            Some((_, Event::Text { chunk, .. } | Event::Bytes { chunk, .. })) => {
                return Body::Events([Some(first.into()), Some(chunk.into())], events);
            }
            Some((_, Event::Progress { .. } | Event::Outcome { .. })) => {}
            Some((_, Event::End(Err(_)))) | None => {
                events.close();
                return Body::Events([Some(first.into()), None], events);
            }
        }
    }
}

fn with_media(body: Body, media: &'static str, name: Option<&'static str>) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let disposition = format!("attachment; filename=\"{name}\"");
        if let Ok(disposition) = HeaderValue::from_str(&disposition) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
    }
    reply
}

fn redirect(to: &'static str) -> Reply {
    let mut reply = plain(301, &format!("see {to}"));
    reply
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static(to));
    reply
}

fn page(peer: &Peer, request: &Request<Incoming>) -> Reply {
    match accepts(request.headers(), "text/html") {
        true => with_media(
            Body::whole(index::page(&peer.state, request.uri().path())),
            "text/html; charset=utf-8",
            None,
        ),
        false => with_media(Body::whole(index::text(&peer.state)), TEXT, None),
    }
}

/// A request that is not even looked into: audited all the same.
fn turned_away(peer: &Peer, line: String, status: u16, text: &str) -> Reply {
    peer.note(Dialect::Http, line, refusal::code(status));
    plain(status, text)
}

/// A request that runs nothing: audited all the same.
pub(super) fn refused(peer: &Peer, line: String, failure: &Failure) -> Reply {
    peer.note(Dialect::Http, line, failure.code);
    error(failure)
}

pub(super) fn error(failure: &Failure) -> Reply {
    if failure.text == routes::UNKNOWN_PROFILE {
        return bare(failure);
    }
    let mut text = failure.to_string();
    for hint in &failure.hints {
        text.push('\n');
        text.push_str(hint);
    }
    let mut reply = plain(failure.code.http_status(), &escape::line(&text));
    if failure.code == Code::Busy {
        reply
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    reply
}

/// A short text. The header makes `go tool pprof` show it instead of swallowing it.
fn plain(status: u16, text: &str) -> Reply {
    let mut reply = with_media(Body::whole(format!("{text}\n")), TEXT, None);
    reply
        .headers_mut()
        .insert(GO_PPROF, HeaderValue::from_static("1"));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

#[cfg(test)]
mod tests {
    use super::names_a_site;

    #[test]
    fn hosts_with_a_dot_are_sites_unless_they_are_addresses() {
        for host in [
            "",
            "localhost",
            "debug",
            "localhost:80",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:80",
            "[::ffff:1.2.3.4]",
        ] {
            assert!(!names_a_site(host), "{host}");
        }
        for host in ["evil.example", "evil.example:80", "1.2.3.4.example", "a.b]"] {
            assert!(names_a_site(host), "{host}");
        }
    }
}
