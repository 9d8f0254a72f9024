/**
 * What the workers' tasks cost: retrieval against reading the vectors once, metering, hashing and embedding per second, and the
 * way to a worker and back. `node loadtest/micro/workers.ts [--quick]` prints a table; `measureWorkers` gives the figures.
 */
import { genesisHash, hashEntries, SHARDS } from '../../workers/billing/hash-entries.ts';
import { meterTokens } from '../../workers/billing/meter-tokens.ts';
import { embedTexts } from '../../workers/memory/embed-text.ts';
import { retrieve } from '../../workers/memory/retrieve.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { settledAnswer } from './ledger-verify.ts';

export type WorkerFigures = {
  retrieval: RetrievalFigures;
  /** Tokens counted in a second by one core: new texts, and texts whose words came before. */
  meteredPerS: { fresh: number; repeated: number };
  /** Entries of the ledger hashed in a second by one core. */
  hashedPerS: number;
  /** Short messages embedded in a second by one core. */
  embeddedPerS: number;
  /** Microseconds from `run` to the answer of a task that does next to nothing, one after the other. */
  roundTripUs: number;
};
export type RetrievalFigures = {
  rows: number;
  dimensions: number;
  /** Medians in milliseconds. */
  retrieveMs: number;
  /** A plain `for` loop that adds every number up. */
  readPlainMs: number;
  /** The same with four sums, which is as fast as a loop over numbers gets here. */
  readUnrolledMs: number;
  /** `retrieveMs` through the nearest of the two, the unrolled one. Target: at most 2. */
  ratio: number;
  /** Searches of 10,000 rows in a second by one core. */
  perS: number;
};

export async function measureWorkers(quick = false): Promise<WorkerFigures> {
  const rounds = quick ? 30 : 120;
  return {
    retrieval: measureRetrieval(10_000, 256, rounds),
    meteredPerS: measureMetering(quick ? 200 : 800),
    hashedPerS: measureHashing(quick ? 5 : 20),
    embeddedPerS: measureEmbedding(quick ? 2_000 : 8_000),
    roundTripUs: await measureRoundTrip(quick ? 1_000 : 5_000),
  };
}

/** Rounds of the three readers take turns, so that a busy machine slows all of them alike. */
export function measureRetrieval(rows: number, dimensions: number, rounds: number): RetrievalFigures {
  const buffer = new SharedArrayBuffer(rows * dimensions * 4);
  const values = new Float32Array(buffer);
  const random = randomNumbers(7);
  for (let at = 0; at < values.length; at++) values[at] = random() - 0.5;
  const query = Float32Array.from({ length: dimensions }, () => random() - 0.5);
  const namespaces = [{ buffer, rows, dimensions }];
  let sink = 0;
  const readers = {
    retrieve: () => retrieve({ namespaces, query, top: 10, minScore: -dimensions }).length,
    plain: () => sumPlain(values),
    unrolled: () => sumUnrolled(values),
  };
  const times = { retrieve: [] as number[], plain: [] as number[], unrolled: [] as number[] };
  for (let round = 0; round < rounds + WARM_UP; round++) {
    for (const name of ['retrieve', 'plain', 'unrolled'] as const) {
      const startedMs = performance.now();
      sink += readers[name]();
      if (round >= WARM_UP) times[name].push(performance.now() - startedMs);
    }
  }
  if (Number.isNaN(sink)) throw new Error('The sums are not numbers.');
  const [retrieveMs, readPlainMs, readUnrolledMs] = [
    median(times.retrieve),
    median(times.plain),
    median(times.unrolled),
  ];
  const ratio = retrieveMs / readUnrolledMs;
  return { rows, dimensions, retrieveMs, readPlainMs, readUnrolledMs, ratio, perS: 1_000 / retrieveMs };
}

const WARM_UP = 20;

function sumPlain(values: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at] ?? 0;
  return sum;
}

function sumUnrolled(values: Float32Array): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let at = 0; at + 3 < values.length; at += 4) {
    first += values[at] ?? 0;
    second += values[at + 1] ?? 0;
    third += values[at + 2] ?? 0;
    fourth += values[at + 3] ?? 0;
  }
  return first + second + third + fourth;
}

