/**
 * The rules of the house about who may import whom, as a check over the sources. Reads imports with regular expressions: they
 * stand at the beginning of a line here, because the formatter puts them there. Refuses nothing about tests but size and names.
 */

export type SourceFile = { readonly path: string; readonly text: string };

type Import = { readonly from: string; readonly to: string; readonly typeOnly: boolean };

/** From left to right: a domain may be known only to those behind it, and even they take it by a type of their own. */
export const domains = [
  'identity',
  'ops',
  'moderation',
  'billing',
  'memory',
  'chat',
  'companion',
  'play',
  'counseling',
  'market',
  'planner',
] as const;

/** Program starts: they alone see everything, and the environment. */
const entryPoints = /^server\/(main|start|services|storage|edge|routes)\.ts$|^server\/command-line\//;
const readsEnvironment = /^server\/(config|main)\.ts$|^server\/command-line\/|^loadtest\//;
/** What every domain writes to, as it writes to a log. */
const sharedTables = new Set(['db/ops/audit.ts']);
/** Read by looking up, not through: one long table is better than two. */
const factTables = /^server\/config\/settings\.ts$|^protocol\/error-code\.ts$|^server\/web\/i18n\//;
const lineLimits = { source: 400, test: 500, facts: 600 };

export function isTest(path: string): boolean {
  return /\.test\.tsx?$|\.contract\.ts$|(^|\/)testing(\.ts|\/)|\/test-[\w-]+\.ts$/.test(path);
}

/** @returns one line for each violation, sorted. */
export function checkArchitecture(files: readonly SourceFile[]): string[] {
  const imports = files.flatMap(readImports);
  const found = [
    ...imports.filter(({ from }) => !isTest(from)).flatMap(checkImport),
    ...findCycles(imports),
    ...files.flatMap(checkFile),
  ];
  return [...new Set(found)].sort();
}

/** Imports of one file; paths of ours from the root of the checkout, packages by their names. */
export function readImports({ path, text }: SourceFile): Import[] {
  const found: Import[] = [];
  const statement = /^(?:import|export)(\s+type)?\b(?!\()([^;'"`]*?)(?:\bfrom\s*)?['"]([^'"]+)['"]/gm;
  for (const [, type, names = '', target = ''] of text.matchAll(statement)) {
    if (/^\s*(?:const|function|class|let|async|default|abstract)\b/.test(names)) continue;
    const named =
      /\{([^}]*)\}/
        .exec(names)?.[1]
        ?.split(',')
        .map((name) => name.trim())
        .filter(Boolean) ?? [];
    const onlyTypes =
      named.length > 0 &&
      !names.replace(/\{[^}]*\}/, '').includes('*') &&
      named.every((name) => name.startsWith('type '));
    const hasDefault = /^\s*\w+\s*,/.test(names);
    found.push({ from: path, to: resolve(path, target), typeOnly: type !== undefined || (onlyTypes && !hasDefault) });
  }
  for (const [, target = ''] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)) {
    found.push({ from: path, to: resolve(path, target), typeOnly: false });
  }
  return found;
}

