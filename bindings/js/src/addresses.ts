/** Targets, masks, topics and receivers as the bytes that stand in front of a payload: checked once, remembered. */
import { BusError, type BusErrorKind } from './errors.js';
import { maskFault, nameFault, topicFault } from './names.js';
import type { Settings } from './options.js';

/** Remembered addresses of each kind; when there are more, all are forgotten and remembered anew. */
const REMEMBERED = 1_024;

/** @internal */
export class Addresses {
  readonly #settings: Settings;
  readonly #targets = new Map<string, Buffer>();
  readonly #masks = new Map<string, Buffer>();
  readonly #topics = new Map<string, Buffer>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The name of one client. Throws `BusError`, as all of these do. */
  target(name: string): Buffer {
    return (
      this.#targets.get(name) ??
      this.#remember(this.#targets, name, 'name', nameFault(name, this.#settings.nameLimits))
    );
  }

  /** A name that came from the broker. */
  sender(name: string): Buffer {
    return this.#targets.get(name) ?? this.#remember(this.#targets, name, 'name', undefined);
  }

  /** A name mask. */
  mask(mask: string): Buffer {
    return (
      this.#masks.get(mask) ??
      this.#remember(this.#masks, mask, 'mask', maskFault(mask, this.#settings.nameLimits))
    );
  }

  /** A topic to publish to. */
  topic(topic: string): Buffer {
    return (
      this.#topics.get(topic) ??
      this.#remember(this.#topics, topic, 'topic', topicFault(topic, this.#settings.topicLimits))
    );
  }

  #remember(known: Map<string, Buffer>, text: string, kind: BusErrorKind, fault: string | undefined): Buffer {
    if (fault !== undefined) {
      throw new BusError(kind, `${JSON.stringify(text)} is no ${kind} here: ${fault}`);
    }
    if (known.size >= REMEMBERED) {
      known.clear();
    }
    const bytes = Buffer.from(`${text}\0`);
    known.set(text, bytes);
    return bytes;
  }
}
