//! `[[access]]` and `[[reserved]]`: the rules of access control.
use std::ops::Range;

use elbus_broker::access::{AccessRule, AccessRules, AccessRulesBuilder, Source};
use nix::unistd::{Gid, Group, User};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Wrong, known, required, tables,
    value::{text, texts, truth},
};
use crate::args::{group, user};

pub(super) const RULES: &str = "access";
pub(super) const RESERVED: &str = "reserved";

const KEYS_OF_RULE: [&str; 7] = [
    "name",
    "from",
    "send",
    "broadcast",
    "publish",
    "subscribe",
    "manage",
];
const KEYS_OF_RESERVATION: [&str; 2] = ["name", "from"];

/// Rules as far as they were read.
#[derive(Default)]
pub(super) struct Rules(AccessRulesBuilder);

impl Rules {
    /// Adds what `[[access]]` says.
    pub(super) fn add_rules(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
        for (at, table) in tables(RULES, value)? {
            let rule = rule(at.clone(), table)?;
            // Each by itself first, so that the error has a place.
            check(at, AccessRules::builder().rule(rule.clone()))?;
            self.0 = std::mem::take(&mut self.0).rule(rule);
        }
        Ok(())
    }

    /// Adds what `[[reserved]]` says.
    pub(super) fn add_reservations(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
        for (at, table) in tables(RESERVED, value)? {
            known(table, &KEYS_OF_RESERVATION)?;
            let name = name(at.clone(), table)?;
            let sources = sources(at.clone(), table)?;
            check(at, AccessRules::builder().reserve(name, sources.clone()))?;
            self.0 = std::mem::take(&mut self.0).reserve(name, sources);
        }
        Ok(())
    }

    pub(super) fn build(self) -> Result<AccessRules, Wrong> {
        check(0..0, self.0)
    }
}

fn check(at: Range<usize>, rules: AccessRulesBuilder) -> Result<AccessRules, Wrong> {
    rules.build().map_err(|error| Wrong::new(at, error.to_string()))
}

fn rule(at: Range<usize>, table: &DeTable<'_>) -> Result<AccessRule, Wrong> {
    known(table, &KEYS_OF_RULE)?;
    let mut rule = AccessRule::new(name(at.clone(), table)?).from(sources(at, table)?);
    for (key, value) in table {
        rule = match key.get_ref().as_ref() {
            "send" => rule.send(patterns(value)?),
            "broadcast" => rule.broadcast(patterns(value)?),
            "publish" => rule.publish(patterns(value)?),
            "subscribe" => rule.subscribe(patterns(value)?),
            "manage" => rule.manage(truth(value)?),
            _ => rule,
        };
    }
    Ok(rule)
}

fn name<'a>(at: Range<usize>, table: &'a DeTable<'_>) -> Result<&'a str, Wrong> {
    text(required("name", at, table)?)
}

fn patterns<'a>(value: &'a Spanned<DeValue<'_>>) -> Result<Vec<&'a str>, Wrong> {
    texts(value)?.into_iter().map(text).collect()
}

fn sources(at: Range<usize>, table: &DeTable<'_>) -> Result<Vec<Source>, Wrong> {
    let mut sources = Vec::new();
    for value in texts(required("from", at, table)?)? {
        let written = text(value)?;
        let more =
            source(written).map_err(|reason| Wrong::new(value.span(), format!("{written:?}: {reason}")))?;
        sources.extend(more);
    }
    Ok(sources)
}

/// A source as it is written; a group is several, because it has members.
fn source(written: &str) -> Result<Vec<Source>, String> {
    let one = match written {
        "any" => Source::Any,
        "fifo" => Source::Fifo,
        "unix" => Source::Unix,
        "tcp" => Source::Tcp,
        _ => {
            return match written.split_once(':') {
                Some(("unix", who)) => match who.split_once('=') {
                    Some(("user", name)) => Ok(vec![Source::UnixUser(user(name)?)]),
                    Some(("group", name)) => group_and_members(group(name)?),
                    _ => {
                        Err("expected unix:user=NAME or unix:group=NAME, or a number for the name".to_owned())
                    }
                },
                Some(("certificate", subject)) if !subject.is_empty() => {
                    Ok(vec![Source::Certificate(subject.to_owned())])
                }
                _ => network(written),
            };
        }
    };
    Ok(vec![one])
}

fn network(written: &str) -> Result<Vec<Source>, String> {
    // What looks like an address is told what is wrong with it.
    let looks_like_one =
        written.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') && written.contains(['.', ':']);
    match written.parse() {
        Ok(network) => Ok(vec![Source::Network(network)]),
        Err(error) if looks_like_one => Err(format!("{error}")),
        Err(_) => Err(
            "expected any, unix, unix:user=NAME, unix:group=NAME, tcp, fifo, certificate:CN=NAME, \
             or a host or network such as 192.0.2.1 or 2001:db8::/32"
                .to_owned(),
        ),
    }
}

/// The system tells only one group of a process on the other end of a socket, so the members are looked up here.
fn group_and_members(gid: u32) -> Result<Vec<Source>, String> {
    let mut sources = vec![Source::UnixGroup(gid)];
    let group = Group::from_gid(Gid::from_raw(gid)).map_err(|error| error.to_string())?;
    for member in group.into_iter().flat_map(|group| group.mem) {
        // A member that is no user is nobody.
        if let Some(user) = User::from_name(&member).map_err(|error| error.to_string())? {
            sources.push(Source::UnixUser(user.uid.as_raw()));
        }
    }
    Ok(sources)
}
