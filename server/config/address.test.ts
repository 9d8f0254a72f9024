import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { findAddressFault } from './address.ts';

it.each(['127.0.0.1', 'localhost', '0.0.0.0'])('finds nothing wrong with %s', async (host) => {
  expect(await findAddressFault(host, 0)).toBeUndefined();
});

it.each(['999.1.1.1', '192.0.2.1', 'nowhere.invalid', 'http://localhost'])('names HOST for %s', async (host) => {
  expect(await findAddressFault(host, 0)).toEqual({
    setting: 'HOST',
    problem: `expected an address of this machine, got "${host}".`,
  });
});

it('leaves a port that is taken to the start, and takes none itself', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  expect(await findAddressFault('127.0.0.1', port)).toBeUndefined();
  other.close();
  await once(other, 'close');
  expect(await findAddressFault('127.0.0.1', port)).toBeUndefined();
  expect(await findAddressFault('127.0.0.1', port)).toBeUndefined();
});

it.skipIf(process.platform !== 'linux' || process.getuid?.() === 0)(
  'names PORT where only root may listen',
  async () => {
    expect((await findAddressFault('127.0.0.1', 80))?.setting).toBe('PORT');
  },
);
