/** Statements as downloads: for the creator with his token, and once for whoever has an address that he asked for. */

import { isUuid } from '../../../protocol/uuid.ts';
import { queryDocs } from '../../admin-query.ts';
import { AppError } from '../../errors.ts';
import { callerOf, type HttpReply, type Route } from '../../http.ts';
import type { Format, Statements, Written } from './statements.ts';

export function statementRoutes(statements: Statements): Route[] {
  const own = (format: Format): Route => ({
    method: 'GET',
    path: `/billing/payouts/:id/statement.${format}`,
    says: `The statement of one of the caller’s payouts as ${format.toUpperCase()}; \`lang\` is en or ja, else the account’s.`,
    query: queryDocs(['lang']),
    media: format === 'pdf' ? 'application/pdf' : 'text/csv',
    errors: ['billing.payout_not_found', 'protocol.invalid_body', 'busy'],
    auth: 'bearer',
    handle: async (request, { id = '' }) => {
      const { userId } = callerOf(request);
      return download(await statements.write({ userId }, payoutIdOf(id), format, langOf(request.query)));
    },
  });
  return [
    own('pdf'),
    own('csv'),
    {
      method: 'GET',
      path: '/billing/statements/:ticket',
      says: 'The statement that `billing.payout_statement` gave this address for; once, within two minutes.',
      errors: ['protocol.not_found', 'billing.payout_not_found', 'busy'],
      handle: async (_, { ticket = '' }) => download(await statements.redeem(ticket)),
    },
  ];
}

/** @throws AppError `billing.payout_not_found` for what is no id at all. */
export function payoutIdOf(id: string): string {
  if (!isUuid(id)) throw new AppError('billing.payout_not_found');
  return id;
}

export function langOf(query: URLSearchParams): 'en' | 'ja' | undefined {
  const lang = query.get('lang');
  if (lang === null || lang === '') return undefined;
  if (lang !== 'en' && lang !== 'ja') throw AppError.invalid('lang', 'en or ja');
  return lang;
}

export function download({ body, contentType, fileName }: Written): HttpReply {
  return {
    status: 200,
    body,
    headers: {
      'content-type': contentType,
      'content-disposition': `attachment; filename="${fileName}"`,
      // One person's money: for no cache, and never anything to run.
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; sandbox",
    },
  };
}
