/** What became of an operation, in the way in which the published package tells it. */
import { ERR_IO, RESPONSE_OK } from './constants.js';
import type { BusError } from './errors.js';

/** An operation that was handed over: whether it is completed, and the broker's answer. */
export class SentFrame {
  /** The quality of service with which it was sent. */
  readonly qos: number;
  /** 0 as long as it is open, then `RESPONSE_OK` or an `ERR_…` code. */
  result = 0;
  readonly #completed: Promise<void>;

  /** @internal */
  constructor(qos: number, verdict: Promise<void>) {
    this.qos = qos;
    this.#completed = verdict.then(
      () => {
        this.result = RESPONSE_OK;
      },
      (error: unknown) => {
        this.result = (error as Partial<BusError>).code ?? ERR_IO;
      },
    );
  }

  /** Whether the broker's answer, or the loss of the connection, is there. */
  isCompleted(): boolean {
    return this.result !== 0;
  }

  /**
   * Waits for the broker's answer; `result` has it then. Answers false if it does not come in time.
   *
   * @param timeout - in seconds; by default as long as the client waits for an answer.
   */
  async waitCompleted(timeout?: number): Promise<boolean> {
    if (timeout === undefined) {
      await this.#completed;
      return true;
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeout * 1000);
    });
    await Promise.race([this.#completed, late]);
    clearTimeout(timer);
    return this.isCompleted();
  }

  /** The same as `isCompleted`. */
  is_completed(): boolean {
    return this.isCompleted();
  }

  /** The same as `waitCompleted`. */
  wait_completed(timeout?: number): Promise<boolean> {
    return this.waitCompleted(timeout);
  }
}
