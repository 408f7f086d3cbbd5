//! After a connection was lost: is the process still there, was it started again, or is it gone?

use std::{
    thread,
    time::{Duration, Instant},
};

use manhole::client::{Kind, Trouble, by_name, look_at, safe_name, units, uptime};

use super::Prompt;
use crate::target::{self, Way};

/// A supervisor starts a service again within this time, or the user may attach anew.
const RESTART: Duration = Duration::from_secs(5);

/// How often to look.
const GLANCE: Duration = Duration::from_millis(300);

impl Prompt {
    /// Connects again, and says to whom; whether it is the same process.
    ///
    /// # Errors
    /// `NoTarget` when the process is gone and none of its name came up.
    pub(super) fn revive(&mut self) -> Result<bool, Trouble> {
        let before = self.opened.label();
        let name = match &self.opened.hello {
            Some(hello) => hello.name.clone(),
            None => String::new(),
        };
        let pid = self.opened.client.pid();
        match self.opened.way.connect() {
            Ok(client) if client.pid() == pid => {
                self.opened.client = client;
                self.note(&format!(
                    "# the connection to {before} was lost; it is open again"
                ));
                return Ok(true);
            }
            _ => {}
        }
        self.note(&format!("# {before} has ended"));
        let deadline = Instant::now() + RESTART;
        while Instant::now() < deadline {
            if self.follow(&name).is_some() {
                self.announce();
                return Ok(false);
            }
            thread::sleep(GLANCE);
        }
        Err(Trouble::new(
            Kind::NoTarget,
            format!("{before} has ended, and no other console is called {name:?}"),
        ))
    }

    /// Opens whatever took its place: at the same path, or under the same name.
    fn follow(&mut self, name: &str) -> Option<()> {
        let opened = match &self.opened.way {
            Way::Path(_) => {
                let client = self.opened.way.connect().ok()?;
                target::Opened {
                    found: look_at(client.pid()),
                    client,
                    hello: None,
                    way: self.opened.way.clone(),
                }
            }
            Way::Process(_) => {
                target::open_known(by_name(&target::everybody(), name).ok()?).ok()?
            }
        };
        self.opened = opened;
        self.opened.hello().ok().map(|_| ())
    }

    fn announce(&self) {
        let up = uptime(self.opened.client.pid()).map(|up| units::nanos((up * 1e9) as u64));
        let since = up.map_or(String::new(), |up| format!(", up {up}"));
        let version = self
            .opened
            .hello
            .as_ref()
            .and_then(|hello| hello.version.as_deref());
        let version = version.map_or(String::new(), |v| format!(" (version {})", safe_name(v)));
        let label = self.opened.label();
        self.note(&format!(
            "# this is another process now: {label}{version}{since}"
        ));
    }
}
