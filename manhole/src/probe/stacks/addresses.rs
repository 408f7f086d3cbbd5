//! Addresses that somebody else captured, as frames.

use super::{modules::Images, take::stopped};
use crate::{
    model::{
        Failure,
        stack::{Answered, Dump, End, Frame, ThreadStack},
    },
    sys::unix_now_ns,
};
use std::sync::Arc;

/// See [`super::of_addresses`].
pub(super) fn place(
    stacks: &[Arc<[u64]>],
    app_crates: Vec<String>,
    keep_going: &dyn Fn() -> bool,
) -> Result<Dump, Failure> {
    let mut images = Images::default();
    if !images.refresh(keep_going) {
        return Err(stopped(keep_going));
    }
    let threads = stacks.iter().map(|addresses| ThreadStack {
        answer: Answered::Stack,
        end: End::Root,
        frames: addresses.iter().map(|at| frame(*at, &images)).collect(),
        ..ThreadStack::default()
    });
    Ok(Dump {
        taken_unix_ns: unix_now_ns(),
        threads: threads.collect(),
        modules: images.list.into_iter().map(|image| image.module).collect(),
        app_crates,
        ..Dump::default()
    })
}

fn frame(address: u64, images: &Images) -> Frame {
    Frame {
        address,
        module: images.find(address),
        ..Frame::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_frames_of_the_images_that_they_are_in() {
        let here = place as *const () as u64 + 1;
        let stacks = [Arc::from([here, 1]), Arc::from([])];
        let dump = place(&stacks, vec!["app".to_owned()], &|| true).unwrap();
        let [frame, nowhere] = &dump.threads[0].frames[..] else {
            panic!("{:?}", dump.threads)
        };
        let module = &dump.modules[frame.module.unwrap() as usize];
        assert!(module.binary && frame.address == here);
        assert_eq!((nowhere.module, dump.threads[1].frames.len()), (None, 0));
        assert!(place(&stacks, Vec::new(), &|| false).is_err());
    }
}
