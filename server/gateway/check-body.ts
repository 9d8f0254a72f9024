/** Compiled checks of bodies, whose refusal names the field and says what was expected there. */
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Storable } from '../../protocol/primitives.ts';
import { AppError } from '../errors.ts';
import { uuidRewriter } from './canonical-ids.ts';

/** Brings the UUIDs of a body that passes into lower case. @throws AppError `protocol.invalid_body` */
export type BodyCheck = (body: unknown) => void;

type Problem = { keyword: string; instancePath: string; schemaPath: string; message: string; params: object };

/** Compiled on first use: a server that starts should not pay for commands that nobody sends. */
export function compileCheck(schema: TSchema): BodyCheck {
  let compiled: ReturnType<typeof Compile> | undefined;
  let rewrite: ReturnType<typeof uuidRewriter>;
  return (body) => {
    if (compiled === undefined) {
      compiled = Compile(schema);
      rewrite = uuidRewriter(schema);
    }
    if (!compiled.Check(body)) throw describe(compiled.Errors(body));
    rewrite?.(body);
  };
}

function describe(problems: readonly Problem[]): AppError {
  const first = problems[0];
  if (first === undefined) return AppError.invalid('body', 'another form');
  if (first.keyword === 'required') {
    const missing = 'requiredProperties' in first.params ? first.params.requiredProperties : undefined;
    const name = Array.isArray(missing) ? String(missing[0]) : 'a member';
    return AppError.invalid(fieldName(first.instancePath, name), 'a value (it is missing)');
  }
  const here = problems.filter((problem) => problem.instancePath === first.instancePath);
  // A constant that is not met is also of the wrong type; saying the constant is enough.
  const constants = new Set(here.filter((problem) => problem.keyword === 'const').map((problem) => problem.schemaPath));
  const wishes = here
    .filter(({ keyword, schemaPath }) => keyword !== 'anyOf' && (keyword !== 'type' || !constants.has(schemaPath)))
    .map(expectation);
  return AppError.invalid(fieldName(first.instancePath), [...new Set(wishes)].join(' or '));
}

/** `/after/seq` → `after.seq`; the body itself is `body`. */
function fieldName(instancePath: string, member = ''): string {
  const parts = instancePath.split('/').slice(1);
  if (member !== '') parts.push(member);
  return parts.length === 0 ? 'body' : parts.join('.').replaceAll('~1', '/').replaceAll('~0', '~');
}

function expectation(problem: Problem): string {
  if ('allowedValue' in problem.params) return JSON.stringify(problem.params.allowedValue);
  // A pattern that says nothing to people.
  if ('pattern' in problem.params && String(problem.params.pattern) === Storable)
    return 'text without U+0000 and without halves of surrogate pairs';
  return problem.message
    .replace(/^must not have fewer than /, 'at least ')
    .replace(/^must not have more than /, 'at most ')
    .replace(/^must (be |match |have )?/, '');
}
