/**
 * What a client does behind its public face: hands operations over to the connection of the moment, matches answers,
 * keeps the clock, and connects again.
 */
import { defaultAddress, parseAddress, type Address } from './address.js';
import { Clock } from './clock.js';
import { OP_NOP } from './constants.js';
import { BusError, Disconnect, ConnectError } from './errors.js';
import { Filters } from './filters.js';
import type { Frame } from './frame.js';
import type { Handler } from './inbox.js';
import { Intake } from './intake.js';
import { Link, type LinkOwner } from './link.js';
import type { Operation } from './operation.js';
import type { Settings } from './options.js';
import { LARGE } from './outbox.js';
import { Pending, Waiting } from './pending.js';
import { restore } from './restore.js';
import { redial } from './supervisor.js';

/**
 * The phases of a client's life: before `connect`; connecting for the first time; asking again for what was subscribed;
 * on the bus; off the bus and trying to come back; sending the rest before it ends; ended.
 *
 * @internal
 */
export type Phase = 'idle' | 'connecting' | 'restoring' | 'connected' | 'disconnected' | 'closing' | 'closed';

/** What happens to a client, for those who listen. @internal */
export interface CoreEvents {
  connected(): void;
  disconnected(why: Disconnect): void;
  gaveUp(why: ConnectError): void;
  heldBack(): void;
  released(): void;
  inboxLagging(bytes: number): void;
}

/** @internal */
export class Core implements LinkOwner {
  readonly name: string;
  readonly settings: Settings;
  readonly filters = new Filters();
  readonly intake: Intake;
  readonly clock: Clock;
  readonly pending = new Pending();
  readonly waiting = new Waiting();
  readonly events: CoreEvents;
  readonly primary: Core | undefined;
  readonly secondaries = new Set<Core>();
  phase: Phase = 'idle';
  link: Link | undefined;
  /**
   * The last operation was not acknowledged: how far the broker has read is not known. It may be holding this client back
   * for a slow receiver, for as long as that takes.
   */
  unproven = false;
  /** Ends a connecting that goes on. */
  readonly cancelDial = new AbortController();
  address: Address | undefined;
  /** The delay in front of the next try to connect again, in milliseconds. */
  delay: number;
  #connectedAt = 0;
  /** The link's bytes when the turn of the event loop began; how many may be sent in a turn is bounded. */
  #turnStart = -1;
  /** Everything that was to be sent before closing was, and the broker knows that nothing more comes. */
  #saidGoodbye = false;
  #whenPhase: (() => void)[] = [];

  constructor(
    name: string,
    settings: Settings,
    events: CoreEvents,
    handler: (frame: Frame) => Handler | undefined,
    primary?: Core,
  ) {
    this.name = name;
    this.settings = settings;
    this.events = events;
    this.primary = primary;
    this.delay = settings.backoff.first;
    this.intake = new Intake(this, handler);
    this.clock = new Clock(this);
  }

  // Connecting

  /** Connects for the first time. */
  async connect(address: string | undefined): Promise<void> {
    this.address = parseAddress(address ?? this.settings.address ?? defaultAddress());
    this.enter('connecting');
    try {
      await redial(this, true);
    } catch (error) {
      if (this.phase === 'connecting') {
        this.enter('idle');
      }
      throw error;
    }
  }

  opened(link: Link): void {
    this.link = link;
    this.#turnStart = -1;
    this.unproven = false;
    this.intake.isPaused = false;
    this.#connectedAt = Date.now();
    this.clock.start();
    restore(this);
  }

  /** Everything is as it was before the connection was lost. */
  restored(): void {
    this.enter('connected');
    this.events.connected();
    this.pump();
  }

