/** Days in small: people who talk, think and come back, for hours. VUS (20), DURATION (1h), THINK seconds (5), TURNS (10). */
import { numberFrom, signUpPeople, talk, thresholds, withSocket } from './lib.js';

const vus = numberFrom('VUS', 20);
const turns = numberFrom('TURNS', 10);
const thinkMs = numberFrom('THINK', 5) * 1000;

export const options = {
  scenarios: {
    soak: { executor: 'constant-vus', vus: vus, duration: __ENV.DURATION || '1h', gracefulStop: '2m' },
  },
  thresholds: thresholds({ tsumugi_ttft: ['p(95)<1000', 'p(99)<3000'] }),
};

export function setup() {
  return signUpPeople(numberFrom('USERS', Math.min(vus, 20)));
}

export default function (people) {
  withSocket(people, 600, (connection) => talk(connection, turns, thinkMs, () => connection.end()));
}
