/** One stream of the load: asks, reads the whole answer, checks it, asks again. Counts what it was given. */
import type { Line, LineEvents, LineOptions } from './dialect.ts';
import { openJsonRelayLine, openSocketIoLine } from './relay-lines.ts';
import { openTsumugiLine } from './tsumugi-line.ts';

/** Sums over all streams of a group. `units`: UTF-16 units of text; `frames`: messages that carried text. */
export type Tally = { units: number; frames: number; answers: number; failures: number; problems: string[] };

export function emptyTally(): Tally {
  return { units: 0, frames: 0, answers: 0, failures: 0, problems: [] };
}

const openers = { tsumugi: openTsumugiLine, 'socket.io': openSocketIoLine, 'json-relay': openJsonRelayLine };

export function openLine(options: LineOptions, events: LineEvents): Promise<Line> {
  return openers[options.dialect](options, events);
}

const retryMs = 500;
const maxProblems = 20;

export class Talker implements LineEvents {
  readonly #tally: Tally;
  readonly #expected: string | undefined;
  #line: Line | undefined;
  #text = '';
  #onFirst: (() => void) | undefined;
  #onEnd: (() => void) | undefined;

  constructor(tally: Tally, expected: string | undefined) {
    this.#tally = tally;
    this.#expected = expected;
  }

  async connect(options: LineOptions): Promise<void> {
    this.#line = await openLine(options, this);
  }

  /** Asks once. `first` resolves at the first text (or the failure), `ended` when the answer is complete or has failed. */
  ask(question: string): { first: Promise<void>; ended: Promise<void> } {
    this.#text = '';
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    const ended = new Promise<void>((resolve) => {
      this.#onEnd = resolve;
    });
    this.#line?.ask(question);
    return { first, ended };
  }

  close(): void {
    this.#line?.close();
  }

  onText(text: string): void {
    this.#tally.units += text.length;
    this.#tally.frames++;
    if (this.#text === '') this.#onFirst?.();
    this.#text += text;
  }

  onDone(length?: number): void {
    this.#tally.answers++;
    if (length !== undefined && length !== this.#text.length) {
      this.onProblem(`${this.#text.length} units arrived, the server says ${length}`);
    }
    if (this.#expected !== undefined && this.#expected !== this.#text) this.onProblem('the text is not the model’s');
    this.#end();
  }

  onFailed(reason: string): void {
    this.#tally.failures++;
    this.onProblem(reason);
    // A refusal is not asked again at once: a flood of refusals would be a load of its own.
    setTimeout(() => this.#end(), retryMs);
  }

  onProblem(problem: string): void {
    if (this.#tally.problems.length < maxProblems) this.#tally.problems.push(problem);
  }

  #end(): void {
    this.#onFirst?.();
    this.#onEnd?.();
  }
}
