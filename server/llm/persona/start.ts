/** Starts the persona in a thread of its own, so that its work never holds up the loop that moves bytes. */
import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { PersonaOptions } from './options.ts';

export type RunningPersona = {
  /** Base URL for an OpenAI client, with `/v1`. */
  baseUrl: string;
  apiKey: string;
  stop(): Promise<void>;
};

/** What the thread says when it is ready. */
export type PersonaReady = { port: number };

/** @param options `apiKey` is made up when it is not given. */
export async function startPersona(options: PersonaOptions = {}): Promise<RunningPersona> {
  const apiKey = options.apiKey ?? randomBytes(16).toString('hex');
  const workerData: PersonaOptions = { ...options, apiKey };
  const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData, env: {}, name: 'persona' });
  const { port } = await new Promise<PersonaReady>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`The persona ended before it was ready (exit code ${code}).`)));
  });
  worker.removeAllListeners();
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    apiKey,
    stop: async () => {
      await worker.terminate();
    },
  };
}
