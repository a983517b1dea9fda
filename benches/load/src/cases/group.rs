//! What cases are about, and what is expected of those that grow.
/// What cases are about; one table and one plot each in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Flood,
    Acknowledged,
    PingPong,
    OpenLoop,
    Publish,
    Subscriptions,
    Connections,
    Rpc,
    Other,
    /// Cost against the number of pairs.
    ScalePairs,
    /// Cost against the number of idle clients.
    ScaleIdle,
    ScalePayload,
    ScaleFanOut,
    ScaleSubscriptions,
    ScaleDepth,
}

impl Group {
    /// In the order of the document.
    pub(crate) const ALL: [Self; 14] = [
        Self::Flood,
        Self::Acknowledged,
        Self::PingPong,
        Self::OpenLoop,
        Self::Publish,
        Self::Subscriptions,
        Self::Connections,
        Self::Rpc,
        Self::ScalePairs,
        Self::ScaleIdle,
        Self::ScalePayload,
        Self::ScaleFanOut,
        Self::ScaleSubscriptions,
        Self::ScaleDepth,
    ];

    /// The name of its plot, and its title.
    pub(crate) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Flood => ("flood", "One-to-one floods"),
            Self::Acknowledged => ("acknowledged", "Acknowledged messages"),
            Self::PingPong => ("pingpong", "Ping-pong"),
            Self::OpenLoop => ("open-loop", "Latency at a fixed rate"),
            Self::Publish => ("publish", "Publishing to many"),
            Self::Subscriptions => ("subscriptions", "Publishing beside other subscriptions"),
            Self::Connections => ("connections", "Connections"),
            Self::Rpc => ("rpc", "Calls of the broker's methods"),
            Self::Other => ("other", "Others"),
            Self::ScalePairs => ("scale-pairs", "Cost against clients that send"),
            Self::ScaleIdle => ("scale-idle", "Cost against clients that are idle"),
            Self::ScalePayload => ("scale-payload", "Cost against payload"),
            Self::ScaleFanOut => ("scale-fanout", "Cost against fan-out"),
            Self::ScaleSubscriptions => ("scale-subscriptions", "Cost against subscriptions"),
            Self::ScaleDepth => ("scale-depth", "Cost against topic depth"),
        }
    }

    /// Of a group of scaling: what is scaled, and the curve that is expected of a broker's CPU time.
    pub(crate) const fn expectation(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::ScalePairs => (
                "pairs",
                "flat for each message, and rising at the right: the same number of messages is on the way in all, so that with \
                 more pairs fewer share a read, a lock and a write",
            ),
            Self::ScaleIdle => (
                "clients",
                "flat for each message: a client that says nothing takes part in nothing",
            ),
            Self::ScalePayload => (
                "payload bytes",
                "flat for each message while the frame costs more than its bytes, then proportional to the payload, which is \
                 copied into and out of the kernel; a slower rise where payloads are shared instead of copied once more",
            ),
            Self::ScaleFanOut => (
                "subscribers",
                "falling for each delivery and then flat: routing and encoding are shared by all copies; rising again where \
                 fewer publications on the way make smaller writes",
            ),
            Self::ScaleSubscriptions => (
                "subscriptions",
                "flat for each delivery: what others subscribe to is not looked at; caches of the processor may show at the right",
            ),
            Self::ScaleDepth => (
                "topic levels",
                "for each delivery proportional to the bytes of the topic, which travels with it; the look-up itself is remembered",
            ),
            _ => return None,
        })
    }
}
