import Type from 'typebox';
import { expect, it } from 'vitest';
import type { AdminCall } from '../admin-call.ts';
import { openApi } from '../docs/openapi.ts';
import { adminRoutes } from './admin.ts';

const call: AdminCall = {
  method: 'GET',
  path: '/admin/things',
  action: 'things.list',
  says: 'Things.',
  reply: Type.Object({ things: Type.Array(Type.String()) }),
  statuses: [200, 202],
  query: ['userId', 'limit'],
  run: () => ({ status: 200 }),
};

it('documents what operators may ask behind the question mark, what comes of a wrong one, and every status', () => {
  const { paths } = openApi(adminRoutes({} as never, [call])) as {
    paths: Record<string, Record<string, { parameters: object[]; responses: Record<string, { description: string }> }>>;
  };
  const told = paths['/admin/things']?.['get'];
  expect(told?.parameters).toMatchObject([
    { name: 'userId', in: 'query', required: false, schema: { format: 'uuid' } },
    { name: 'limit', in: 'query', required: false, schema: { maximum: 500 } },
  ]);
  expect(told?.responses['400']?.description).toContain('`protocol.invalid_body`');
  expect(Object.keys(told?.responses ?? {})).toEqual(expect.arrayContaining(['200', '202']));
  expect(paths['/admin/drain']?.['post']?.responses).not.toHaveProperty('200');
});
