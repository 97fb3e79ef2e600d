//! Who wants to know when a layer is done: `bench --layers` sets a listener for one thread, which reads its own clock.
//! Without one this costs a look at a thread-local per layer.

use std::cell::RefCell;

type Listener = Box<dyn FnMut(&str)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Runs `work`; each layer that finishes in it on this thread is told to `listener` by its node's name.
pub fn with<R>(listener: impl FnMut(&str) + 'static, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<Listener>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LISTENER.replace(self.0.take());
        }
    }
    let _restore = Restore(LISTENER.replace(Some(Box::new(listener))));
    work()
}

/// A layer is done.
pub fn done(name: &str) {
    LISTENER.with_borrow_mut(|listener| {
        if let Some(listener) = listener {
            listener(name);
        }
    });
}
