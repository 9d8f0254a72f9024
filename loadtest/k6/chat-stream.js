/** People who talk without a pause. VUS (20), DURATION (1m), TURNS a connection (5), USERS (as many as VUS, at most 50). */
import { numberFrom, signUpPeople, talk, thresholds, withSocket } from './lib.js';

const vus = numberFrom('VUS', 20);

export const options = {
  vus: vus,
  duration: __ENV.DURATION || '1m',
  thresholds: thresholds({ tsumugi_ttft: ['p(95)<1000'] }),
};

export function setup() {
  return signUpPeople(numberFrom('USERS', Math.min(vus, 50)));
}

export default function (people) {
  withSocket(people, 300, (connection) => talk(connection, numberFrom('TURNS', 5), 0, () => connection.end()));
}
