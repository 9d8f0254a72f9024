/**
 * Entry of a worker thread: warms up, then runs tasks by name. Errors of a task come back as values, so that the pool can
 * tell them from the death of the thread. Refuses I/O: nothing here opens a file, a socket or reads the environment.
 */
import { isMainThread } from 'node:worker_threads';
import { hashEntries } from './billing/hash-entries.ts';
import { meterTokens, warmTokenizers } from './billing/meter-tokens.ts';
import { verifyRows } from './billing/verify-rows.ts';
import { writeStatementCsv } from './billing/write-statement-csv.ts';
import { writeStatementPdf } from './billing/write-statement-pdf.ts';
import { embedTexts } from './memory/embed-text.ts';
import { retrieve } from './memory/retrieve.ts';
import type { TaskName, Tasks } from './tasks.ts';

type Table = { [T in TaskName]: (input: Tasks[T]['input']) => Tasks[T]['output'] | Promise<Tasks[T]['output']> };
export type TaskCall = { [T in TaskName]: { task: T; input: Tasks[T]['input'] } }[TaskName] | { task: 'warm-up' };
export type TaskAnswer = { ok: true; value: unknown } | { ok: false; error: { name: string; message: string } };

const table: Table = {
  'memory/retrieve': retrieve,
  'memory/embed-text': ({ texts, dimensions }) => embedTexts(texts, dimensions),
  'billing/meter-tokens': ({ model, texts }) => meterTokens(model, texts),
  'billing/write-statement-csv': writeStatementCsv,
  'billing/write-statement-pdf': writeStatementPdf,
  'billing/verify-rows': verifyRows,
  'billing/hash-entries': ({ heads, entries }) => hashEntries(heads, entries),
};

/** Runs each task once on a little work: tokenizer tables are parsed and the hot loops compiled before anybody waits. */
function warmUp(): void {
  warmTokenizers();
  const sample = ['今日は海辺を散歩して、夕焼けを見ました。', 'We walked along the sea and watched the sunset.'];
  for (let round = 0; round < 20; round++) {
    const [query] = embedTexts(sample, 256);
    const buffer = new SharedArrayBuffer(256 * 256 * 4);
    if (query !== undefined)
      retrieve({ namespaces: [{ buffer, rows: 256, dimensions: 256 }], query, top: 10, minScore: 0 });
  }
}

/** The function that the pool calls. */
export default function run(call: TaskCall): TaskAnswer | Promise<TaskAnswer> {
  try {
    if (call.task === 'warm-up') return { ok: true, value: undefined };
    const work = table[call.task] as (input: never) => unknown;
    const value = work(call.input as never);
    // Nearly all tasks are done by now, and shall not wait a turn.
    return value instanceof Promise ? value.then(toAnswer, toFailure) : toAnswer(value);
  } catch (error) {
    return toFailure(error);
  }
}

const toAnswer = (value: unknown): TaskAnswer => ({ ok: true, value });

function toFailure(error: unknown): TaskAnswer {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { ok: false, error: { name, message } };
}

// The thread counts as ready once this module has been read, so every worker, a replacement too, begins warm.
if (!isMainThread) warmUp();
