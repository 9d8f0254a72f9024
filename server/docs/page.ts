/** The documents as a page for people: every frame, code and route, from the same data as the machine-readable ones. */
import { closeCodes, reconnectAfter } from '../../protocol/close-code.ts';
import type { DownFrame, UpFrame } from '../../protocol/define.ts';
import { downFrames } from '../../protocol/down.ts';
import { type ErrorPolicy, errorCodes } from '../../protocol/error-code.ts';
import { upFrames } from '../../protocol/up.ts';
import { PROTOCOL_VERSION } from '../../protocol/version.ts';
import { commonErrors } from './asyncapi.ts';
import { exampleOf } from './example.ts';
import { docsFrame } from './frame.ts';
import { type Html, html, prose } from './html.ts';
import { type DocumentedRoute, errorsOf } from './openapi.ts';
import { schemaTable } from './schema-table.ts';
import { walkthrough, walkthroughLinks } from './walkthrough.ts';

export function docsPage(routes: readonly DocumentedRoute[]): string {
  const ups: readonly UpFrame[] = upFrames;
  const downs: readonly DownFrame[] = downFrames;
  return docsFrame({
    title: 'the protocol',
    links: [
      ['/docs/promises', 'The promises'],
      ['/docs/ledger', 'The ledger'],
      ['/docs/asyncapi.json', 'AsyncAPI 3.0'],
      ['/docs/openapi.json', 'OpenAPI 3.1'],
      ['/', 'The app'],
    ],
    navigation: navigation(ups, downs, routes),
    content: html`<h1>The protocol</h1>
<p class="lead">Version ${PROTOCOL_VERSION}. One WebSocket carries everything a user does; HTTP is for accounts, health and operation.
What stands here is made from the schemas that the server checks with. What you may rely on when connections break and servers go is on the page of
<a href="/docs/promises">the promises</a>.</p>
${walkthrough()}
<section id="commands"><h2>Commands</h2><p>From the client to the server. Each gets exactly one reply or error.</p>${ups.map(command)}</section>
<section id="pushes"><h2>Pushes</h2><p>From the server, without being asked.</p>${downs.map(push)}</section>
${errorSection()}
${closeSection()}
<section id="http"><h2>HTTP</h2><p>JSON in, with <code>content-type: application/json</code>, and JSON out where nothing else is said. A GET can be asked as HEAD. Browsers may
call these addresses from pages of this server alone: there are no CORS headers. Errors are <code>{"error": {"code", "message", "retryAfterMs"?, "details"?}}</code> with the fitting status.</p>
${routes.map(route)}</section>`,
  });
}

function navigation(ups: readonly UpFrame[], downs: readonly DownFrame[], routes: readonly DocumentedRoute[]): Html {
  const domains = [...Map.groupBy(ups, (frame) => frame.type.split('.')[0] ?? '')];
  return html`<nav aria-label="Contents"><h2>Your own client</h2>
<ul>${walkthroughLinks.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul>
<h2><a href="#commands">Commands</a></h2>
${domains.map(
  ([domain, frames]) =>
    html`<details open><summary>${domain}</summary><ul>${frames.map(
      (frame) => html`<li><a href="#${frame.type}">${frame.type}</a></li>`,
    )}</ul></details>`,
)}
<h2><a href="#pushes">Pushes</a></h2>
<ul>${downs.map((frame) => html`<li><a href="#push.${frame.type}">${frame.type}</a></li>`)}</ul>
<h2>Codes</h2><ul><li><a href="#errors">Errors</a></li><li><a href="#retry">Retry policies</a></li><li><a href="#close-codes">Close codes</a></li></ul>
<h2><a href="#http">HTTP</a></h2>
<ul>${routes.map((one) => html`<li><a href="#${routeId(one)}">${one.path}</a></li>`)}</ul></nav>`;
}

function command(frame: UpFrame): Html {
  return html`<article id="${frame.type}"><h3><a href="#${frame.type}"><code>${frame.type}</code></a></h3>
<p>${prose(frame.says)}</p>
<h4>Body</h4>${schemaTable(frame.body)}
${example({ type: frame.type, id: 1, body: exampleOf(frame.body, false) })}
<h4>Reply</h4>${schemaTable(frame.reply)}
${example({ type: 'reply', id: 1, body: exampleOf(frame.reply, true) })}
${codeList(frame.errors)}</article>`;
}

