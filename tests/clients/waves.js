// Official clients of public Waves: they sign, the embedded node accepts; we
// sign, they verify.  waves.js URL CHAIN-BYTE
'use strict';
const { create } = require('@waves/node-api-js');
const { makeTxBytes, verify, data } = require('@waves/waves-transactions');
const crypto = require('@waves/ts-lib-crypto');
const { account, signed } = require('./sign_waves');
const { same, ok, ask, entries, done } = require('./lib');

const [url, chain] = process.argv.slice(2);
const api = create(url);

// They sign, we accept.
async function theySign(who) {
	const all = [entries, [], Array.from({ length: 100 }, (_, i) =>
		({ key: `many ${i}`, type: 'integer', value: i }))];
	for (const some of all) {
		const { tx } = await signed(who, 1, some);
		const a = await api.tools.transactions.broadcast(tx,
			{ confirmations: 0, maxWaitTime: 30000 });
		same(a.id, tx.id);
		same(a.sender, who.address);
		same((await api.transactions.broadcast(tx).catch((e) => e)).id ??
			tx.id, tx.id, 'again');
		await api.tools.transactions.wait(tx, { maxWaitTime: 30000 });
		const info = (await ask(`${url}/transactions/info/${tx.id}`)).json;
		same(info.data, some);
		same(info.applicationStatus, 'succeeded');
		const [s] = (await ask(`${url}/transactions/status?id=${tx.id}`)).json;
		same([s.id, s.status, s.height], [tx.id, 'confirmed', info.height]);
	}
	for (const e of entries)
		same((await ask(`${url}/addresses/data/${who.address}/` +
			encodeURIComponent(e.key))).json, e);
}

// We sign, they verify: every transaction of the chain.
async function weSign(height) {
	const senders = new Set();
	let n = 0;
	for (let h = 1; h <= height; h++) {
		const b = (await ask(`${url}/blocks/at/${h}`)).json;
		for (const tx of b.transactions) {
			const bytes = makeTxBytes(tx);
			same(crypto.base58Encode(crypto.blake2b(bytes)), tx.id);
			ok(verify(tx), tx.id);
			same(crypto.address({ publicKey: tx.senderPublicKey }, chain),
				tx.sender);
			senders.add(tx.sender);
			n++;
		}
	}
	ok(senders.size >= 3);
	console.log(`figure: transactions of ${senders.size} programs of ours, ` +
		`wrong id or signature for the official client: 0 of ${n}`);
}

(async () => {
	await weSign((await api.blocks.fetchHeight()).height);
	await theySign(await account('a seed of the official client', chain));
	done('waves-transactions');
})().catch((e) => {
	console.error(e);
	process.exit(1);
});
