import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkArchitecture, isTest, readImports, type SourceFile } from './testing/architecture-rules.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const rooms = ['protocol', 'db', 'workers', 'server', 'loadtest'];

function readTree(): SourceFile[] {
  const skipped = /(^|\/)(node_modules|dist|results)\//;
  return rooms.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .map((name) => `${room}/${name.replaceAll('\\', '/')}`)
      // The scripts of k6 are for another runtime.
      .filter((path) => /\.tsx?$/.test(path) && !skipped.test(path) && !path.startsWith('loadtest/k6/'))
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  );
}

test('the tree keeps the rules', () => {
  const tree = readTree();
  expect(tree.length).toBeGreaterThan(100);
  expect(tree.filter(({ path }) => isTest(path)).length).toBeGreaterThan(20);
  expect(checkArchitecture(tree)).toEqual([]);
});

test('the top level is fixed', () => {
  const allowed = [
    'LICENSE',
    'README.md',
    'node_modules',
    'package-lock.json',
    'package.json',
    'tsconfig.json',
    ...rooms,
  ];
  const found = readdirSync(root).filter((name) => !name.startsWith('.'));
  expect(found.filter((name) => !allowed.includes(name))).toEqual([]);
});

describe('a violation is found', () => {
  test.each([
    ['protocol/chat.ts', "import { x } from '../db/client.ts';", 'protocol imports nothing of ours'],
    ['protocol/chat.ts', "import type { X } from '../server/errors.ts';", 'protocol imports nothing of ours'],
    ['db/client.ts', "import { AppError } from '../server/errors.ts';", 'db never imports server'],
    ['db/chat/rows.ts', "import { x } from '../billing/ledger.ts';", 'tables of another domain'],
    ['db/chat/rows.ts', "import { x } from '../../workers/pool.ts';", 'db knows of workers only their types'],
    ['workers/pool.ts', "import { AppError } from '../server/errors.ts';", 'workers never imports server'],
    ['workers/pool.ts', "import { Database } from '../db/client.ts';", 'workers do no I/O'],
    ['server/billing/service.ts', "import { x } from '../chat/service.ts';", 'left never imports right'],
    ['server/chat/service.ts', "import { x } from '../billing/service.ts';", 'narrow type'],
    ['server/chat/service.ts', "import { x } from '../../db/billing/ledger.ts';", 'tables of another domain'],
    ['server/chat/frames.ts', "import { x } from '../gateway/connection.ts';", 'knows no sockets'],
    ['server/chat/turns.ts', "import { x } from '../../workers/pool.ts';", 'goes through workers/runner.ts'],
    ['server/gateway/dispatch.ts', "import { x } from '../chat/service.ts';", 'gateway knows no domain'],
    ['server/gateway/gateway.ts', "import { x } from '../../db/client.ts';", 'gateway knows no database'],
    ['server/llm/client.ts', "const x = await import('../chat/service.ts');", 'llm knows no domain'],
    ['server/chat/service.ts', "import { App } from 'uWebSockets.js';", 'only server/gateway'],
    ['server/chat/service.ts', "import {\n  a,\n  b,\n} from '../main.ts';", 'nobody imports the program'],
    ['server/chat/service.ts', "import { start } from '../start.ts';", 'only programs know'],
    ['server/web/app.tsx', "import { x } from '../errors.ts';", 'runs in a browser'],
    ['server/log.ts', "import { x } from './testing/server.ts';", 'for tests'],
    ['server/log.ts', 'const level = process.env.LOG_LEVEL;', 'reads the environment'],
    ['server/utils/text.ts', '', 'says nothing'],
    ['server/chat/helpers.ts', '', 'says nothing'],
    ['server/chat/index.ts', '', 'a barrel'],
    ['server/chat/all.ts', "/** All. */\nexport * from './a.ts';\nexport { b } from './b.ts';\n", 'a barrel'],
    ['server/chat/ChatService.ts', '', 'kebab-case'],
    ['server/chat/long.ts', 'x\n'.repeat(401), '401 lines'],
    ['server/chat/long.test.ts', 'x\n'.repeat(501), '501 lines'],
  ])('%s: %s', (path, text, why) => {
    const found = checkArchitecture([{ path, text }]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(why);
  });

  test('cycles of values, not of types', () => {
    const cycle = (last: string) =>
      checkArchitecture([
        { path: 'server/chat/a.ts', text: "import { b } from './b.ts';" },
        { path: 'server/chat/b.ts', text: "import { type T, c } from './c.ts';" },
        { path: 'server/chat/c.ts', text: last },
      ]);
    expect(cycle("import { a } from './a.ts';")).toEqual([
      'cycle: server/chat/a.ts → server/chat/b.ts → server/chat/c.ts → server/chat/a.ts',
    ]);
    expect(cycle("import type { A } from './a.ts';")).toEqual([]);
    expect(cycle("import { type A, type B } from './a.ts';")).toEqual([]);
  });
});

describe('what is allowed is let pass', () => {
  test.each([
    ['server/chat/service.ts', "import { Tx } from '../../db/client.ts';\nimport { x } from '../../db/chat/rows.ts';"],
    ['server/chat/service.ts', "import type { TaskRunner } from '../../workers/runner.ts';"],
    ['server/chat/service.test.ts', "import { x } from '../billing/service.ts';\nprocess.env.X = '1';"],
    ['server/main.ts', "import { x } from './chat/service.ts';\nconst a = process.env;"],
    ['server/gateway/socket.ts', "import uWS from 'uWebSockets.js';"],
    ['server/log.ts', '// process.env is read elsewhere'],
    ['server/chat/one.ts', "export { b } from './b.ts';\nexport const c = 1;\n"],
    ['db/billing/ledger.ts', "import type { LedgerDraft } from '../../workers/tasks.ts';"],
  ])('%s: %s', (path, text) => {
    expect(checkArchitecture([{ path, text }])).toEqual([]);
  });

  test('every form of import is read', () => {
    const text = [
      "import './side.ts';",
      "import a from './a.ts';",
      "import b, { type C } from './b.ts';",
      "import * as d from './d.ts';",
      "export * from './e.ts';",
      "export type { F } from './f.ts';",
      "export const g = 'not/from.ts';",
      "  const h = await import('./h.ts');",
    ].join('\n');
    const found = readImports({ path: 'server/x/y.ts', text }).map(
      ({ to, typeOnly }) => `${to}${typeOnly ? ' type' : ''}`,
    );
    expect(found).toEqual([
      'server/x/side.ts',
      'server/x/a.ts',
      'server/x/b.ts',
      'server/x/d.ts',
      'server/x/e.ts',
      'server/x/f.ts type',
      'server/x/h.ts',
    ]);
  });
});
