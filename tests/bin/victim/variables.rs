//! Variables of each kind, and closures that misbehave.

use super::{Answer, application::ESCAPES};
use manhole::vars::{self, Counter, Float, Gauge, Histogram, Map, Text, Unit};
use serde_json::json;
use std::sync::OnceLock;

static REQUESTS: Counter = Counter::new("shop.requests");
static IN_FLIGHT: Gauge = Gauge::new("shop.in_flight");
static LOAD: Float = Float::new("shop.load");
static REGION: Text = Text::new("shop.region");
static STATUS: Map = Map::new("shop.status");
static LATENCY: Histogram = Histogram::new("shop.latency", Unit::Nanos);
static EVIL: Text = Text::new("evil.text");
static BATCH: OnceLock<vars::Tunable<u64>> = OnceLock::new();

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match (name, words) {
        ("variables", ["good"]) => {
            good();
            Ok(String::new())
        }
        ("variables", ["evil"]) => {
            evil();
            Ok(String::new())
        }
        ("batch", _) => Ok(BATCH.get().map(vars::Tunable::get).unwrap_or(0).to_string()),
        _ => return None,
    })
}

fn good() {
    REQUESTS.add(8_120_334);
    IN_FLIGHT.set(1_161);
    IN_FLIGHT.set(1_160);
    LOAD.set(2.5);
    REGION.set("eu-west");
    STATUS.add("200", 7);
    STATUS.add("500", 1);
    for nanos in [1_000_000, 2_000_000, 9_000_000] {
        LATENCY.record(nanos);
    }
    vars::publish(
        "shop.config",
        || json!({"listen": "0.0.0.0:8080", "upstream": "http://joe:hush@10.0.0.9/", "db_password": "hush", "workers": 4}),
    );
    BATCH.get_or_init(|| vars::tunable("shop.batch", 32_u64, 1..=1000_u64));
}

fn evil() {
    EVIL.set(ESCAPES);
    vars::publish("evil.hang", || {
        loop {
            std::thread::park();
            if false {
                break 0;
            }
        }
    });
    vars::publish("evil.panic", || -> u32 { panic!("the closure panics") });
}
