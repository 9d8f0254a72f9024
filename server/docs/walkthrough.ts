/** The part of the docs page that is told, not generated: how to write a client in an afternoon. */

import { subprotocols } from '../../protocol/codec.ts';
import { MAX_BRANCHES } from '../../protocol/primitives.ts';
import { type Html, html } from './html.ts';

export const walkthroughLinks = [
  ['connect', '1. Sign in and connect'],
  ['envelope', '2. Ask and be answered'],
  ['talk', '3. Hold a conversation'],
  ['resume', '4. Come back'],
  ['limits', '5. Stay within the limits'],
] as const;

/** Shortened, so that a frame fits on a line. */
const id = '0198c0de-…-';

export function walkthrough(): Html {
  return html`${connect()}${envelope()}${talk()}${resume()}${limits()}`;
}

function title(at: number): Html {
  const [anchor, text] = walkthroughLinks[at] ?? ['', ''];
  return html`<h2 id="${anchor}"><a href="#${anchor}">${text}</a></h2>`;
}

function connect(): Html {
  return html`<section>${title(0)}
<p>Get an access token over HTTP, then open <code>/ws</code> with one of the subprotocols ${subprotocols.map((name, i) => html`${i > 0 && ' and '}<code>${name}</code>`)}:
the first carries MessagePack maps in binary messages, the second JSON in text messages. Both carry the same frames.</p>
<pre tabindex="0"><code>POST /auth/sign-up      the first time; afterwards POST /auth/sign-in
Content-Type: application/json

{"email": "hana@example.com", "password": "a long pass phrase"}
→ 200 {"userId": "…", "accessToken": "tsa_…", "refreshToken": "tsr_…", "expiresInS": 900}

GET /ws
Authorization: Bearer &lt;accessToken&gt;
Sec-WebSocket-Protocol: tsumugi.v1.json</code></pre>
<p>Browsers cannot set that header. There, exchange the access token for a ticket that opens one socket within a minute, so that no
lasting token stands in an address: <code>POST /auth/socket-ticket</code> → <code>{"ticket": "…"}</code>, then <code>/ws?ticket=…</code>, from a page of this
server or of one of its <code>PUBLIC_ORIGINS</code>.
A refused upgrade is an HTTP reply (<a href="#get-ws">which ones</a>): 401 without credentials. Who offers no subprotocol gets JSON. A socket stays open when its access token expires, for as long as the session lives.</p>
<p>Before the access token expires, or after a 401, <code>POST /auth/refresh</code> with <code>{"refreshToken": "…"}</code> gives a new pair. Keep the
new refresh token before you use anything else: each works once, and using an old one again ends the session
(<code>identity.token_reused</code>), since then somebody else may have it. So never refresh twice at the same time.</p>
<p>The first frame is the server’s <a href="#push.gateway.hello"><code>gateway.hello</code></a>.</p></section>`;
}

function envelope(): Html {
  return html`<section>${title(1)}
<p>A command carries an <code>id</code> of your choice, unique among your unanswered ones (a number or a short string). It gets exactly one answer
with that <code>id</code>; answers may overtake each other. Leave out what is optional; <code>null</code> is a value of its own. Frames without <code>id</code> are pushes. Ignore pushes and fields that you do not know.</p>
<pre tabindex="0"><code>→ {"type": "companion.list_avatars", "id": 1, "body": {}}
← {"type": "reply", "id": 1, "body": {"avatars": […], "nextBefore": null}}

→ {"type": "chat.open", "id": 2, "body": {"kind": "diary"}}
← {"type": "error", "id": 2, "code": "chat.kind_unavailable", "message": "…"}</code></pre>
<ul><li>Ids (UUIDs) are taken in either case and come in lower case. Whole numbers lie within ±(2⁵³ − 1).</li>
<li>In MessagePack the server writes whole numbers as integers, of up to 64 bits, and other numbers as 64-bit floats; texts as <code>str</code>; never
<code>bin</code> or extension types. It reads any width of integer, and a float that is whole as one. Send texts and keys as <code>str</code>, not as
<code>bin</code>.</li>
<li>JSON is UTF-8 without a byte order mark. Write characters as they are: as <code>\\u</code> escapes a long text can be larger than
<code>maxFrameBytes</code>.</li>
<li>Texts are well-formed Unicode without U+0000; their limits count code points.</li></ul></section>`;
}

