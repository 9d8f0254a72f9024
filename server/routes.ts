/** Every HTTP route there is, put together: accounts, operators, health, documents. Wiring only. */

import { billingAdminCalls } from './billing/admin.ts';
import { payoutAdminCalls } from './billing/payouts/admin.ts';
import { statementRoutes } from './billing/payouts/http.ts';
import { planAdminCalls } from './billing/plans/admin.ts';
import { proofRoutes } from './billing/proofs/routes.ts';
import { purchaseAdminCalls } from './billing/purchases/admin.ts';
import { purchaseChecks } from './billing/reconciliation/purchase-checks.ts';
import { ticketAdminCalls } from './billing/tickets/admin.ts';
import type { Clock } from './clock.ts';
import { type Config, isLoopback } from './config.ts';
import type { PromiseFacts } from './docs/promises.ts';
import { docsRoutes } from './docs/routes.ts';
import { AppError } from './errors.ts';
import type { Gateway } from './gateway/gateway.ts';
import type { Route } from './http.ts';
import { networkOf } from './identity/addresses.ts';
import { authRoutes } from './identity/http.ts';
import { organizationAdminCalls } from './identity/organizations-admin.ts';
import { type AdminParts, adminRoutes } from './ops/admin.ts';
import { healthRoutes } from './ops/health.ts';
import type { Metrics } from './ops/metrics.ts';
import type { Services } from './services.ts';
import type { Storage } from './storage.ts';

type Parts = {
  config: Config;
  clock: Clock;
  metrics: Metrics;
  storage: Storage;
  services: Services;
  /** The gateway serves these routes, so it is made after them. */
  gateway(): Gateway;
  isDraining(): boolean;
  drain(): void;
  /** What the promises say in numbers. */
  promises: PromiseFacts;
};

export function allRoutes({
  config,
  clock,
  metrics,
  storage,
  services,
  gateway,
  isDraining,
  drain,
  promises,
}: Parts): Route[] {
  const { identity, organizations, model, billing, proofs, money } = services;
  const routes = [
    ...authRoutes(identity, {
      secureCookies: config.tls || !isLoopback(config.host),
      trustedOrigins: config.publicOrigins,
    }),
    ...healthRoutes({
      clock,
      metrics,
      probes: { database: () => storage.db.ping(), live: () => storage.live.ping() },
      model: () => model.ping(),
      isDraining,
      metricsToken: config.metricsToken,
    }),
    ...proofRoutes({ proofs, live: storage.live, networkOf }),
    ...money.routes(),
    ...statementRoutes(services.payouts.statements),
    ...adminRoutes(
      {
        db: storage.db,
        clock,
        authenticator: identity.authenticator,
        ...liveParts(services, gateway),
        accounts: identity.admin,
        networkOf,
        drain,
      },
      [
        ...payoutAdminCalls({ db: storage.db, clock, payouts: services.payouts }),
        ...billingAdminCalls({
          db: storage.db,
          clock,
          ledger: billing.ledger,
          reversalLimitTokens: config.reversalLimitTokens,
          checks: purchaseChecks(money.purchases, money.tickets),
        }),
        ...purchaseAdminCalls(money.purchases, money.tickets),
        ...ticketAdminCalls({
          ...money,
          db: storage.db,
          checkUser: async (userId) => {
            const { accounts } = await identity.admin.listAccounts({ userId, limit: 1 });
            if (accounts.length === 0) throw new AppError('ops.user_not_found');
          },
        }),
        ...planAdminCalls(storage.db),
        ...organizationAdminCalls(organizations),
      ],
    ),
  ];
  return [...routes, ...docsRoutes(routes, promises)];
}

function liveParts({ hub }: Services, gateway: () => Gateway): Pick<AdminParts, 'connections' | 'generations'> {
  return {
    connections: {
      get count() {
        return gateway().connections.count;
      },
      list: () => gateway().connections,
      close: (connectionId) => gateway().closeConnection(connectionId, 'closed_by_operator'),
    },
    generations: {
      get count() {
        return hub.runningCount;
      },
      *list() {
        for (const { facts, length } of hub.running()) yield { ...facts, length };
      },
    },
  };
}
