/** Entry of the persona's thread; see `start.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { PersonaOptions } from './options.ts';
import { servePersona } from './server.ts';
import type { PersonaReady } from './start.ts';

const { port } = await servePersona(workerData as PersonaOptions);
parentPort?.postMessage({ port } satisfies PersonaReady);
