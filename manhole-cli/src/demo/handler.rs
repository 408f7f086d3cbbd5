//! What the shop answers over HTTP.

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};
use manhole::vars::{Counter, Gauge, Histogram, Unit};
use serde_json::json;

use super::{cache::Item, rates::CURRENCIES, resize::WIDTHS, service::Shop};

static REQUESTS: Counter = Counter::new("http.requests");
static IN_FLIGHT: Gauge = Gauge::new("http.in_flight");
static LATENCY: Histogram = Histogram::new("http.latency", Unit::Nanos);

type Answer = Response<Full<Bytes>>;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// `/price/ITEM?quantity=N&currency=EUR`: `currency` is a place in [`CURRENCIES`].
    Price {
        item: Item,
        quantity: usize,
        currency: usize,
    },
    /// `/thumbnail/PHOTO?width=N`.
    Thumbnail { photo: u32, width: usize },
    /// `/report`.
    Report,
    /// A path that there is, asked wrongly.
    Senseless(&'static str),
    /// A path that there is not.
    Unknown,
}

/// Answers one request.
pub(super) async fn serve<B>(shop: &Shop, request: Request<B>) -> Answer {
    REQUESTS.add(1);
    let _in_flight = IN_FLIGHT.enter();
    let _timer = LATENCY.start();
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match wanted(request.uri()) {
        Wanted::Price {
            item,
            quantity,
            currency,
        } => price(shop, item, quantity, currency),
        Wanted::Thumbnail { photo, width } => match shop.pool.thumbnail(photo, width).await {
            Some(image) => body(StatusCode::OK, "image/x-portable-pixmap", image.into_ppm()),
            None => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many thumbnails wait\n",
            ),
        },
        Wanted::Report => text(StatusCode::OK, shop.report.text()),
        Wanted::Senseless(why) => text(StatusCode::BAD_REQUEST, why),
        Wanted::Unknown => text(
            StatusCode::NOT_FOUND,
            "/price/ITEM?quantity=N&currency=EUR  /thumbnail/PHOTO?width=N  /report\n",
        ),
    }
}

/// The price of an item, from the cache or worked out.
#[inline(never)]
pub(super) fn price(shop: &Shop, item: Item, quantity: usize, currency: usize) -> Answer {
    let sheet = match shop.cache.get(item) {
        Some(sheet) => sheet,
        None => {
            let prices = work_out(item, &*shop.rates.now(), shop.batch.get());
            shop.cache.remember(item, &prices)
        }
    };
    let batch = sheet.len() / CURRENCIES.len();
    let tiers = sheet.chunks(batch.max(1)).nth(currency).unwrap_or_default();
    let cents = tiers.get(quantity.min(batch) - 1);
    let answer = json!({
        "item": item,
        "quantity": quantity,
        "currency": CURRENCIES.get(currency),
        "cents": cents.map(|cents| cents * quantity as u64),
        "each_by_quantity": tiers,
    });
    body(StatusCode::OK, "application/json", answer.to_string())
}

/// Prices of one piece in cents for the quantities 1 to `batch`, currency by currency.
fn work_out(item: Item, rates: &[f64], batch: usize) -> Vec<u64> {
    let euro_cents = f64::from(199 + item.wrapping_mul(2_654_435_761) % 50_000);
    let price = |rate: f64, tier: usize| {
        let discount = 0.3 * tier as f64 / batch as f64;
        (euro_cents * rate * (1.0 - discount)).round() as u64
    };
    let all = rates.iter().copied();
    all.flat_map(|rate| (0..batch).map(move |tier| price(rate, tier)))
        .collect()
}

fn wanted(uri: &Uri) -> Wanted {
    let mut path = uri.path().split('/').skip(1);
    match (path.next(), path.next(), path.next()) {
        (Some("price"), Some(item), None) => wanted_price(item, uri),
        (Some("thumbnail"), Some(photo), None) => wanted_thumbnail(photo, uri),
        (Some("report"), None, None) => Wanted::Report,
        _ => Wanted::Unknown,
    }
}

fn wanted_price(item: &str, uri: &Uri) -> Wanted {
    let quantity = parameter(uri, "quantity").unwrap_or("1").parse().ok();
    let currency = parameter(uri, "currency").unwrap_or("EUR");
    let currency = CURRENCIES.iter().position(|known| *known == currency);
    match (
        item.parse(),
        quantity.filter(|n| (1..=10_000).contains(n)),
        currency,
    ) {
        (Ok(item), Some(quantity), Some(currency)) => Wanted::Price {
            item,
            quantity,
            currency,
        },
        (Err(_), ..) => Wanted::Senseless("an item is a number\n"),
        (_, None, _) => Wanted::Senseless("a quantity is 1 to 10000\n"),
        (.., None) => Wanted::Senseless("a currency is three letters, as EUR\n"),
    }
}

fn wanted_thumbnail(photo: &str, uri: &Uri) -> Wanted {
    let width = parameter(uri, "width").unwrap_or("160").parse().ok();
    match (photo.parse(), width.filter(|width| WIDTHS.contains(width))) {
        (Ok(photo), Some(width)) => Wanted::Thumbnail { photo, width },
        (Err(_), _) => Wanted::Senseless("a photo is a number\n"),
        (_, None) => Wanted::Senseless("a width is 16 to 960\n"),
    }
}

fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    body(status, "text/plain; charset=utf-8", text)
}

fn body(status: StatusCode, media: &'static str, bytes: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(bytes.into()));
    *answer.status_mut() = status;
    let media = HeaderValue::from_static(media);
    answer.headers_mut().insert(CONTENT_TYPE, media);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood_or_said_to_be_wrong() {
        let check = |uri: &str, expected| assert_eq!(wanted(&uri.parse().unwrap()), expected);
        let price = |item, quantity, currency| Wanted::Price {
            item,
            quantity,
            currency,
        };
        check("/price/7", price(7, 1, 0));
        check("/price/7?currency=GBP&quantity=12", price(7, 12, 2));
        check("/price/x", Wanted::Senseless("an item is a number\n"));
        check(
            "/price/7?quantity=0",
            Wanted::Senseless("a quantity is 1 to 10000\n"),
        );
        check(
            "/price/7?currency=XXX",
            Wanted::Senseless("a currency is three letters, as EUR\n"),
        );
        let thumbnail = Wanted::Thumbnail {
            photo: 3,
            width: 160,
        };
        check("/thumbnail/3", thumbnail);
        check(
            "/thumbnail/3?width=961",
            Wanted::Senseless("a width is 16 to 960\n"),
        );
        check("/report", Wanted::Report);
        for uri in ["/", "/price", "/price/7/8", "/reports", "//price/7"] {
            check(uri, Wanted::Unknown);
        }
    }

    #[test]
    fn more_pieces_cost_less_each_and_every_currency_has_its_rate() {
        let sheet = work_out(1, &[1.0, 2.0], 4);
        assert_eq!(sheet.len(), 8);
        assert!(sheet[..4].windows(2).all(|pair| pair[0] > pair[1]));
        assert!(sheet[4].abs_diff(2 * sheet[0]) <= 1);
        assert_ne!(sheet, work_out(2, &[1.0, 2.0], 4));
    }
}
