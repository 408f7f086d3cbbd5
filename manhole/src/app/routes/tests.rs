//! Routes from their registration to an answer.

use super::*;
use crate::model::Code;

const SOON: Duration = Duration::from_secs(20);

fn request(path: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: vec![("n".to_owned(), "7".to_owned())],
        headers: vec![("Accept".to_owned(), "*/*".to_owned())],
        body: Vec::new(),
        uid: 1,
        level: Level::View,
    }
}

fn get(routes: &Routes, path: &str) -> Result<Response, Failure> {
    crate::sys::origin::claim();
    crate::app::activate();
    routes.activate();
    let end = Instant::now() + SOON;
    loop {
        match routes
            .find(path)
            .unwrap()
            .serve(request(path), end, || Ok(()))
        {
            // The other tests of this process share the two places for commands.
            Err(busy) if busy.text.contains("every thread") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(2));
            }
            other => return other,
        }
    }
}

#[test]
fn a_request_is_answered_by_the_handler() {
    let handler = |request: &Request| {
        let accept = request.header("accept").unwrap_or("-");
        Response::text(format!(
            "{} {} {accept}",
            request.path(),
            request.query("n").unwrap_or("-")
        ))
    };
    let mut routes = Routes::default();
    routes.add("/test/echo", Level::View, handler).unwrap();
    let response = get(&routes, "/test/echo").unwrap();
    assert_eq!(response.body, b"/test/echo 7 */*");
    let route = routes.find("/test/echo").unwrap();
    assert_eq!((route.path(), route.level()), ("/test/echo", Level::View));
}

#[test]
fn a_panic_fails_the_request_and_no_more() {
    let handler = |request: &Request| match request.query("n") {
        Some(_) => panic!("on purpose"),
        None => Response::text(""),
    };
    let mut routes = Routes::default();
    routes.add("/test/panic", Level::View, handler).unwrap();
    let failure = get(&routes, "/test/panic").unwrap_err();
    assert_eq!(failure.code, Code::Panic);
    assert!(failure.text.contains("on purpose"));
}

#[test]
fn who_stops_waiting_is_let_go() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let handler = move |_: &Request| {
        let _ = wait.lock().map(|wait| wait.recv());
        Response::text("late")
    };
    let mut routes = Routes::default();
    routes.add("/test/hang", Level::View, handler).unwrap();
    crate::sys::origin::claim();
    crate::app::activate();
    routes.activate();
    let end = Instant::now() + SOON;
    let gone = || Err(Failure::cancelled());
    let failure = routes
        .find("/test/hang")
        .unwrap()
        .serve(request("/test/hang"), end, gone);
    assert_eq!(failure.unwrap_err().text, Failure::cancelled().text);
    drop(release);
}

#[test]
fn they_are_sorted_and_bounded_and_each_console_has_its_own() {
    let mut routes = Routes::default();
    for number in (0..MOST).rev() {
        let added = routes.add(&format!("/test/{number:02}"), Level::View, |_| "".into());
        added.unwrap();
    }
    let error = routes.add("/more", Level::View, |_| "".into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resources);
    let paths: Vec<&str> = routes.all().map(Route::path).collect();
    assert!(paths.is_sorted() && paths.len() == MOST);
    assert!(Routes::default().find("/test/00").is_none());
}

#[test]
fn paths_that_are_taken_or_none_are_refused() {
    let mut routes = Routes::default();
    let mut add = |path: &str| routes.add(path, Level::View, |_| Response::text(""));
    add("/test/twice").unwrap();
    let mut check = |path: &str, kind: ErrorKind| {
        assert_eq!(add(path).unwrap_err().kind(), kind, "{path}");
    };
    check("/test/twice", ErrorKind::Taken);
    for ours in [
        "/",
        "/debug/pprof",
        "/debug/pprof/mine",
        "/metrics",
        "/cmd/x",
        "/debug/vars",
        "/vars/mine",
        "/fgprof",
    ] {
        check(ours, ErrorKind::Taken);
    }
    for none in ["", "x", "/a b", "/a?b", "/ä", "/x\r\n"] {
        check(none, ErrorKind::Invalid);
    }
    assert!(!is_ours("/debug/custom") && !is_ours("/cmds"));
}
