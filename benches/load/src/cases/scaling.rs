//! Cost against size: the same load, larger and larger.
use super::{
    Load,
    catalog::{Case, Set, beside, case, flood},
    group::Group,
};

pub(super) fn cases() -> Vec<Case> {
    let scale = |name: String, about: &str, group, size, load| {
        case(name, about, group, &[Set::Scaling], load).sized(size)
    };
    let mut cases = Vec::new();
    for pairs in [1, 2, 4, 16, 64] {
        cases.push(scale(
            format!("scale-pairs-{pairs}"),
            "pairs, 100 bytes, 4,096 on the way in all",
            Group::ScalePairs,
            pairs as usize,
            flood(pairs, 100, 4096 / u64::from(pairs)),
        ));
    }
    for idle in [0, 100, 1000, 9000] {
        let Load::Flood { shape, .. } = flood(2, 100, 4096) else {
            continue;
        };
        cases.push(scale(
            format!("scale-idle-{idle}"),
            "2 pairs, 100 bytes, beside clients that say nothing",
            Group::ScaleIdle,
            2 + idle as usize,
            Load::Flood { shape, idle },
        ));
    }
    for payload in [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576] {
        let window = (4 << 20) / (payload as u64).max(1024);
        cases.push(scale(
            format!("scale-payload-{payload}"),
            "1 pair, payloads of this many bytes",
            Group::ScalePayload,
            payload,
            flood(1, payload, window),
        ));
    }
    for subscribers in [1, 3, 10, 30, 100, 300, 1000] {
        cases.push(scale(
            format!("scale-fanout-{subscribers}"),
            "publications to this many subscribers",
            Group::ScaleFanOut,
            subscribers,
            Load::FanOut { subscribers },
        ));
    }
    for others in [100, 1000, 10_000, 100_000, 1_000_000] {
        cases.push(scale(
            format!("scale-beside-{others}"),
            "publications beside this many subscriptions",
            Group::ScaleSubscriptions,
            others,
            beside(others, 1, 4),
        ));
    }
    for levels in [4, 8, 16, 32] {
        cases.push(scale(
            format!("scale-depth-{levels}"),
            "publications to topics this deep",
            Group::ScaleDepth,
            levels,
            beside(1000, 1, levels),
        ));
    }
    cases
}
