import { rmSync } from 'node:fs';
import { request } from 'node:https';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { writeCertificate } from '../testing/certificate.ts';
import { startGateway } from './test-gateway.ts';

it('serves sockets and HTTP by TLS, and tells browsers to stay with it', async () => {
  const { folder, keyFile, certFile } = writeCertificate();
  const { gateway, port } = await startGateway({ tls: { keyFile, certFile } });
  try {
    const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path: '/', rejectUnauthorized: false }, (response) => {
        response.resume();
        resolve(response.headers);
      });
      sent.on('error', reject).end();
    });
    expect(headers['strict-transport-security']).toBe('max-age=31536000');
    const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, {
      rejectUnauthorized: false,
      headers: { authorization: 'Bearer good' },
    });
    const hello = await new Promise<string>((resolve, reject) =>
      socket.on('message', (data) => resolve(String(data))).on('error', reject),
    );
    expect(JSON.parse(hello).type).toBe('gateway.hello');
    socket.terminate();
  } finally {
    gateway.close();
    rmSync(folder, { recursive: true });
  }
});

it('names the files that cannot be used', async () => {
  const tls = { keyFile: '/nowhere/key.pem', certFile: '/nowhere/cert.pem' };
  await expect(startGateway({ tls })).rejects.toThrow('/nowhere/cert.pem or the key /nowhere/key.pem cannot be used');
});
