//! The embeddable broker of the elbus message bus.
