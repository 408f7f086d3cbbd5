//! Installing consoles in every way the API knows.

use super::{Answer, number};
use manhole::{AfterFork, Builder, Console, Level, Response, Signal};
use std::{
    fs,
    io::Write,
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The console of this process, if one was installed.
#[derive(Default)]
pub(crate) struct Consoles {
    console: Option<Console>,
}

impl Consoles {
    pub(crate) fn perform(&mut self, name: &str, words: &[&str]) -> Option<Answer> {
        Some(match name {
            "install" => self.install(words),
            "try_install" => self.try_install(words),
            "install_default" => {
                self.console = Some(manhole::install());
                Ok(self.status())
            }
            "status" => Ok(self.status()),
            "path" => Ok(self.path()),
            "shutdown" => {
                self.shutdown();
                Ok(self.status())
            }
            "cycles" => self.cycles(words),
            "two_threads" => Ok(two_threads(words)),
            _ => return None,
        })
    }

    fn install(&mut self, words: &[&str]) -> Answer {
        self.console = Some(builder(words)?.install());
        Ok(self.status())
    }

    fn try_install(&mut self, words: &[&str]) -> Answer {
        match builder(words)?.try_install() {
            Ok(console) => {
                self.console = Some(console);
                Ok(self.status())
            }
            Err(error) => Err(format!("{:?} {error:#}", error.kind())),
        }
    }

    fn shutdown(&mut self) {
        if let Some(console) = &self.console {
            console.shutdown();
        }
    }

    /// Installs and shuts down again, many times; answers with what the last console was.
    fn cycles(&mut self, words: &[&str]) -> Answer {
        for _ in 0..number(words, 0)? {
            let console = builder(&words[1..])?.install();
            let status = format!("{:?}", console.status());
            if status != "Listening" {
                return Err(status);
            }
            console.shutdown();
            self.console = Some(console);
        }
        Ok(self.status())
    }

    /// As the handle says it: `Listening`, `Failed("...")`.
    pub(crate) fn status(&self) -> String {
        let status = self
            .console
            .as_ref()
            .map(|console| format!("{:?}", console.status()));
        status.unwrap_or_else(|| "none".to_owned())
    }

    /// The socket's path, or nothing.
    pub(crate) fn path(&self) -> String {
        let path = self.console.as_ref().and_then(Console::path);
        path.map(|path| path.display().to_string())
            .unwrap_or_default()
    }
}

/// Two threads install at the same moment; both must get the same console.
fn two_threads(words: &[&str]) -> String {
    let gate = std::sync::Barrier::new(2);
    let install = || {
        gate.wait();
        let console = builder(words).map(Builder::install);
        console
            .ok()
            .and_then(|console| console.path())
            .map(|path| path.display().to_string())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(install);
        let mine = install().unwrap_or_default();
        format!("{mine} {}", other.join().ok().flatten().unwrap_or_default())
    })
}

fn builder(words: &[&str]) -> Result<Builder, String> {
    let mut builder = manhole::builder().name("victim").version("1.2.3");
    for word in words {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("{word} is no option"))?;
        builder = option(builder, key, value)?;
    }
    Ok(builder)
}

fn option(builder: Builder, key: &str, value: &str) -> Result<Builder, String> {
    let millis = || {
        value
            .parse()
            .map(Duration::from_millis)
            .map_err(|_| format!("{value} is no time"))
    };
    Ok(match key {
        "name" => builder.name(value),
        "dir" => builder.socket_dir(value),
        "default" => builder,
        "path" => builder.socket_path(value),
        "listener" => {
            builder.listener(UnixListener::bind(value).map_err(|error| error.to_string())?)
        }
        "allow_uid" => {
            let (id, level) = id_and_level(value)?;
            builder.allow_uid(id, level)
        }
        "allow_gid" => {
            let (id, level) = id_and_level(value)?;
            builder.allow_gid(id, level)
        }
        "max_level" => builder.max_level(
            value
                .parse::<Level>()
                .map_err(|error| format!("{error:?}"))?,
        ),
        "activate_on" => builder.activate_on(match value {
            "usr1" => Signal::USR1,
            "usr2" => Signal::USR2,
            _ => return Err(format!("no signal {value}")),
        }),
        "signal" => builder.signal(match value {
            "prof" => Signal::PROF,
            "usr2" => Signal::USR2,
            _ => return Err(format!("no signal {value}")),
        }),
        "after_fork" => builder.after_fork(match value {
            "reinstall" => AfterFork::Reinstall,
            _ => AfterFork::None,
        }),
        "fork_delay" => builder.fork_delay(millis()?),
        "start_timeout" => builder.start_timeout(millis()?),
        "log_to" => {
            let log = appender(value)?;
            builder.log_to(move |line| log(line))
        }
        "audit" => audit(builder, value)?,
        "route" => builder.http_route(value, Level::Inspect, |request| {
            Response::text(format!(
                "{} {} {}\n",
                request.method(),
                request.path(),
                request.query("q").unwrap_or("-")
            ))
            .header("X-Suite", "1")
        }),
        _ => return Err(format!("no option {key}")),
    })
}

/// What the audit callback does: appends to a file, hangs, or panics.
fn audit(builder: Builder, value: &str) -> Result<Builder, String> {
    Ok(match value {
        "hang" => builder.audit(|_| {
            loop {
                std::thread::park();
            }
        }),
        "panic" => builder.audit(|_| panic!("the audit callback panics")),
        file => {
            let log = appender(file)?;
            builder.audit(move |record| {
                let level = record.level.map_or("refused", Level::name);
                log(&format!(
                    "{} {} {level} {} {}",
                    record.uid, record.dialect, record.result, record.line
                ));
            })
        }
    })
}

fn appender(path: &str) -> Result<impl Fn(&str) + Send + Sync + use<>, String> {
    let path = PathBuf::from(path);
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = Arc::new(Mutex::new(
        file.map_err(|error| format!("{}: {error}", path.display()))?,
    ));
    Ok(move |line: &str| {
        let mut file = file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = writeln!(file, "{line}"); // the test will miss it
    })
}

fn id_and_level(value: &str) -> Result<(u32, Level), String> {
    let parsed = value
        .split_once(':')
        .and_then(|(id, level)| Some((id.parse().ok()?, level.parse().ok()?)));
    parsed.ok_or_else(|| format!("{value} is no ID:LEVEL"))
}
