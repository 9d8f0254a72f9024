import { afterEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../server/clock.ts';
import type { ClientClock } from './client/environment.ts';
import { TsumugiError } from './client/error.ts';
import { TsumugiClient, type TsumugiClientOptions } from './client.ts';
import { closeCodes } from './close-code.ts';
import { ScriptedServer } from './testing/scripted-server.ts';

const open: (TsumugiClient | ScriptedServer)[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) {
    if (thing instanceof TsumugiClient) thing.close();
    else await thing[Symbol.asyncDispose]();
  }
  vi.unstubAllGlobals();
});

async function setUp(options: Partial<TsumugiClientOptions> = {}) {
  const server = await ScriptedServer.listen();
  const client = new TsumugiClient({ url: server.url, backoff: { minMs: 1, maxMs: 5 }, random: () => 0, ...options });
  open.push(server, client);
  return { server, client };
}
const code = (code: string) => expect.objectContaining({ code });
const stateOf = (client: TsumugiClient, wanted: string) =>
  new Promise<TsumugiError | undefined>((resolve) => {
    const stop = client.onState((state, reason) => {
      if (state !== wanted) return;
      stop();
      resolve(reason);
    });
  });

/** The next push of this type has come. */
const heard = (client: TsumugiClient, type: 'billing.balance') =>
  new Promise<void>((resolve) => {
    const stop = client.on(type, () => {
      stop();
      resolve();
    });
  });

describe.each(['json', 'msgpack'] as const)('a client over %s', (codec) => {
  it('gets the reply to its command and every push', async () => {
    const { server, client } = await setUp({ codec });
    server.onCommand = (connection, { id }) => {
      connection.push('billing.balance', { balance: 41 });
      connection.reply(id, { balance: 42 });
    };
    const pushed: number[] = [];
    client.on('billing.balance', (body) => pushed.push(body.balance));
    await client.connect();
    expect(client.state).toBe('connected');
    expect(await client.request('billing.balance', {})).toEqual({ balance: 42 });
    expect(pushed).toEqual([41]);
    expect(server.connections[0]?.socket.protocol).toBe(`tsumugi.v1.${codec}`);
  });
});

