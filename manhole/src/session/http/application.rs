//! A path of the application's: its own function, on its own threads, behind our checks.

use super::{
    super::{
        peer::Peer,
        race::{First, race},
        running,
    },
    body::Body,
    reply,
};
use crate::{
    app::routes::{self, Route},
    command::{self, Context, Entry, Event, Query},
    model::{Code, Dialect, Failure, Level},
    rt,
};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{self, HeaderName, HeaderValue},
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The longest body of a request, in bytes.
pub(super) const BODY_MAX: u64 = 64 << 10;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long the application may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Where the worker leaves what the application answered.
type Slot = Arc<Mutex<Option<routes::Response>>>;

/// Serves a request by the application's function.
pub(super) async fn serve(
    peer: &Peer,
    ctx: Context,
    line: String,
    route: Arc<Route>,
    request: Request<Incoming>,
    query: Query,
) -> Response<Body> {
    if let Err(failure) = command::refuse_level(route.path(), route.level(), &ctx) {
        return reply::refused(peer, line, &failure);
    }
    let theirs = match collect(request, &ctx, query).await {
        Ok(theirs) => theirs,
        Err(failure) => return reply::refused(peer, line, &failure),
    };
    let slot = Slot::default();
    let filled = slot.clone();
    let entry = Entry {
        changes: route.level() == Level::Control,
        ..peer.entry(Dialect::Http, line)
    };
    let (sender, mut events) = running::channel();
    running::spawn(
        &peer.state.workers,
        peer.caller.uid,
        0,
        sender,
        move |sink| {
            if entry.changes {
                ctx.state.audit.add_before(&entry);
            }
            let style = command::Style::default();
            // The name would head a reply of ours; the application writes its own.
            command::serve("route", &ctx, &entry, sink, style, |_| {
                let deadline = Instant::now() + ANSWER_TIME;
                let response = route.serve(theirs, deadline, || ctx.check())?;
                *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
                Ok(())
            });
        },
    );
    loop {
        match events.recv().await {
            Some((_, Event::End(Ok(())))) => break,
            Some((_, Event::End(Err(failure)))) => return reply::error(&failure),
            Some(_) => {}
            None => return reply::error(&super::super::text::lost()),
        }
    }
    let response = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    response.map_or_else(|| reply::error(&super::super::text::lost()), ours)
}

/// The request in plain types, its body read.
async fn collect(
    request: Request<Incoming>,
    ctx: &Context,
    query: Query,
) -> Result<routes::Request, Failure> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    Ok(routes::Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: query
            .pairs()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        headers: headers.collect(),
        uid: ctx.caller.uid,
        level: ctx.caller.level,
        body: read(body).await?,
    })
}

/// A request's whole body.
pub(super) async fn read(body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    let mut late = pin!(rt::sleep(BODY_TIME));
    loop {
        let frame = race(poll_fn(|cx| body.as_mut().poll_frame(cx)), &mut late).await;
        match frame {
            First::B(()) => {
                return Err(Failure::new(
                    Code::Timeout,
                    "the request's body did not arrive in 30 s",
                ));
            }
            First::A(None) => return Ok(bytes),
            First::A(Some(Err(_))) => {
                return Err(Failure::new(Code::Syntax, "the request's body broke off"));
            }
            First::A(Some(Ok(frame))) => {
                // acceptable() has checked the length that was announced; hyper keeps it.
                if let Ok(data) = frame.into_data() {
                    bytes.extend_from_slice(&data);
                }
            }
        }
    }
}

fn ours(theirs: routes::Response) -> Response<Body> {
    let mut response = Response::new(Body::whole(theirs.body));
    *response.status_mut() =
        StatusCode::from_u16(theirs.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in &theirs.headers {
        let parsed = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        );
        // Framing is hyper's.
        if let (Ok(name), Ok(value)) = parsed
            && ![
                header::CONTENT_LENGTH,
                header::TRANSFER_ENCODING,
                header::CONNECTION,
            ]
            .contains(&name)
        {
            headers.insert(name, value);
        }
    }
    if let Ok(media) = HeaderValue::from_str(&theirs.media) {
        headers.insert(header::CONTENT_TYPE, media);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
