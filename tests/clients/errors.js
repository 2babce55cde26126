// What is wrong gets the status and number of a real node: a row for each case
// that the embedded node can meet.  It has neither roles, money, OAuth, watcher
// mode nor snapshots (numbers 618-622, 636, 638, 703).
'use strict';
const { same, ask, until } = require('./lib');

const long = (n) => 'x'.repeat(n);
const value = (key, v = 1) => ({ key, type: 'integer', value: v });
const text = (key, v) => ({ key, type: 'string', value: v });
const many = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const id = '2gzZjgRqMBzY3gZ7CGQ2aAcYyPY2Ks5gYw1mN7g1Rmyv';
const sig = '1'.repeat(64);

// method, path, body, status, number (0: none), in which dialect if in one
const requests = (a) => [
	['GET', '/blocks/at/0', , 400, 199, 'enterprise'],
	['GET', '/blocks/at/-1', , 400, 199, 'enterprise'],
	['GET', '/blocks/at/x', , 400, 199, 'enterprise'],
	['GET', '/blocks/at/2147483648', , 400, 199, 'enterprise'],
	['GET', '/blocks/at/2147483647', , 200, 0, 'enterprise'],
	['GET', '/blocks/at/2147483647', , 404, 301, 'waves'],
	['GET', '/blocks/headers/at/2147483647', , 200, 0, 'enterprise'],
	['GET', '/blocks/seq/2/1', , 400, 199],
	['GET', '/blocks/seq/1/101', , 400, 10],
	['GET', '/blocks/seqext/1/101', , 400, 10],
	['GET', '/blocks/headers/seq/0/5', , 400, 199],
	['GET', `/blocks/height/${sig}`, , 404, 301],
	['GET', '/blocks/height/0OIl', , 400, 101],
	['GET', `/blocks/signature/${sig}`, , 404, 301],
	['GET', `/blocks/child/${sig}`, , 404, 301],
	['GET', `/blocks/signature/${'1'.repeat(100)}`, , 400, 101],
	['GET', '/blocks/abc', , 404, 0, 'enterprise'],
	['GET', `/transactions/info/${id}`, , 404, 0, 'enterprise'],
	['GET', `/transactions/info/${id}`, , 404, 311, 'waves'],
	['GET', `/transactions/info/${'1'.repeat(200)}`, , 404, 0, 'enterprise'],
	['GET', '/transactions/info/0OIl', , 400, 101],
	['GET', '/transactions/info', , 400, 101, 'enterprise'],
	['GET', `/transactions/unconfirmed/info/${id}`, , 404, 0, 'enterprise'],
	['GET', '/transactions/unconfirmed/info/0OIl', , 400, 101],
	['GET', '/transactions/status?id=1', , 404, 0, 'enterprise'],
	['GET', '/transactions/address/abc/limit/10', , 400, 102],
	['GET', `/transactions/address/${a}x/limit/10`, , 400, 102],
	['GET', `/transactions/address/${a}/limit/10001`, , 400, 10],
	['GET', `/transactions/address/${a}/limit/x`, , 400, 199],
	['GET', `/transactions/address/${a}/limit/-1`, , 400, 199],
	['GET', `/transactions/address/${a}/limit/10?after=0OIl`, , 400, 199],
	['GET', `/transactions/address/${a}/limit/10?after=${id}`, , 404, 0,
		'enterprise'],
	['GET', '/addresses/data/abc', , 400, 102],
	['GET', '/addresses/data/abc/key', , 400, 102],
	['GET', `/addresses/data/${a}/none`, , 404, 304],
	['GET', `/addresses/data/${a}/${long(1000)}`, , 404, 304],
	['GET', `/addresses/data/${a}?offset=-1`, , 400, 199],
	['GET', `/addresses/data/${a}?limit=0`, , 400, 199],
	['GET', `/addresses/data/${a}?limit=x`, , 400, 199],
	['GET', '/addresses/balance/abc', , 400, 102],
	['GET', '/addresses/publicKey/abc', , 400, 108],
	['GET', '/addresses/validate/abc', , 400, 199, 'enterprise'],
	['GET', '/permissions/abc', , 400, 102],
	['GET', '/no/such/path', , 404, 0],
	['POST', '/blocks/height', '{}', 405, 0],
	['POST', '/transactions/broadcast', '{"a":', 400, 1],
	['POST', '/transactions/broadcast', '[]', 400, 1],
	['POST', '/transactions/broadcast', '{}', 400, 1],
	['POST', '/transactions/broadcast', '{"type":"12"}', 400, 1],
	['POST', '/transactions/broadcast', '', 400, 0],
	['POST', '/transactions/calculateFee', 'x', 400, 1],
	['POST', '/debug/rollback', '{"rollbackTo":1}', 403, 2],
	['DELETE', `/debug/rollback-to/${sig}`, , 403, 2],
];

