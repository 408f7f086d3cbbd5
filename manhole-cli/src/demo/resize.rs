//! Thumbnails: a pool of plain threads that burn processor time on work that is really done.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
};

use tokio::sync::oneshot;

/// Threads of the pool.
const THREADS: usize = 2;

/// Jobs that may wait for one thread.
const WAITING: usize = 2;

/// The size of a photo as it is stored.
const PHOTO: (usize, usize) = (960, 640);

/// The widths that a thumbnail may have.
pub(super) const WIDTHS: std::ops::RangeInclusive<usize> = 16..=PHOTO.0;

/// A picture: three bytes a pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Image {
    /// As a PPM file.
    pub(super) fn into_ppm(self) -> Vec<u8> {
        let height = self.pixels.len() / self.width;
        let mut file = format!("P6\n{} {height}\n255\n", self.width).into_bytes();
        file.extend_from_slice(self.pixels.as_flattened());
        file
    }
}

/// A thumbnail that somebody waits for.
struct Job {
    photo: u32,
    width: usize,
    done: oneshot::Sender<Image>,
}

/// The threads `resize-0`, `resize-1`, which end with the pool.
pub(super) struct Pool(Vec<SyncSender<Job>>);

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start() -> io::Result<Self> {
        let start = |number| {
            let (jobs, queue) = sync_channel(WAITING);
            let thread = thread::Builder::new().name(format!("resize-{number}"));
            thread.spawn(move || work(&queue)).map(|_| jobs)
        };
        (0..THREADS).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Has a thumbnail made; `None` when too many wait already. The first thread that has room gets
    /// the job, so that the others can sleep.
    pub(super) async fn thumbnail(&self, photo: u32, width: usize) -> Option<Image> {
        let (done, thumbnail) = oneshot::channel();
        let mut job = Job { photo, width, done };
        for queue in &self.0 {
            job = match queue.try_send(job) {
                Ok(()) => return thumbnail.await.ok(),
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job,
            };
        }
        None
    }
}

fn work(queue: &Receiver<Job>) {
    let mut photo = Image {
        width: PHOTO.0,
        pixels: vec![[0; 3]; PHOTO.0 * PHOTO.1],
    };
    for job in queue {
        load(&mut photo, job.photo);
        // Whoever went away while we worked needs no answer.
        let _ = job.done.send(scale(&photo, job.width));
    }
}

/// Reads a photo as the store has it: a pattern that differs from photo to photo.
fn load(photo: &mut Image, number: u32) {
    for (at, pixel) in photo.pixels.iter_mut().enumerate() {
        let (x, y) = (at % photo.width, at / photo.width);
        *pixel = [x ^ y, x + number as usize, y].map(|value| value as u8);
    }
}

/// Makes `image` `width` pixels wide: each new pixel is the mean of those it covers, in linear
/// light, as the eye adds them.
#[inline(never)]
pub(super) fn scale(image: &Image, width: usize) -> Image {
    let height = image.pixels.len() / image.width;
    let width = width.clamp(1, image.width);
    let rows = (height * width / image.width).max(1);
    let pixel = |at: usize| {
        let columns = span(at % width, width, image.width);
        let lines = span(at / width, rows, height);
        mean(lines.flat_map(|y| {
            let row = y * image.width;
            let covered = image.pixels.get(row + columns.start..row + columns.end);
            covered.unwrap_or_default()
        }))
    };
    Image {
        width,
        pixels: (0..width * rows).map(pixel).collect(),
    }
}

/// The part of `old` places that place `at` of `new` ones covers.
fn span(at: usize, new: usize, old: usize) -> std::ops::Range<usize> {
    let begin = at * old / new;
    begin..((at + 1) * old / new).max(begin + 1)
}

fn mean<'a>(pixels: impl Iterator<Item = &'a [u8; 3]>) -> [u8; 3] {
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for pixel in pixels {
        for (sum, value) in sum.iter_mut().zip(pixel) {
            *sum += (f32::from(*value) / 255.0).powf(2.2);
        }
        count += 1.0;
    }
    sum.map(|sum| ((sum / count).powf(1.0 / 2.2) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_that_colour() {
        let image = Image {
            width: 40,
            pixels: vec![[10, 200, 255]; 40 * 20],
        };
        let small = scale(&image, 16);
        assert_eq!((small.width, small.pixels.len()), (16, 16 * 8));
        assert!(small.pixels.iter().all(|pixel| *pixel == [10, 200, 255]));
    }

    #[test]
    fn black_and_white_mix_in_linear_light() {
        let image = Image {
            width: 2,
            pixels: vec![[0; 3], [255; 3]],
        };
        assert_eq!(scale(&image, 1).pixels, [[186; 3]]);
    }

    #[test]
    fn odd_sizes_cover_every_pixel_once() {
        let check = |old, new| {
            let spans: Vec<usize> = (0..new).flat_map(|at| span(at, new, old)).collect();
            assert_eq!(spans, (0..old).collect::<Vec<_>>(), "{old} to {new}");
        };
        for (old, new) in [(7, 3), (960, 100), (5, 5), (1, 1)] {
            check(old, new);
        }
    }

    #[test]
    fn a_pool_answers_with_a_file() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let pool = Pool::start().unwrap();
        let image = runtime.block_on(pool.thumbnail(7, 96)).unwrap();
        let file = image.into_ppm();
        assert!(file.starts_with(b"P6\n96 64\n255\n"));
        assert_eq!(file.len(), 13 + 96 * 64 * 3);
    }
}