function push(frame: DownFrame): Html {
  return html`<article id="push.${frame.type}"><h3><a href="#push.${frame.type}"><code>${frame.type}</code></a></h3>
<p>${prose(frame.says)}</p>${schemaTable(frame.body)}
${example({ type: frame.type, body: exampleOf(frame.body, true) })}</article>`;
}

function route(one: DocumentedRoute): Html {
  const access = { none: '', bearer: 'Needs an access token.', admin: 'Only for the role `admin`.' }[
    one.auth ?? 'none'
  ];
  return html`<article id="${routeId(one)}"><h3><a href="#${routeId(one)}"><span class="method">${one.method}</span> <code>${one.path}</code></a></h3>
<p>${prose(one.says)} ${prose(access)}</p>
${one.body !== undefined && html`<h4>Body</h4>${schemaTable(one.body)}${example(exampleOf(one.body, false))}`}
${one.reply !== undefined && html`<h4>Reply</h4>${schemaTable(one.reply)}${example(exampleOf(one.reply, true))}`}
${codeList(errorsOf(one))}</article>`;
}

function routeId(one: DocumentedRoute): string {
  return `${one.method.toLowerCase()}${one.path.replaceAll(/[^A-Za-z0-9]+/g, '-')}`;
}

function codeList(codes: readonly string[]): Html {
  if (codes.length === 0) return html`<p class="codes">No errors of its own.</p>`;
  return html`<p class="codes">Errors: ${codes.map((code) => html`<a href="#error.${code}"><code>${code}</code></a> `)}</p>`;
}

function example(value: unknown): Html {
  return html`<pre tabindex="0"><code>${JSON.stringify(value, null, 2)}</code></pre>`;
}

function errorSection(): Html {
  const entries: [string, ErrorPolicy][] = Object.entries(errorCodes);
  return html`<section id="errors"><h2>Errors</h2>
<p>Codes are stable; messages are for people and may change. Beside its own errors any command can meet
${commonErrors.map((code) => html`<code>${code}</code> `)}. A frame that cannot be read has no command: <code>protocol.malformed</code> answers it with
<code>id: null</code>, and a client that goes on sending such frames is closed with <code>4201</code>.</p>
<p>Where a field is at fault, <code>details.field</code> names it and <code>details.expected</code> says what was expected there.</p>
<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">Code</th><th scope="col">Retry</th><th scope="col">HTTP</th><th scope="col">Says</th></tr></thead><tbody>
${entries.map(
  ([
    code,
    policy,
  ]) => html`<tr id="error.${code}"><th scope="row"><code>${code}</code></th><td><a href="#retry">${policy.retry}</a></td>
  <td>${policy.status}</td><td>${prose(policy.says)}<br><span lang="ja">${policy.saysJa}</span></td></tr>`,
)}</tbody></table></div>
<h3 id="retry">Retry policies</h3>
<dl><dt><code>never</code></dt><dd>The same request fails again. Change it, or tell the user.</dd>
<dt><code>backoff</code></dt><dd>Try again after a random time between 0 and <code>min(30 s, 0.5 s · 2ⁿ)</code>, n counting the tries (full jitter).</dd>
<dt><code>after</code></dt><dd>Try again after <code>retryAfterMs</code>.</dd>
<dt><code>reconnect</code></dt><dd>Open a new connection, then send it again.</dd></dl></section>`;
}

const comeBack = { now: 'reconnect now', later: 'reconnect with back-off', never: 'do not reconnect' } as const;

/** Shared with the page of the promises. */
export function closeSection(): Html {
  return html`<section id="close-codes"><h2>Close codes</h2>
<p>The range decides: 4000–4099 reconnect now, 4100–4199 reconnect with back-off, 4200–4299 do not reconnect. Of the transport’s own
codes all are worth a retry with back-off but 1008 and 1009.</p>
<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">Code</th><th scope="col">Name</th><th scope="col">Then</th><th scope="col">Says</th></tr></thead><tbody>
${Object.entries(closeCodes).map(
  ([name, { code, says }]) => html`<tr id="close.${code}"><th scope="row">${code}</th><td><code>${name}</code></td>
  <td>${comeBack[reconnectAfter(code)]}</td><td>${says}</td></tr>`,
)}</tbody></table></div></section>`;
}
