/** Settings: metrics, workers, passwords and stopping. */
import { integer, text } from '../setting.ts';

const second = 1000;
const minute = 60 * second;

export const operation = {
  metricsToken: text('METRICS_TOKEN', {
    default: undefined,
    defaultText: 'loopback only',
    secret: true,
    says: 'Bearer token that `/metrics` asks for.',
  }),
  workerThreads: integer(
    'WORKER_THREADS',
    { min: 0, max: 256 },
    {
      default: 0,
      defaultText: 'by the number of cores',
      says: 'Threads for CPU work.',
    },
  ),
  workerQueueLimit: integer(
    'WORKER_QUEUE_LIMIT',
    { min: 1, max: 1_000_000 },
    {
      default: 2000,
      says: 'Waiting CPU tasks above which `busy` is answered.',
    },
  ),
  liveLogKeepMs: integer(
    'LIVE_LOG_KEEP_MS',
    { min: 0, max: 24 * 60 * minute },
    {
      default: 2 * minute,
      says: 'How long the log of a finished answer stays readable for late joiners.',
    },
  ),
  argonMemoryKib: integer(
    'ARGON_MEMORY_KIB',
    { min: 8, max: 4 * 1024 * 1024 },
    {
      default: 19_456,
      says: 'Memory of one password hash (argon2id), KiB. At least 19456 in production.',
    },
  ),
  argonPasses: integer(
    'ARGON_PASSES',
    { min: 1, max: 100 },
    {
      default: 2,
      says: 'Passes of one password hash. At least 2 in production.',
    },
  ),
  argonConcurrency: integer(
    'ARGON_CONCURRENCY',
    { min: 1, max: 64 },
    { default: 2, says: 'Password hashes at a time.' },
  ),
  argonQueueLimit: integer(
    'ARGON_QUEUE_LIMIT',
    { min: 1, max: 100_000 },
    {
      default: 200,
      says: 'Waiting password hashes above which `busy` is answered.',
    },
  ),
  drainTimeoutMs: integer(
    'DRAIN_TIMEOUT_MS',
    { min: 0, max: 60 * minute },
    {
      default: 10 * second,
      says: 'How long a stop waits for running answers before they are interrupted.',
    },
  ),
  drainDelayMs: integer(
    'DRAIN_DELAY_MS',
    { min: 0, max: 10 * minute },
    {
      default: 0,
      says: 'How long a stop only says so at `/readyz` before it closes sockets: the time a load balancer needs to notice.',
    },
  ),
} as const;
