/** Settings of a client: defaults and ranges. What makes no sense is refused with its name, never changed silently. */
import type { NameLimits, TopicLimits } from './names.js';

/** Settings of a client. Times are in milliseconds. */
export interface ClientOptions {
  /**
   * Where the broker listens: `/path`, `./path`, `name.sock`, `unix:///path`, `host:port` or `tcp://host:port`. Default:
   * `$ELBUS_ADDRESS`, else `$XDG_RUNTIME_DIR/elbus/elbus.sock`, else `/tmp/elbus-UID/elbus.sock`.
   */
  readonly address?: string;
  /**
   * For connecting with the greeting; for the answer to an operation, which comes at most an eighth later; for closing.
   * A broker that for so long neither says nor takes anything, although something waits for it or it was asked for a sign
   * of life, is given up.
   * Default 5,000; 10 to 3,600,000.
   */
  readonly timeout?: number;
  /** Whether it connects again when the connection is lost. Default true. */
  readonly reconnect?: boolean;
  /**
   * The delay between two tries to connect again: `first`, then twice as long each time up to `longest`, each
   * shortened by chance by up to half. Default 100 and 1,000; 1 to 3,600,000.
   */
  readonly backoff?: { readonly first: number; readonly longest: number };
  /** For how long the first connection is tried for. Default 0, once; to 86,400,000. */
  readonly retryFirstConnect?: number;
  /** For how long an operation waits without a connection. Default 0, it fails at once; to 86,400,000. */
  readonly waitWhileDisconnected?: number;
  /**
   * How often the broker is pinged at least; one that has said nothing for a quarter of `timeout` is asked for a sign of
   * life instead. Default 1,000; 10 to 3,600,000.
   */
  readonly pingInterval?: number;
  /** Bytes not yet taken by the system: operations wait. Default 1 MiB; 1 to 2 GiB. */
  readonly outboxLimit?: number;
  /** Bytes of operations that wait to be handed over (payload and 256 bytes each). Default 64 MiB; 1 to 2 GiB. */
  readonly waitingLimit?: number;
  /** Operations without an answer: others wait. Default 65,536; 1 to 524,288. */
  readonly inFlightLimit?: number;
  /** Bytes of unread frames (payload and 96 bytes each): reading stops. Default 8 MiB; 1 to 2 GiB. */
  readonly inboxLimit?: number;
  /** The same while operations wait for their answer: they fail. Default 64 MiB; `inboxLimit` to 2 GiB. */
  readonly inboxHardLimit?: number;
  /** Bytes of a frame's body: address and payload. Default 64 MiB, as the broker's; 1 to 2 GiB. */
  readonly frameLimit?: number;
  /** Filters subscribed and excluded together. Default 65,536, as the broker's; 0 to 1,048,576. */
  readonly filterLimit?: number;
  /** What a name or mask may be. Default 255 bytes and 16 parts, as the broker's. */
  readonly nameLimits?: NameLimits;
  /** What a topic or filter may be. Default 1,024 bytes and 32 levels, as the broker's. */
  readonly topicLimits?: TopicLimits;
  /** Whether frames are received at all; if not, what comes is discarded. Default true. */
  readonly receive?: boolean;
}

/** @internal */
export interface Settings extends Required<Omit<ClientOptions, 'address'>> {
  readonly address: string | undefined;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MIB = 1024 * 1024;
const LARGEST = 2048 * MIB;

/** The defaults, with what is given in their place. Throws a `RangeError` that names what is out of range. @internal */
export function settle(options: ClientOptions): Settings {
  const settings: Settings = {
    address: options.address,
    timeout: options.timeout ?? 5_000,
    reconnect: options.reconnect ?? true,
    backoff: options.backoff ?? { first: 100, longest: 1_000 },
    retryFirstConnect: options.retryFirstConnect ?? 0,
    waitWhileDisconnected: options.waitWhileDisconnected ?? 0,
    pingInterval: options.pingInterval ?? 1_000,
    outboxLimit: options.outboxLimit ?? MIB,
    waitingLimit: options.waitingLimit ?? 64 * MIB,
    inFlightLimit: options.inFlightLimit ?? 65_536,
    inboxLimit: options.inboxLimit ?? 8 * MIB,
    inboxHardLimit: options.inboxHardLimit ?? Math.max(64 * MIB, options.inboxLimit ?? 0),
    frameLimit: options.frameLimit ?? 64 * MIB,
    filterLimit: options.filterLimit ?? 65_536,
    nameLimits: options.nameLimits ?? { bytes: 255, parts: 16 },
    topicLimits: options.topicLimits ?? { bytes: 1_024, levels: 32 },
    receive: options.receive ?? true,
  };
  within('timeout', settings.timeout, 10, HOUR);
  within('backoff.first', settings.backoff.first, 1, HOUR);
  within('backoff.longest', settings.backoff.longest, settings.backoff.first, HOUR);
  within('retryFirstConnect', settings.retryFirstConnect, 0, DAY);
  within('waitWhileDisconnected', settings.waitWhileDisconnected, 0, DAY);
  within('pingInterval', settings.pingInterval, 10, HOUR);
  within('outboxLimit', settings.outboxLimit, 1, LARGEST);
  within('waitingLimit', settings.waitingLimit, 1, LARGEST);
  within('inFlightLimit', settings.inFlightLimit, 1, 524_288);
  within('inboxLimit', settings.inboxLimit, 1, LARGEST);
  within('inboxHardLimit', settings.inboxHardLimit, settings.inboxLimit, LARGEST);
  within('frameLimit', settings.frameLimit, 1, LARGEST);
  within('filterLimit', settings.filterLimit, 0, 1_048_576);
  within('nameLimits.bytes', settings.nameLimits.bytes, 1, 65_535);
  within('nameLimits.parts', settings.nameLimits.parts, 1, 65_535);
  within('topicLimits.bytes', settings.topicLimits.bytes, 1, MIB);
  within('topicLimits.levels', settings.topicLimits.levels, 1, MIB);
  return settings;
}

/** @internal */
export function within(name: string, value: number, least: number, most: number): void {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new RangeError(`${name} must be from ${least} to ${most}, not ${String(value)}`);
  }
}
