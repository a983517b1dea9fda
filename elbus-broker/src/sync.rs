//! The lock that the model-checked parts use: parking_lot's, or loom's when the outbox is model-checked.

#[cfg(not(elbus_loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(elbus_loom)]
pub(crate) use checked::{Mutex, MutexGuard};

#[cfg(elbus_loom)]
mod checked {
    pub(crate) use loom::sync::MutexGuard;

    /// loom's mutex with parking_lot's signature.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
