// Official clients of Waves Enterprise: they sign, the embedded node accepts;
// we sign, they verify.  enterprise.js URL CHAIN-BYTE API-KEY
'use strict';
const crypto = require('@wavesenterprise/crypto-utils');
const { body, account, signed } = require('./sign_enterprise');
const { same, ok, ask, until, entries, done } = require('./lib');

const [url, chain] = process.argv.slice(2);
const broadcast = (tx) =>
	ask(`${url}/transactions/broadcast`, 'POST', JSON.stringify(tx));

// They sign, we accept.
async function theySign(who) {
	for (const version of [1, 2]) {
		const { tx, id } = await signed(who, version, entries);
		const a = await broadcast(tx);
		same(a.status, 200, a.text);
		same(a.json.id, id);
		same(a.json.sender, who.address);
		same(a.json.author, who.address);
		same(a.json.data, entries);
		const info = await until('in a block', async () => {
			const i = await ask(`${url}/transactions/info/${id}`);
			return i.status === 200 && i.json;
		});
		ok(info.height > 1);
		same({ ...info, height: undefined }, { ...a.json, height: undefined });
	}
	const all = (await ask(`${url}/addresses/data/${who.address}`)).json;
	same(all, [...entries].sort((a, b) =>
		Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))));
	for (const e of entries) {
		const key = encodeURIComponent(e.key);
		same((await ask(`${url}/addresses/data/${who.address}/${key}`)).json, e);
	}
	const full = Array.from({ length: 100 }, (_, i) =>
		({ key: `many ${i}`, type: 'binary', value: 'base64:' +
			Buffer.alloc(1400, i).toString('base64') }));
	const { tx, id } = await signed(who, 2, full);
	const a = await broadcast(tx);
	same(a.status, 200, a.text);
	same(a.json.id, id);
	same((await signed(who, 2, [])).id.length > 40, true);
	same((await broadcast((await signed(who, 2, [])).tx)).status, 200);
}

// A changed transaction is refused, whatever was changed.
async function changed(who) {
	const { tx } = await signed(who, 2, entries);
	const other = await account('another one', chain);
	const changes = [
		{ timestamp: tx.timestamp + 1 },
		{ fee: 1 },
		{ version: 1 },
		{ data: entries.slice(1) },
		{ senderPublicKey: other.publicKey },
		{ authorPublicKey: other.publicKey },
		{ proofs: [] },
		{ proofs: [tx.proofs[0], tx.proofs[0]] },
	];
	for (const c of changes) {
		const a = await broadcast({ ...tx, ...c });
		same([a.status, a.json.error], [400, 112], JSON.stringify(c));
	}
}

// We sign, they verify: every transaction of the chain.
async function weSign(height) {
	let n = 0;
	const senders = new Set();
	for (let h = 1; h <= height; h++) {
		const b = (await ask(`${url}/blocks/at/${h}`)).json;
		for (const tx of b.transactions) {
			const bytes = await body(tx);
			same(crypto.getTransactionId(bytes), tx.id);
			ok(crypto.isValidSignature(
				tx.senderPublicKey, tx.proofs[0], bytes), tx.id);
			same(crypto.toBase58(crypto.createAddress(
				crypto.fromBase58(tx.senderPublicKey),
				chain.charCodeAt(0))), tx.sender);
			senders.add(tx.sender);
			n++;
		}
	}
	ok(senders.size >= 3, 'accreditation, registration, inquiries');
	console.log(`figure: transactions of ${senders.size} programs of ours, ` +
		`wrong id or signature for the official client: 0 of ${n}`);
}

(async () => {
	await weSign((await ask(`${url}/blocks/height`)).json.height);
	const who = await account('a seed of the official client of this test', chain);
	await theySign(who);
	await changed(who);
	done('transactions-factory and crypto-utils');
})().catch((e) => {
	console.error(e);
	process.exit(1);
});
