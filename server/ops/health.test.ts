import { describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import type { HttpReply, HttpRequest } from '../http.ts';
import { type HealthParts, healthRoutes } from './health.ts';
import { Metrics } from './metrics.ts';
import { TallyByLabel } from './tally.ts';

const fine = async (): Promise<void> => {};
const broken = async (): Promise<void> => {
  throw new Error('password=hunter2 at 10.0.0.1');
};

function partsOf(over: Partial<HealthParts> = {}): HealthParts {
  return {
    clock: systemClock,
    metrics: new Metrics(),
    probes: { database: fine, live: fine },
    model: fine,
    isDraining: () => false,
    ...over,
  };
}

async function get(
  parts: HealthParts,
  path: string,
  from: Partial<HttpRequest> = {},
): Promise<HttpReply & { code?: string }> {
  const route = healthRoutes(parts).find((one) => one.path === path);
  if (route === undefined) throw new Error(`no route ${path}`);
  const request: HttpRequest = {
    method: 'GET',
    path,
    query: new URLSearchParams(),
    headers: new Map(),
    body: undefined,
    rawBody: new Uint8Array(),
    address: '127.0.0.1',
    cookies: new Map(),
    signal: new AbortController().signal,
    ...from,
  };
  try {
    return await route.handle(request, {});
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { status: 0, code: error.code };
  }
}

describe('/healthz and /readyz', () => {
  test('a live process is live, whatever its parts do', async () => {
    expect(await get(partsOf({ probes: { database: broken, live: broken } }), '/healthz')).toMatchObject({
      status: 200,
      body: { ok: true },
    });
  });

  test('ready when database and live store answer', async () => {
    expect(await get(partsOf(), '/readyz')).toMatchObject({
      status: 200,
      body: { ready: true, checks: { database: { ok: true }, live: { ok: true }, model: { ok: true } } },
    });
  });

  test.each(['database', 'live'] as const)(
    'not ready without %s; the reason says nothing of the inside',
    async (name) => {
      const reply = await get(partsOf({ probes: { database: fine, live: fine, [name]: broken } }), '/readyz');
      expect(reply).toMatchObject({
        status: 503,
        body: { ready: false, checks: { [name]: { ok: false, reason: 'unreachable' } } },
      });
      expect(JSON.stringify(reply.body)).not.toMatch(/hunter2|10\.0/);
    },
  );

  test('not ready while draining', async () => {
    expect(await get(partsOf({ isDraining: () => true }), '/readyz')).toMatchObject({
      status: 503,
      body: { draining: true },
    });
  });

  test('a model that cannot be reached is told, but takes nobody out', async () => {
    expect(await get(partsOf({ model: broken }), '/readyz')).toMatchObject({
      status: 200,
      body: { checks: { model: { ok: false } } },
    });
  });

  test('a part that hangs counts as unreachable after its time', async () => {
    const clock = new ManualClock();
    const reply = get(partsOf({ clock, probes: { database: () => new Promise(() => {}), live: fine } }), '/readyz');
    clock.advance(2_000);
    expect(await reply).toMatchObject({ status: 503, body: { checks: { database: { reason: 'no answer in time' } } } });
  });

  test('many callers share one round, and the model is asked now and then', async () => {
    const clock = new ManualClock();
    const asked = { database: 0, model: 0 };
    const count = (name: 'database' | 'model') => async () => {
      asked[name]++;
    };
    const parts = partsOf({ clock, probes: { database: count('database'), live: fine }, model: count('model') });
    const [route] = healthRoutes(parts).filter(({ path }) => path === '/readyz');
    const call = () => route?.handle({ headers: new Map() } as never, {});
    await Promise.all([call(), call(), call()]);
    await call();
    expect(asked).toEqual({ database: 2, model: 1 });
    clock.advance(15_000);
    await call();
    expect(asked.model).toBe(2);
  });
});

describe('/metrics', () => {
  test('without a token only this machine, and not through a proxy on it', async () => {
    expect((await get(partsOf(), '/metrics')).status).toBe(200);
    expect((await get(partsOf(), '/metrics', { address: '10.0.0.5' })).code).toBe('identity.forbidden');
    expect((await get(partsOf(), '/metrics', { headers: new Map([['x-forwarded-for', '127.0.0.1']]) })).code).toBe(
      'identity.forbidden',
    );
  });

  test('with a token only with it, from anywhere', async () => {
    const parts = partsOf({ metricsToken: 'm' });
    const from = (authorization?: string) => ({
      address: '10.0.0.5',
      headers: new Map(authorization === undefined ? [] : [['authorization', authorization]]),
    });
    expect((await get(parts, '/metrics', from('Bearer m'))).status).toBe(200);
    expect((await get(parts, '/metrics', from('Bearer n'))).code).toBe('identity.unauthenticated');
    expect((await get(parts, '/metrics', { ...from(), address: '127.0.0.1' })).code).toBe('identity.unauthenticated');
  });

  test('counts add up over scrapes', async () => {
    const metrics = new Metrics();
    metrics.watch({ sockets: () => 7 });
    metrics.gateway.frameOut(100);
    metrics.gateway.frameRefused('protocol.malformed');
    metrics.gateway.commandDone('chat.send', 'busy', 12);
    metrics.gateway.requestDone('GET', '/auth/sign-in', 200, 3);
    metrics.chat.firstToken(40);
    metrics.chat.tokens(10, 20);
    metrics.workerTask('memory/retrieve', 1, 2, 'done');
    await metrics.expose();
    metrics.gateway.frameOut(50);
    const { text } = await metrics.expose();
    for (const line of [
      'tsumugi_frames_out_total 2',
      'tsumugi_frame_bytes_out_total 150',
      'tsumugi_frames_refused_total{code="protocol.malformed"} 1',
      'tsumugi_commands_total{type="chat.send",outcome="busy"} 1',
      'tsumugi_http_requests_total{method="GET",route="/auth/sign-in",status="200"} 1',
      'tsumugi_first_token_seconds_count 1',
      'tsumugi_tokens_out_total 20',
      'tsumugi_worker_tasks_total{task="memory/retrieve",outcome="done"} 1',
      'tsumugi_connections 7',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    metrics.close();
  });

  test('labels that grow without end end in one', () => {
    const tally = new TallyByLabel();
    for (let i = 0; i < 2_000; i++) tally.add(1, `label ${i}`);
    const taken = tally.take();
    expect(taken.length).toBeLessThanOrEqual(501);
    expect(taken.reduce((sum, [, amount]) => sum + amount, 0)).toBe(2_000);
  });
});
