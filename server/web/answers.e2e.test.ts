/** The page with a model that does not do what one hopes for: no text at all, everything at once, a failure. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { Database } from '../../db/client.ts';
import { fillBranches } from '../chat/testing/fill-branches.ts';
import { chromiumPath, findFlaws, keepPicture } from './testing/browser.ts';
import { usePageBench } from './testing/page-bench.ts';
import { answered, answers, begin, say, signUp } from './testing/person.ts';

const event = (choice: object) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`;
const text = (content: string) =>
  `${event({ delta: { content } })}${event({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`;

/** Answers by the last line that it is sent. `silences` times nothing is said before there is an answer. */
async function startModel(): Promise<{ server: Server; url: string }> {
  let silences = 1;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const said =
      body === '' ? '' : ((JSON.parse(body) as { messages?: { content: string }[] }).messages?.at(-1)?.content ?? '');
    if (said.endsWith('fail')) {
      response
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"error":{"message":"no","code":"invalid_api_key"}}');
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (said.endsWith('silence') && silences-- > 0)
      response.end(event({ delta: { content: null }, finish_reason: 'tool_calls' }));
    else response.end(text(said.endsWith('wall') ? 'A paragraph that takes a line.\n\n'.repeat(60) : 'Here I am.'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

describe.skipIf(chromiumPath === undefined)('answers that are none', async () => {
  const model = await startModel();
  const bench = usePageBench(() => ({ env: { OPENAI_BASE_URL: model.url, OPENAI_MODEL: 'odd' } }));
  afterAll(() => {
    model.server.closeAllConnections();
    model.server.close();
  });

  const { open } = bench;

  it('says that there is no answer, over a reload too, and asks for one', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    await say(page, 'silence');
    await page.getByText('There is no answer to this.').waitFor();
    expect(await answers(page).count()).toBe(0);
    await page.reload();
    await page.getByText('There is no answer to this.').waitFor();
    await keepPicture(page, 'chat-unanswered-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.getByRole('button', { name: 'Ask for one' }).click();
    await answers(page).getByText('Here I am.').waitFor();
    expect(await page.getByText('There is no answer to this.').count()).toBe(0);
  });

  it('keeps the end in sight when everything comes at once', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    for (const count of [1, 2, 3]) {
      await say(page, 'wall');
      await answers(page)
        .nth(count - 1)
        .waitFor();
      await answered(page);
      const log = page.getByRole('log');
      await expect
        .poll(() => log.evaluate((each) => each.scrollHeight - each.scrollTop - each.clientHeight))
        .toBeLessThan(4);
    }
  });

  it('offers no further answer or edit where there are as many as there may be, and leafs through them', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    await say(page, 'Hello');
    await answers(page).getByText('Here I am.').waitFor();
    await answered(page);
    const again = page.getByRole('button', { name: 'Another answer' });
    const edit = page.getByRole('button', { name: 'Edit message' });
    expect([await again.isEnabled(), await edit.isEnabled()]).toEqual([true, true]);
    const messageIds = await page
      .locator('[data-message-id]')
      .evaluateAll((all) => all.map((one) => one.getAttribute('data-message-id') ?? ''));
    const db = new Database(bench.server.env['DATABASE_URL'] ?? '', { max: 1 });
    for (const messageId of messageIds) await fillBranches({ db }, messageId);
    await db.close();
    // Somewhere else they have become many: here one is told when it is tried.
    await again.click();
    await page.getByText('There are as many branches beside each other here').waitFor();
    await page.reload();
    const noAnswer = page.getByRole('button', { name: 'No further answer: 200 is the most there can be' });
    await noAnswer.waitFor();
    expect(await noAnswer.isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'No further edit: 200 versions is the most' }).isDisabled()).toBe(
      true,
    );
    await keepPicture(page, 'chat-many-branches-light');
    expect(await findFlaws(page)).toEqual([]);
    await page.locator('.answer').getByRole('button', { name: 'Previous version' }).click();
    await answers(page).getByText('Number 1', { exact: true }).waitFor();
    await page.getByText('199/200').waitFor();
    await say(page, 'And on it goes');
    await answers(page).getByText('Here I am.').waitFor();
  });

  it('says why an answer failed, and afterwards at least that there is none', async () => {
    const page = await open();
    await signUp(page);
    await begin(page);
    await say(page, 'fail');
    await page.getByText('The model provider refused our key or does not know the model.').waitFor();
    expect(await page.getByText('There is no answer to this.').count()).toBe(0);
    await keepPicture(page, 'chat-failed-light');
    await page.reload();
    await page.getByText('There is no answer to this.').waitFor();
  });
});