  ended(link: Link, why: Disconnect): void {
    if (this.link !== link) {
      return;
    }
    this.link = undefined;
    if (Date.now() - this.#connectedAt >= this.settings.backoff.longest) {
      this.delay = this.settings.backoff.first;
    }
    this.clock.stop();
    const reconnects = this.settings.reconnect && this.phase !== 'closing' && this.phase !== 'closed';
    this.enter(reconnects ? 'disconnected' : 'closed');
    // What stands behind the bytes handed to the system was certainly not sent.
    const { handed } = link;
    this.pending.endAll(({ start }) =>
      start >= handed ? BusError.notConnected() : BusError.connectionLost(),
    );
    this.intake.taker?.connectionLost();
    this.events.disconnected(why);
    if (!reconnects) {
      this.finish();
      return;
    }
    for (const operation of this.waiting.all()) {
      this.#waitForConnection(operation);
    }
    redial(this, false).catch((error: unknown) => {
      if (error instanceof ConnectError && error.kind !== 'closed') {
        this.events.gaveUp(error);
      }
      this.finish();
    });
  }

  /** Nothing comes and nothing goes any more. */
  finish(): void {
    this.enter('closed');
    this.cancelDial.abort();
    this.primary?.secondaries.delete(this);
    this.waiting.endAll(() => BusError.closed());
    this.intake.taker?.connectionLost();
    this.intake.inbox.end();
    for (const secondary of [...this.secondaries]) {
      secondary.shut();
    }
  }

  /** Ends at once, whatever waits. */
  shut(): void {
    if (this.phase === 'closed') {
      return;
    }
    if (this.link === undefined) {
      this.finish();
    } else {
      this.enter('closing');
      this.link.destroy(new Disconnect('closed', 'closed by this client'));
    }
  }

  enter(phase: Phase): void {
    this.phase = phase;
    for (const wake of this.#whenPhase.splice(0)) {
      wake();
    }
  }

  /** Settles when a phase is reached. */
  async until(phase: Phase): Promise<void> {
    while (this.phase !== phase) {
      await this.nextPhase();
    }
  }

  /** Settles when the phase changes. */
  nextPhase(): Promise<void> {
    return new Promise((resolve) => this.#whenPhase.push(resolve));
  }

  // Sending

  /** Whether an operation that is not acknowledged can be handed over now. */
  canTake(): boolean {
    return this.phase === 'connected' && this.waiting.length === 0 && this.#hasRoom();
  }

  /** Does an operation now, or when there is room, or fails it. */
  submit(operation: Operation): void {
    const { phase } = this;
    if (phase === 'closed' || phase === 'closing') {
      operation.finish(BusError.closed());
    } else if (phase !== 'connected' && (phase === 'idle' || this.settings.waitWhileDisconnected === 0)) {
      operation.finish(BusError.notConnected());
    } else if (phase === 'connected' && this.waiting.length === 0 && this.#isRoomFor(operation)) {
      this.handOver(operation);
    } else if (this.waiting.bytes >= this.settings.waitingLimit) {
      const limit = this.settings.waitingLimit;
      operation.finish(new BusError('tooManyWaiting', `more than ${limit} bytes wait to be handed over`));
    } else {
      this.waiting.push(operation);
      if (phase !== 'connected') {
        this.#waitForConnection(operation);
      }
    }
  }

  /** Encodes an operation into the outbox. */
  handOver(operation: Operation): void {
    const link = this.link!;
    operation.stage = 'sent';
    operation.leave();
    operation.start = link.appended;
    operation.tick = this.clock.tick;
    this.#beginTurn(link);
    this.#note(operation.opAndQos);
    let id = 0;
    if (operation.acknowledged) {
      if (this.pending.waiting === 0) {
        this.clock.expects();
      }
      id = this.pending.nextId();
      this.pending.add(id, operation);
      this.intake.readOn();
    }
    link.append(id, operation.opAndQos, operation.address, operation.front, operation.payload);
    if (operation.realtime) {
      link.flush();
    }
    if (operation.acknowledged) {
      return;
    }
    if (operation.payload.length <= LARGE) {
      operation.finish(undefined);
    } else {
      // The payload is not copied: it is the caller's again when the system has it.
      link.whenTaken((taken) => {
        const sure = operation.start >= link.handed;
        operation.finish(taken ? undefined : sure ? BusError.notConnected() : BusError.connectionLost());
      });
    }
  }

  /** As `submit` of what can be taken now and needs no answer, without anything to be told. */
  append(opAndQos: number, address: Buffer, payload: string | Uint8Array): void {
    const link = this.link!;
    this.#beginTurn(link);
    this.#note(opAndQos);
    link.append(0, opAndQos, address, undefined, payload);
    if ((opAndQos & 0x80) !== 0) {
      link.flush();
    }
  }

  /** Ends one operation early, for a reason of the caller's. */
  giveUp(operation: Operation, error: (outcome: 'refused' | 'unknown') => BusError): void {
    if (operation.stage === 'waiting') {
      this.waiting.giveUp(operation, error('refused'));
    } else if (operation.acknowledged) {
      this.pending.giveUp(operation, error('unknown'));
    } else {
      operation.finish(error('unknown'));
    }
  }

  /** Hands over what waits, as far as there is room. */
  pump(): void {
    while (this.phase === 'connected' || this.phase === 'closing') {
      const operation = this.waiting.peek();
      if (operation === undefined || this.link === undefined || !this.#isRoomFor(operation)) {
        return;
      }
      this.waiting.shift();
      this.handOver(operation);
    }
  }

  #isRoomFor(operation: Operation): boolean {
    return this.#hasRoom() && (!operation.acknowledged || this.pending.size < this.settings.inFlightLimit);
  }

