/**
 * What a supervisor asks: does the process live, should it get traffic, how is it doing. Owns `/healthz`, `/readyz` and
 * `/metrics`; measures nothing itself and mends nothing.
 */
import { timingSafeEqual } from 'node:crypto';
import Type from 'typebox';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { HttpRequest, Route } from '../http.ts';
import type { Metrics } from './metrics.ts';

/** Something that can be asked whether it answers. Rejects when it does not. */
export type Probe = () => Promise<void>;

export type HealthParts = {
  clock: Clock;
  metrics: Metrics;
  /** Without these nothing works. */
  probes: { database: Probe; live: Probe };
  /** Without it answers fail, but history, sign-in and everything else go on: told, and no reason to take the server out. */
  model: Probe;
  isDraining(): boolean;
  /** Bearer token of `/metrics`; without one only this machine is answered. */
  metricsToken?: string | undefined;
};

export type Check = { ok: boolean; tookMs: number; reason?: string };

/** A part that has not answered by then does not answer. */
const PROBE_TIMEOUT_MS = 2_000;
/** Providers are not asked more often, whoever calls. */
const MODEL_EVERY_MS = 15_000;

const CheckSchema = Type.Object({ ok: Type.Boolean(), tookMs: Type.Number(), reason: Type.Optional(Type.String()) });
export const Readiness = Type.Object({
  ready: Type.Boolean(),
  draining: Type.Boolean(),
  checks: Type.Record(Type.String(), CheckSchema),
});

export class Health {
  readonly #parts: HealthParts;
  #running: Promise<Record<string, Check>> | undefined;
  #model: { atMs: number; check: Promise<Check> } | undefined;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  async readiness(): Promise<{ ready: boolean; draining: boolean; checks: Record<string, Check> }> {
    // Callers at the same time share one round: an open address must not multiply into work.
    this.#running ??= this.#check().finally(() => {
      this.#running = undefined;
    });
    const checks = await this.#running;
    const draining = this.#parts.isDraining();
    const needed = ['database', 'live'].every((name) => checks[name]?.ok === true);
    return { ready: needed && !draining, draining, checks };
  }

  async #check(): Promise<Record<string, Check>> {
    const { probes, metrics } = this.#parts;
    const [database, live, model] = await Promise.all([
      this.#ask(probes.database),
      this.#ask(probes.live),
      this.#askModel(),
    ]);
    if (database.ok) metrics.databasePing(database.tookMs);
    return { database, live, model };
  }

  #askModel(): Promise<Check> {
    const nowMs = this.#parts.clock.now();
    if (this.#model === undefined || nowMs - this.#model.atMs >= MODEL_EVERY_MS) {
      this.#model = { atMs: nowMs, check: this.#ask(this.#parts.model) };
    }
    return this.#model.check;
  }

  /** The reason is a word, never the error's own text: this page is open to everyone. */
  async #ask(probe: Probe): Promise<Check> {
    const startedMs = performance.now();
    const { promise: late, resolve } = Promise.withResolvers<'no answer in time'>();
    const timer = this.#parts.clock.after(PROBE_TIMEOUT_MS, () => resolve('no answer in time'));
    const answer = probe().then(
      () => undefined,
      () => 'unreachable' as const,
    );
    const reason = await Promise.race([answer, late]);
    timer.cancel();
    const tookMs = Math.round((performance.now() - startedMs) * 10) / 10;
    return reason === undefined ? { ok: true, tookMs } : { ok: false, tookMs, reason };
  }
}

export function healthRoutes(parts: HealthParts): Route[] {
  const health = new Health(parts);
  return [
    {
      method: 'GET',
      path: '/healthz',
      says: 'The process lives.',
      reply: Type.Object({ ok: Type.Boolean() }),
      errors: [],
      handle: () => ({ status: 200, body: { ok: true }, headers: { 'cache-control': 'no-store' } }),
    },
    {
      method: 'GET',
      path: '/readyz',
      says: 'Whether this server should get traffic; 503 with the reasons when not.',
      reply: Readiness,
      statuses: [200, 503],
      errors: [],
      async handle() {
        const readiness = await health.readiness();
        return { status: readiness.ready ? 200 : 503, body: readiness, headers: { 'cache-control': 'no-store' } };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      says: 'Measurements in the text format of Prometheus; with METRICS_TOKEN as bearer token, else only from this machine.',
      media: 'text/plain',
      errors: ['identity.unauthenticated', 'identity.forbidden'],
      async handle(request) {
        checkMayScrape(request, parts.metricsToken);
        const { contentType, text } = await parts.metrics.expose();
        return { status: 200, body: text, headers: { 'content-type': contentType, 'cache-control': 'no-store' } };
      },
    },
  ];
}

/** @throws AppError `identity.unauthenticated` for a wrong token, `identity.forbidden` from elsewhere without one. */
function checkMayScrape(request: HttpRequest, token: string | undefined): void {
  if (token === undefined) {
    // Behind a proxy on this machine everybody comes from loopback; the proxy says so.
    const isForwarded = request.headers.has('x-forwarded-for') || request.headers.has('forwarded');
    if (isForwarded || !/^(127\.|::1$|::ffff:127\.)/.test(request.address)) throw new AppError('identity.forbidden');
    return;
  }
  const given = Buffer.from(request.headers.get('authorization') ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new AppError('identity.unauthenticated');
}
