//! What a service says of itself.
use serde::{Deserialize, Serialize};

/// The method that answers it. The leading dot is reserved, so that no service can have a method of that name.
pub(crate) const METHOD: &str = ".describe";

/// What a service offers, as it answers the method `.describe`: a map `{methods: [{name, description}]}`, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Its methods, sorted by name.
    pub methods: Vec<MethodDescription>,
}

/// One method of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodDescription {
    /// Its name.
    pub name: String,
    /// What it does, in a line; empty if nobody said.
    #[serde(default)]
    pub description: String,
}