  #hasRoom(): boolean {
    const link = this.link!;
    const { outboxLimit } = this.settings;
    // However fast the system takes it: the rest of the program, and what the broker says, get their turn.
    const inTurn = this.#turnStart < 0 ? 0 : link.appended - this.#turnStart;
    return inTurn < outboxLimit && link.queued < outboxLimit;
  }

  /** Notes whether what is sent will be acknowledged. A ping is not, but it has no receiver either. */
  #note(opAndQos: number): void {
    if (opAndQos !== OP_NOP) {
      this.unproven = (opAndQos & 0x40) === 0;
    }
  }

  #beginTurn(link: Link): void {
    if (this.#turnStart < 0) {
      this.#turnStart = link.appended;
      setImmediate(this.#turnDone);
    }
  }

  readonly #turnDone = (): void => {
    this.#turnStart = -1;
    this.pump();
  };

  /** Ends an operation if there is no connection for too long. */
  #waitForConnection(operation: Operation): void {
    const limit = this.settings.waitWhileDisconnected;
    if (limit === 0) {
      this.waiting.giveUp(operation, BusError.notConnected());
      return;
    }
    clearTimeout(operation.patience);
    operation.patience = setTimeout(() => {
      if (this.phase !== 'connected') {
        this.waiting.giveUp(
          operation,
          new BusError('notConnected', `not connected to the broker for ${limit} ms`),
        );
      }
    }, limit).unref();
  }

  // What the connection tells

  acknowledged(id: number, result: number): void {
    this.pending.answer(id, result);
  }

  received(
    kind: number,
    realtime: boolean,
    sender: string,
    topic: string | undefined,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    this.intake.take(kind, realtime, sender, topic, bytes, start, end);
  }

  chunkDone(bytes: number): void {
    this.clock.heard();
    this.intake.inbox.chunkDone(bytes);
    this.intake.stopIfFull();
    this.pump();
    this.#closeIfDone();
  }

  wrote(): void {
    this.clock.taken();
    this.pump();
    this.#closeIfDone();
  }

  // Closing

  /** Says goodbye once everything is written and answered. */
  #closeIfDone(): void {
    if (
      this.phase === 'closing' &&
      this.waiting.length === 0 &&
      this.pending.waiting === 0 &&
      this.link?.queued === 0
    ) {
      this.#saidGoodbye = true;
      this.link.end();
    }
  }

  /** Sends the rest and ends. */
  async close(): Promise<void> {
    for (const secondary of [...this.secondaries]) {
      secondary.shut();
    }
    const { link } = this;
    if (link === undefined) {
      if (this.phase !== 'closed') {
        this.finish();
      }
      return;
    }
    const since = Date.now();
    const { timeout } = this.settings;
    const timer = setTimeout(() => {
      link.destroy(new Disconnect('closed', 'closed by this client'));
    }, timeout);
    this.enter('closing');
    this.intake.readOn();
    link.flush();
    this.#closeIfDone();
    await this.until('closed');
    clearTimeout(timer);
    if (Date.now() - since >= timeout) {
      throw BusError.timedOut(timeout, 'unknown');
    }
    if (!this.#saidGoodbye) {
      throw BusError.connectionLost();
    }
  }
}
