/** `/docs/ledger`: for auditors. The exact formats of the ledger's hashes, trees, checkpoints and exports, and how to verify them. */
import { docsFrame } from './frame.ts';
import { type Html, html } from './html.ts';

const sections = [
  ['claims', 'What can be proven'],
  ['entry', 'The hash of an entry'],
  ['tree', 'Trees'],
  ['checkpoint', 'Checkpoints'],
  ['proofs', 'Proofs'],
  ['export', 'Exports'],
  ['verify', 'Verifying'],
] as const;
type SectionId = (typeof sections)[number][0];

export function ledgerPage(): string {
  return docsFrame({
    title: 'the ledger',
    links: [
      ['/docs', 'The protocol'],
      ['/docs/promises', 'The promises'],
      ['/', 'The app'],
    ],
    navigation: html`<nav aria-label="Contents"><h2>The ledger</h2><ul>${sections.map(([id, text]) => html`<li><a href="#${id}">${text}</a></li>`)}</ul></nav>`,
    content: html`<h1>The ledger, for auditors</h1>
<p class="lead">Every movement of tokens is an entry in one of eight hash chains. Trees over the chains are signed every few seconds with a key that is not
in the database. This page is what a program needs that checks all of it without ours.</p>
${claims()}${entry()}${tree()}${checkpoint()}${proofs()}${exports()}${verify()}`,
  });
}

function title(id: SectionId): Html {
  return html`<h2 id="${id}"><a href="#${id}">${sections.find(([one]) => one === id)?.[1] ?? ''}</a></h2>`;
}

function claims(): Html {
  return html`<section>${title('claims')}
<dl class="promises">
<dt>An edit, a deletion, a change of order</dt><dd>breaks the hash chain at that entry. Nobody needs a signature to see it.</dd>
<dt>A tail that was cut off, a database that was rolled back</dt><dd>is shorter than a checkpoint says.</dd>
<dt>A chain that was written anew with right hashes</dt><dd>has another root than a checkpoint says.</dd>
<dt>What is not proven</dt><dd>Entries behind the last checkpoint: the last few seconds. And whoever has both the signing key and every copy of the checkpoints can
sign another history: keep copies of the files, or of checkpoints you were given, elsewhere.</dd>
</dl></section>`;
}

function entry(): Html {
  return html`<section>${title('entry')}
<p>SHA-256 of this binary form, version 1. Integers are big-endian.</p>
<pre tabindex="0"><code>u8   1 (version)
u16  shard, 0 to 7
u64  sequence in the shard, from 1
then each field as a u32 length and that many bytes; length 0xFFFFFFFF and no bytes for NULL:
  id (16 bytes) · from account (16) · to account (16) · asset (UTF-8) · token amount (i64)
  unit price in millionths (i64) · purpose (UTF-8) · status (UTF-8) · reversed entry's id (16)
  conversation id (16) · message id (16) · generation id (16) · idempotency key (UTF-8)
  created at, milliseconds since the epoch (i64)
32 bytes: hash of the entry before</code></pre>
<p>The first entry of a shard has the SHA-256 of <code>tsumugi.token_ledger.v1.shard.&lt;shard&gt;</code> before it. Accounts are pseudonyms; nothing personal is in an entry,
so that erasing a person changes no hash. A correction is a new entry that names the one it takes back.</p></section>`;
}

function tree(): Html {
  return html`<section>${title('tree')}
<p>Each shard has a Merkle tree as RFC 6962, section 2.1, defines it. The data of a leaf is the 32 bytes of an entry's hash, in the order of the chain: leaf number
<code>seq - 1</code> is <code>SHA-256(0x00 || hash)</code>, a node <code>SHA-256(0x01 || left || right)</code>. Eight trees and not one, since each chain grows on its own and
no order between them is kept.</p></section>`;
}