function talk(): Html {
  return html`<section>${title(2)}
<pre tabindex="0"><code>→ {"type": "chat.open", "id": 3, "body": {"avatarId": "${id}4", "kind": "conversation"}}
← {"type": "reply", "id": 3, "body": {"conversationId": "${id}1", "revision": 0}}

→ {"type": "chat.send", "id": 4, "body": {"conversationId": "${id}1", "clientMessageId": "c1", "text": "Good morning"}}
← {"type": "reply", "id": 4, "body": {"messageId": "…", "generationId": "${id}3", "replyMessageId": "…", "revision": 1}}

← {"type": "chat.delta", "body": {"generationId": "${id}3", "epoch": 1, "seq": 0, "offset": 0, "text": "Good"}}
← {"type": "chat.delta", "body": {"generationId": "${id}3", "epoch": 1, "seq": 2, "offset": 4, "text": " morning. The kettle"}}
← {"type": "chat.done",  "body": {"generationId": "${id}3", "messageId": "…", "finishReason": "stop", "length": 37, …}}</code></pre>
<ul><li>Keep the text of each generation. Let <code>n</code> be its length in UTF-16 units. A delta with <code>offset ≤ n</code> adds whatever of it lies
behind <code>n</code>, which may be nothing; one with <code>offset &gt; n</code> leaves a hole: attach again.</li>
<li><code>seq</code> only serves to resume. Numbers are left out when pieces were merged for a slow reader.</li>
<li>A higher <code>epoch</code> means that another server went on from the stored text; ignore deltas of a lower one.</li>
<li><a href="#push.chat.snapshot"><code>chat.snapshot</code></a> replaces the text.</li>
<li>At <code>chat.done</code> compare <code>length</code> with <code>n</code>; when they differ, attach again.</li>
<li>Send again under the same <code>clientMessageId</code> as often as you like; it arrives once.</li></ul></section>`;
}

function resume(): Html {
  return html`<section>${title(3)}
<p>A disconnect stops nothing: the answer goes on. Reconnect as the <a href="#close-codes">close code</a> says, then attach to each conversation
that is on the screen, and send what is still unanswered again: reads, and commands with a <code>clientMessageId</code>.</p>
<pre tabindex="0"><code>→ {"type": "chat.attach", "id": 5, "body": {"conversationId": "${id}1", "after": {"generationId": "${id}3", "epoch": 1, "seq": 2}}}
← {"type": "reply", "id": 5, "body": {"conversation": {…}, "messages": […], "nextBefore": null,
     "generation": {"generationId": "${id}3", "seq": 2, "text": "", …}, "resumed": true}}
← {"type": "chat.delta", "body": {"generationId": "${id}3", "epoch": 1, "seq": 6, "offset": 24, "text": " is still warm"}}</code></pre>
<p>With <code>resumed: false</code> <code>generation.text</code> is the whole text so far. With <code>resumed: true</code> and <code>generation: null</code> it has ended
meanwhile: the missing deltas and <code>chat.done</code> follow. Without <code>after</code> you always get the whole text.</p></section>`;
}

function limits(): Html {
  return html`<section>${title(4)}
<ul><li>Frames larger than <code>maxFrameBytes</code> of <code>gateway.hello</code> close the socket with <code>4202</code>. One message of the WebSocket is one frame; fragments are put together.</li>
<li>Commands are limited for each socket and each account. One too many is answered with <code>protocol.rate_limited</code> and
<code>retryAfterMs</code> and was not carried out; who goes on is closed with <code>4101</code>.</li>
<li>Read. A client that does not gets merged pieces first, then snapshots, and is closed with <code>4000</code> in the end; nothing is lost by it.</li>
<li>Answer WebSocket pings (every library does). A page, which cannot see them, asks <a href="#gateway.ping"><code>gateway.ping</code></a> after a silence.</li>
<li>Do not offer another answer or an edit where a message has ${MAX_BRANCHES} <code>siblings</code>: it would be refused with <code>chat.too_many_branches</code>.</li>
<li>Back off with full jitter, and wait at least <code>retryAfterMs</code> where it is given.</li></ul>
<p>In TypeScript all this exists: <code>protocol/client.ts</code> runs in browsers and in Node.</p></section>`;
}