function resolve(from: string, target: string): string {
  if (!target.startsWith('.')) return target;
  const parts = from.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

type Place = { room: string; part: string | undefined };

/** `server/chat/turns.ts` is in the room `server`, part `chat`; `db/client.ts` in the room `db` itself. */
function placeOf(path: string): Place {
  const [room = '', part, ...rest] = path.split('/');
  return { room, part: rest.length > 0 ? part : undefined };
}

const rooms = new Set(['protocol', 'db', 'workers', 'server', 'loadtest']);
const isDomain = (part: string | undefined): part is (typeof domains)[number] =>
  part !== undefined && (domains as readonly string[]).includes(part);

function checkImport(edge: Import): string[] {
  const { from, to } = edge;
  const [source, target] = [placeOf(from), placeOf(to)];
  const refuse = (why: string) => [`${from} imports ${to}: ${why}`];
  if (to === 'uWebSockets.js') {
    return source.part === 'gateway' || source.room === 'loadtest'
      ? []
      : refuse('only server/gateway touches uWebSockets.js');
  }
  if (!rooms.has(target.room) || !to.includes('/')) return [];
  if (isTest(to)) return source.room === 'loadtest' ? [] : refuse('what tests need is for tests');
  if (source.room === 'loadtest') return [];
  if (target.room === 'loadtest') return refuse('loadtest is known to nobody');
  if (source.room === 'protocol') return target.room === 'protocol' ? [] : refuse('protocol imports nothing of ours');
  if (source.room !== 'server') return checkInnerRoom(from, to);
  return checkServer(edge);
}

function checkInnerRoom(from: string, to: string): string[] {
  const [source, target] = [placeOf(from), placeOf(to)];
  if (target.room === 'server') return [`${from} imports ${to}: ${source.room} never imports server`];
  if (source.room === 'workers' && target.room === 'db') return [`${from} imports ${to}: workers do no I/O`];
  if (source.room === 'db' && target.room === 'workers' && to !== 'workers/tasks.ts') {
    return [`${from} imports ${to}: db knows of workers only their types`];
  }
  if (
    source.room === 'db' &&
    isDomain(source.part) &&
    target.room === 'db' &&
    isDomain(target.part) &&
    source.part !== target.part
  ) {
    return [`${from} imports ${to}: tables of another domain`];
  }
  return [];
}

function checkServer({ from, to, typeOnly }: Import): string[] {
  const [source, target] = [placeOf(from), placeOf(to)];
  const refuse = (why: string) => [`${from} imports ${to}: ${why}`];
  if (to === 'server/main.ts') return refuse('nobody imports the program');
  if (entryPoints.test(from)) return [];
  if (target.room === 'server' && entryPoints.test(to)) return refuse('only programs know how all is put together');
  if (source.part === 'web') {
    const fits = target.room === 'protocol' || (target.room === 'server' && target.part === 'web');
    // Of a type nothing reaches the browser.
    return fits || (typeOnly && to.endsWith('-shapes.ts'))
      ? []
      : refuse('the page runs in a browser: protocol and itself');
  }
  if (target.room === 'server' && isDomain(target.part) && target.part !== source.part) {
    if (!isDomain(source.part)) return refuse(`${source.part ?? 'the server'} knows no domain`);
    const order =
      domains.indexOf(source.part) < domains.indexOf(target.part)
        ? 'left never imports right'
        : 'a domain takes another by a narrow type of its own';
    return refuse(order);
  }
  if (target.room === 'server' && target.part === 'gateway' && isDomain(source.part))
    return refuse('a domain knows no sockets');
  if (target.room === 'db' && isDomain(target.part) && target.part !== source.part && !sharedTables.has(to))
    return refuse('tables of another domain');
  if (target.room === 'db' && source.part === 'gateway') return refuse('the gateway knows no database');
  const own = isDomain(source.part) && target.part === source.part;
  const runner = ['workers/tasks.ts', 'workers/runner.ts', 'workers/errors.ts'];
  if (target.room === 'workers' && !own && !runner.includes(to))
    return refuse('CPU work goes through workers/runner.ts');
  return [];
}

/** Cycles of values. Types may name each other: nothing of them is left when it runs. */
function findCycles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) {
    if (!typeOnly && rooms.has(placeOf(to).room)) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      const cycle = path.slice(at);
      const first = cycle.indexOf([...cycle].sort()[0] ?? '');
      found.push(`cycle: ${[...cycle.slice(first), ...cycle.slice(0, first), cycle[first]].join(' → ')}`);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const target of next.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of next.keys()) visit(file);
  return found;
}

function checkFile({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  const lines = text.trimEnd().split('\n').length;
  const limit = lineLimits[isTest(path) ? 'test' : factTables.test(path) ? 'facts' : 'source'];
  if (lines > limit) found.push(`${path}: ${lines} lines, split it at ${limit}`);
  if (/(^|\/)(utils?|helpers?|common|misc)(\/|\.tsx?$)/.test(path)) found.push(`${path}: a name that says nothing`);
  if (/(^|\/)index\.tsx?$/.test(path) || isBarrel(text)) found.push(`${path}: a barrel`);
  if (!/^[a-z0-9./-]+$/.test(path)) found.push(`${path}: file names are kebab-case`);
  const code = text.replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '');
  if (/\bprocess\.env\b/.test(code) && !isTest(path) && !readsEnvironment.test(path))
    found.push(`${path}: reads the environment`);
  if (/@ts-(ignore|nocheck|expect-error)/.test(text) && !path.endsWith('architecture-rules.ts'))
    found.push(`${path}: silences the compiler`);
  return found;
}

/** Nothing but passing on. */
function isBarrel(text: string): boolean {
  const statements = text
    .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    .split(/;\s*\n/)
    .map((line) => line.trim())
    .filter(Boolean);
  return (
    statements.length > 0 && statements.every((statement) => /^export\s[^=]*\bfrom\s*['"][^'"]+['"];?$/.test(statement))
  );
}