const SENTENCES = [
  'Yesterday we walked along the harbour and watched the fishing boats come home before the rain began.',
  '昨日は港を散歩して、雨が降り出す前に漁船が帰ってくるのを眺めました。',
  'She laughed, "You always say that!" and put the kettle on; it was nearly ten o’clock.',
  '彼女は笑って「いつもそう言うのね」と言い、やかんを火にかけた。もう十時近かった。',
];

function measureMetering(messages: number): WorkerFigures['meteredPerS'] {
  const random = randomNumbers(11);
  const invented = () => Array.from({ length: 7 }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join('');
  const text = (index: number) => `${SENTENCES[index % SENTENCES.length] ?? ''} ${invented()} ${invented()} ${index}`;
  const texts = Array.from({ length: messages }, (_, index) => text(index));
  meterTokens('gpt-4o', ['warm']);
  const [freshTokens, freshMs] = timed(() => sumOf(meterTokens('gpt-4o', texts)));
  const [repeatedTokens, repeatedMs] = timed(() => sumOf(meterTokens('gpt-4o', texts)));
  return { fresh: (freshTokens / freshMs) * 1_000, repeated: (repeatedTokens / repeatedMs) * 1_000 };
}

function measureHashing(batches: number): number {
  const drafts = Array.from({ length: 1_000 }, (_, index) => settledAnswer(index));
  const heads = Array.from({ length: SHARDS }, (_, shard) => ({ shard, seq: 0, hash: genesisHash(shard) }));
  hashEntries(heads, drafts);
  const [hashed, tookMs] = timed(() => sumOf(Array.from({ length: batches }, () => hashEntries(heads, drafts).length)));
  return (hashed / tookMs) * 1_000;
}

function measureEmbedding(texts: number): number {
  const batch = Array.from({ length: 100 }, (_, index) => `${SENTENCES[index % SENTENCES.length] ?? ''} ${index}`);
  embedTexts(batch, 256);
  const batches = Math.ceil(texts / batch.length);
  const [embedded, tookMs] = timed(() => sumOf(Array.from({ length: batches }, () => embedTexts(batch, 256).length)));
  return (embedded / tookMs) * 1_000;
}

async function measureRoundTrip(calls: number): Promise<number> {
  const pool = new WorkerPool({ threads: 1, maxQueue: 10 });
  try {
    await pool.warmUp();
    const run = () => pool.run('billing/hash-entries', { heads: [], entries: [] });
    for (let call = 0; call < 200; call++) await run();
    const startedMs = performance.now();
    for (let call = 0; call < calls; call++) await run();
    return ((performance.now() - startedMs) / calls) * 1_000;
  } finally {
    await pool.close();
  }
}

function timed(work: () => number): [result: number, tookMs: number] {
  const startedMs = performance.now();
  const result = work();
  return [result, performance.now() - startedMs];
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Numbers from 0 to 1, the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

if (import.meta.main) {
  const { retrieval, meteredPerS, hashedPerS, embeddedPerS, roundTripUs } = await measureWorkers(
    process.argv.includes('--quick'),
  );
  const round = (value: number) => Math.round(value).toLocaleString('en');
  console.table({
    'retrieve, top 10 of 10,000 × 256': `${retrieval.retrieveMs.toFixed(2)} ms`,
    'read once, four sums': `${retrieval.readUnrolledMs.toFixed(2)} ms, ratio ${retrieval.ratio.toFixed(2)} (target 2)`,
    'read once, one sum': `${retrieval.readPlainMs.toFixed(2)} ms, ratio ${(retrieval.retrieveMs / retrieval.readPlainMs).toFixed(2)}`,
    'tokens metered per second': `${round(meteredPerS.fresh)} new text, ${round(meteredPerS.repeated)} repeated`,
    'ledger entries hashed per second': round(hashedPerS),
    'messages embedded per second': round(embeddedPerS),
    'way to a worker and back': `${roundTripUs.toFixed(0)} µs`,
  });
}