function checkpoint(): Html {
  return html`<section>${title('checkpoint')}
<p>A checkpoint is a <a href="https://c2sp.org/tlog-checkpoint">C2SP tlog-checkpoint</a> in a <a href="https://c2sp.org/signed-note">signed note</a>, with an Ed25519 key (type 0x01)
whose name is the origin. Each shard is a log of its own: its origin is <code>&lt;LEDGER_ORIGIN&gt;/&lt;shard&gt;</code>.</p>
<pre tabindex="0"><code>tsumugi.local/ledger/3
20852
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— tsumugi.local/ledger/3 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=</code></pre>
<p>Lines: origin, number of entries, root in Base64; an empty line; an em dash, the key's name, Base64 of its 4-byte id and the signature of everything before the empty line.
(The example shows the form; its signature is that of the specification's own example.)</p>
<p>On the disk they are appended to <code>shard-&lt;n&gt;/&lt;yyyy-mm-dd&gt;.txt</code>, one record a checkpoint, each with an empty line behind it, before anybody is shown them. A record
that a crash has cut off stays and is passed over; whatever else does not read as a record is a fault. Before a server signs a shard again it recomputes what it signed before; if the database is another one, it signs no more
and its log says so. With <code>LEDGER_BUCKET_URL</code> each is copied to S3-compatible storage too, as
<code>shard-&lt;n&gt;/&lt;size, 16 digits&gt;.txt</code>, never written over. </p>
<p>Nothing takes old files away: 190 bytes a checkpoint are at most 3.3 MB a shard and day with the usual interval. Each checkpoint stands for all
entries before it, so the files of days that are over may be moved to a place of their own, and the later ones go on proving those entries; verify against
the old ones with <code>--checkpoints</code>. Verifying opens every checkpoint of the folder, and of the database's own the newest 2,000 of a shard and each 500th of the others.</p>
<p>Verifier keys: <code>GET /ledger/keys</code>, in the form <code>name+keyid+base64(0x01 || public key)</code>. When the key is changed the old one stays listed and signs beside the new one for a while, a line each, so that whoever knows the old one can go on and take over the new one.</p></section>`;
}

function proofs(): Html {
  return html`<section>${title('proofs')}
<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">Ask</th><th scope="col">For</th></tr></thead><tbody>
<tr><th scope="row"><code>GET /ledger/checkpoint/&lt;shard&gt;</code></th><td>The last checkpoint, as text.</td></tr>
<tr><th scope="row"><code>GET /ledger/proof/inclusion?shard=&amp;seq=&amp;size=</code></th><td>PATH(seq - 1, D[size]) of RFC 6962, from the leaf up, in hexadecimal digits.</td></tr>
<tr><th scope="row"><code>GET /ledger/proof/consistency?shard=&amp;from=&amp;to=</code></th><td>PROOF(from, D[to]).</td></tr>
<tr><th scope="row"><a href="/docs#billing.proof"><code>billing.proof</code></a></th><td>Over the socket, for an entry of one's own: its fields too. The app checks it in the browser.</td></tr>
</tbody></table></div>
<p>The first three give hashes and sizes alone; they are open to everybody, and limited for each network.</p></section>`;
}

function exports(): Html {
  return html`<section>${title('export')}
<p><code>npm run ledger -- export --out file</code> writes UTF-8 lines that end with a line feed:</p>
<ol><li><code>tsumugi-ledger-export 1</code>, then the names of the columns, separated by tabs.</li>
<li>One line an entry, shard by shard, in the order of the chain; columns in the order of the first line, separated by tabs. NULL is <code>\\N</code>; in texts a backslash stands before
<code>b f n r t v</code> (for those control characters) and before a backslash. UUIDs and hashes are lower-case hexadecimal, <code>created_at_ms</code> is milliseconds since the epoch.</li>
<li><code>end</code>, a space, and the number of entries.</li></ol></section>`;
}

function verify(): Html {
  return html`<section>${title('verify')}
<pre tabindex="0"><code>npm run ledger -- verify                                   # the database: chains, ends, balances, trees, checkpoints
npm run ledger -- verify --export file --checkpoints dir --keys keys.txt   # no database at all</code></pre>
<p>Exit code 0: everything is right. 1: a fault was found; each names the shard and the first entry. 2: a wrong call. 3: it could not be checked, as an export
of which a shard has entries and not one checkpoint. Where a chain was written anew,
the entry is the first one behind the last checkpoint that still holds.</p></section>`;
}
