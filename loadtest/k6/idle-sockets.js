/**
 * Many sockets that are open and silent, as most are. VUS sockets (500), each held for HOLD seconds (60) and asked every
 * PING seconds (20) whether it still answers. USERS accounts share them (20).
 */
import { Counter } from 'k6/metrics';
import { numberFrom, signUpPeople, thresholds, withSocket } from './lib.js';

const vus = numberFrom('VUS', 500);
const holdS = numberFrom('HOLD', 60);
const pingMs = numberFrom('PING', 20) * 1000;
const held = new Counter('tsumugi_sockets_held');

export const options = {
  scenarios: {
    idle: { executor: 'per-vu-iterations', vus: vus, iterations: 1, maxDuration: `${holdS + 120}s` },
  },
  thresholds: thresholds({ tsumugi_sockets_held: [`count==${vus}`] }),
};

export function setup() {
  return signUpPeople(numberFrom('USERS', Math.min(vus, 20)));
}

export default function (people) {
  withSocket(people, holdS + 60, (connection) => {
    const until = Date.now() + holdS * 1000;
    const again = () => {
      connection.request('gateway.ping', {}, () => {
        if (Date.now() < until) connection.wait(pingMs, again);
        else {
          held.add(1);
          connection.end();
        }
      });
    };
    // Spread, so that the pings of all sockets do not come at once.
    connection.wait(Math.random() * pingMs, again);
  });
}
