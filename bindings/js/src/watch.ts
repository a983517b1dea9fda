/**
 * Who leaves the bus while calls wait for a reply. Most calls are answered long before that matters: so nothing is asked for
 * until one has waited for `watchAfter`. Then the client subscribes to the broker's announcements, and asks once who is
 * there, for those that had left before. When no call has taken long for a while, the subscription is taken back.
 */
import type { Calls } from './calls.js';
import type { Client } from './client.js';
import { BROKER, OP_UNSUBSCRIBE } from './constants.js';
import type { Frame } from './frame.js';
import { msgpack } from './msgpack.js';
import { primaryName } from './names.js';

/** One that the user has hardly chosen: taking it back leaves the user's own subscriptions as they are. @internal */
export const FILTER = '.broker/+';

/** For how long after the last call that took long, in milliseconds. */
const LINGER = 5_000;

/** How often the broker is asked when it does not let us hear its announcements, in milliseconds. */
const ASK = 1_000;

/** @internal */
export class Watch {
  readonly #client: Client;
  readonly #calls: Calls;
  readonly #after: number;
  #timer: NodeJS.Timeout | undefined;
  #watching = false;
  /** The user has not subscribed to the same. */
  #isOwn = false;

  constructor(client: Client, calls: Calls, after: number) {
    this.#client = client;
    this.#calls = calls;
    this.#after = after;
  }

  /** There is a call: it is looked after once it has waited for long. */
  look(): void {
    if (this.#timer === undefined && !this.#watching) {
      this.#timer = setTimeout(this.#check, this.#after).unref();
    }
  }

  /** Whether a frame came only because of this watch. */
  isOwn(frame: Frame): boolean {
    return (
      this.#watching &&
      this.#isOwn &&
      frame.sender === BROKER &&
      frame.topic === '.broker/info' &&
      !this.#client.core.filters.matches(frame.topic, FILTER)
    );
  }

  /** Ends the calls to a client of which the broker says that it is gone. */
  note(frame: Frame): void {
    if (this.#calls.size > 0 && frame.sender === BROKER && frame.topic === '.broker/info') {
      const { s, d } = decoded(frame.payload) as { s?: unknown; d?: unknown };
      if (s === 'unreg' && typeof d === 'string') {
        this.#calls.targetLeft(d);
      }
    }
  }

  readonly #check = (): void => {
    this.#timer = undefined;
    const { oldest } = this.#calls;
    if (oldest === undefined) {
      return;
    }
    if (performance.now() - oldest < this.#after) {
      this.look();
    } else if (!this.#watching) {
      this.#watching = true;
      void this.#watch();
    }
  };

  async #watch(): Promise<void> {
    this.#isOwn = !this.#client.core.filters.has(FILTER);
    const subscribed = await this.#client.subscribe(FILTER).then(
      () => true,
      () => false,
    );
    await this.#endCallsToAbsent();
    let lastSlow = performance.now();
    while (performance.now() - lastSlow < LINGER && this.#client.core.phase !== 'closed') {
      await new Promise((resolve) => setTimeout(resolve, ASK).unref());
      if (!subscribed) {
        await this.#endCallsToAbsent();
      }
      if (performance.now() - (this.#calls.oldest ?? Infinity) >= this.#after) {
        lastSlow = performance.now();
      }
    }
    if (subscribed && this.#isOwn) {
      // If that fails the connection is gone: then it is not asked for again.
      await this.#client
        .unsubscribe(FILTER)
        .catch(() => this.#client.core.filters.note(OP_UNSUBSCRIBE, [FILTER]));
    }
    this.#watching = false;
    if (this.#calls.size > 0) {
      this.look();
    }
  }

  async #endCallsToAbsent(): Promise<void> {
    const targets = this.#calls.targets;
    targets.delete(BROKER);
    if (targets.size === 0) {
      return;
    }
    const list = this.#calls.start(BROKER, 'client.list', Buffer.alloc(0));
    // A broker that does not say is believed to have everybody: the calls have their deadline.
    const present = await list.then(names, () => undefined);
    for (const target of targets) {
      if (present?.has(primaryName(target)) === false) {
        this.#calls.targetLeft(primaryName(target));
      }
    }
  }
}

function names(list: Buffer): Set<unknown> | undefined {
  const { clients } = decoded(list) as { clients?: unknown };
  return Array.isArray(clients)
    ? new Set(clients.map((client: { name?: unknown } | null) => client?.name))
    : undefined;
}

function decoded(bytes: Buffer): object {
  try {
    const value = msgpack.decode(bytes);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
