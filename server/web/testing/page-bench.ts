/** The whole server and a browser for one file of tests; what goes wrong in any page fails the test that opened it. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/start-server.ts';
import { type Device, launchChromium, openDevice } from './browser.ts';

export type PageBench = {
  readonly server: TestServer;
  /** A device of its own: nothing is shared with other ones. */
  open(options?: Parameters<typeof openDevice>[2]): Promise<Page>;
};

/** Call inside of `describe`. @param options are asked for when the server starts, behind the hooks that stand before this. */
export function usePageBench(options: () => Parameters<typeof startTestServer>[0] = () => ({})): PageBench {
  let server: TestServer | undefined;
  let browser: Browser | undefined;
  let devices: Device[] = [];
  const started = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('The server and the browser start before the first test.');
    return part;
  };
  beforeAll(async () => {
    [server, browser] = await Promise.all([startTestServer(options()), launchChromium()]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  afterEach(async () => {
    const used = devices;
    devices = [];
    await Promise.all(used.map((device) => device.close()));
    expect(used.flatMap((device) => device.problems)).toEqual([]);
  });
  return {
    get server() {
      return started(server);
    },
    async open(deviceOptions) {
      const device = await openDevice(started(browser), started(server).url, deviceOptions);
      devices.push(device);
      return device.page;
    },
  };
}
