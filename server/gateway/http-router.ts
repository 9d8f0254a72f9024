/** Finds the route of a request. It owns the table; methods and paths that nobody declared are refused. */
import { AppError } from '../errors.ts';
import type { Route } from '../http.ts';
import { type BodyCheck, compileCheck } from './check-body.ts';

export type Match = { route: Route; checkBody: BodyCheck | undefined; params: Readonly<Record<string, string>> };

type Entry = { route: Route; checkBody: BodyCheck | undefined; segments: readonly string[] };

export class HttpRouter {
  readonly #entries: Entry[] = [];

  /** @throws Error when two routes would answer the same request. */
  constructor(routes: readonly Route[]) {
    const seen = new Set<string>();
    for (const route of routes) {
      const shape = `${route.method} ${route.path.replaceAll(/:[^/]+/g, ':')}`;
      if (seen.has(shape)) throw new Error(`Two routes for ${route.method} ${route.path}.`);
      seen.add(shape);
      const checkBody = route.body === undefined ? undefined : compileCheck(route.body);
      this.#entries.push({ route, checkBody, segments: route.path.split('/') });
    }
  }

  /**
   * @returns undefined when no route has this path
   * @throws AppError `protocol.method_not_allowed` (details: `allow`) when one has, but not for this method
   */
  find(method: string, path: string): Match | undefined {
    const segments = path.split('/');
    // A literal segment wins over a parameter: `/users/me` before `/users/:userId`.
    const fitting = this.#entries.filter((entry) => fits(entry.segments, segments)).sort(byLiterals);
    if (fitting.length === 0) return undefined;
    const wanted = method === 'HEAD' ? 'GET' : method;
    const entry = fitting.find((candidate) => candidate.route.method === wanted);
    if (entry === undefined) {
      const methods = new Set<string>(fitting.map((candidate) => candidate.route.method));
      const allow = [...methods].flatMap((known) => (known === 'GET' ? ['GET', 'HEAD'] : [known]));
      throw new AppError('protocol.method_not_allowed', { allow });
    }
    return { route: entry.route, checkBody: entry.checkBody, params: readParams(entry.segments, segments) };
  }
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false;
  return pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]));
}

function byLiterals(a: Entry, b: Entry): number {
  const parameters = (entry: Entry): number => entry.segments.filter((part) => part.startsWith(':')).length;
  return parameters(a) - parameters(b);
}

function readParams(pattern: readonly string[], segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) {
    if (!part.startsWith(':')) continue;
    params[part.slice(1)] = readParam(segments[i] ?? '');
  }
  return params;
}

/** Nothing is called by a name that is no text, or that no database can look up. */
function readParam(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw new AppError('protocol.not_found');
  }
  if (text.includes('\0')) throw new AppError('protocol.not_found');
  return text;
}
