/** What clients choose freely makes no new series: they would stay for as long as the process does. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Metrics } from './metrics.ts';

let metrics: Metrics;
beforeEach(() => {
  metrics = new Metrics();
});
afterEach(() => metrics.close());

async function linesOf(name: string): Promise<string[]> {
  const { text } = await metrics.expose();
  return text.split('\n').filter((line) => line.startsWith(`${name}{`));
}

it('counts close codes that no specification names as one, unless they are ours', async () => {
  metrics.gateway.connectionClosed(4001, 'server');
  metrics.gateway.connectionClosed(1000, 'client');
  metrics.gateway.connectionClosed(1006, 'idle');
  for (let code = 3000; code < 5000; code++) metrics.gateway.connectionClosed(code, 'client');
  expect(await linesOf('tsumugi_connection_closes_total')).toEqual([
    'tsumugi_connection_closes_total{code="4001",ending="server"} 1',
    'tsumugi_connection_closes_total{code="1000",ending="client"} 1',
    'tsumugi_connection_closes_total{code="1006",ending="idle"} 1',
    'tsumugi_connection_closes_total{code="other",ending="client"} 2000',
  ]);
});

it('counts words that are no method of HTTP as one', async () => {
  metrics.gateway.requestDone('GET', '/healthz', 200, 1);
  for (const method of ['BREW', 'get', 'X1', 'X2']) metrics.gateway.requestDone(method, 'none', 404, 1);
  expect(await linesOf('tsumugi_http_requests_total')).toEqual([
    'tsumugi_http_requests_total{method="GET",route="/healthz",status="200"} 1',
    'tsumugi_http_requests_total{method="other",route="none",status="404"} 4',
  ]);
});

it('counts clients that were gone before they were let in', async () => {
  metrics.gateway.upgradeAbandoned();
  expect((await metrics.expose()).text).toContain('\ntsumugi_upgrades_abandoned_total 1\n');
});