describe('requests', () => {
  it('reject with the code, the details and the wait of the server', async () => {
    const { server, client } = await setUp();
    server.onCommand = (connection, { id }) =>
      connection.fail(id, 'protocol.rate_limited', { retryAfterMs: 70, details: { limit: 3 } });
    await client.connect();
    const error = await client.request('identity.me', {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TsumugiError);
    expect(error).toMatchObject({
      code: 'protocol.rate_limited',
      retryAfterMs: 70,
      details: { limit: 3 },
      retry: 'after',
    });
  });

  it('made before there is a connection wait for it', async () => {
    const { server, client } = await setUp();
    server.onCommand = (connection, { id }) => connection.reply(id, { balance: 7 });
    const asked = client.request('billing.balance', {});
    await client.connect();
    expect(await asked).toEqual({ balance: 7 });
  });

  it('that may be repeated are sent again after a reconnect, the others fail', async () => {
    const { server, client } = await setUp();
    const checkout = { paymentId: 'p1', status: 'open', url: 'https://pay.example.org/1', expiresAt: null };
    server.onCommand = (connection, { type, id }) => {
      if (connection !== server.connections[1]) return;
      if (type === 'billing.balance') connection.reply(id, { balance: 9 });
      if (type === 'billing.checkout') connection.reply(id, checkout);
    };
    await client.connect();
    const repeatable = client.request('billing.balance', {});
    const bought = client.request('billing.checkout', { type: 'tickets', id: 'tickets_5', requestKey: 'buy-0001' });
    const once = client.request('identity.change_password', { currentPassword: 'a', newPassword: '1234567890' });
    await server.command('identity.change_password');
    server.connections[0]?.socket.terminate();
    await expect(once).rejects.toEqual(code('client.disconnected'));
    expect(await repeatable).toEqual({ balance: 9 });
    expect(await bought).toEqual(checkout);
    expect(server.connections[1]?.commands.map(({ type }) => type)).toEqual(['billing.balance', 'billing.checkout']);
  });

  it('refused by a draining server go to the next one, whatever they are', async () => {
    const { server, client } = await setUp();
    server.onCommand = (connection, { id }) => {
      if (connection === server.connections[1]) return connection.reply(id, {});
      connection.fail(id, 'draining');
      connection.socket.close(closeCodes.going_away.code);
    };
    await client.connect();
    await expect(
      client.request('identity.change_password', { currentPassword: 'a', newPassword: '1234567890' }),
    ).resolves.toEqual({});
  });

  it('stay away as long as a draining server asks for, from its close on', async () => {
    const delays: number[] = [];
    const clock: ClientClock = {
      now: () => Date.now(),
      after(delayMs, task) {
        delays.push(delayMs);
        const timer = setTimeout(task, delayMs === 777 ? 1 : delayMs);
        return { cancel: () => clearTimeout(timer) };
      },
    };
    const { server, client } = await setUp({ clock });
    await client.connect();
    const told = new Promise((resolve) => client.on('gateway.draining', resolve));
    server.connections[0]?.push('gateway.draining', { reconnectInMs: 777 });
    await told;
    expect(client.state).toBe('connected');
    server.connections[0]?.socket.close(closeCodes.going_away.code);
    await stateOf(client, 'connected');
    expect(delays.filter((ms) => ms === 777)).toHaveLength(1);
    // The next connection owes nothing to the last.
    server.connections[1]?.socket.close(closeCodes.resume.code);
    await stateOf(client, 'connected');
    expect(delays.filter((ms) => ms === 777)).toHaveLength(1);
  });

  it('end by their time limit and by their signal, and a late answer is dropped', async () => {
    const { server, client } = await setUp();
    await client.connect();
    await expect(client.request('identity.me', {}, { timeoutMs: 5 })).rejects.toEqual(code('client.timeout'));
    const gaveUp = new AbortController();
    const aborted = client.request('identity.me', {}, { signal: gaveUp.signal });
    gaveUp.abort();
    await expect(aborted).rejects.toEqual(code('client.aborted'));
    await expect(client.request('identity.me', {}, { signal: gaveUp.signal })).rejects.toEqual(code('client.aborted'));
    const { connection, command } = await server.command('identity.me');
    connection.reply(command.id, {});
    server.onCommand = (on, { id }) => on.reply(id, { balance: 1 });
    expect(await client.request('billing.balance', {})).toEqual({ balance: 1 });
  });

  it('larger than the server takes never leave', async () => {
    const { server, client } = await setUp();
    server.onConnection = (connection) => connection.hello(200);
    await client.connect();
    await expect(client.request('identity.update_profile', { displayName: '糸'.repeat(70) })).rejects.toEqual(
      code('protocol.too_large'),
    );
    expect(server.connections[0]?.commands).toEqual([]);
  });

  it('are refused beyond a thousand without an answer', async () => {
    const { client } = await setUp();
    const asked = Array.from({ length: 1_000 }, () =>
      client.request('identity.me', {}).catch((error: unknown) => error),
    );
    await expect(client.request('identity.me', {})).rejects.toEqual(code('client.queue_full'));
    await client.connect();
    client.close();
    expect(await asked[0]).toEqual(code('client.closed'));
  });
});

describe('the connection', () => {
  it('ends for good on a code that forbids to come back, and says why', async () => {
    const { server, client } = await setUp();
    await client.connect();
    const closed = stateOf(client, 'closed');
    const asked = client.request('identity.me', {});
    server.connections[0]?.socket.close(closeCodes.signed_out.code);
    expect(await closed).toMatchObject({ code: 'identity.unauthenticated', details: { closeCode: 4200 } });
    await expect(asked).rejects.toEqual(code('identity.unauthenticated'));
    await expect(client.request('identity.me', {})).rejects.toEqual(code('identity.unauthenticated'));
    expect(server.connections).toHaveLength(1);
  });

  it.each([1001, 1011, closeCodes.resume.code, closeCodes.overloaded.code])(
    'comes back after %i',
    async (closeCode) => {
      const { server, client } = await setUp();
      await client.connect();
      const again = stateOf(client, 'connected');
      server.connections[0]?.socket.close(closeCode);
      await again;
      expect(server.connections).toHaveLength(2);
    },
  );

  it('takes a fresh ticket each time, and gives up when it gets none for good', async () => {
    let tickets = 0;
    const { server, client } = await setUp({
      getTicket: async () => {
        tickets += 1;
        if (tickets === 2) throw new Error('network down');
        if (tickets === 4) throw new TsumugiError('identity.unauthenticated', 'gone');
        return `t${tickets}`;
      },
    });
    await client.connect();
    const again = stateOf(client, 'connected');
    server.connections[0]?.socket.terminate();
    await again;
    expect(server.connections.map(({ url }) => url.searchParams.get('ticket'))).toEqual(['t1', 't3']);
    const closed = stateOf(client, 'closed');
    server.connections[1]?.socket.terminate();
    expect(await closed).toEqual(code('identity.unauthenticated'));
    await expect(client.connect()).resolves.toBeUndefined();
  });

  it('is given up when the server goes silent, and made anew', async () => {
    const clock = new ManualClock();
    const { server, client } = await setUp({ heartbeatMs: 5, openTimeoutMs: 200, clock });
    server.onCommand = (connection, { id }) => {
      const silent = connection === server.connections[0] && connection.commands.length > 2;
      if (!silent) connection.reply(id, { serverTime: '2026-01-01T00:00:00.000Z' });
    };
    await client.connect();
    const [again, waiting] = [stateOf(client, 'connected'), stateOf(client, 'waiting')];
    for (let ping = 0; ping < 3; ping++) {
      clock.advance(5);
      await server.command('gateway.ping', ping);
      // Behind the answer, where there was one.
      server.connections[0]?.push('billing.balance', { balance: ping });
      await heard(client, 'billing.balance');
    }
    expect(server.connections).toHaveLength(1);
    expect(client.state).toBe('connected');
    clock.advance(200);
    await waiting;
    clock.advance(5);
    await again;
    expect(server.connections).toHaveLength(2);
  });

  it('is asked for life though the clock was set back', async () => {
    let backMs = 0;
    const timers = new ManualClock();
    const clock: ClientClock = { now: () => timers.now() - backMs, after: (ms, task) => timers.after(ms, task) };
    const { server, client } = await setUp({ heartbeatMs: 20, openTimeoutMs: 200, clock });
    server.onCommand = (connection, { id }) => {
      if (connection !== server.connections[0]) connection.reply(id, { serverTime: '2026-01-01T00:00:00.000Z' });
    };
    await client.connect();
    backMs = 86_400_000;
    const [again, waiting] = [stateOf(client, 'connected'), stateOf(client, 'waiting')];
    timers.advance(20);
    await server.command('gateway.ping');
    timers.advance(200);
    await waiting;
    timers.advance(5);
    await again;
    expect(server.connections).toHaveLength(2);
  });

  it('that the platform does not allow is given up, and says why', async () => {
    class Forbidden {
      constructor() {
        throw new DOMException('An insecure WebSocket may not be opened here.', 'SecurityError');
      }
    }
    const { client } = await setUp({ WebSocket: Forbidden as never });
    await expect(client.connect()).rejects.toMatchObject({ message: expect.stringContaining('insecure') });
    expect(client.state).toBe('closed');
  });

  it.each(['localhost:3000', 'ftp://127.0.0.1', ''])('cannot be made to "%s"', (url) => {
    expect(() => new TsumugiClient({ url })).toThrow(TypeError);
  });

  it('is asked for a sign of life when the browser says that the network went away', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    vi.stubGlobal('window', page);
    vi.stubGlobal('document', page);
    const clock = new ManualClock();
    const { server, client } = await setUp({ heartbeatMs: 0, openTimeoutMs: 200, clock });
    server.onCommand = (connection, { id }) => {
      if (connection.commands.length < 2) connection.reply(id, { serverTime: '2026-01-01T00:00:00.000Z' });
    };
    await client.connect();
    page.dispatchEvent(new Event('offline'));
    await server.command('gateway.ping');
    // A server on the same machine answers.
    expect(client.state).toBe('connected');
    const [again, waiting] = [stateOf(client, 'connected'), stateOf(client, 'waiting')];
    page.dispatchEvent(new Event('offline'));
    await server.command('gateway.ping', 1);
    clock.advance(200);
    await waiting;
    clock.advance(5);
    await again;
    expect(server.connections).toHaveLength(2);
  });

  it('that never greets is abandoned and tried again', async () => {
    const clock = new ManualClock();
    const { server, client } = await setUp({ openTimeoutMs: 30, clock });
    server.onConnection = (connection) => {
      if (connection !== server.connections[0]) connection.hello();
    };
    const waiting = stateOf(client, 'waiting');
    const connected = client.connect();
    await server.connection(0);
    clock.advance(30);
    await waiting;
    clock.advance(5);
    await connected;
    expect(server.connections).toHaveLength(2);
  });

  it('ends when the server sends what is not a frame, and is made anew', async () => {
    const { server, client } = await setUp();
    await client.connect();
    const again = stateOf(client, 'connected');
    server.connections[0]?.socket.send('[1,2');
    await again;
    expect(server.connections).toHaveLength(2);
  });

  it('connects again after it was closed', async () => {
    const { server, client } = await setUp();
    await client.connect();
    client.close();
    expect(client.state).toBe('closed');
    expect(client.closeReason).toBeUndefined();
    await client.connect();
    expect(server.connections).toHaveLength(2);
  });

  it('tells the one who waits for it that it was closed', async () => {
    const { client } = await setUp({ url: 'ws://127.0.0.1:9/ws' });
    const connecting = client.connect();
    client.close();
    await expect(connecting).rejects.toEqual(code('client.closed'));
  });
});
