//! The hash of all tables: fast, and with a random seed, because strangers choose the keys.
#[cfg(not(feature = "bench"))]
pub(crate) use foldhash::fast::RandomState;
#[cfg(feature = "bench")]
pub(crate) use seeded::RandomState;

/// The same hash with a seed that a program which counts instructions can fix. Any other that is built together with
/// that one has random seeds as ever.
#[cfg(feature = "bench")]
pub(crate) mod seeded {
    use std::{
        hash::BuildHasher,
        sync::atomic::{AtomicBool, Ordering::Relaxed},
    };

    use foldhash::fast::{FoldHasher, SeedableRandomState};

    static FIXED: AtomicBool = AtomicBool::new(false);

    /// Fixes the seed of every table that is made from now on.
    pub(crate) fn fix() {
        FIXED.store(true, Relaxed);
    }

    #[derive(Clone, Debug)]
    pub(crate) struct RandomState(SeedableRandomState);

    impl Default for RandomState {
        fn default() -> Self {
            Self(match FIXED.load(Relaxed) {
                true => SeedableRandomState::fixed(),
                false => SeedableRandomState::random(),
            })
        }
    }

    impl BuildHasher for RandomState {
        type Hasher = FoldHasher<'static>;

        #[inline]
        fn build_hasher(&self) -> Self::Hasher {
            self.0.build_hasher()
        }
    }
}
