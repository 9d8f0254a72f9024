/**
 * Vitest's global set-up: hands out one PostgreSQL to all test files of a run, started when the first asks for it, so that
 * pure tests do not wait. Removes what earlier runs that were killed left behind.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TestProject } from 'vitest/node';
import { startTestCluster, sweepLeftovers, type TestCluster } from './cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Loopback port that answers with a `HarnessReply`. */
    tsumugiHarnessPort: number;
  }
}

export type HarnessReply = { ownerUrl: string; template: string } | { error: string };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  sweepLeftovers();
  let cluster: Promise<TestCluster> | undefined;
  const server = createServer((socket) => {
    cluster ??= startTestCluster();
    void answer(socket, cluster);
  });
  const port = await listen(server);
  project.provide('tsumugiHarnessPort', port);
  return async () => {
    server.close();
    await (await cluster?.catch(() => undefined))?.stop();
  };
}

async function answer(socket: Socket, cluster: Promise<TestCluster>): Promise<void> {
  socket.on('error', () => {});
  let reply: HarnessReply;
  try {
    const { ownerUrl, template } = await cluster;
    reply = { ownerUrl, template };
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  socket.end(JSON.stringify(reply));
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      server.unref();
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
    });
  });
}
