/** Many streams against one server: opened together, started spread over time, finished cleanly, counted as one. */
import { setTimeout as delay } from 'node:timers/promises';
import { askModel } from './ask-model.ts';
import type { Line, LineOptions } from './dialect.ts';
import { emptyTally, openLine, Talker, type Tally } from './talker.ts';

/** Milliseconds to the first token, one entry a pair: straight from the model, and through the server. */
export type Pair = { directMs: number; throughMs: number };
export type StartOptions = {
  /** The first asks are spread evenly over this time, so that later ones are spread too. */
  staggerMs: number;
  /** Pairs every ask with one straight to the model server, first one before the other in turn. */
  pairWith?: string;
};

const question = 'What did you do today? Tell me something small that made you happy.';
const idleEvents = { onText() {}, onDone() {}, onFailed() {}, onProblem() {} };
/** Connections that are being opened at the same time. */
const opening = 50;

export class Group {
  readonly #talkers: Talker[] = [];
  readonly #idle: Line[] = [];
  #tally: Tally = emptyTally();
  #pairs: Pair[] = [];
  #asking = false;
  #loops: Promise<void>[] = [];

  /** Opens one stream for each of `lines`. `expected` is the text every answer must have, where it is known. */
  async open(lines: readonly LineOptions[], expected: string | undefined): Promise<void> {
    await eachOf(lines, async (line) => {
      const talker = new Talker(this.#tally, expected);
      await talker.connect(line);
      this.#talkers.push(talker);
    });
  }

  /** Opens connections that never ask. */
  async openIdle(lines: readonly LineOptions[]): Promise<void> {
    await eachOf(lines, async (line) => {
      this.#idle.push(await openLine(line, idleEvents));
    });
  }

  start(options: StartOptions): void {
    this.#asking = true;
    this.#loops = this.#talkers.map((talker, place) =>
      this.#talk(talker, (options.staggerMs * place) / this.#talkers.length, options.pairWith),
    );
  }

  count(): Tally & { pairs: Pair[] } {
    return { ...this.#tally, problems: [...this.#tally.problems], pairs: this.#pairs };
  }

  /** Forgets the pairs so far: those of the warm-up. */
  forgetPairs(): void {
    this.#pairs = [];
  }

  /** Asks nothing more and waits for the answers that are being written. */
  async finish(): Promise<void> {
    this.#asking = false;
    await Promise.all(this.#loops);
  }

  close(): void {
    for (const line of [...this.#talkers, ...this.#idle]) line.close();
  }

  async #talk(talker: Talker, afterMs: number, model: string | undefined): Promise<void> {
    await delay(afterMs);
    for (let turn = 0; this.#asking; turn++) {
      if (model === undefined) await talker.ask(question).ended;
      else await this.#talkInPairs(talker, model, turn % 2 === 0);
    }
  }

  async #talkInPairs(talker: Talker, model: string, directFirst: boolean): Promise<void> {
    const direct = () => askModel(model, question, 1).then((answer) => answer.firstTokenMs);
    let directMs = directFirst ? await direct() : Number.NaN;
    const failures = this.#tally.failures;
    const askedAt = performance.now();
    const { first, ended } = talker.ask(question);
    await first;
    const throughMs = performance.now() - askedAt;
    if (!directFirst) directMs = await direct();
    if (this.#tally.failures === failures) this.#pairs.push({ directMs, throughMs });
    await ended;
  }
}

/** Runs `task` for every item, a bounded number at a time. */
async function eachOf<Item>(items: readonly Item[], task: (item: Item) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of left) await task(item);
  };
  await Promise.all(Array.from({ length: Math.min(opening, items.length) }, worker));
}