// a change of a good transaction -> status, number
const changes = (tx, other) => [
	[{ data: 'x' }, 400, 1],
	[{ fee: '0' }, 400, 1],
	[{ fee: 1.5 }, 400, 1],
	[{ timestamp: undefined }, 400, 1],
	[{ senderPublicKey: 1 }, 400, 1],
	[{ proofs: 'x' }, 400, 1],
	[{ data: [{ key: 'k', type: 'integer', value: '1' }] }, 400, 1],
	[{ data: [{ key: 'k', type: 'number', value: 1 }] }, 400, 1],
	[{ data: [{ key: 'k', type: 'binary', value: 'base64:!' }] }, 400, 1],
	[{ data: [{ type: 'integer', value: 1 }] }, 400, 1],
	[{ data: many(101, (i) => value(`k${i}`)) }, 400, 10],
	[{ data: [value(long(101))] }, 400, 10],
	[{ data: [text('k', long(32768))] }, 400, 10],
	[{ data: many(5, (i) => text(`k${i}`, long(32000))) }, 400, 10],
	[{ senderPublicKey: 'abc' }, 400, 108],
	[{ data: [value('k'), value('k', 2)] }, 400, 199],
	[{ data: [value('')] }, 400, 199],
	[{ proofs: ['0OIl'] }, 400, 199],
	[{ proofs: [`${tx.proofs[0]}${tx.proofs[0]}`] }, 400, 199],
	[{ proofs: many(9, () => tx.proofs[0]) }, 400, 199],
	[{ type: 99 }, 400, 199],
	[{ version: 9 }, 400, 199],
	[{ proofs: [] }, 400, 112],
	[{ proofs: [tx.proofs[0], tx.proofs[0]] }, 400, 112],
	[{ proofs: ['abc'] }, 400, 112],
	[{ timestamp: tx.timestamp + 1 }, 400, 112],
	[{ senderPublicKey: other.publicKey }, 400, 112],
];

async function run(url, chain, apiKey, dialect) {
	const waves = dialect === 'waves';
	const { account, signed } = require(`./sign_${dialect}`);
	const who = await account('who does everything wrong', chain);
	const other = await account('another one', chain);
	const version = waves ? 1 : 2;
	const send = (tx) => ask(`${url}/transactions/broadcast`, 'POST',
		typeof tx === 'string' ? tx : JSON.stringify(tx));
	const bad = [];
	let n = 0;
	const told = (a, status, number, what) => {
		n++;
		if (a.status !== status || (a.json?.error ?? 0) !== number)
			bad.push(`${what}: not ${status}/${number} but ${a.status} ` +
				a.text.slice(0, 200));
	};

	for (const [method, path, body, status, number, only] of
		requests(who.address)) {
		if (!only || only === dialect)
			told(await ask(url + path, method, body), status, number,
				`${method} ${path} ${body?.slice(0, 40)}`);
	}
	told(await ask(`${url}/transactions/broadcast`, 'POST', '{}',
		{ 'Content-Type': 'text/plain' }), 415, 0, 'no JSON by its type');
	told(await ask(`${url}/debug/rollback`, 'POST', '{"rollbackTo":"1"}',
		{ 'X-API-Key': apiKey }), 400, 1, 'rollback to a text');
	told(await ask(`${url}/debug/rollback`, 'POST',
		'{"rollbackTo":2000000000,"returnTransactionsToUtx":true}',
		{ 'X-API-Key': apiKey }), 400, 0, 'rollback above the tip');
	told(await ask(`${url}/debug/rollback-to/0OIl`, 'DELETE', undefined,
		{ 'X-API-Key': apiKey }), 400, 101, 'rollback to nothing');

	const { tx } = await signed(who, version, [value('k')]);
	for (const [change, status, number] of changes(tx, other))
		told(await send({ ...tx, ...change }), status, number,
			JSON.stringify(change).slice(0, 100));
	const hour = 3600000;
	for (const ms of [-2.1 * hour, 1.6 * hour])
		told(await send((await signed(who, version, [value('k')],
			Date.now() + ms)).tx), 400, 303, `${ms} ms away`);
	if (!waves) {
		told(await send({ ...tx, authorPublicKey: 'abc' }), 400, 108, 'author');
		told(await send((await signed(who, 3, [value('k')])).tx), 400, 112,
			'version 3');
		told(await send((await signed(who, 2, [value('k')], undefined,
			{ feeAssetId: id })).tx), 400, 112, 'an asset');
	} else
		told(await send((await signed(who, 1, [value('k')], undefined,
			{ fee: 99999 })).tx), 400, 112, 'too small a fee');

	// the same again: in processing, then in the state
	const again = await signed(who, version, [value('k')]);
	told(await send(again.tx), 200, 0, 'a good one');
	if (!waves) {
		const a = await send(again.tx);
		told(a, 400, 199, 'at once again');
		same(a.json.message, `AlreadyInProcessing(${again.id})`);
	}
	await until('in a block', async () => (await ask(
		`${url}/transactions/info/${again.id}`)).status === 200);
	const renewed = { ...again.tx,
		proofs: (await signed(who, version, [value('k')], again.tx.timestamp))
			.tx.proofs };
	const a = await send(renewed);
	told(a, 400, 112, 'in the state');
	same(a.json.tx.id, again.id);
	same(a.json.message.includes(again.id), true);
	console.log(`figure: wrong requests, another answer than a node's, ` +
		`${dialect}: ${bad.length} of ${n}`);
	same(bad, []);
}

module.exports = { run };
