/** What a client has subscribed to and excluded, to ask for it again after a reconnect. */
import { OP_EXCLUDE, OP_SUBSCRIBE, OP_UNEXCLUDE, OP_UNSUBSCRIBE } from './constants.js';
import { filterMatches } from './names.js';

/** Bytes of filters in one frame; one filter may be longer. */
const CHUNK = 32 * 1024;

/** The operations on filters. @internal */
export type FilterOp = typeof OP_SUBSCRIBE | typeof OP_UNSUBSCRIBE | typeof OP_EXCLUDE | typeof OP_UNEXCLUDE;

/** What one frame changed: filters that were not there before, or that were. @internal */
export interface Asked {
  readonly op: FilterOp;
  readonly changed: readonly string[];
  /** Whether there were no others in the frame. */
  readonly all: boolean;
}

/** Filters in the order in which they were asked for: a broker with a quota then grants the same ones again. @internal */
export class Filters {
  readonly #subscribed = new Set<string>();
  readonly #excluded = new Set<string>();

  /** Whether so many filters fit as this operation would leave. */
  hasRoom(op: FilterOp, filters: readonly string[], limit: number): boolean {
    if (op !== OP_SUBSCRIBE && op !== OP_EXCLUDE) {
      return true;
    }
    const set = this.#set(op);
    const added = new Set(filters.filter((filter) => !set.has(filter)));
    return this.#subscribed.size + this.#excluded.size + added.size <= limit;
  }

  /** Notes what an operation asks for; answers what may have to be forgotten. */
  note(op: FilterOp, filters: readonly string[]): Asked {
    const set = this.#set(op);
    const adds = op === OP_SUBSCRIBE || op === OP_EXCLUDE;
    const changed: string[] = [];
    for (const filter of filters) {
      if (set.has(filter) !== adds) {
        change(set, filter, adds);
        changed.push(filter);
      }
    }
    return { op, changed, all: changed.length === filters.length };
  }

  /**
   * The broker refused: a single filter is not asked for again. Of several in one frame nobody knows which one is
   * meant, so they are.
   */
  refused(asked: Asked): void {
    const adds = asked.op === OP_SUBSCRIBE || asked.op === OP_EXCLUDE;
    if (adds && asked.all && asked.changed.length === 1) {
      this.undo(asked);
    }
  }

  /**
   * The connection was lost before the broker answered. An older one closes it because it cannot exclude, and would do
   * so for ever if it were asked again; that it cannot subscribe is not the reason.
   */
  unanswered(asked: Asked): void {
    if (asked.op === OP_EXCLUDE) {
      this.undo(asked);
    }
  }

  /** It was certainly not done. */
  undo(asked: Asked): void {
    const removes = asked.op === OP_SUBSCRIBE || asked.op === OP_EXCLUDE;
    for (const filter of asked.changed) {
      change(this.#set(asked.op), filter, !removes);
    }
  }

  /** The frames that ask for everything again: exclusions first, so that nothing slips through. */
  frames(): { op: FilterOp; filters: string[] }[] {
    const frames: { op: FilterOp; filters: string[] }[] = [];
    for (const op of [OP_EXCLUDE, OP_SUBSCRIBE] as const) {
      let room = 0;
      for (const filter of this.#set(op)) {
        const bytes = Buffer.byteLength(filter) + 1;
        if (room < bytes) {
          frames.push({ op, filters: [] });
          room = CHUNK;
        }
        frames[frames.length - 1]!.filters.push(filter);
        room -= bytes;
      }
    }
    return frames;
  }

  /** Whether a filter is subscribed to. */
  has(filter: string): boolean {
    return this.#subscribed.has(filter);
  }

  /** Whether a topic is subscribed to by another filter than this one. */
  matches(topic: string, besides: string): boolean {
    for (const filter of this.#subscribed) {
      if (filter !== besides && filterMatches(filter, topic)) {
        return true;
      }
    }
    return false;
  }

  #set(op: FilterOp): Set<string> {
    return op === OP_SUBSCRIBE || op === OP_UNSUBSCRIBE ? this.#subscribed : this.#excluded;
  }
}

function change(set: Set<string>, filter: string, add: boolean): void {
  if (add) {
    set.add(filter);
  } else {
    set.delete(filter);
  }
}
